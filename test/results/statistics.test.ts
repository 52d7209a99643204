import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { InputError } from '../../src/errors.js'
import { meanInterval } from '../../src/results/statistics.js'

interface Fixture {
  cases: {
    name: string
    values: number[]
    mean: number
    sd: number
    intervals: { level: number; low: number; high: number }[]
  }[]
}

/** SciPy's own two ends differ by this much from being symmetric about the mean (two values, level 0.999). */
const SCIPY_ASYMMETRY = 1e-12

const fixture: Fixture = JSON.parse(
  readFileSync(new URL('../fixtures/statistics/t-interval.json', import.meta.url), 'utf8'),
)

function expectClose(actual: number, expected: number, scale: number): void {
  expect(Math.abs(actual - expected)).toBeLessThanOrEqual(SCIPY_ASYMMETRY * Math.max(1, scale))
}

describe('meanInterval', () => {
  for (const { name, values, mean, sd, intervals } of fixture.cases) {
    for (const { level, low, high } of intervals) {
      it(`equals SciPy: ${name}, level ${level}`, () => {
        const got = meanInterval(values, level)
        expect(got.n).toBe(values.length)
        expectClose(got.mean, mean, Math.abs(mean))
        expectClose(got.sd, sd, sd)
        expectClose(got.low, low, Math.max(Math.abs(low), Math.abs(high)))
        expectClose(got.high, high, Math.max(Math.abs(low), Math.abs(high)))
      })
    }
  }

  it('takes 95 % as the level', () => {
    const { values, intervals } = fixture.cases[3]
    const { low, high } = intervals.find(({ level }) => level === 0.95)!
    const got = meanInterval(values)
    expectClose(got.low, low, Math.abs(low))
    expectClose(got.high, high, Math.abs(high))
  })

  it('does not exist for one value', () => {
    const none = Number.NaN
    expect(meanInterval([-3.5])).toEqual({ mean: -3.5, low: none, high: none, n: 1, sd: none })
  })

  it('collapses on the mean for equal values', () => {
    expect(meanInterval([0.1, 0.1, 0.1])).toEqual({ mean: 0.1, low: 0.1, high: 0.1, n: 3, sd: 0 })
  })

  it.each([
    ['no value', [], 0.95],
    ['NaN', [1, Number.NaN], 0.95],
    ['an infinite value', [1, Number.NEGATIVE_INFINITY], 0.95],
    ['level 0', [1, 2], 0],
    ['level 1', [1, 2], 1],
    ['level NaN', [1, 2], Number.NaN],
  ])('throws on %s', (_, values, level) => {
    expect(() => meanInterval(values, level)).toThrow(InputError)
  })
})
