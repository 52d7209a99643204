import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { seededRandom, shuffled, spread } from '../../src/prompts/sample.js'

describe('seededRandom', () => {
  // mulberry32 with Python's whole numbers, masked to 32 bits: independent of JavaScript's operators.
  test.each([
    [0, [0.26642920868471265, 0.0003297457005828619, 0.2232720274478197, 0.1462021479383111]],
    [1, [0.6270739405881613, 0.002735721180215478, 0.5274470399599522, 0.9810509674716741]],
    [7, [0.011704753153026104, 0.06195825757458806, 0.97690763277933, 0.6990287057124078]],
    [4294967295, [0.8964226141106337, 0.189478256739676, 0.7156526781618595, 0.9440599093213677]],
    [-3, [0.5127934608608484, 0.46524663479067385, 0.09994429117068648, 0.44028591737151146]],
  ])('seed %d gives the numbers of mulberry32', (seed, expected) => {
    const random = seededRandom(seed)
    expect(expected.map(() => random())).toEqual(expected)
  })

  test('has seeds apart and sequences of its own', () => {
    const [a, b, c] = [seededRandom(1), seededRandom(1), seededRandom(2)]
    const take = (random: () => number): number[] => Array.from({ length: 20 }, random)
    const first = take(a)
    expect(take(b)).toEqual(first)
    expect(take(c)).not.toEqual(first)
    expect(take(a)).not.toEqual(first)
  })
})

describe('shuffled', () => {
  test('puts the numbers 0 to 9 in the order of Fisher and Yates', () => {
    // From the same Python script: for i from 9 down to 1, swap i with floor(random * (i + 1)).
    expect(shuffled([0, 1, 2, 3, 4, 5, 6, 7, 8, 9], 7)).toEqual([6, 5, 8, 1, 2, 3, 4, 7, 9, 0])
  })

  test('keeps every value, and its input as it was', () => {
    fc.assert(
      fc.property(fc.array(fc.anything()), fc.nat(), (values, seed) => {
        const before = [...values]
        const after = shuffled(values, seed)
        expect(values).toEqual(before)
        expect(after).toHaveLength(values.length)
        expect(new Set(after)).toEqual(new Set(values))
        expect(shuffled(values, seed)).toEqual(after)
      }),
      { numRuns: 50 },
    )
  })

  test('gives every order of three values about equally often', () => {
    const draws = 6000
    const counts = new Map<string, number>()
    for (let seed = 0; seed < draws; seed++) {
      const order = shuffled(['a', 'b', 'c'], seed).join('')
      counts.set(order, (counts.get(order) ?? 0) + 1)
    }
    expect(counts.size).toBe(6)
    const chiSquare = Array.from(counts.values()).reduce(
      (sum, n) => sum + (n - draws / 6) ** 2 / (draws / 6),
      0,
    )
    // 99.9th percentile for 5 degrees of freedom; the seeds are fixed, so this never flickers.
    expect(chiSquare).toBeLessThan(20.5)
  })
})

describe('spread', () => {
  const group = (value: string): string => value[0]!
  const counts = (values: readonly string[]): Record<string, number> => {
    const found: Record<string, number> = {}
    for (const value of values) found[group(value)] = (found[group(value)] ?? 0) + 1
    return found
  }
  const values = ['a1', 'a2', 'a3', 'a4', 'a5', 'b1', 'b2', 'b3', 'c1']

  test('takes as many of each group as there are; small groups give what they have', () => {
    expect(counts(spread(values, group, 3, 0))).toEqual({ a: 1, b: 1, c: 1 })
    expect(counts(spread(values, group, 5, 0))).toEqual({ a: 2, b: 2, c: 1 })
    expect(counts(spread(values, group, 8, 0))).toEqual({ a: 4, b: 3, c: 1 })
    expect(spread(values, group, 9, 0).sort()).toEqual(values)
    expect(spread(values, group, 100, 0).sort()).toEqual(values)
    expect(spread(values, group, 0, 0)).toEqual([])
    expect(spread([], group, 3, 0)).toEqual([])
  })

  test('draws by seed, which of a group and which group comes first', () => {
    const seeds = Array.from({ length: 50 }, (_, seed) => spread(values, group, 3, seed))
    expect(new Set(seeds.flat())).toEqual(new Set(values))
    expect(new Set(seeds.map(([first]) => group(first!)))).toEqual(new Set(['a', 'b', 'c']))
    expect(spread(values, group, 3, 7)).toEqual(spread(values, group, 3, 7))
  })

  test('is as even as the groups allow, and repeats no value', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.tuple(fc.constantFrom('a', 'b', 'c', 'd'), fc.nat()).map(([g, n]) => `${g}${n}`)),
        fc.nat({ max: 30 }),
        fc.nat(),
        (some, count, seed) => {
          const drawn = spread(some, group, count, seed)
          expect(drawn).toHaveLength(Math.min(count, some.length))
          expect(new Set(drawn).size).toBe(drawn.length)
          const [had, got] = [counts(some), counts(drawn)]
          const most = Math.max(0, ...Object.values(got))
          // A group that gave less than another by more than one gave all that it had.
          for (const [name, n] of Object.entries(had)) {
            const given = got[name] ?? 0
            expect(given >= most - 1 || given === n).toBe(true)
          }
        },
      ),
      { numRuns: 100 },
    )
  })
})
