/** Pickles that would take too long or too much memory, and random ones. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { openTorch } from '../../src/checkpoints/torch.js'
import { unpickle } from '../../src/checkpoints/torch-pickle.js'
import { inputError, MemorySource } from './helpers.js'
import { dict, pickle, tensor, text, torchLegacy, torchZip } from './torch-helpers.js'

function unpickled(bytes: Uint8Array): unknown {
  return unpickle(bytes.slice(), 0, 'm.bin')?.value
}

describe('what would take too long', () => {
  /** Of work in proportion to its size the longest pickle takes about a second; of quadratic work, minutes. */
  const MAX_SECONDS = 10
  const SIZE = 2 ** 21

  const fill = (bytes: Uint8Array, size: number) => {
    const out = new Uint8Array(Math.floor(size / bytes.length) * bytes.length)
    for (let at = 0; at < out.length; at += bytes.length) out.set(bytes, at)
    return out
  }
  const half = SIZE / 2 - 100
  const dictionary = pickle('ccollections\nOrderedDict\n', 0x94)

  test.each<[string, Uint8Array]>([
    [
      'a tuple of many arguments, again and again',
      pickle(
        dictionary,
        '(',
        fill(pickle('N'), 100_000),
        't',
        0x94,
        fill(pickle('h', 0, 'h', 1, 'R0'), half),
        '.',
      ),
    ],
    [
      'a list of many pairs, again and again',
      pickle(
        dictionary,
        'NN',
        0x86,
        0x94,
        ']',
        fill(pickle('(', 'h\u0001'.repeat(1000), 'e'), half),
        0x85,
        0x94,
        fill(pickle('h', 0, 'h', 2, 'R0'), half),
        '.',
      ),
    ],
    ['attributes, again and again', pickle(']', fill(pickle('}b'), SIZE - 10), '.')],
    ['a long integer', pickle(0x8b, 0, 0, 0x10, 0, new Uint8Array(2 ** 20).fill(0xff), '.')],
    ['lists in lists', pickle(fill(pickle(']'), half), fill(pickle('a'), half - 1), '.')],
    ['a name without an end', pickle('c', fill(pickle('x'), SIZE - 1))],
    ['a string beyond the end', pickle('X', 0xff, 0xff, 0xff, 0xff, fill(pickle('x'), 1000))],
    ['marks', pickle(fill(pickle('('), half), '.')],
  ])('%s', async (_, bytes) => {
    const start = performance.now()
    for (const content of [torchZip(bytes), torchLegacy(bytes)]) {
      await inputError(openTorch(new MemorySource('m.bin', content)))
    }
    expect(performance.now() - start).toBeLessThan(MAX_SECONDS * 1000)
  })

  test('lists of lists of lists that double, beside the tensors or instead of them', async () => {
    // 2^60 elements, if one walked through them.
    const doubling = pickle(']q', 0, ...Array.from({ length: 60 }, () => pickle('0](h', 0, 'h', 0, 'eq', 0)))
    const file = await openTorch(new MemorySource('m.bin', torchZip(dict({ a: tensor(), b: doubling }))))
    expect(file.names()).toEqual(['a'])
    for (const object of [pickle(doubling, '.'), dict({ b: doubling }), pickle('}', doubling, '}s.')]) {
      const message = await inputError(openTorch(new MemorySource('m.bin', torchZip(object))))
      expect(message).toMatch(/must hold a state dict/)
    }
  })
})

test('any allowed opcodes: a value or an InputError, and objects stay as they are', async () => {
  const names = [
    'collections\nOrderedDict',
    'torch._utils\n_rebuild_tensor_v2',
    'torch\nFloatStorage',
    'torch\nSize',
  ]
  const piece = fc.oneof(
    fc.constantFrom(
      ...[...'()0NQR]abestu}', '\u0085', '\u0086', '\u0087', '\u0088', '\u0094'].map((op) => pickle(op)),
    ),
    fc.constantFrom(...names.map((name) => pickle(`c${name}\n`))),
    fc.constantFrom('storage', '0', '__proto__', 'length', 'constructor').map(text),
    fc.nat({ max: 6 }).map((n) => pickle('K', n)),
    fc.nat({ max: 6 }).map((n) => pickle('h', n)),
    fc.constant(tensor()),
  )
  let values = 0
  let refusals = 0
  const property = fc.asyncProperty(fc.array(piece, { maxLength: 30 }), async (pieces) => {
    try {
      unpickled(pickle(...pieces, '.'))
      values++
    } catch (error) {
      refusals++
      await inputError(Promise.reject(error))
    }
  })
  await fc.assert(property, { numRuns: 2000 })
  expect([values > 100, refusals > 100]).toEqual([true, true])
  expect([
    Object.keys(Object.prototype),
    Object.keys(Array.prototype),
    Object.keys(Function.prototype),
  ]).toEqual([[], [], []])
  // The functions behind the names are still those.
  expect(unpickled(pickle(tensor(), '.'))).toMatchObject({ view: { shape: [2, 3] } })
})
