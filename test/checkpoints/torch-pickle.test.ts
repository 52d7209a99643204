/** Pickles that are meant to do harm: none runs code, changes objects of the program, hangs or fills the memory. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { openTorch } from '../../src/checkpoints/torch.js'
import { unpickle } from '../../src/checkpoints/torch-pickle.js'
import { concat, inputError, MemorySource } from './helpers.js'
import { dict, pickle, tensor, text, torchLegacy, torchZip, whole } from './torch-helpers.js'

const FIXTURES = 'test/fixtures/torch'

function unpickled(bytes: Uint8Array): unknown {
  return unpickle(bytes.slice(), 0, 'm.bin')?.value
}

function refused(bytes: Uint8Array): Promise<string> {
  return inputError(() => unpickled(bytes))
}

const refusal = (file: string, global: string) =>
  `${file}: must hold nothing but tensors and plain values, got the global ${global}: reading it could run code, ` +
  'so nothing of it was executed; use the model as safetensors'

describe('files that run a command when they are unpickled', () => {
  const files = readdirSync(FIXTURES).filter((file) => file.startsWith('evil-'))

  test('there are some of both serializations', () => {
    expect(files.length).toBe(6)
  })

  test.each(files)('%s', async (file) => {
    const source = new MemorySource(file, readFileSync(`${FIXTURES}/${file}`))
    // By the name that the pickle has for it; protocol 2 uses those of Python 2.
    const evals = file.includes('protocol4') ? 'builtins.eval' : '__builtin__.eval'
    const global = file.includes('os.system') ? 'posix.system' : evals
    expect(await inputError(openTorch(source))).toBe(refusal(file, global))
    expect(source.closed).toBe(1)
    // What the command leaves when Python unpickles the file, as make_torch.py checked.
    expect(existsSync('malicious-pickle-ran')).toBe(false)
  })

  test('where else a pickle may be', async () => {
    const evil = pickle(0x80, 2, 'cposix\nsystem\n', text('echo'), 0x85, 'R.')
    const plain = dict({ a: tensor() })
    // In the place of each pickle of the old serialization, and with storages that are fine.
    for (const content of [
      evil,
      torchLegacy(evil),
      concat([torchLegacy(plain).subarray(0, 15), evil]),
      torchZip(evil),
    ]) {
      expect(await inputError(openTorch(new MemorySource('m.bin', content)))).toBe(
        refusal('m.bin', 'posix.system'),
      )
    }
  })
})

describe('globals', () => {
  const names = [
    ...['os system', 'nt system', 'subprocess Popen', 'builtins exec', 'builtins getattr', 'pickle loads'],
    ...['runpy run_path', 'importlib import_module', 'torch load', 'torch.hub load', 'torch.nn Linear'],
    ...['torch._utils __builtins__', 'torch.storage _load_from_bytes', 'torch FloatStorage.__init__'],
    ...[
      'collections namedtuple',
      'numpy.core.multiarray scalar',
      '__proto__ constructor',
      'constructor prototype',
    ],
  ]

  test.each(names)('%s', async (pair) => {
    const [module, name] = pair.split(' ')
    const message = refusal('m.bin', `${module}.${name}`)
    expect(await refused(pickle(`c${module}\n${name}\n.`))).toBe(message)
    expect(await refused(pickle(text(module), text(name), 0x93, '.'))).toBe(message)
  })

  test('names that are none do not break the message', async () => {
    for (const name of ['a\nb', '\u001b[31m', '\u2028', '\u009b1m', 'x'.repeat(1000), 'é']) {
      const message = await refused(pickle(text('os'), text(name), 0x93, '.'))
      expect(message).toMatch(/^[\x20-\x7e]{1,260}$/)
    }
    expect(await refused(pickle('K', 1, 'N', 0x93, '.'))).toContain('the global ?.?')
  })
})

describe('opcodes', () => {
  test('none gives anything but a value or an InputError, whatever it finds', async () => {
    const before = [...'NK]}(', '](', '}(', 'NN', 'NNN', '((('].map((text) =>
      pickle(text.replace('K', 'K\u0001')),
    )
    let refusals = 0
    for (let opcode = 0; opcode < 256; opcode++) {
      for (const start of before) {
        for (const argument of [0, 0x0a, 0xff]) {
          const bytes = concat([start, pickle(opcode), new Uint8Array(9).fill(argument), pickle('.')])
          try {
            unpickled(bytes)
          } catch (error) {
            refusals++
            await inputError(Promise.reject(error))
          }
        }
      }
    }
    expect(refusals).toBeGreaterThan(1000)
  })

  test.each<[string, Uint8Array]>([
    [
      'BINBYTES of negative length, which moves the library backwards',
      pickle('B', 0xfb, 0xff, 0xff, 0xff, '.'),
    ],
    ['BINBYTES8', pickle(0x8e, new Uint8Array(8), '.')],
    ['BYTEARRAY8', pickle(0x96, new Uint8Array(8), '.')],
    ['INST', pickle('(ios\nsystem\n.')],
    ['OBJ', pickle('(ctorch\nFloatStorage\no.')],
    ['NEWOBJ', pickle('ccollections\nOrderedDict\n)', 0x81, '.')],
    ['NEWOBJ_EX', pickle('ccollections\nOrderedDict\n)}', 0x92, '.')],
    ['EXT1', pickle(0x82, 1, '.')],
    ['PERSID', pickle('P0\n.')],
    ['NEXT_BUFFER', pickle(0x97, '.')],
  ])('refused: %s', async (_, bytes) => {
    expect(await refused(bytes)).toMatch(
      /got pickle opcode 0x[0-9a-f]+ at byte \d+ \(nothing was executed\); /,
    )
  })

  test.each<[string, Uint8Array]>([
    ['calls of what is no function', pickle('K', 1, ')R.')],
    ['calls of a dtype', pickle('ctorch\nfloat16\n)R.')],
    ['calls with too many arguments', pickle('ctorch\nSize\n(', 'N'.repeat(17), 'tR.')],
    ['tensors of no storage', pickle('ctorch._utils\n_rebuild_tensor_v2\n(NK', 0, '))tR.')],
    ['tensors of negative size', pickle(tensor({ size: [-2, -3] }), '.')],
    ['a negative offset', pickle(tensor({ offset: -1 }), '.')],
    [
      'more dimensions than PyTorch has',
      pickle(tensor({ size: Array(65).fill(1), stride: Array(65).fill(1) }), '.'),
    ],
    ['sizes without strides', pickle(tensor({ size: [1], stride: [] }), '.')],
    [
      'storages with another key',
      pickle('((', text('storage'), 'ctorch\nFloatStorage\n', 'K', 1, 'NK', 1, 'tQ.'),
    ],
    [
      'storages of another kind',
      pickle('(', text('module'), 'ctorch\nFloatStorage\n', text('0'), 'NK', 1, 'tQ.'),
    ],
    ['an empty stack', pickle('0R.')],
    ['no mark', pickle('t.')],
    ['a memo that is empty', pickle('h', 0, 'a.')],
    ['items for what is no dictionary', pickle(']NNs.')],
    ['items for a class', pickle('ctorch\nSize\nNNs.')],
    ['protocol 6', pickle(0x80, 6, 'N.')],
  ])('damaged: %s', async (_, bytes) => {
    expect(await refused(bytes)).toBe(
      'm.bin: its pickle, the list of the tensors, must be whole, got a damaged one; download it again',
    )
  })

  test('an unfinished pickle is waited for, at every byte', () => {
    const bytes = dict({
      a: tensor(),
      b: pickle(0x8b, 8, 0, 0, 0, new Uint8Array(8)),
      c: pickle('U', 3, 'abc'),
    })
    for (let length = 0; length < bytes.length; length++) {
      expect(unpickle(bytes.slice(0, length), 0, 'm.bin')).toBeUndefined()
    }
    expect(unpickle(concat([bytes, bytes]), 0, 'm.bin')?.end).toBe(bytes.length)
    expect(unpickle(concat([bytes, bytes]), bytes.length, 'm.bin')?.end).toBe(2 * bytes.length)
  })
})

describe('what the library would do to objects', () => {
  test('attributes are dropped', () => {
    const attributes = (name: string, value: Uint8Array) => pickle('}', text(name), value, 'sb')
    // An array of 2^31 - 1 elements would end the process when it is passed as arguments.
    expect(
      unpickled(pickle('](K', 1, 'e', attributes('length', pickle('J', 0xff, 0xff, 0xff, 0x7f)), '.')),
    ).toEqual([1])
    for (const target of [']', '}', 'ctorch\nSize\n']) {
      const value = unpickled(
        pickle(target, attributes('__proto__', pickle('}', text('polluted'), 'K', 1, 's')), '.'),
      )
      expect(value).not.toHaveProperty('polluted')
    }
    expect(
      unpickled(pickle('ctorch\nSize\n', attributes('polluted', pickle('K', 1)), '.')),
    ).not.toHaveProperty('polluted')
    expect({}).not.toHaveProperty('polluted')
  })

  test('keys of dictionaries are keys', () => {
    const value = unpickled(dict({ constructor: pickle('K', 1), toString: pickle('K', 2) }))
    expect(value).toEqual(
      new Map([
        ['constructor', 1],
        ['toString', 2],
      ]),
    )
    const proto = unpickled(pickle('}', text('__proto__'), '}', text('polluted'), 'K', 1, 'ss.'))
    expect([...(proto as Map<unknown, unknown>).keys()]).toEqual(['__proto__'])
    expect({}).not.toHaveProperty('polluted')
  })

  test('integers that do not fit a number are not numbers', () => {
    expect(unpickled(pickle(whole(2 ** 46 + 1), '.'))).toBe(2 ** 46 + 1)
    for (const long of [
      pickle(0x8a, 8, new Uint8Array(8).fill(0x3f)),
      pickle(0x8b, 9, 0, 0, 0, new Uint8Array(9)),
    ]) {
      expect(unpickled(pickle(long, '.'))).toBeTypeOf('string')
    }
  })

  test('what is appended to a shape later does not count', async () => {
    // The shape is put into the memo, as 1, and grows when the tensor is there.
    const object = pickle(
      '}',
      text('a'),
      'ctorch._utils\n_rebuild_tensor_v2\n((',
      text('storage'),
      'ctorch\nFloatStorage\n',
      text('0'),
      text('cpu'),
      whole(6),
      'tQ',
      whole(0),
      pickle(']q', 1, '(', whole(2), 'e'),
      pickle(']q', 2, '(', whole(1), 'e'),
      0x89,
      'NtRsh',
      1,
      whole(9),
      'a0.',
    )
    const file = await openTorch(new MemorySource('m.bin', torchZip(object)))
    expect([file.info('a').shape, [...(await file.read('a'))]]).toEqual([[2], [0, 1]])
  })
})
