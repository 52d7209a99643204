/** Every rule of config.json's values, its default and its message. */
import { describe, expect, test } from 'vitest'
import { InputError } from '../../src/errors.js'
import { ConfigReader } from '../../src/models/config.js'

function reader(config: Record<string, unknown>): ConfigReader {
  return new ConfigReader({ config, configFile: 'models/m/config.json' })
}

/** The message of the InputError that reading ends in. */
function message(read: () => unknown): string {
  try {
    read()
  } catch (error) {
    expect(error).toBeInstanceOf(InputError)
    return (error as InputError).message
  }
  throw new Error('nothing was thrown')
}

function wrong(key: string, rule: string, got: string, advice = 'use the config.json of this model'): string {
  return `models/m/config.json: ${key} ${rule}, got ${got}; ${advice}`
}

/** The config may be in order: the model is another one. */
const OTHER_MODEL = 'factflow computes nothing else, use another model'

describe('size', () => {
  test('a whole number from 1 on', () => {
    expect(reader({ n: 1 }).size('n')).toBe(1)
    expect(reader({ n: 2 ** 24 }).size('n')).toBe(2 ** 24)
    expect(message(() => reader({ n: 2 ** 24 + 1 }).size('n'))).toBe(
      wrong('n', 'must be at most 16777216', '16777217'),
    )
    expect(reader({ n: 1000 }).layers('n')).toBe(1000)
    expect(message(() => reader({ n: 1001 }).layers('n'))).toContain('n must be at most 1000, got 1001')
    expect(reader({ n: 3 }).size('n', 5)).toBe(3)
  })

  test('the fallback stands for what is missing or null', () => {
    expect(reader({}).size('n', 5)).toBe(5)
    expect(reader({ n: null }).size('n', 5)).toBe(5)
  })

  test.each([
    [{}, 'nothing'],
    [{ n: null }, 'null'],
    [{ n: 0 }, '0'],
    [{ n: -1 }, '-1'],
    [{ n: 1.5 }, '1.5'],
    [{ n: '12' }, '"12"'],
    [{ n: true }, 'true'],
    [{ n: [1] }, '[1]'],
  ])('%j is refused', (config, got) => {
    expect(message(() => reader(config).size('n'))).toBe(wrong('n', 'must be a whole number above 0', got))
  })

  test('a wrong value is refused also where there is a fallback', () => {
    expect(message(() => reader({ n: 0 }).size('n', 5))).toBe(
      wrong('n', 'must be a whole number above 0', '0'),
    )
  })
})

describe('number', () => {
  test('a number above 0', () => {
    expect(reader({ x: 1e-5 }).number('x')).toBe(1e-5)
    expect(reader({ x: 7 }).number('x', 1)).toBe(7)
    expect(reader({}).number('x', 0.5)).toBe(0.5)
    expect(reader({ x: null }).number('x', 0.5)).toBe(0.5)
  })

  test.each([
    [{}, 'nothing'],
    [{ x: 0 }, '0'],
    [{ x: -1e-5 }, '-0.00001'],
    [{ x: '1e-5' }, '"1e-5"'],
  ])('%j is refused', (config, got) => {
    expect(message(() => reader(config).number('x'))).toBe(wrong('x', 'must be a number above 0', got))
  })
})

describe('flag', () => {
  test('true, false, or the fallback', () => {
    expect(reader({ f: true }).flag('f', false)).toBe(true)
    expect(reader({ f: false }).flag('f', true)).toBe(false)
    expect(reader({}).flag('f', true)).toBe(true)
    expect(reader({ f: null }).flag('f', true)).toBe(true)
  })

  test.each([0, 1, 'true', []])('%j is refused', (value) => {
    expect(message(() => reader({ f: value }).flag('f', true))).toBe(
      wrong('f', 'must be true or false', JSON.stringify(value)),
    )
  })
})

describe('oneOf', () => {
  const read = (config: Record<string, unknown>) => reader(config).oneOf('act', ['silu', 'swish'], 'silu')

  test('one of the values, or the fallback', () => {
    expect(read({ act: 'swish' })).toBe('swish')
    expect(read({})).toBe('silu')
    expect(read({ act: null })).toBe('silu')
  })

  test.each(['gelu', 'SILU', '', 1, ['silu']])('%j is refused', (value) => {
    expect(message(() => read({ act: value }))).toBe(
      wrong('act', 'must be one of silu, swish', JSON.stringify(value), OTHER_MODEL),
    )
  })
})

describe('range', () => {
  const read = (config: Record<string, unknown>) =>
    reader(config).range('limit', [0, Number.POSITIVE_INFINITY])

  test('two numbers in order, or the fallback', () => {
    expect(read({ limit: [0.1, 2] })).toEqual([0.1, 2])
    expect(read({ limit: [1, 1] })).toEqual([1, 1])
    expect(read({})).toEqual([0, Number.POSITIVE_INFINITY])
  })

  test.each([[[2, 1]], [[1]], [[1, 2, 3]], [1], ['0,1'], [[null, 1]]])('%j is refused', (value) => {
    expect(message(() => read({ limit: value }))).toBe(
      wrong('limit', 'must be two numbers, the smaller first', JSON.stringify(value)),
    )
  })
})

test('count: as size, and 0', () => {
  expect(reader({ n: 0 }).count('n')).toBe(0)
  expect(reader({ n: 3 }).count('n')).toBe(3)
  expect(reader({}).count('n', 28)).toBe(28)
  expect(message(() => reader({ n: -1 }).count('n'))).toBe(wrong('n', 'must be a whole number above 0', '-1'))
})

test('words: a list of texts, or nothing', () => {
  expect(reader({ types: ['a', 'b'] }).words('types')).toEqual(['a', 'b'])
  expect(reader({ types: null }).words('types')).toBeUndefined()
  expect(message(() => reader({ types: ['a', 1] }).words('types'))).toBe(
    wrong('types', 'must be a list of words', '["a",1]'),
  )
})

test('object: its values are read as those of the config, and messages say where they are', () => {
  const rope = reader({ rope: { factor: 2, type: 'yarn' } }).object('rope')!
  expect(rope.number('factor')).toBe(2)
  expect(rope.has('factor')).toBe(true)
  expect(rope.has('low')).toBe(false)
  expect(message(() => rope.oneOf('type', ['linear'], 'linear'))).toBe(
    `models/m/config.json: rope: type must be one of linear, got "yarn"; ${OTHER_MODEL}`,
  )
  expect(reader({ rope: null }).object('rope')).toBeUndefined()
  expect(message(() => reader({ rope: [] }).object('rope'))).toBe(
    wrong('rope', 'must be an object or null', '[]'),
  )
})

test('divides and refuse', () => {
  expect(() => reader({ heads: 4 }).divides('heads', 4, 'width', 12)).not.toThrow()
  expect(message(() => reader({ heads: 5 }).divides('heads', 5, 'width', 12))).toBe(
    wrong('heads', 'must divide width (12)', '5'),
  )
  expect(message(() => reader({ odd: 3 }).refuse('odd', 'must be even'))).toBe(
    wrong('odd', 'must be even', '3', OTHER_MODEL),
  )
})

test('numbers that are not finite are refused', () => {
  for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
    expect(message(() => reader({ n: bad }).size('n'))).toContain('n must be a whole number above 0, got ')
    expect(message(() => reader({ n: bad }).number('n'))).toContain('n must be a number above 0, got ')
  }
})

test('text: undefined for everything else', () => {
  expect(reader({ rank: 'auto' }).text('rank')).toBe('auto')
  for (const config of [{}, { rank: null }, { rank: 48 }, { rank: ['auto'] }]) {
    expect(reader(config).text('rank')).toBeUndefined()
  }
})

test('a long value is cut short, in one line', () => {
  const got = message(() => reader({ n: `a\n${'x'.repeat(1000)}` }).size('n'))
  expect(got.length).toBeLessThan(200)
  expect(got).not.toContain('\n')
})
