import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { InputError } from '../../src/errors.js'
import type { Prediction } from '../../src/knockout/head.js'
import { type Batch, planSweep, type Run } from '../../src/knockout/plan.js'
import { layerRows, sweepBatches } from '../../src/knockout/sweep.js'
import type { KnockoutResult } from '../../src/model.js'
import { openModel } from '../../src/models/registry.js'
import { nodeRuntime } from '../../src/runtime/node.js'
import { referenceCheckpoint } from '../helpers/checkpoint.js'
import { maxDifference, range } from '../helpers/numbers.js'
import { referenceProbs } from '../reference/engine.js'
import { categoriesOf, MODELS } from '../reference/families.js'
import { randomMamba } from '../reference/random.js'
import { anyScenario, asReference, draws, FAMILY_NAMES } from './arbitraries.js'
import { NO_LIMITS, recordingRuntime, sweepAll, swept, withSessions } from './sweep-helpers.js'

/**
 * Absolute, on probabilities: float32 against float64 through up to 3 layers. With 4, of 12,000 random predictions of all
 * families one in a hundred was off by more than 6e-7, the worst by 2.9e-6 (a model whose layers magnify rounding).
 */
const TOLERANCE = 5e-6
/**
 * Absolute, on probabilities: matrix products of other heights add float32 terms in another order; 5e-7 at most on
 * 10,000 random predictions of all families.
 */
const BATCH_TOLERANCE = 2e-6

/** Tokens: more than two chunks of Mamba-2. */
const LONG = 130

const SMALL = randomMamba(3, { nLayers: 3, dModel: 12, dState: 4, dtRank: 2, convKernel: 3, vocabSize: 20 })

/** Two threads, each with sessions of its own. */
const LANES = nodeRuntime({ threads: 2 })

/** All distributions in one order: base, then knockouts, prompt by prompt. */
function distributions(results: readonly KnockoutResult[]): Float32Array[] {
  return results.flatMap(({ base, knockouts }) => [base, ...knockouts]).map(({ probs }) => probs!)
}

function largestDifference(a: readonly KnockoutResult[], b: readonly KnockoutResult[]): number {
  const other = distributions(b)
  const own = distributions(a)
  expect(own.length).toBe(other.length)
  return Math.max(...own.map((probs, i) => maxDifference(probs, other[i])))
}

/** That a prediction is the one that follows from the distribution `probs`. */
function expectPrediction(got: Prediction, probs: Float64Array, answer: number): void {
  expect(maxDifference(got.probs!, probs)).toBeLessThanOrEqual(TOLERANCE)
  expect(Math.abs(got.prob - probs[answer])).toBeLessThanOrEqual(TOLERANCE)
  expect(Math.exp(got.logProb)).toBe(got.prob)
  // Probabilities as near as the tolerance may change places.
  const larger = (margin: number) =>
    probs.filter((p, token) => token !== answer && p > probs[answer] + margin).length
  expect(got.rank).toBeGreaterThanOrEqual(1 + larger(2 * TOLERANCE))
  expect(got.rank).toBeLessThanOrEqual(1 + larger(-2 * TOLERANCE))
  expect(probs[got.top]).toBeGreaterThanOrEqual(Math.max(...probs) - 2 * TOLERANCE)
}

describe.each(FAMILY_NAMES)('the sweep, %s', (family) => {
  it('equals one whole run of the model per knockout with materialised attention', async () => {
    await fc.assert(
      fc.asyncProperty(anyScenario(family), async ({ model, prompts }) => {
        const reference = model.make()
        const results = await swept(reference, prompts)
        prompts.forEach(({ ids, answer, knockouts }, p) => {
          expectPrediction(results[p].base, referenceProbs(reference, ids), answer)
          knockouts.forEach((knockout, i) => {
            const probs = referenceProbs(reference, ids, [asReference(knockout)])
            expectPrediction(results[p].knockouts[i], probs, answer)
          })
        })
      }),
      draws(12),
    )
  })

  it('gives the same whatever else is in the batch, and however the work is split', async () => {
    await fc.assert(
      fc.asyncProperty(
        anyScenario(family),
        fc.integer({ min: 1, max: 60 }),
        async ({ model, prompts }, rows) => {
          const reference = model.make()
          const spec = openModel(referenceCheckpoint(reference))
          await withSessions(reference, {}, async (sessions) => {
            const together = await sweepAll(spec, sessions, prompts)
            for (const limits of [
              { ...NO_LIMITS, rows },
              { ...NO_LIMITS, bytes: 1 },
            ]) {
              const split = await sweepAll(spec, sessions, prompts, { limits })
              expect(largestDifference(split, together)).toBeLessThanOrEqual(BATCH_TOLERANCE)
            }
            for (const [p, prompt] of prompts.entries()) {
              const alone = await sweepAll(spec, sessions, [prompt])
              expect(largestDifference(alone, [together[p]])).toBeLessThanOrEqual(BATCH_TOLERANCE)
            }
          })
        },
      ),
      draws(4),
    )
  })

  it('gives the same, bit for bit, with layers that stay loaded and layers that are loaded in turn', async () => {
    await fc.assert(
      fc.asyncProperty(
        anyScenario(family),
        fc.integer({ min: 1, max: 60 }),
        async ({ model, prompts }, rows) => {
          const reference = model.make()
          const limits = { ...NO_LIMITS, rows }
          const resident = await swept(reference, prompts, { limits })
          expect(await swept(reference, prompts, { limits, budget: 0, together: true })).toEqual(resident)
        },
      ),
      draws(3),
    )
  })
})

describe.each(MODELS)('the sweep, %s', (_, model) => {
  it('equals the baseline exactly where a knockout cuts nothing', async () => {
    const prompts = [
      [5, 3, 9, 2, 7],
      [8, 8, 1],
    ].map((ids) => ({
      ids,
      answer: 1,
      knockouts: categoriesOf(model.config).flatMap((features) => [
        { layers: [0, 1, 2], sources: [2], targets: [0, 1], features },
        { layers: [1], sources: range(0, ids.length - 1), targets: [ids.length - 1], features },
        { layers: [1], sources: [ids.length - 1], targets: [0], features },
      ]),
    }))
    for (const { base, knockouts } of await swept(model, prompts)) {
      knockouts.forEach((knocked, i) => {
        if (i % 3 === 1) expect(maxDifference(knocked.probs!, base.probs!)).toBeGreaterThan(5 * TOLERANCE)
        else expect(knocked).toEqual(base)
      })
    }
  })

  it('equals one whole run of the model per knockout for prompts that are worked on in parts', async () => {
    const prompts = [LONG, LONG - 20].map((length) => {
      const cut = (sources: number[], targets: number[], layers: number[]) =>
        categoriesOf(model.config).map((features) => ({ layers, sources, targets, features }))
      return {
        ids: range(0, length).map((i) => (i * i) % 19),
        answer: 1,
        knockouts: [
          ...cut([4, 70], [length - 1], [0, 1]),
          ...cut([length - 1], [length - 1], [2]),
          // Suffixes of all tokens, of more than one part and of less.
          ...cut([0, 66], [0, 3, 90, length - 1], [1]),
          ...cut([2, 35, 99], [35, 36, 99, 100], [0, 2]),
          ...cut([8, 101], [101, 103], [0]),
        ],
      }
    })
    const results = await swept(model, prompts)
    prompts.forEach(({ ids, answer, knockouts }, p) => {
      expectPrediction(results[p].base, referenceProbs(model, ids), answer)
      knockouts.forEach((knockout, i) => {
        expectPrediction(results[p].knockouts[i], referenceProbs(model, ids, [asReference(knockout)]), answer)
      })
    })
  })
})

describe('a sweep over batches', () => {
  const knockouts = [
    { layers: [1], sources: [0], targets: [3], features: 'all' as const },
    { layers: [2], sources: [1], targets: [2], features: 'all' as const },
  ]
  const prompts = [
    { ids: [4, 1, 9, 7], answer: 3, knockouts },
    { ids: [2], answer: 3, knockouts: [] },
  ]
  const spec = openModel(referenceCheckpoint(SMALL))
  const { batches } = planSweep(prompts, spec.costs, NO_LIMITS)
  const [last, suffix] = batches as [Batch, Batch]
  const options = { answers: [3, 3], probs: false, headRows: 4 }

  it('has work for every row that goes through a layer', async () => {
    // Two prompts padded to 4 tokens in all layers; one run of 1 token in layers 1 and 2.
    expect(layerRows(last, 3)).toBe(3 * 8 + 2)
    // One prompt; one run of 2 tokens in layer 2.
    expect(layerRows(suffix, 3)).toBe(3 * 4 + 2)
    const seen: number[] = []
    await withSessions(SMALL, {}, (sessions) =>
      sweepBatches(spec, sessions, [last], { ...options, onProgress: (rows) => seen.push(rows) }),
    )
    expect(seen).toEqual([8, 9, 9])
  })

  it('asks the head in parts of at most headRows rows', async () => {
    const results = []
    for (const headRows of [1, 2, 3, 100]) {
      const on = recordingRuntime()
      results.push(
        await withSessions(SMALL, { on }, (sessions) =>
          sweepBatches(spec, sessions, [last], { ...options, headRows }),
        ),
      )
      const rows = on.recorded.flatMap(({ out }) => ('summary' in out ? [out.summary.dims[0]] : []))
      expect(rows.reduce((a, b) => a + b)).toBe(3)
      expect(Math.max(...rows)).toBe(Math.min(3, headRows))
    }
    const probs = results.map(([{ base, runs }]) => [...base, ...runs.flat()].map(({ prob }) => prob))
    for (const other of probs) expect(maxDifference(other, probs[0])).toBeLessThanOrEqual(BATCH_TOLERANCE)
  })

  it('answers runs in their order in the batch, however they begin', async () => {
    const both = planSweep(
      [{ ids: [4, 1, 9, 7], knockouts: [2, 0, 1].map((layer) => ({ ...knockouts[0], layers: [layer] })) }],
      spec.costs,
      NO_LIMITS,
    ).batches[0]
    const reverse = (p: Batch['prompts'][number]) => ({
      ...p,
      runs: [...p.runs].reverse(),
      runSets: [...p.runSets].reverse(),
    })
    const turned = { ...both, prompts: both.prompts.map(reverse) }
    const by = async (batch: Batch) => {
      const [{ runs }] = await withSessions(SMALL, {}, (sessions) =>
        sweepBatches(spec, sessions, [batch], options),
      )
      return new Map(batch.prompts[0].runs.map((run: Run, r) => [run.firstLayer, runs[0][r]]))
    }
    const found = await by(both)
    expect(new Set([...found.values()].map(({ prob }) => prob)).size).toBe(3)
    expect(await by(turned)).toEqual(found)
  })

  it('stops when told to, between layers, with the reason', async () => {
    const controller = new AbortController()
    const seen: number[] = []
    const stopped = withSessions(SMALL, {}, (sessions) =>
      sweepBatches(spec, sessions, [last], {
        ...options,
        signal: controller.signal,
        onProgress: (rows) => {
          seen.push(rows)
          controller.abort(new Error('enough'))
        },
      }),
    )
    await expect(stopped).rejects.toThrow('enough')
    expect(seen).toEqual([8])
  })

  it('says so when the weights give no numbers', async () => {
    const norm = SMALL.tensors.get('backbone.norm_f.weight')!
    const data = norm.data.slice()
    data[0] = Number.NaN
    const damaged = {
      config: SMALL.config,
      tensors: new Map([...SMALL.tensors, ['backbone.norm_f.weight', { shape: norm.shape, data }]]),
    }
    await expect(swept(damaged, prompts)).rejects.toThrow(
      new InputError(
        'reference: the model must give finite logits, got NaN; its weights are damaged, download them again',
      ),
    )
  })
})

describe.each(FAMILY_NAMES)('weights that are given at every run, %s', (family) => {
  it('give what constants give, on one thread and in lanes, layers loaded ahead', async () => {
    await fc.assert(
      fc.asyncProperty(anyScenario(family, 6), async ({ model, prompts }) => {
        const reference = model.make()
        const limits = { ...NO_LIMITS, rows: 16 }
        const constants = await swept(reference, prompts, { limits })
        const streamed = { limits, budget: 0, together: true, weights: 'inputs' } as const
        const alone = await swept(reference, prompts, streamed)
        expect(largestDifference(alone, constants)).toBeLessThanOrEqual(BATCH_TOLERANCE)
        expect(await swept(reference, prompts, { ...streamed, passing: 3, on: LANES })).toEqual(alone)
      }),
      draws(6),
    )
  })
})
