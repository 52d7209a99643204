import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { InputError } from '../../src/errors.js'
import { type Batch, planSweep, type Run } from '../../src/knockout/plan.js'
import { ModelSessions } from '../../src/knockout/sessions.js'
import { layerRows, type Prediction, sweepBatches } from '../../src/knockout/sweep.js'
import type { KnockoutPrompt, KnockoutResult } from '../../src/model.js'
import { FEATURE_CATEGORIES } from '../../src/models/architecture.js'
import { openModel } from '../../src/models/registry.js'
import type { Runtime } from '../../src/runtime/runtime.js'
import { referenceCheckpoint } from '../helpers/checkpoint.js'
import { cutChannels, type ReferenceModel, referenceProbs } from '../reference/mamba.js'
import { randomMamba } from '../reference/random.js'
import { anyScenario, asReference } from './arbitraries.js'
import { maxDifference, NO_LIMITS, recordingRuntime, runtime, sweepAll } from './sweep-helpers.js'

/**
 * Absolute, on probabilities: float32 against float64 through up to 4 layers. Of 13,000 random predictions one in a
 * hundred was off by more than 7e-7, the worst by 2.8e-6 (a model whose layers magnify rounding tenfold).
 */
const TOLERANCE = 5e-6
/**
 * Absolute, on probabilities: matrix products of other heights add float32 terms in another order; 5e-7 at most on
 * 2,200 random predictions.
 */
const BATCH_TOLERANCE = 2e-6

/** The same draws every time: rounding errors have long tails, and what is counted below must be among them. */
function draws(numRuns: number) {
  return { numRuns, seed: 2505 }
}

const SMALL = randomMamba(3, { nLayers: 3, dModel: 12, dState: 4, dtRank: 2, convKernel: 3, vocabSize: 20 })

interface How extends NonNullable<Parameters<typeof sweepAll>[3]> {
  /** Bytes of layers that stay loaded; default all. */
  readonly budget?: number
  readonly on?: Runtime
}

/** Use sessions of a reference model. */
async function withSessions<T>(
  reference: ReferenceModel,
  { budget = Number.POSITIVE_INFINITY, on = runtime }: How,
  use: (sessions: ModelSessions) => Promise<T>,
): Promise<T> {
  const sessions = new ModelSessions(openModel(referenceCheckpoint(reference)), on, budget)
  try {
    return await use(sessions)
  } finally {
    await sessions.release()
  }
}

/** Sweep over a reference model's weights, with sessions of its own. */
function swept(
  reference: ReferenceModel,
  prompts: readonly KnockoutPrompt[],
  how: How = {},
): Promise<KnockoutResult[]> {
  const spec = openModel(referenceCheckpoint(reference))
  return withSessions(reference, how, (sessions) => sweepAll(spec, sessions, prompts, how))
}

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

describe('the sweep', () => {
  it('equals one whole run of the model per knockout with materialised attention', async () => {
    await fc.assert(
      fc.asyncProperty(anyScenario(), async ({ seed, shape, prompts }) => {
        const reference = randomMamba(seed, shape)
        const results = await swept(reference, prompts)
        prompts.forEach(({ ids, answer, knockouts }, p) => {
          expectPrediction(results[p].base, referenceProbs(reference, ids), answer)
          knockouts.forEach((knockout, i) => {
            const probs = referenceProbs(reference, ids, [asReference(knockout)])
            expectPrediction(results[p].knockouts[i], probs, answer)
          })
        })
      }),
      draws(30),
    )
  })

  it('equals the baseline exactly where a knockout cuts nothing', async () => {
    const prompts = [
      [5, 3, 9, 2, 7],
      [8, 8, 1],
    ].map((ids) => ({
      ids,
      answer: 1,
      knockouts: FEATURE_CATEGORIES.flatMap((features) => [
        { layers: [0, 1, 2], sources: [2], targets: [0, 1], features },
        { layers: [1], sources: [0], targets: [ids.length - 1], features },
        { layers: [1], sources: [ids.length - 1], targets: [0], features },
      ]),
    }))
    for (const { base, knockouts } of await swept(SMALL, prompts)) {
      knockouts.forEach((knocked, i) => {
        if (i % 3 === 1) expect(maxDifference(knocked.probs!, base.probs!)).toBeGreaterThan(5 * TOLERANCE)
        else expect(knocked).toEqual(base)
      })
    }
  })

  it('gives the same whatever else is in the batch, and however the work is split', async () => {
    await fc.assert(
      fc.asyncProperty(
        anyScenario(),
        fc.integer({ min: 1, max: 60 }),
        async ({ seed, shape, prompts }, rows) => {
          const reference = randomMamba(seed, shape)
          const spec = openModel(referenceCheckpoint(reference))
          await withSessions(reference, {}, async (sessions) => {
            const together = await sweepAll(spec, sessions, prompts)
            for (const limits of [
              { rows, bytes: NO_LIMITS.bytes },
              { rows: NO_LIMITS.rows, bytes: 1 },
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
      draws(8),
    )
  })

  it('gives the same, bit for bit, with layers that stay loaded and layers that are loaded in turn', async () => {
    await fc.assert(
      fc.asyncProperty(
        anyScenario(),
        fc.integer({ min: 1, max: 60 }),
        async ({ seed, shape, prompts }, rows) => {
          const reference = randomMamba(seed, shape)
          const limits = { rows, bytes: NO_LIMITS.bytes }
          const resident = await swept(reference, prompts, { limits })
          expect(await swept(reference, prompts, { limits, budget: 0, together: true })).toEqual(resident)
        },
      ),
      draws(5),
    )
  })
})

/** Rows of the residual stream after each layer, with their positions in the prompt. */
interface StreamRow {
  readonly step: string
  readonly position: number
  readonly values: Float32Array
}

/** Every base row and run row of the sweep over one prompt. */
async function streams(reference: ReferenceModel, prompt: KnockoutPrompt): Promise<StreamRow[]> {
  const on = recordingRuntime()
  await swept(reference, [prompt], { on })
  const { dModel, nLayers } = reference.config
  const { batches } = planSweep([prompt], openModel(referenceCheckpoint(reference)).costs, NO_LIMITS)
  const layers = on.recorded.filter(({ out }) => 'nextBase' in out)
  expect(layers).toHaveLength(batches.length * nLayers)
  const rows = (step: string, data: Float32Array, start: number, length: number) =>
    Array.from({ length: data.length / dModel }, (_, r) => ({
      step: `${step} ${r}`,
      position: start + (r % length),
      values: data.slice(r * dModel, (r + 1) * dModel),
    }))
  return layers.flatMap(({ out: { nextBase, nextRuns } }, i) => {
    const { tokens, suffix } = batches[Math.floor(i / nLayers)]
    return [
      ...rows(`base ${i}`, nextBase.data as Float32Array, 0, tokens),
      ...rows(`run ${i}`, nextRuns.data as Float32Array, tokens - suffix, suffix),
    ]
  })
}

describe('tokens', () => {
  it('never change an earlier position, with or without a knockout', async () => {
    const anyChange = anyScenario(6).chain(({ prompts: [prompt], ...model }) =>
      fc.record({
        model: fc.constant(model),
        prompt: fc.constant(prompt),
        from: fc.integer({ min: Math.min(1, prompt.ids.length - 1), max: prompt.ids.length - 1 }),
        by: fc.integer({ min: 1, max: model.shape.vocabSize - 1 }),
      }),
    )
    let runRows = 0
    await fc.assert(
      fc.asyncProperty(anyChange, async ({ model: { seed, shape }, prompt, from, by }) => {
        const reference = randomMamba(seed, shape)
        const ids = prompt.ids.map((id, i) => (i < from ? id : (id + by) % shape.vocabSize))
        const before = await streams(reference, prompt)
        const after = await streams(reference, { ...prompt, ids })
        const earlier = (row: StreamRow) => row.position < from
        expect(after.filter(earlier)).toEqual(before.filter(earlier))
        runRows += before.filter((row) => earlier(row) && row.step.startsWith('run')).length
        // The change itself is seen.
        const changed = before.findIndex((row) => row.position === from)
        expect(after[changed].values).not.toEqual(before[changed].values)
      }),
      draws(8),
    )
    expect(runRows).toBeGreaterThan(0)
  })

  /**
   * A model in which all that a token does to later ones is what a knockout of `features` cuts. Convolutions have only
   * their newest tap; step sizes are constant, as a token's own lets the state forget; features that are not cut do
   * not count.
   */
  function onlyWhatIsCut(
    model: ReferenceModel,
    features: (typeof FEATURE_CATEGORIES)[number],
  ): ReferenceModel {
    const { nLayers, dInner, convKernel } = model.config
    const tensors = new Map(model.tensors)
    const change = (name: string, value: (old: number, i: number) => number): void => {
      const { shape, data } = tensors.get(name)!
      tensors.set(name, { shape, data: data.map(value) })
    }
    for (let layer = 0; layer < nLayers; layer++) {
      const at = `backbone.layers.${layer}.mixer`
      change(`${at}.conv1d.weight`, (old, i) => (i % convKernel === convKernel - 1 ? old : 0))
      change(`${at}.dt_proj.weight`, () => 0)
      const isCut = cutChannels(model, layer, features)
      change(`${at}.out_proj.weight`, (old, i) => (isCut[i % dInner] ? old : 0))
    }
    return { config: model.config, tensors }
  }

  it('that are cut from all others contribute exactly zero: whatever they are, nothing else changes', async () => {
    const anyCut = anyScenario(0).chain(({ prompts: [{ ids, answer }], ...model }) => {
      const length = ids.length + 1
      return fc.record({
        model: fc.constant(model),
        // The last token is never cut: its own embedding would still count.
        ids: fc.constant([...ids, answer]),
        // All of them every second time: then only the last token is a target and has its own graph.
        sources: fc.oneof(
          fc.shuffledSubarray(Array.from(ids.keys()), { minLength: 1 }),
          fc.constant(Array.from(ids.keys())),
        ),
        features: fc.constantFrom(...FEATURE_CATEGORIES),
        by: fc.integer({ min: 1, max: model.shape.vocabSize - 1 }),
        length: fc.constant(length),
      })
    })
    let effects = 0
    await fc.assert(
      fc.asyncProperty(anyCut, async ({ model: { seed, shape }, ids, sources, features, by, length }) => {
        const reference = onlyWhatIsCut(randomMamba(seed, shape), features)
        const targets = Array.from({ length }, (_, i) => i).filter((i) => !sources.includes(i))
        const layers = Array.from({ length: shape.nLayers }, (_, i) => i)
        const knockouts = [{ layers, sources, targets, features }]
        const changed = ids.map((id, i) => (sources.includes(i) ? (id + by) % shape.vocabSize : id))
        const [a] = await swept(reference, [{ ids, knockouts }])
        const [b] = await swept(reference, [{ ids: changed, knockouts }])
        expect(b.knockouts).toEqual(a.knockouts)
        if (maxDifference(a.base.probs!, b.base.probs!) > TOLERANCE) effects++
      }),
      draws(10),
    )
    // Without the knockout they do matter.
    expect(effects).toBeGreaterThan(5)
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
