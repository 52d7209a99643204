import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { planSweep } from '../../src/knockout/plan.js'
import type { KnockoutPrompt } from '../../src/model.js'
import { FEATURE_CATEGORIES } from '../../src/models/architecture.js'
import { openModel } from '../../src/models/registry.js'
import { referenceCheckpoint } from '../helpers/checkpoint.js'
import { cutChannels, type ReferenceModel } from '../reference/mamba.js'
import { randomMamba } from '../reference/random.js'
import { anyScenario, draws } from './arbitraries.js'
import { maxDifference, NO_LIMITS, recordingRuntime, swept } from './sweep-helpers.js'

/** Absolute, on probabilities: more than rounding. */
const EFFECT = 5e-6

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
        if (maxDifference(a.base.probs!, b.base.probs!) > EFFECT) effects++
      }),
      draws(10),
    )
    // Without the knockout they do matter.
    expect(effects).toBeGreaterThan(5)
  })
})
