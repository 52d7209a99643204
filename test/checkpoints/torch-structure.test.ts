/** What a file of torch.save may hold, and how it may be wrong: files made by hand. */
import { describe, expect, test } from 'vitest'
import { openTorch } from '../../src/checkpoints/torch.js'
import { inputError, MemorySource, rampValues } from './helpers.js'
import { dict, pickle, type RawView, STORAGE, tensor, torchLegacy, torchZip, zipOf } from './torch-helpers.js'

function mentionsStorage(object: Uint8Array): boolean {
  return new TextDecoder('latin1').decode(object).includes('storage')
}

describe.each([
  ['new', (object: Uint8Array) => torchZip(object)],
  ['old', (object: Uint8Array) => torchLegacy(object, mentionsStorage(object) ? {} : { storages: [] })],
])('what a file may hold, %s', (_, write) => {
  async function names(object: Uint8Array): Promise<string[]> {
    const source = new MemorySource('m.bin', write(object))
    const file = await openTorch(source)
    const names = file.names()
    for (const name of names) expect((await file.read(name)).length).toBeGreaterThan(0)
    return names
  }

  async function refused(object: Uint8Array): Promise<string> {
    const source = new MemorySource('m.bin', write(object))
    const message = await inputError(openTorch(source))
    expect(source.closed).toBe(1)
    return message
  }

  test('a tensor made by hand', async () => {
    const file = await openTorch(new MemorySource('m.bin', write(dict({ a: tensor() }))))
    expect(await file.read('a')).toEqual(rampValues([2, 3]))
  })

  test('names like those of JavaScript objects', async () => {
    const odd = ['__proto__', 'constructor', 'length', 'size', '']
    const entries = Object.fromEntries(odd.map((name) => [name, tensor()]))
    Object.defineProperty(entries, '__proto__', { value: tensor(), enumerable: true })
    expect((await names(dict(entries))).sort()).toEqual(odd.sort())
    expect(Object.keys(Object.prototype)).toEqual([])
  })

  test('an ordered dictionary of Python 2: byte strings, a list of pairs', async () => {
    const pair = (name: string, value: Uint8Array) => pickle('](U', name.length, name, value, 'e')
    const object = pickle(
      'ccollections\nOrderedDict\n](',
      pair('a', tensor()),
      pair('b', tensor()),
      'e',
      0x85,
      'R.',
    )
    expect(await names(object)).toEqual(['a', 'b'])
  })

  test('nothing', async () => {
    expect(await names(dict({}))).toEqual([])
  })

  test('the state dict under a name', async () => {
    const inner = dict({ a: tensor() }).slice(2, -1)
    expect(await refused(dict({ step: pickle('K', 1), model: inner }))).toBe(
      'm.bin: must hold a state dict, a dictionary of tensors by their names, got another dictionary under "model"; ' +
        'save model.state_dict() alone',
    )
  })

  test.each<[string, Uint8Array, string]>([
    ['a tensor', pickle(tensor(), '.'), 'something else'],
    ['a list', pickle('](', tensor(), 'e.'), 'something else'],
    ['a number', pickle('K', 1, '.'), 'something else'],
    ['a class', pickle('ctorch\nFloatStorage\n.'), 'something else'],
    ['a dictionary of numbers', dict({ a: pickle('K', 1) }), 'a dictionary without tensors'],
    ['tensors by number', pickle('}(K', 1, tensor(), 'u.'), 'a dictionary without tensors'],
  ])('%s', async (_, object, got) => {
    expect(await refused(object)).toContain(
      `must hold a state dict, a dictionary of tensors by their names, got ${got};`,
    )
  })

  test.each<[string, RawView]>([
    ['an offset', { offset: 1 }],
    ['a size', { size: [3, 3] }],
    ['a stride', { stride: [4, 1] }],
    ['a huge stride', { stride: [2 ** 46, 2 ** 46] }],
    ['a huge offset', { offset: 2 ** 46, size: [1], stride: [1] }],
  ])('a view that ends beyond its storage: %s', async (_, view) => {
    expect(await refused(dict({ a: tensor(view) }))).toMatch(
      /^m\.bin: tensor "a" of shape .* must lie inside its storage, got a storage of 24 bytes; download it again$/,
    )
  })

  test('an empty tensor may begin anywhere', async () => {
    const view = { offset: 100, size: [0, 9], stride: [9, 1] }
    const file = await openTorch(new MemorySource('m.bin', write(dict({ a: tensor(view) }))))
    expect(await file.read('a')).toEqual(new Float32Array())
  })

  test('values that are repeated beyond the size of the file', async () => {
    const view = { size: [2 ** 40, 6], stride: [0, 1] }
    expect(await refused(dict({ a: tensor(view) }))).toMatch(
      /^m\.bin: tensor "a" must not repeat its values beyond the size of the file, got shape \[1099511627776,6\] of 6/,
    )
  })

  test('a storage that is longer than what the file has', async () => {
    expect(await refused(dict({ a: tensor({ length: 1000 }) }))).toMatch(/^m\.bin: /)
    expect(await refused(dict({ a: tensor({ key: 'none' }) }))).toMatch(/^m\.bin: /)
  })

  test('a dtype that does not fit the storage', async () => {
    expect(await refused(dict({ a: tensor({ type: 'torch\nDoubleStorage' }) }))).toMatch(/^m\.bin: /)
  })
})

describe('new serialization', () => {
  const object = dict({ a: tensor() })
  const refused = (content: Uint8Array) => inputError(openTorch(new MemorySource('m.bin', content)))

  test('another byte order', async () => {
    const order = (bytes: string) =>
      torchZip(object, undefined, [{ name: 'model/byteorder', bytes: pickle(bytes) }])
    expect((await openTorch(new MemorySource('m.bin', order('little')))).names()).toEqual(['a'])
    expect(await refused(order('big'))).toBe(
      'm.bin: its byte order must be little, got "big"; save it again on a little-endian machine',
    )
  })

  test('compressed', async () => {
    const bytes = STORAGE
    const content = torchZip(object, {}, [{ name: 'model/data/0', bytes, method: 8 }])
    expect(await refused(content)).toMatch(
      /the entry "model\/data\/0" must be stored as it is, got a compressed one/,
    )
  })

  test('a zip archive of something else', async () => {
    expect(await refused(zipOf([{ name: 'word/document.xml', bytes: pickle('x') }]))).toMatch(
      /must hold the entry "word\/data\.pkl", got an archive without it/,
    )
  })

  test('a storage that is cut short', async () => {
    expect(await refused(torchZip(object, { 0: STORAGE.subarray(1) }))).toBe(
      'm.bin: the entry "model/data/0" must have 24 bytes, got 23; download it again',
    )
  })

  test('a pickle that is cut short, or too long', async () => {
    expect(await refused(torchZip(object.subarray(0, -1)))).toMatch(
      /got one that is cut short; download it again$/,
    )
    expect(await refused(torchZip(new Uint8Array(2 ** 21 + 1)))).toMatch(/must have at most 2097152 bytes/)
  })
})

describe('old serialization', () => {
  const object = dict({ a: tensor() })
  const refused = (content: Uint8Array) => inputError(openTorch(new MemorySource('m.bin', content)))

  test('a pickle of something else, another version, another byte order', async () => {
    expect(await refused(object)).toMatch(/must be a file of torch\.save, got a pickle of something else; /)
    expect(await refused(torchLegacy(object, { magic: new Uint8Array(10) }))).toMatch(
      /a pickle of something else/,
    )
    expect(await refused(torchLegacy(object, { version: 1002 }))).toMatch(/its format must have version 1001/)
    expect(await refused(torchLegacy(object, { littleEndian: false }))).toMatch(
      /its byte order must be little/,
    )
  })

  test('a list of storages that is wrong', async () => {
    expect(await refused(torchLegacy(object, { storages: [['1', 6, STORAGE]] }))).toMatch(
      /a wrong list of storages/,
    )
    const twice = [
      ['0', 6, STORAGE],
      ['0', 6, STORAGE],
    ] as const
    expect(await refused(torchLegacy(object, { storages: twice }))).toMatch(/a wrong list of storages/)
    expect(await refused(torchLegacy(object, { storages: [] }))).toMatch(/storage "0" in no place/)
  })

  test('storages beyond the end', async () => {
    expect(await refused(torchLegacy(object).slice(0, -1))).toMatch(
      /must end inside the file, .* \(cut short\?\)/,
    )
  })

  test('a storage of another length than its tensors say', async () => {
    const content = torchLegacy(object, { storages: [['0', 5, STORAGE]] })
    const file = await openTorch(new MemorySource('m.bin', content))
    expect(await inputError(file.read('a'))).toBe(
      'm.bin: storage "0" must have 6 values, got 5; download it again',
    )
  })

  test('one storage mentioned with two lengths: the first counts', async () => {
    const two = dict({ a: tensor(), b: tensor({ length: 3, size: [3], stride: [1] }) })
    const file = await openTorch(new MemorySource('m.bin', torchLegacy(two)))
    expect([...(await file.read('b'))]).toEqual([0, 1, 2])
    const longer = dict({ a: tensor(), b: tensor({ length: 7, size: [7], stride: [1] }) })
    expect(await refused(torchLegacy(longer))).toMatch(/or too small a one/)
  })
})

describe('no file of PyTorch at all', () => {
  test.each<[string, string, RegExp]>([
    ['nothing', '', /^m\.bin: /],
    [
      'a web page',
      '<!DOCTYPE html><html>',
      /must be a file of torch\.save .* got pickle opcode 0x3c at byte 0/,
    ],
    ['JSON', '{"error":"Not found"}', /must be a file of torch\.save/],
    [
      'a Git LFS pointer',
      'version https://git-lfs.github.com/spec/v1\noid sha256:0',
      /got a Git LFS pointer; run "git lfs pull"/,
    ],
  ])('%s', async (_, content, message) => {
    const source = new MemorySource('m.bin', new TextEncoder().encode(content))
    expect(await inputError(openTorch(source))).toMatch(message)
    expect(source.closed).toBe(1)
  })
})
