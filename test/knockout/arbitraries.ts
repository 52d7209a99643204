/** Random knockouts, prompts and models for property-based tests. */
import fc from 'fast-check'
import type { Knockout } from '../../src/knockout/knockout.js'
import type { KnockoutPrompt } from '../../src/model.js'
import { FEATURE_CATEGORIES } from '../../src/models/architecture.js'
import type { ReferenceKnockout } from '../reference/mamba.js'
import type { RandomMambaShape } from '../reference/random.js'

/** One or more of the numbers below `end`, in any order. */
function some(end: number): fc.Arbitrary<number[]> {
  const all = Array.from({ length: end }, (_, i) => i)
  return fc.shuffledSubarray(all, { minLength: 1 })
}

/** Any knockout of a prompt of `length` tokens; every second one has the last token as its only target. */
export function anyKnockout(nLayers: number, length: number): fc.Arbitrary<Knockout> {
  return fc.record({
    layers: some(nLayers),
    sources: some(length),
    targets: fc.oneof(fc.constant([length - 1]), some(length)),
    features: fc.constantFrom(...FEATURE_CATEGORIES),
  })
}

export const anyShape: fc.Arbitrary<RandomMambaShape> = fc.record({
  nLayers: fc.integer({ min: 1, max: 4 }),
  dModel: fc.integer({ min: 8, max: 24 }),
  // Twice dModel when left out.
  dInner: fc.option(fc.integer({ min: 8, max: 48 }), { nil: undefined }),
  dState: fc.integer({ min: 1, max: 8 }),
  dtRank: fc.integer({ min: 1, max: 3 }),
  convKernel: fc.integer({ min: 2, max: 4 }),
  vocabSize: fc.integer({ min: 16, max: 48 }),
  useBias: fc.boolean(),
  useConvBias: fc.boolean(),
  tied: fc.boolean(),
})

/** A model to make with `randomMamba(seed, shape)`, and what to ask it. */
export interface Scenario {
  readonly seed: number
  readonly shape: RandomMambaShape
  readonly prompts: (KnockoutPrompt & { readonly ids: number[]; readonly answer: number })[]
}

/** 1 to 4 prompts of 1 to 12 tokens with 0 to `knockouts` knockouts each. */
export function anyScenario(knockouts = 4): fc.Arbitrary<Scenario> {
  return anyShape.chain((shape) => {
    const token = fc.nat({ max: shape.vocabSize - 1 })
    const prompt = fc.array(token, { minLength: 1, maxLength: 12, size: 'max' }).chain((ids) =>
      fc.record({
        ids: fc.constant(ids),
        answer: token,
        knockouts: fc.array(anyKnockout(shape.nLayers, ids.length), { maxLength: knockouts, size: 'max' }),
      }),
    )
    return fc.record({
      seed: fc.integer(),
      shape: fc.constant(shape),
      prompts: fc.array(prompt, { minLength: 1, maxLength: 4, size: 'max' }),
    })
  })
}

/** A knockout as the reference engine takes it. */
export function asReference({ layers, sources, targets, features }: Knockout): ReferenceKnockout {
  return { layers: [...layers], sources: [...sources], targets: [...targets], features }
}

/** The same draws every time: rounding errors have long tails, and what is counted below must be among them. */
export function draws(numRuns: number): { numRuns: number; seed: number } {
  return { numRuns, seed: 2505 }
}
