/** Safetensors files that are random, cut or damaged. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { openSafetensors } from '../../src/checkpoints/safetensors.js'
import type { TensorFile } from '../../src/checkpoints/tensor-file.js'
import {
  concat,
  fileBytes,
  headerOf,
  ieeeValue,
  inputError,
  MemorySource,
  type RawTensor,
  ramp,
  rampValues,
  safetensors,
  u16,
} from './helpers.js'

function open(bytes: Uint8Array): Promise<TensorFile> {
  return openSafetensors(new MemorySource('model.safetensors', bytes))
}

/** Tensors of random bytes, and what they hold by the formula of IEEE 754. */
const anyTensor = fc
  .record({
    name: fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('__proto__', 'constructor', '0', '')),
    dtype: fc.constantFrom('F32', 'F16', 'BF16'),
    shape: fc.array(fc.nat({ max: 4 }), { maxLength: 4 }),
    seed: fc.nat(),
  })
  .filter(({ name }) => name !== '__metadata__')
  .map(({ name, dtype, shape, seed }): RawTensor & { values: number[] } => {
    const length = shape.reduce((a, b) => a * b, 1)
    const words = fc.sample(fc.nat({ max: 65535 }), { numRuns: dtype === 'F32' ? 2 * length : length, seed })
    const bytes = u16(name, dtype, shape, words).bytes
    const value = {
      F16: (i: number) => ieeeValue(words[i], 5, 10),
      BF16: (i: number) => ieeeValue(words[i], 8, 7),
      F32: (i: number) => ieeeValue(words[2 * i] + 65536 * words[2 * i + 1], 8, 23),
    }[dtype as 'F32' | 'F16' | 'BF16']
    return { name, dtype, shape, bytes, values: Array.from({ length }, (_, i) => value(i)) }
  })
const anyTensors = fc.uniqueArray(anyTensor, { selector: ({ name }) => name, maxLength: 5 })

test('any tensors come back as they were written, from any header order and alignment', async () => {
  const property = fc.asyncProperty(anyTensors, fc.nat({ max: 7 }), fc.nat(), async (tensors, pad, pick) => {
    const entries = headerOf(tensors)
    const turned = [...entries.slice(pick % 3), ...entries.slice(0, pick % 3)]
    const header = JSON.stringify(Object.fromEntries(turned)) + ' '.repeat(pad)
    const file = await open(fileBytes(header, concat(tensors.map(({ bytes }) => bytes))))
    expect(file.names().length).toBe(tensors.length)
    for (const { name, dtype, shape, values } of tensors) {
      expect(file.info(name)).toEqual({ dtype, shape })
      expect([...(await file.read(name))]).toEqual(values)
      if (shape.length === 0) continue
      const first = pick % (shape[0] + 1)
      const count = (pick >> 8) % (shape[0] - first + 1)
      const row = shape.slice(1).reduce((a, b) => a * b, 1)
      const expected = values.slice(first * row, (first + count) * row)
      expect([...(await file.rows(name, first, count))]).toEqual(expected)
    }
  })
  await fc.assert(property, { numRuns: 200 })
})

describe('a damaged file', () => {
  const original = [
    ramp('first', [2, 3]),
    u16('second', 'F16', [3], [0x3c00, 1, 0x7bff]),
    ramp('third', [2, 1], -1),
  ]
  const bytes = safetensors(original, 3)
  const dataStart = bytes.length - original.reduce((sum, tensor) => sum + tensor.bytes.length, 0)
  const headerText = new TextDecoder().decode(bytes.subarray(8, dataStart))

  /** Whether byte `at` of the file belongs to the name of a tensor: then any other name is as good. */
  function inName(at: number): boolean {
    return original.some(({ name }) => {
      const start = 8 + headerText.indexOf(`"${name}"`) + 1
      return at >= start && at < start + name.length
    })
  }

  /** All that can be learned from a file: an InputError, or its tensors (an InputError for those of another dtype). */
  async function learn(content: Uint8Array): Promise<{ names: string[]; tensors: unknown[] } | undefined> {
    let file: TensorFile
    try {
      file = await open(content)
    } catch (error) {
      await inputError(Promise.reject(error))
      return undefined
    }
    const tensors: unknown[] = []
    for (const name of file.names()) {
      const { dtype, shape } = file.info(name)
      if (['F32', 'F16', 'BF16'].includes(dtype))
        tensors.push({ dtype, shape, values: await file.read(name) })
      else tensors.push(await inputError(file.read(name)))
    }
    return { names: file.names(), tensors }
  }

  const expected = original.map(({ dtype, shape }, i) => ({
    dtype,
    shape,
    values: [rampValues([2, 3]), Float32Array.of(1, 2 ** -24, 65504), rampValues([2, 1], -1)][i],
  }))

  test('the file itself', async () => {
    expect(await learn(bytes)).toEqual({ names: ['first', 'second', 'third'], tensors: expected })
  })

  test('every change of one byte of the length or the header is found, or changes nothing', async () => {
    let found = 0
    let harmless = 0
    for (let at = 0; at < dataStart; at++) {
      for (let value = 0; value < 256; value++) {
        if (value === bytes[at]) continue
        const learned = await learn(bytes.with(at, value))
        if (!learned) {
          found++
          continue
        }
        harmless++
        expect(learned.tensors.length).toBe(3)
        if (!inName(at)) expect(learned.names).toEqual(['first', 'second', 'third'])
        learned.tensors.forEach((tensor, i) => {
          if (typeof tensor !== 'string') expect(tensor).toEqual(expected[i])
        })
      }
    }
    expect(found).toBeGreaterThan(0)
    expect(harmless).toBeGreaterThan(0) // spaces, letters of names and of metadata
  })

  test('every cut and every extra byte is found', async () => {
    for (let size = 0; size < bytes.length; size++)
      expect(await learn(bytes.subarray(0, size))).toBeUndefined()
    expect(await learn(concat([bytes, new Uint8Array(1)]))).toBeUndefined()
  })

  test('a lost or a repeated byte anywhere in the header is found, or changes nothing', async () => {
    for (let at = 8; at < dataStart; at++) {
      const lost = fileBytes(
        concat([bytes.subarray(8, at), bytes.subarray(at + 1, dataStart)]),
        bytes.subarray(dataStart),
      )
      const repeated = fileBytes(
        concat([bytes.subarray(8, at + 1), bytes.subarray(at, dataStart)]),
        bytes.subarray(dataStart),
      )
      for (const content of [lost, repeated]) {
        const learned = await learn(content)
        learned?.tensors.forEach((tensor, i) => {
          if (typeof tensor !== 'string') expect(tensor).toEqual(expected[i])
        })
      }
    }
  })

  test('headers of random pieces: an InputError, or tensors', async () => {
    const piece = fc.constantFrom(
      ...[
        '{',
        '}',
        '[',
        ']',
        ',',
        ':',
        '"',
        '\\',
        '-',
        '0',
        '1',
        '8',
        '1e9',
        '9'.repeat(20),
        'null',
        ' ',
        '\u0000',
      ],
      ...[
        '"a"',
        '"dtype"',
        '"F32"',
        '"F16"',
        '"shape"',
        '"data_offsets"',
        '"__metadata__"',
        '[0,8]',
        '[2]',
        '[]',
      ],
      ...[
        '"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}',
        '"dtype":"I8","shape":[8],"data_offsets":[0,8]',
      ],
    )
    const header = fc.array(piece, { maxLength: 12 }).map((pieces) => `{${pieces.join('')}}`)
    let opened = 0
    const property = fc.asyncProperty(header, async (text) => {
      if (await learn(fileBytes(text, new Uint8Array(8)))) opened++
    })
    const example = '{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}'
    await fc.assert(property, { numRuns: 2000, examples: [[example]] })
    expect(opened).toBeGreaterThan(0)
  })
})
