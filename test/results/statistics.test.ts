import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { InputError } from '../../src/errors.js'
import { seededRandom } from '../../src/prompts/sample.js'
import {
  bootstrapInterval,
  bootstrapIntervals,
  INTERVALS,
  interval,
  intervalOf,
  type MeanInterval,
  meanInterval,
  moments,
  pairedDifference,
  percentile,
} from '../../src/results/statistics.js'

type Ends = [number, number]

interface Fixture {
  cases: {
    name: string
    values: number[]
    mean: number
    sd: number
    intervals: { level: number; t: Ends; normal: Ends; prediction: Ends }[]
  }[]
  bootstraps: {
    name: string
    seeded: { level: number; resamples: number; seed: number; ends: Ends }[]
    scipy: { level: number; ends: Ends }[]
  }[]
  paired: { a: number[]; b: number[]; intervals: { level: number; t: Ends }[] }
}

/** Relative: SciPy's own two ends differ by this much from being symmetric about the mean (level 0.999). */
const SCIPY_ASYMMETRY = 1e-12

const fixture: Fixture = JSON.parse(
  readFileSync(new URL('../fixtures/statistics/intervals.json', import.meta.url), 'utf8'),
)
const sample = (name: string) => fixture.cases.find((known) => known.name === name)!

function expectEnds({ low, high }: MeanInterval, ends: Ends, tolerance = SCIPY_ASYMMETRY): void {
  const scale = Math.max(...ends.map(Math.abs))
  expect(Math.abs(low - ends[0])).toBeLessThanOrEqual(tolerance * scale)
  expect(Math.abs(high - ends[1])).toBeLessThanOrEqual(tolerance * scale)
}

describe('moments and interval', () => {
  for (const { name, values, mean, sd, intervals } of fixture.cases) {
    it(`have SciPy's moments: ${name}`, () => {
      const got = moments(values)
      expect(got.n).toBe(values.length)
      expect(Math.abs(got.mean - mean)).toBeLessThanOrEqual(SCIPY_ASYMMETRY * Math.abs(mean))
      expect(Math.abs(got.sd - sd)).toBeLessThanOrEqual(SCIPY_ASYMMETRY * sd)
    })
    for (const method of ['t', 'normal', 'prediction'] as const) {
      it.each(intervals)(`have SciPy's ${method} interval: ${name}, level $level`, (known) => {
        const got = interval(moments(values), method, known.level)
        expectEnds(got, known[method])
        expect(intervalOf(values, method, { level: known.level })).toEqual(got)
      })
    }
  }

  it('take Student’s t and 95 % where nothing is said', () => {
    const { values, intervals } = sample('relative changes')
    const { t } = intervals.find(({ level }) => level === 0.95)!
    for (const got of [interval(moments(values)), meanInterval(values), intervalOf(values)])
      expectEnds(got, t)
  })

  it.each(INTERVALS)('do not exist for one value: %s', (method) => {
    const none = Number.NaN
    expect(intervalOf([-3.5], method)).toEqual({ mean: -3.5, low: none, high: none, n: 1, sd: none })
  })

  it.each(INTERVALS)('collapse on the mean for equal values: %s', (method) => {
    expect(intervalOf([0.1, 0.1, 0.1], method)).toEqual({ mean: 0.1, low: 0.1, high: 0.1, n: 3, sd: 0 })
  })

  it('hold together: wider with the level, prediction wider than t, t wider than normal, all about the mean', () => {
    const numbers = fc.array(fc.double({ min: -100, max: 1000, noNaN: true }), {
      minLength: 2,
      maxLength: 40,
    })
    fc.assert(
      fc.property(numbers, fc.double({ min: 0.1, max: 0.9, noNaN: true }), (values, level) => {
        const known = moments(values)
        const width = (method: 't' | 'normal' | 'prediction', at: number) => {
          const { low, high, mean } = interval(known, method, at)
          expect(low).toBeLessThanOrEqual(mean)
          return high - low
        }
        for (const method of ['t', 'normal', 'prediction'] as const) {
          expect(width(method, level)).toBeLessThanOrEqual(width(method, level + 0.09))
        }
        expect(width('t', level)).toBeLessThanOrEqual(width('prediction', level))
        expect(width('normal', level)).toBeLessThanOrEqual(width('t', level))
      }),
      { seed: 1 },
    )
  })

  it.each([
    ['no value', [], 0.95],
    ['NaN', [1, Number.NaN], 0.95],
    ['an infinite value', [1, Number.NEGATIVE_INFINITY], 0.95],
    ['level 0', [1, 2], 0],
    ['level 1', [1, 2], 1],
    ['level NaN', [1, 2], Number.NaN],
  ])('throw on %s', (_, values, level) => {
    for (const method of INTERVALS) expect(() => intervalOf(values, method, { level })).toThrow(InputError)
    expect(() => meanInterval(values, level)).toThrow(InputError)
  })

  it.each([
    ['no value', { n: 0, mean: 1, sd: 1 }],
    ['half a value', { n: 2.5, mean: 1, sd: 1 }],
    ['no mean', { n: 2, mean: Number.NaN, sd: 1 }],
    ['no spread', { n: 2, mean: 1, sd: Number.NaN }],
    ['a negative spread', { n: 2, mean: 1, sd: -1 }],
  ])('throw on moments of %s', (_, known) => {
    expect(() => interval(known)).toThrow(InputError)
  })

  it('throw on an unknown method', () => {
    expect(() => intervalOf([1, 2], 'jackknife' as 't')).toThrow('method must be one of')
  })
})

describe('bootstrapInterval', () => {
  for (const { name, seeded, scipy } of fixture.bootstraps) {
    it.each(seeded)(
      `equals NumPy on the same draws: ${name}, level $level, seed $seed`,
      ({ ends, ...options }) => {
        expectEnds(bootstrapInterval(sample(name).values, options), ends)
      },
    )

    // 10,000 resamples place a 95 % end with a standard error of 0.027 standard errors of the mean (normal), five
    // of which are 0.14; hits and other lumpy samples have ends on a lattice, so may be off by one step of it.
    it.each(scipy)(`agrees with SciPy's to Monte-Carlo error: ${name}, level $level`, ({ level, ends }) => {
      const { values, sd } = sample(name)
      const got = bootstrapInterval(values, { level })
      const lattice = Math.min(...steps(values)) / values.length
      const allowed = Math.max((0.14 * sd) / Math.sqrt(values.length), lattice * 1.001)
      expect(Math.abs(got.low - ends[0])).toBeLessThanOrEqual(allowed)
      expect(Math.abs(got.high - ends[1])).toBeLessThanOrEqual(allowed)
    })
  }

  it('has the quantiles of all 27 samples of three values', () => {
    const values = [0, 1, 10]
    const all = values
      .flatMap((a) => values.flatMap((b) => values.map((c) => (a + b + c) / 3)))
      .sort((a, b) => a - b)
    // Levels whose quantiles lie well inside a step of the distribution: 20,000 draws cannot miss them.
    for (const level of [0.5, 0.8, 0.95]) {
      const tail = (1 - level) / 2
      const got = bootstrapInterval(values, { level, resamples: 20_000, seed: 5 })
      expect(got.low).toBeCloseTo(all[Math.floor(27 * tail)], 12)
      expect(got.high).toBeCloseTo(all[26 - Math.floor(27 * tail)], 12)
    }
  })

  it('covers the mean as often as a percentile bootstrap of 30 normal values does', () => {
    const random = seededRandom(11)
    const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
    const trials = 600
    let covered = 0
    for (let seed = 0; seed < trials; seed++) {
      const values = Array.from({ length: 30 }, normal)
      const { low, high } = bootstrapInterval(values, { resamples: 600, seed })
      if (low <= 0 && 0 <= high) covered++
    }
    // z(0.975) sqrt(29 / 30) of a t with 29 degrees of freedom: 93.6 %; four standard errors on either side.
    const expected = 0.936
    const error = 4 * Math.sqrt((expected * (1 - expected)) / trials)
    expect(Math.abs(covered / trials - expected)).toBeLessThan(error)
  })

  it('gives the same numbers for the same seed, others for others', () => {
    const { values } = sample('relative changes')
    expect(bootstrapInterval(values, { seed: 3 })).toEqual(bootstrapInterval(values, { seed: 3 }))
    expect(bootstrapInterval(values, { seed: 3 })).not.toEqual(bootstrapInterval(values, { seed: 4 }))
  })

  it('gives the same numbers for many samples at once, of whatever sizes', () => {
    const samples = ['hits', 'relative changes', 'two values', 'hits', 'about zero'].map(
      (name) => sample(name).values,
    )
    const options = { resamples: 300, seed: 9 }
    const all = [...samples, [4]]
    expect(bootstrapIntervals(all, options)).toEqual(all.map((values) => bootstrapInterval(values, options)))
  })

  it.each([{ resamples: 0 }, { resamples: 1.5 }, { seed: -1 }, { seed: 0.5 }, { level: 2 }])(
    'throws on %o',
    (options) => {
      expect(() => bootstrapInterval([1, 2], options)).toThrow(InputError)
    },
  )
})

/** The distances between neighbouring different values. */
function steps(values: readonly number[]): number[] {
  const sorted = [...new Set(values)].sort((a, b) => a - b)
  return sorted.slice(1).map((value, i) => value - sorted[i])
}

describe('percentile', () => {
  it.each([
    [0, 1],
    [0.25, 1.75],
    [0.5, 3],
    [0.9, 6.8],
    [1, 8],
  ])('is linear between values: %d', (p, expected) => {
    expect(percentile([1, 2, 4, 8], p)).toBeCloseTo(expected, 12)
  })
})

describe('pairedDifference', () => {
  const { a, b, intervals } = fixture.paired

  it.each(intervals)('has the interval of ttest_rel: level $level', ({ level, t }) => {
    expectEnds(pairedDifference(a, b, 't', { level }), t)
  })

  it.each(INTERVALS)('is the interval of the differences: %s', (method) => {
    const differences = a.map((value, i) => value - b[i])
    expect(pairedDifference(a, b, method)).toEqual(intervalOf(differences, method))
  })

  it('is narrower than the spread of what is paired', () => {
    const { low, high } = pairedDifference(a, b)
    const own = meanInterval(a)
    expect(high - low).toBeLessThan(own.high - own.low)
  })

  it('throws on lists of different lengths', () => {
    expect(() => pairedDifference([1, 2], [1])).toThrow(InputError)
  })
})
