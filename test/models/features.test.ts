/** Which features a category knocks out, against the definition by ranks. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { FEATURE_CATEGORIES, type FeatureCategory } from '../../src/models/architecture.js'
import { featureNorms, knockedFeatures, knockedTable } from '../../src/models/features.js'

/** Relative: sums of up to 128 float64 terms. */
const SUM_TOLERANCE = 1e-13

describe('norms', () => {
  test.each([
    [1, 1],
    [5, 3],
    [2, 128],
  ])('%i features of %i states: sum of exp(-exp(A_log))', (features, dState) => {
    const aLog = Float32Array.from({ length: features * dState }, (_, i) => Math.sin(i) * 3 - 1)
    const norms = featureNorms(aLog, features)
    expect(norms.length).toBe(features)
    norms.forEach((norm, f) => {
      const row = Array.from(aLog.subarray(f * dState, (f + 1) * dState))
      const expected = row.map((a) => Math.exp(-(Math.E ** a))).reduceRight((sum, decay) => sum + decay, 0)
      expect(Math.abs(norm / expected - 1)).toBeLessThan(SUM_TOLERANCE)
    })
  })

  test('a feature that never forgets counts 1 per state, one that keeps nothing 0', () => {
    const aLog = Float32Array.of(-Infinity, -Infinity, 100, 100, -Infinity, 100)
    expect(Array.from(featureNorms(aLog, 3))).toEqual([2, 0, 1])
  })
})

/**
 * By definition: cut, unless fewer than floor(n / 3) features come before it. Before a feature come those of smaller
 * norm (context-dependent) or of larger norm (context-independent), and those of equal norm and lower number.
 */
function cut(norms: readonly number[], feature: number, category: FeatureCategory): boolean {
  if (category === 'all') return true
  const sign = category === 'context-dependent' ? 1 : -1
  const before = norms.filter((norm, other) => {
    const difference = sign * (norm - norms[feature])
    return difference < 0 || (difference === 0 && other < feature)
  })
  return before.length >= Math.floor(norms.length / 3)
}

describe('knocked features', () => {
  const kept = (norms: number[], category: FeatureCategory): number[] =>
    knockedFeatures(Float64Array.from(norms), category).flatMap((isCut, f) => (isCut ? [] : [f]))

  test('context-dependent keeps the third that forgets fastest, context-independent the slowest', () => {
    const norms = [3, 9, 1, 7, 5, 2]
    expect(kept(norms, 'context-dependent')).toEqual([2, 5])
    expect(kept(norms, 'context-independent')).toEqual([1, 3])
    expect(kept(norms, 'all')).toEqual([])
  })

  test('of equal norms the first are kept, in both', () => {
    expect(kept([1, 1, 1, 1, 1, 1, 1], 'context-dependent')).toEqual([0, 1])
    expect(kept([1, 1, 1, 1, 1, 1, 1], 'context-independent')).toEqual([0, 1])
    expect(kept([2, 1, 2, 1, 1, 2], 'context-dependent')).toEqual([1, 3])
    expect(kept([2, 1, 2, 1, 1, 2], 'context-independent')).toEqual([0, 2])
  })

  test('a third is rounded down', () => {
    const counts = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9].map(
      (n) =>
        kept(
          Array.from({ length: n }, (_, i) => i),
          'context-dependent',
        ).length,
    )
    expect(counts).toEqual([0, 0, 0, 1, 1, 1, 2, 2, 2, 3])
  })

  test('are those of the definition, ties included', () => {
    const few = fc.array(fc.nat(4), { maxLength: 40 })
    const many = fc.array(fc.double({ min: 0, max: 16, noNaN: true }), { maxLength: 40 })
    fc.assert(
      fc.property(fc.oneof(few, many), fc.constantFrom(...FEATURE_CATEGORIES), (norms, category) => {
        const expected = norms.map((_, feature) => cut(norms, feature, category))
        expect(knockedFeatures(Float64Array.from(norms), category)).toEqual(expected)
      }),
    )
  })

  test('an unknown category throws', () => {
    expect(() => knockedFeatures(Float64Array.of(1), 'fast' as FeatureCategory)).toThrow(
      'knockedFeatures: unknown category fast',
    )
  })
})

test('the table: a row for each category, in the order of FEATURE_CATEGORIES', () => {
  expect(FEATURE_CATEGORIES).toEqual(['all', 'context-dependent', 'context-independent'])
  expect(Array.from(knockedTable(Float64Array.of(5, 1, 3, 9)))).toEqual([
    ...[1, 1, 1, 1],
    ...[1, 0, 1, 1],
    ...[1, 1, 1, 0],
  ])
})
