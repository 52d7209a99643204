import { describe, expect, test } from 'vitest'
import { openSafetensors } from '../../src/checkpoints/safetensors.js'
import type { TensorFile } from '../../src/checkpoints/tensor-file.js'
import { f32, fileBytes, headerOf, inputError, MemorySource, ramp, safetensors, u16 } from './helpers.js'

const FILE = 'dir/model.safetensors'

function open(bytes: Uint8Array): Promise<TensorFile> {
  return openSafetensors(new MemorySource(FILE, bytes))
}

/** The error of opening a file with this header. */
function headerError(header: unknown, data = new Uint8Array(8)): Promise<string> {
  return inputError(open(fileBytes(typeof header === 'string' ? header : JSON.stringify(header), data)))
}

describe('a valid file', () => {
  const half = [0x3c00, 0xc000, 0x0001, 0x7c00]
  const brain = [0x3f80, 0xc000]
  const tensors = [
    ramp('a.weight', [2, 3], 0.5),
    u16('b', 'F16', [4], half),
    u16('c', 'BF16', [1, 2], brain),
    f32('scalar', [], [7]),
    { name: 'ids', dtype: 'I64', shape: [1], bytes: new Uint8Array(8) },
    f32('empty', [0, 5], []),
  ]

  test('names, infos, values', async () => {
    const file = await open(safetensors(tensors))
    expect([file.name, file.bytes]).toEqual([FILE, safetensors(tensors).length])
    expect(file.names().sort()).toEqual(tensors.map(({ name }) => name).sort())
    for (const { name, dtype, shape } of tensors) {
      expect(file.has(name)).toBe(true)
      expect(file.info(name)).toEqual({ dtype, shape })
    }
    expect(await file.read('a.weight')).toEqual(Float32Array.of(0, 0.5, 1, 1.5, 2, 2.5))
    expect(await file.read('b')).toEqual(Float32Array.of(1, -2, 2 ** -24, Infinity))
    expect(await file.read('c')).toEqual(Float32Array.of(1, -2))
    expect(await file.read('scalar')).toEqual(Float32Array.of(7))
    expect(await file.read('empty')).toEqual(new Float32Array())
  })

  test('names in file order, whatever the order in the header', async () => {
    const entries = headerOf([ramp('z', [1]), ramp('m', [2]), ramp('a', [3])])
    const header = JSON.stringify(Object.fromEntries(entries.reverse()))
    const file = await open(fileBytes(header, new Uint8Array(24)))
    expect(file.names()).toEqual(['z', 'm', 'a'])
  })

  test('rows', async () => {
    const file = await open(safetensors(tensors))
    expect(await file.rows('a.weight', 0, 2)).toEqual(await file.read('a.weight'))
    expect(await file.rows('a.weight', 1, 1)).toEqual(Float32Array.of(1.5, 2, 2.5))
    expect(await file.rows('a.weight', 2, 0)).toEqual(new Float32Array())
    expect(await file.rows('b', 1, 2)).toEqual(Float32Array.of(-2, 2 ** -24))
    for (const [first, count] of [
      [0, 3],
      [2, 1],
      [-1, 1],
      [0.5, 1],
      [0, -1],
      [0, Number.NaN],
    ]) {
      await expect(file.rows('a.weight', first, count)).rejects.toThrow(
        'safetensors rows: "a.weight" has shape',
      )
    }
    await expect(file.rows('scalar', 0, 1)).rejects.toThrow('safetensors rows: "scalar" has shape []')
  })

  test('only the bytes that are asked for are read', async () => {
    const source = new MemorySource(FILE, safetensors([ramp('big', [1000, 10]), ramp('small', [2])]))
    const ranges: number[] = []
    const read = source.read.bind(source)
    source.read = (offset, length) => {
      ranges.push(length)
      return read(offset, length)
    }
    const file = await openSafetensors(source)
    const headerBytes = source.size - 40_008
    expect(ranges).toEqual([8, headerBytes - 8])
    await file.read('small')
    await file.rows('big', 17, 3)
    expect(ranges.slice(2)).toEqual([8, 120])
  })

  test('a dtype that is not supported, known or not, is an error only when it is read', async () => {
    for (const dtype of ['I64', 'F64', 'F8_E4M3', 'BOOL', 'F4', 'SOMETHING_NEW', 'toString']) {
      const bytes = new Uint8Array(8)
      const shape = [dtype === 'F4' ? 16 : ['I64', 'F64'].includes(dtype) ? 1 : 8]
      const file = await open(safetensors([{ name: 'q', dtype, shape, bytes }, ramp('w', [2])]))
      expect(file.info('q')).toEqual({ dtype, shape })
      expect(await file.read('w')).toEqual(Float32Array.of(0, 1))
      const message = `${FILE}: tensor "q" must be one of F32, F16, BF16, got "${dtype}"; use a checkpoint that is not quantized`
      expect(await inputError(file.read('q'))).toBe(message)
      expect(await inputError(file.rows('q', 0, 1))).toBe(message)
    }
  })

  test('a tensor that is not there', async () => {
    const file = await open(safetensors(tensors))
    expect([file.has('x'), file.has('__metadata__'), file.has('toString')]).toEqual([false, false, false])
    const message = `${FILE}: must hold the tensor "x", got a file without it; check that it is the right model`
    expect(await inputError(() => file.info('x'))).toBe(message)
    expect(await inputError(file.read('x'))).toBe(message)
    expect(await inputError(file.rows('x', 0, 0))).toBe(message)
  })

  test('no tensors, no metadata, padding, keys that nobody knows', async () => {
    expect((await open(fileBytes('{}'))).names()).toEqual([])
    expect((await open(fileBytes('{"__metadata__":{}}   \n'))).names()).toEqual([])
    const file = await open(
      fileBytes('{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2],"x":[]}}', new Uint8Array(2)),
    )
    expect(file.names()).toEqual(['a'])
  })

  test('the source is closed with the file, and when the header is bad', async () => {
    const good = new MemorySource(FILE, safetensors(tensors))
    const file = await openSafetensors(good)
    expect(good.closed).toBe(0)
    await file.close()
    expect(good.closed).toBe(1)
    const bad = new MemorySource(FILE, fileBytes('{]'))
    await inputError(openSafetensors(bad))
    expect(bad.closed).toBe(1)
  })
})

describe('the length field', () => {
  const withLength = (length: bigint, rest = new TextEncoder().encode('{}')) => {
    const bytes = fileBytes(rest)
    new DataView(bytes.buffer).setBigUint64(0, length, true)
    return inputError(open(bytes))
  }

  test('is missing or cut', async () => {
    for (const size of [0, 1, 7]) {
      expect(await inputError(open(new Uint8Array(size)))).toBe(
        `${FILE}: must begin with 8 bytes of header length, got ${size} bytes in all; download it again`,
      )
    }
  })

  test('is larger than the file, or than the format allows', async () => {
    expect(await withLength(3n)).toBe(
      `${FILE}: the header must fit in the file's 10 bytes, got a header length of 3; download it again`,
    )
    expect(await withLength(100_000_000n)).toMatch(
      /fit in the file's 10 bytes, got a header length of 100000000;/,
    )
    expect(await withLength(100_000_001n)).toMatch(
      /the format's 100000000 bytes, got a header length of 100000001;/,
    )
    expect(await withLength(2n ** 64n - 1n)).toMatch(/got a header length of 18446744073709551615;/)
  })

  test('is above the limit in a file that is large enough', async () => {
    // Only the first bytes are there: the source refuses to read more.
    const source = new MemorySource(FILE, fileBytes(`{}${' '.repeat(100)}`))
    new DataView(source.content.buffer).setBigUint64(0, 100_000_001n, true)
    Object.defineProperty(source, 'size', { value: 1e12 })
    expect(await inputError(openSafetensors(source))).toMatch(/must fit in the format's 100000000 bytes/)
  })

  test('is zero', async () => {
    expect(await withLength(0n)).toBe(
      `${FILE}: the header must begin with "{", got no header; download it again`,
    )
  })

  test('is smaller than the header', async () => {
    expect(await withLength(1n)).toMatch(/^dir\/model\.safetensors \(its header\): must be JSON \(/)
  })

  test('belongs to a Git LFS pointer', async () => {
    const pointer = 'version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 1048\n'
    expect(await inputError(open(new TextEncoder().encode(pointer)))).toMatch(
      /must hold the data itself, got a Git LFS pointer; run "git lfs pull"/,
    )
  })
})

describe('the header', () => {
  test('is not a JSON object', async () => {
    expect(await headerError('[]')).toMatch(/must begin with "\{", got byte 91;/)
    expect(await headerError(' {}')).toMatch(/must begin with "\{", got byte 32;/)
    expect(await headerError('\ufeff{}')).toMatch(/must begin with "\{", got byte 239;/)
    expect(await headerError('{"a":}')).toMatch(
      /\(its header\): must be JSON \(.*; correct it or download it again$/,
    )
    expect(await headerError('{}{}')).toMatch(/must be JSON/)
    expect(await headerError(`{"a":${'['.repeat(100_000)}`)).toMatch(/must be JSON/)
    expect(await inputError(open(fileBytes(Uint8Array.of(0x7b, 0xc3, 0x28, 0x7d))))).toMatch(/must be UTF-8/)
  })

  test('repeats a key', async () => {
    const entry = '{"dtype":"F32","shape":[2],"data_offsets":[0,8]}'
    expect(await headerError(`{"a":${entry},"a":${entry}}`)).toBe(
      `${FILE}: header keys must be unique, got "a" twice; download it again`,
    )
    expect(await headerError(`{"a":{"dtype":"F16",${entry.slice(1)}}`)).toMatch(/got "dtype" twice/)
    expect(await headerError(`{"__metadata__":{"x":"1","x":"2"},"a":${entry}}`)).toMatch(/got "x" twice/)
  })

  test('has metadata that are no strings', async () => {
    for (const metadata of [[], 'x', null, 1, { a: 1 }, { a: { b: 'c' } }]) {
      const message = `__metadata__ must be an object of strings, got ${JSON.stringify(metadata)}; download it again`
      expect(await headerError({ __metadata__: metadata })).toBe(`${FILE}: ${message}`)
    }
  })

  const valid = { dtype: 'F32', shape: [2], data_offsets: [0, 8] }

  test.each<[unknown, string]>([
    [1, 'must be an object, got 1'],
    [null, 'must be an object, got null'],
    [[], 'must be an object, got []'],
    [{ ...valid, dtype: undefined }, 'dtype must be a string, got undefined'],
    [{ ...valid, dtype: 5 }, 'dtype must be a string, got 5'],
    [{ ...valid, shape: undefined }, 'shape must be a list of whole numbers from 0 on, got undefined'],
    [{ ...valid, shape: 2 }, 'shape must be a list of whole numbers from 0 on, got 2'],
    [{ ...valid, shape: { length: 0 } }, 'shape must be a list of whole numbers from 0 on, got {"length":0}'],
    [{ ...valid, shape: [-2] }, 'shape must be a list of whole numbers from 0 on, got [-2]'],
    [{ ...valid, shape: [1.5] }, 'shape must be a list of whole numbers from 0 on, got [1.5]'],
    [{ ...valid, shape: ['2'] }, 'shape must be a list of whole numbers from 0 on, got ["2"]'],
    [
      { ...valid, shape: [2 ** 53] },
      'shape must be a list of whole numbers from 0 on, got [9007199254740992]',
    ],
    [
      { ...valid, data_offsets: undefined },
      'data_offsets must be two whole numbers from 0 on, got undefined',
    ],
    [{ ...valid, data_offsets: [0] }, 'data_offsets must be two whole numbers from 0 on, got [0]'],
    [{ ...valid, data_offsets: [0, 8, 8] }, 'data_offsets must be two whole numbers from 0 on, got [0,8,8]'],
    [{ ...valid, data_offsets: [-8, 0] }, 'data_offsets must be two whole numbers from 0 on, got [-8,0]'],
    [{ ...valid, data_offsets: [0, 7.5] }, 'data_offsets must be two whole numbers from 0 on, got [0,7.5]'],
    [{ ...valid, data_offsets: [8, 0] }, 'data_offsets must not end before they begin, got [8,0]'],
    [{ ...valid, shape: [3] }, 'F32 of shape [3] must take as many bytes as data_offsets span, got [0,8]'],
    [{ ...valid, shape: [] }, 'F32 of shape [] must take as many bytes as data_offsets span, got [0,8]'],
    [{ ...valid, shape: [0] }, 'F32 of shape [0] must take as many bytes as data_offsets span, got [0,8]'],
    [{ ...valid, dtype: 'F16' }, 'F16 of shape [2] must take as many bytes as data_offsets span, got [0,8]'],
    [
      { ...valid, dtype: 'F4', shape: [15] },
      'F4 of shape [15] must take as many bytes as data_offsets span, got [0,8]',
    ],
    [{ ...valid, dtype: 'F6_E2M3', shape: [11] }, 'F6_E2M3 of shape [11] must take as many bytes'],
    [
      { ...valid, dtype: 'BOOL', shape: [7] },
      'BOOL of shape [7] must take as many bytes as data_offsets span',
    ],
    [
      { ...valid, data_offsets: [0, 16], shape: [4] },
      'must end inside the file, at byte 16 after the header, got only 8',
    ],
    [
      { ...valid, data_offsets: [1, 9] },
      'must end inside the file, at byte 9 after the header, got only 8 bytes',
    ],
  ])('has the tensor %j', async (entry, expected) => {
    const message = await headerError({ w: entry })
    expect(message).toContain(`${FILE}: tensor "w"`)
    expect(message).toContain(expected)
    expect(message).toMatch(/; download it again$/)
  })

  test('has a shape whose product is beyond exact numbers', async () => {
    const big = 2 ** 53 - 1
    for (const shape of [[big, big], Array(30).fill(big), [...Array(30).fill(big), 0]]) {
      expect(await headerError({ w: { ...valid, shape } })).toMatch(
        /must take as many bytes as data_offsets span/,
      )
    }
  })

  test('leaves a hole, overlaps, or does not fill the file', async () => {
    const at = (begin: number, end: number) => ({
      dtype: 'U8',
      shape: [end - begin],
      data_offsets: [begin, end],
    })
    expect(await headerError({ a: at(0, 3), b: at(4, 8) })).toBe(
      `${FILE}: tensor "b" must begin where the one before it ends, at 3, got 4: a hole; download it again`,
    )
    expect(await headerError({ b: at(3, 8), a: at(0, 4) })).toBe(
      `${FILE}: tensor "b" must begin where the one before it ends, at 4, got 3: an overlap; download it again`,
    )
    expect(await headerError({ a: at(1, 8) })).toMatch(/tensor "a" must begin .* at 0, got 1: a hole;/)
    expect(await headerError({ a: at(0, 8), b: at(0, 8) })).toMatch(/tensor "b" .* at 8, got 0: an overlap;/)
    expect(await headerError({ a: at(0, 8), b: at(4, 4) })).toMatch(/tensor "b" .* at 8, got 4: an overlap;/)
    expect(await headerError({ a: at(0, 5) })).toBe(
      `${FILE}: the tensors must fill the 8 bytes after the header, got 5 bytes of tensors; download it again`,
    )
    expect(await headerError({})).toMatch(/must fill the 8 bytes after the header, got 0 bytes/)
  })
})
