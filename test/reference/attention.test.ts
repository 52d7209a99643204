import { describe, expect, it } from 'vitest'
import { maxDifference, range } from '../helpers/numbers.js'
import { type AttentionInputs, attention } from './attention.js'
import { ropeFrequencies, rotated } from './llama.js'
import type { Rows } from './math.js'
import type { ReferenceKnockout } from './model.js'

/** Absolute, on values of order one: two ways to sum the same float64 terms. */
const SUM_TOLERANCE = 1e-12

const T = 6
/** Scrambled but fixed rows of values from -1 to 1. */
const rows = (width: number, seed: number): Rows =>
  range(0, T).map((t) =>
    Float64Array.from({ length: width }, (_, i) => Math.sin(seed + 7.3 * t + 3.1 * i * i)),
  )
const INPUTS: AttentionInputs = {
  q: rows(16, 1),
  k: rows(8, 2),
  v: rows(8, 3),
  nHeads: 4,
  nKvHeads: 2,
  headDim: 4,
  scale: 0.5,
  window: Number.POSITIVE_INFINITY,
}
const cut = (sources: number[], targets: number[]): ReferenceKnockout => ({
  layers: [0],
  sources,
  targets,
  features: 'all',
})

describe('attention', () => {
  const whole = attention(INPUTS, [])

  it('of the first token is its own value, in every head of its group', () => {
    const [v] = INPUTS.v
    const expected = [...v.slice(0, 4), ...v.slice(0, 4), ...v.slice(4), ...v.slice(4)]
    expect(maxDifference(whole[0], expected)).toBeLessThan(SUM_TOLERANCE)
  })

  it('by hand: two tokens, one head', () => {
    const [q, k] = [
      [1, 0],
      [2, -1],
    ].map((row) => Float64Array.from(row))
    const values = [Float64Array.of(10, 0), Float64Array.of(0, 10)]
    const inputs = {
      ...INPUTS,
      q: [q, q],
      k: [k, q],
      v: values,
      nHeads: 1,
      nKvHeads: 1,
      headDim: 2,
      scale: 1,
    }
    const weight = Math.exp(2) / (Math.exp(2) + Math.exp(1))
    expect(maxDifference(attention(inputs, [])[1], [10 * weight, 10 * (1 - weight)])).toBeLessThan(
      SUM_TOLERANCE,
    )
  })

  it('a cut source is as if it had never been there: the others renormalise', () => {
    const keep = [0, 2, 3, 5]
    const without = (x: Rows) => keep.map((t) => x[t])
    const { q, k, v } = INPUTS
    const shorter = attention({ ...INPUTS, q: without(q), k: without(k), v: without(v) }, [])
    const knocked = attention(INPUTS, [cut([1, 4], keep)])
    keep.forEach((t, i) => {
      expect(maxDifference(knocked[t], shorter[i])).toBeLessThan(SUM_TOLERANCE)
    })
    expect(knocked[1]).toEqual(whole[1]) // no target
    expect(maxDifference(knocked[5], whole[5])).toBeGreaterThan(1e-2)
  })

  it('a target all of whose sources are cut receives nothing', () => {
    const knocked = attention(INPUTS, [cut([0, 1, 2], [2, 4])])
    expect(knocked[2]).toEqual(new Float64Array(16))
    expect(knocked[4]).not.toEqual(new Float64Array(16))
    const all = range(0, T)
    expect(attention(INPUTS, [cut(all, all)])).toEqual(all.map(() => new Float64Array(16)))
  })

  it('a window of 3 cuts every token from those 3 or more before it', () => {
    const knockouts = range(0, T).map((t) => cut(range(0, Math.max(0, t - 2)), [t]))
    expect(attention({ ...INPUTS, window: 3 }, [])).toEqual(attention(INPUTS, knockouts))
  })

  it('has no feature categories', () => {
    const some = { ...cut([0], [1]), features: 'context-dependent' as const }
    expect(() => attention(INPUTS, [some])).toThrow('features: attention knows all, got context-dependent')
  })
})

describe('rotary embedding', () => {
  it('frequencies: theta to the power -2 i / width', () => {
    const expected = [1, 0.1, 0.01, 0.001]
    expect(maxDifference(ropeFrequencies({ type: 'default', theta: 1e4 }, 8), expected)).toBeLessThan(1e-15)
    const linear = ropeFrequencies({ type: 'linear', theta: 1e4, factor: 4 }, 8)
    expect(
      maxDifference(
        linear,
        expected.map((f) => f / 4),
      ),
    ).toBeLessThan(1e-15)
  })

  it('llama3: short waves stay, long ones are stretched, between them it is in between', () => {
    const rope = { type: 'llama3', theta: 1e4, factor: 8, lowFreqFactor: 1, highFreqFactor: 4 } as const
    const got = ropeFrequencies({ ...rope, originalMaxPositions: 128 }, 8)
    // 128 tokens hold 20, 2.04, 0.2 and 0.02 waves.
    const smooth = ((128 * 0.1) / (2 * Math.PI) - 1) / 3
    const expected = [1, (1 - smooth) * (0.1 / 8) + smooth * 0.1, 0.01 / 8, 0.001 / 8]
    expect(maxDifference(got, expected)).toBeLessThan(1e-15)
    expect(smooth).toBeGreaterThan(0.1)
    expect(smooth).toBeLessThan(0.9)
  })

  it('products of rotated rows depend on how far apart they are, head by head', () => {
    const same = range(0, T).map(() => Float64Array.from({ length: 16 }, (_, i) => Math.cos(5 * i)))
    const turned = rotated(same, ropeFrequencies({ type: 'default', theta: 100 }, 8))
    const product = (t: number, s: number, head: number) =>
      range(8 * head, 8 * head + 8).reduce((sum, i) => sum + turned[t][i] * turned[s][i], 0)
    for (const head of [0, 1]) {
      expect(product(3, 1, head)).toBeCloseTo(product(5, 3, head), 12)
      expect(Math.abs(product(3, 1, head) - product(3, 2, head))).toBeGreaterThan(1e-3)
    }
    expect(turned[0]).toEqual(same[0])
    // The pairs are column i and i + 4 of a head.
    const [a, b] = [same[1][0], same[1][4]]
    expect(turned[1][0]).toBeCloseTo(a * Math.cos(1) - b * Math.sin(1), 14)
    expect(turned[1][4]).toBeCloseTo(b * Math.cos(1) + a * Math.sin(1), 14)
  })
})
