/** Values of a file as float32, read in pieces, into memory that is there. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { FLOAT_BYTES, type FloatDtype, toFloat32 } from '../../src/checkpoints/dtype.js'
import { openFile } from '../../src/checkpoints/node-file.js'
import { readFloats } from '../../src/checkpoints/read-floats.js'
import type { ByteSource } from '../../src/checkpoints/source.js'
import { MemorySource, temporaryFolder } from './helpers.js'

const { dir } = temporaryFolder()
/** More than two pieces of half-precision values, and a bit. */
const COUNT = 2 ** 20 + 12_345
/** Bytes before them: not a multiple of any size. */
const BEGIN = 7

function bytesOf(dtype: FloatDtype): Uint8Array {
  // No exponent of ones: NaN is not equal to itself.
  const bytes = Uint8Array.from(
    { length: BEGIN + COUNT * FLOAT_BYTES[dtype] },
    (_, i) => (i * 37 + (i >> 8)) & 0x3b,
  )
  return bytes
}

/** Bit for bit; an assertion on a million values one by one would take seconds. */
function expectSame(got: Float32Array, expected: Float32Array): void {
  const bytes = (values: Float32Array) => new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
  expect(Buffer.compare(bytes(got), bytes(expected))).toBe(0)
}

const DTYPES = ['F32', 'F16', 'BF16'] as const

describe.each(DTYPES)('%s', (dtype) => {
  const bytes = bytesOf(dtype)
  const expected = toFloat32(dtype, bytes.slice(BEGIN))

  function onDisk(): Promise<ByteSource> {
    const path = join(dir, `${dtype}.bin`)
    writeFileSync(path, bytes)
    return openFile(path)
  }

  test.each([
    ['a file', onDisk],
    ['a source that does not use the memory that it is offered', async () => new MemorySource('m', bytes)],
  ])('%s: new memory', async (_, open) => {
    const source = await open()
    expectSame(await readFloats(source, dtype, BEGIN, COUNT), expected)
    await source.close()
  })

  test.each([
    ['a file', onDisk],
    ['a source that does not use the memory that it is offered', async () => new MemorySource('m', bytes)],
  ])('%s: memory that is there, and nothing beside it', async (_, open) => {
    const source = await open()
    const memory = new Float32Array(COUNT + 20).fill(-1)
    const got = await readFloats(source, dtype, BEGIN, COUNT, memory.subarray(10, 10 + COUNT))
    expect(got.buffer).toBe(memory.buffer)
    expectSame(got, expected)
    expect(Array.from(memory.subarray(0, 10))).toEqual(new Array(10).fill(-1))
    expect(Array.from(memory.subarray(10 + COUNT))).toEqual(new Array(10).fill(-1))
    await source.close()
  })

  test('no values', async () => {
    expect(await readFloats(new MemorySource('m', bytes), dtype, BEGIN, 0)).toEqual(new Float32Array(0))
  })
})
