import { describe, expect, test } from 'vitest'
import { memorySize, wholeNumber } from '../../src/cli/options.js'
import { InputError } from '../../src/errors.js'

describe('wholeNumber', () => {
  test.each([
    ['0', 0],
    ['12', 12],
    ['007', 7],
    ['9007199254740991', Number.MAX_SAFE_INTEGER],
  ])('reads %s', (text, value) => {
    expect(wholeNumber('--n', 0)(text)).toBe(value)
  })

  test.each(['', ' ', '-1', '1.5', '1e3', '0x10', '١', '1,000', 'Infinity', '9007199254740992'])(
    'refuses %j',
    (text) => {
      expect(() => wholeNumber('--n', 0)(text)).toThrow(
        new InputError(`--n: must be a whole number from 0 on, got ${JSON.stringify(text)}; change it`),
      )
    },
  )

  test('keeps to its limits', () => {
    const read = wholeNumber('--n', 2, 4)
    expect(['2', '4'].map(read)).toEqual([2, 4])
    for (const text of ['1', '5']) {
      expect(() => read(text)).toThrow(
        new InputError(`--n: must be a whole number from 2 to 4, got "${text}"; change it`),
      )
    }
  })
})

describe('memorySize', () => {
  test.each([
    ['1', 1],
    ['100B', 100],
    ['2k', 2000],
    ['2KiB', 2048],
    ['512MiB', 512 * 1024 * 1024],
    ['1.5g', 1_500_000_000],
    ['4 GB', 4_000_000_000],
    [' 1TiB ', 1024 ** 4],
  ])('reads %j', (text, bytes) => {
    expect(memorySize(text)).toBe(bytes)
  })

  test.each(['', '0', '0.4', '-1GB', '1e9', '4XB', 'GB', '4 G B', '1..5G', 'NaN'])('refuses %j', (text) => {
    expect(() => memorySize(text)).toThrow(
      new InputError(
        `--memory: must be a size such as 4GB or 512MiB, got ${JSON.stringify(text)}; change it`,
      ),
    )
  })
})
