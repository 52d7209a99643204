import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { planSweep } from '../../src/knockout/plan.js'
import type { KnockoutPrompt } from '../../src/model.js'
import { openModel } from '../../src/models/registry.js'
import { referenceCheckpoint } from '../helpers/checkpoint.js'
import { maxDifference, range } from '../helpers/numbers.js'
import { categoriesOf } from '../reference/families.js'
import { cutChannels } from '../reference/mamba.js'
import { cutHeads } from '../reference/mamba2.js'
import type { Mamba2Config, MambaConfig, ReferenceFeatures, ReferenceModel } from '../reference/model.js'
import { anyScenario, draws, FAMILY_NAMES } from './arbitraries.js'
import { NO_LIMITS, recordingRuntime, swept } from './sweep-helpers.js'

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

/** A weight of a model with other values. */
function change(model: ReferenceModel, name: string, value: (old: number, i: number) => number): void {
  const { shape, data } = model.tensors.get(name)!
  model.tensors.set(name, { shape, data: data.map(value) })
}

/** Mamba-1 and Falcon-Mamba, see `onlyWhatIsCut`. */
function onlyCutChannels(model: ReferenceModel<MambaConfig>, features: ReferenceFeatures): void {
  const { nLayers, dInner, convKernel } = model.config
  for (let layer = 0; layer < nLayers; layer++) {
    const at = `backbone.layers.${layer}.mixer`
    const isCut = cutChannels(model, layer, features)
    change(model, `${at}.conv1d.weight`, (old, i) => (i % convKernel === convKernel - 1 ? old : 0))
    change(model, `${at}.dt_proj.weight`, () => 0)
    change(model, `${at}.out_proj.weight`, (old, i) => (isCut[i % dInner] ? old : 0))
  }
}

/** Mamba-2: heads that are not cut have a closed gate, as the norm would mix them with the others. */
function onlyCutHeads(model: ReferenceModel<Mamba2Config>, features: ReferenceFeatures): void {
  const { nLayers, nHeads, headDim, dModel, convKernel } = model.config
  for (let layer = 0; layer < nLayers; layer++) {
    const at = `backbone.layers.${layer}.mixer`
    const isCut = cutHeads(model, layer, features)
    const rows = model.tensors.get(`${at}.in_proj.weight`)!.shape[0]
    const closed = (row: number) => row < nHeads * headDim && !isCut[Math.floor(row / headDim)]
    const isStep = (row: number) => row >= rows - nHeads
    change(model, `${at}.conv1d.weight`, (old, i) => (i % convKernel === convKernel - 1 ? old : 0))
    change(model, `${at}.in_proj.weight`, (old, i) => {
      const row = Math.floor(i / dModel)
      return closed(row) || isStep(row) ? 0 : old
    })
    if (model.config.useBias) change(model, `${at}.in_proj.bias`, (old, row) => (closed(row) ? 0 : old))
  }
}

/**
 * A model in which all that a token does to later ones is what a knockout of `features` cuts. Attention is so as it is.
 * In state-space models convolutions have only their newest tap; step sizes are constant, as a token's own lets the
 * state forget; features that are not cut do not count.
 */
function onlyWhatIsCut(model: ReferenceModel, features: ReferenceFeatures): ReferenceModel {
  const { modelType } = model.config
  if (modelType === 'mamba2') onlyCutHeads(model as ReferenceModel<Mamba2Config>, features)
  else if (modelType.includes('mamba')) onlyCutChannels(model as ReferenceModel<MambaConfig>, features)
  return model
}

describe.each(FAMILY_NAMES)('tokens, %s', (family) => {
  it('never change an earlier position, with or without a knockout', async () => {
    const anyChange = anyScenario(family, 6).chain(({ model, prompts: [prompt] }) =>
      fc.record({
        model: fc.constant(model),
        prompt: fc.constant(prompt),
        from: fc.integer({ min: Math.min(1, prompt.ids.length - 1), max: prompt.ids.length - 1 }),
        by: fc.integer({ min: 1, max: model.shape.vocabSize - 1 }),
      }),
    )
    let runRows = 0
    await fc.assert(
      fc.asyncProperty(anyChange, async ({ model, prompt, from, by }) => {
        const reference = model.make()
        const { vocabSize } = model.shape
        const ids = prompt.ids.map((id, i) => (i < from ? id : (id + by) % vocabSize))
        const before = await streams(reference, prompt)
        const after = await streams(reference, { ...prompt, ids })
        const earlier = (row: StreamRow) => row.position < from
        expect(after.filter(earlier)).toEqual(before.filter(earlier))
        runRows += before.filter((row) => earlier(row) && row.step.startsWith('run')).length
        // The change itself is seen.
        const changed = before.findIndex((row) => row.position === from)
        expect(after[changed].values).not.toEqual(before[changed].values)
      }),
      draws(5),
    )
    expect(runRows).toBeGreaterThan(0)
  })

  it('that are cut from all others contribute exactly zero: whatever they are, nothing else changes', async () => {
    const categories = categoriesOf({ modelType: family })
    const anyCut = anyScenario(family, 0).chain(({ model, prompts: [{ ids, answer }] }) => {
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
        features: fc.constantFrom(...categories),
        by: fc.integer({ min: 1, max: model.shape.vocabSize - 1 }),
        length: fc.constant(length),
      })
    })
    let effects = 0
    await fc.assert(
      fc.asyncProperty(anyCut, async ({ model, ids, sources, features, by, length }) => {
        const reference = onlyWhatIsCut(model.make(), features)
        const targets = range(0, length).filter((i) => !sources.includes(i))
        const layers = range(0, model.shape.nLayers)
        const knockouts = [{ layers, sources, targets, features }]
        const changed = ids.map((id, i) => (sources.includes(i) ? (id + by) % model.shape.vocabSize : id))
        const [a] = await swept(reference, [{ ids, knockouts }])
        const [b] = await swept(reference, [{ ids: changed, knockouts }])
        expect(b.knockouts).toEqual(a.knockouts)
        if (maxDifference(a.base.probs!, b.base.probs!) > EFFECT) effects++
      }),
      draws(6),
    )
    // Without the knockout they do matter.
    expect(effects).toBeGreaterThan(2)
  })
})
