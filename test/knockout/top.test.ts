/** The most probable tokens, of prompts and of runs, against the whole distributions of the float64 reference. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Prediction } from '../../src/knockout/head.js'
import { ModelSessions } from '../../src/knockout/sessions.js'
import { headParts } from '../../src/models/head.js'
import { openModel } from '../../src/models/registry.js'
import { referenceCheckpoint } from '../helpers/checkpoint.js'
import { referenceProbs } from '../reference/engine.js'
import { anyScenario, asReference, draws, FAMILY_NAMES } from './arbitraries.js'
import { runtime, sweepAll } from './sweep-helpers.js'

/** Absolute, on probabilities: float32 against float64 in three layers. */
const TOLERANCE = 5e-6
/** The same, between two sums of the same float32 exponentials. */
const SUM_TOLERANCE = 1e-6

function expectTop({ topK: top, probs, top: first }: Prediction, k: number, wanted: Float64Array): void {
  expect(top).toHaveLength(Math.min(k, wanted.length))
  expect(top![0].id).toBe(first)
  expect(new Set(top!.map(({ id }) => id)).size).toBe(top!.length)
  const descending = Float64Array.from(wanted).sort().reverse()
  const own = Float32Array.from(probs!).sort().reverse()
  top!.forEach(({ id, prob }, i) => {
    expect(prob).toBeLessThanOrEqual(top![i - 1]?.prob ?? 1)
    expect(Math.abs(prob - wanted[id])).toBeLessThanOrEqual(TOLERANCE)
    // Tokens that float32 cannot tell apart may change places.
    expect(Math.abs(descending[i] - wanted[id])).toBeLessThanOrEqual(2 * TOLERANCE)
    expect(probs![id]).toBe(own[i])
    expect(Math.abs(prob - probs![id])).toBeLessThanOrEqual(SUM_TOLERANCE)
  })
}

describe.each(FAMILY_NAMES)('%s', (family) => {
  it('is what sorting the whole distribution gives, whatever the parts of the unembedding', async () => {
    const anyAsk = fc.record({
      scenario: anyScenario(family, 3),
      k: fc.constantFrom(1, 2, 5, 20, 100),
      parts: fc.integer({ min: 1, max: 6 }),
    })
    let predictions = 0
    await fc.assert(
      fc.asyncProperty(anyAsk, async ({ scenario: { model, prompts }, k, parts }) => {
        const reference = model.make()
        const spec = openModel(referenceCheckpoint(reference))
        const bytes = (4 * spec.vocabSize * spec.dModel) / parts
        const cut = { ...spec, headParts: headParts(spec.vocabSize, spec.dModel, bytes) }
        expect(cut.headParts).toHaveLength(parts)
        const sessions = new ModelSessions(cut, runtime, Number.POSITIVE_INFINITY)
        const results = await sweepAll(cut, sessions, prompts, { topK: k })
        await sessions.release()
        results.forEach(({ base, knockouts }, p) => {
          const { ids, knockouts: cuts } = prompts[p]
          expectTop(base, k, referenceProbs(reference, ids))
          knockouts.forEach((prediction, i) => {
            expectTop(prediction, k, referenceProbs(reference, ids, [asReference(cuts[i])]))
            predictions++
          })
        })
      }),
      draws(8),
    )
    expect(predictions).toBeGreaterThan(8)
  })
})
