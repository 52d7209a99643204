import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeText, duplicateKey, parseConfig, parseJson } from '../../src/checkpoints/json.js'
import { inputError } from './helpers.js'

const utf8 = (text: string) => new TextEncoder().encode(text)

describe('decodeText', () => {
  test('UTF-8, with or without a byte order mark', () => {
    expect(decodeText(utf8('{"é": "日本"}'), 'f')).toBe('{"é": "日本"}')
    expect(decodeText(utf8('\ufeff{}'), 'f')).toBe('{}')
  })

  test('other bytes', async () => {
    const message = await inputError(() => decodeText(Uint8Array.of(0x7b, 0xff, 0x7d), 'a.json'))
    expect(message).toBe('a.json: must be UTF-8 text, got other bytes; download it again')
  })

  test('a Git LFS pointer', async () => {
    const pointer = 'version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n'
    expect(await inputError(() => decodeText(utf8(pointer), 'a.json'))).toMatch(
      /^a\.json: .*Git LFS pointer; run "git lfs pull"/,
    )
  })
})

describe('parseJson', () => {
  test('says where it breaks', async () => {
    const message = await inputError(() => parseJson('{\n  "a": 1,\n  "b" 2\n}', 'x/config.json'))
    expect(message).toMatch(
      /^x\/config\.json: must be JSON \(.+ at line 3, column 7\); correct it or download it again$/,
    )
  })

  test('quotes of the file stay on one line and carry no control characters', async () => {
    const message = await inputError(() => parseJson('{"a": [1,\n\u001b[31m\u2028]}', 'f'))
    expect(message).not.toMatch(/[\p{Cc}\p{Zl}\p{Zp}]/u)
  })

  test.each(['', '{', '[1,2,]', '{"a":}', '<!DOCTYPE html>', 'NaN', '{"a":1}{'])(
    'refuses %j',
    async (text) => {
      expect(await inputError(() => parseJson(text, 'f'))).toMatch(/^f: must be JSON \(/)
    },
  )
})

describe('parseConfig', () => {
  test('the floats of transformers 5', () => {
    const text = `{"time_step_limit": [0.0, {"__float__": "Infinity"}],
      "nested": {"low": {"__float__": "-Infinity"}, "none": {"__float__": "NaN"}}}`
    expect(parseConfig(text, 'f')).toEqual({
      time_step_limit: [0, Infinity],
      nested: { low: -Infinity, none: NaN },
    })
    expect(parseConfig('{"__float__": "Infinity"}', 'f')).toBe(Infinity)
  })

  test('other tags stay as they are, as in transformers', () => {
    const config = {
      a: { __float__: 'inf' },
      b: { __float__: 1 },
      c: { __float__: 'NaN', x: 1 },
      d: { __float__: 'toString' },
    }
    expect(parseConfig(JSON.stringify(config), 'f')).toEqual(config)
  })

  test('bare infinities, as earlier versions write them', () => {
    expect(parseConfig('{"time_step_limit": [0.0, Infinity], "low": -Infinity}', 'f')).toEqual({
      time_step_limit: [0, Infinity],
      low: -Infinity,
    })
  })

  test('Infinity in strings and keys is text', () => {
    const config = { Infinity: 'to Infinity', 'a"Infinity': '\\', b: '"Infinity\\"', c: ['-Infinity'] }
    expect(parseConfig(JSON.stringify(config), 'f')).toEqual(config)
  })

  test('the position of an error after a bare infinity', async () => {
    const message = await inputError(() => parseConfig('{"a": [-Infinity, Infinity], "b" 2}', 'f'))
    expect(message).toMatch(/ at line 1, column 34\)/)
  })

  test('an unterminated string, and nesting beyond the stack, are input errors', async () => {
    expect(await inputError(() => parseConfig('{"a": "Infinity', 'f'))).toMatch(/^f: must be JSON/)
    const deep = '['.repeat(200_000) + ']'.repeat(200_000)
    expect(await inputError(() => parseConfig(deep, 'f'))).toMatch(/^f: must be JSON/)
  })

  test('plain JSON is unchanged', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const text = JSON.stringify(value)
        expect(parseConfig(text, 'f')).toEqual(JSON.parse(text))
      }),
    )
  })
})

describe('duplicateKey', () => {
  test.each([
    ['{"a":1,"a":2}', 'a'],
    ['{"x":{"dtype":1,"dtype":1}}', 'dtype'],
    ['[{"a":1},{"b":1,"c":[],"b":2}]', 'b'],
    ['{"a":{"b":1},"c":{"d":[{"e":0}]},"a":0}', 'a'],
    ['{"a" : 1 , "\\u0061"\n:2}', 'a'],
    ['{"":1,"":2}', ''],
    ['{"a\\"":1,"a\\"":2}', 'a"'],
    ['{"__proto__":1,"__proto__":2}', '__proto__'],
  ])('%s', (text, key) => {
    JSON.parse(text)
    expect(duplicateKey(text)).toBe(key)
  })

  test.each([
    '{"a":{"a":{"a":1}},"b":{"a":1}}',
    '[{"a":1},{"a":1}]',
    '{"a":"a","b":"a:","c":"{\\"a\\":1,\\"a\\":2}","d":["a","a"]}',
    '{"a":"\\\\","b":":"}',
    '"a"',
    '[]',
  ])('none in %s', (text) => {
    JSON.parse(text)
    expect(duplicateKey(text)).toBeUndefined()
  })

  test('never in what JSON.stringify writes; always when a member is repeated', () => {
    const object = fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue({ maxDepth: 1 }), { minKeys: 1 })
    fc.assert(
      fc.property(object, fc.nat(), (value, pick) => {
        const text = JSON.stringify(value)
        expect(duplicateKey(text)).toBeUndefined()
        const keys = Object.keys(value)
        const key = keys[pick % keys.length]
        const twice = `${text.slice(0, -1)},${JSON.stringify(key)}:0}`
        expect(duplicateKey(twice)).toBe(key)
      }),
    )
  })

  test('a string of a million escapes', () => {
    const key = '\\n'.repeat(1_000_000)
    expect(duplicateKey(`{"${key}":1,"${key}":2}`)).toBe('\n'.repeat(1_000_000))
  })
})
