import { describe, expect, it } from 'vitest'
import { maxDifference } from '../helpers/numbers.js'
import { referenceHidden, referenceProbs } from './engine.js'
import { cutChannels, scanInputs } from './mamba.js'
import type { ReferenceTensor } from './math.js'
import type { MambaConfig, ReferenceFeatures, ReferenceModel } from './model.js'
import { randomMamba } from './random.js'

/** Absolute, on values of order one: two ways to sum the same float64 terms; measured 4e-15. */
const SUM_TOLERANCE = 1e-12

/** Every flag of the config away from its default, dInner no multiple of dModel. */
const ODD_MODEL = randomMamba(2, {
  nLayers: 3,
  dModel: 10,
  dInner: 17,
  dState: 3,
  dtRank: 4,
  convKernel: 3,
  vocabSize: 23,
  useBias: true,
  useConvBias: false,
  tied: false,
})
const TOKENS = [3, 14, 15, 9, 2, 6, 5]

describe('feature categories', () => {
  const shape = { nLayers: 1, dModel: 4, dInner: 7, dState: 2, dtRank: 1, convKernel: 2, vocabSize: 5 }
  /** Channels from fastest to slowest decay: 4, 0, 6, 2, 1, 5, 3. */
  const rates = [5, 0.4, 0.7, 0.1, 9, 0.2, 1]

  function withRates(values: number[]): ReferenceModel<MambaConfig> {
    const model = randomMamba(1, shape)
    const data = Float64Array.from(values.flatMap((rate) => [Math.log(rate), Math.log(2 * rate)]))
    model.tensors.set('backbone.layers.0.mixer.A_log', { shape: [7, 2], data })
    return model
  }
  const spared = (model: ReferenceModel<MambaConfig>, features: ReferenceFeatures) =>
    cutChannels(model, 0, features).flatMap((isCut, d) => (isCut ? [] : [d]))

  it('spare the fastest third, the slowest third, or none; a third is rounded down', () => {
    const model = withRates(rates)
    expect(spared(model, 'context-dependent')).toEqual([0, 4])
    expect(spared(model, 'context-independent')).toEqual([3, 5])
    expect(spared(model, 'all')).toEqual([])
  })

  it('rank tied channels by index, ascending, in both rankings', () => {
    const model = withRates([1, 1, 1, 1, 1, 1, 1])
    expect(spared(model, 'context-dependent')).toEqual([0, 1])
    expect(spared(model, 'context-independent')).toEqual([0, 1])
  })
})

describe('what the oracles do not have', () => {
  const odd = ODD_MODEL
  const { dModel, dInner, convKernel, vocabSize } = odd.config

  /** `odd` with other config values and tensors. */
  function changed(
    config: Partial<MambaConfig>,
    tensors: Record<string, ReferenceTensor>,
  ): ReferenceModel<MambaConfig> {
    return {
      config: { ...odd.config, ...config },
      tensors: new Map([...odd.tensors, ...Object.entries(tensors)]),
    }
  }
  const vector = (data: Float64Array): ReferenceTensor => ({ shape: [data.length], data })

  it('use_bias: the bias of in_proj shifts the gate, and the convolution where it sees no padding', () => {
    const bias = odd.tensors.get('backbone.layers.0.mixer.in_proj.bias')!.data
    const taps = odd.tensors.get('backbone.layers.0.mixer.conv1d.weight')!.data
    const shift = Float64Array.from({ length: dInner }, (_, d) => {
      const sum = taps.slice(d * convKernel, (d + 1) * convKernel).reduce((a, b) => a + b, 0)
      return bias[d] * sum
    })
    const convBiased = changed(
      { useBias: false, useConvBias: true },
      { 'backbone.layers.0.mixer.conv1d.bias': vector(shift) },
    )
    const [embedded] = referenceHidden(odd, TOKENS)
    const a = scanInputs(odd, 0, embedded)
    const b = scanInputs(convBiased, 0, embedded)
    for (let t = 0; t < TOKENS.length; t++) {
      const shifted = b.z[t].map((value, d) => value + bias[dInner + d])
      expect(maxDifference(a.z[t], shifted)).toBeLessThan(SUM_TOLERANCE)
      if (t >= convKernel - 1) expect(maxDifference(a.u[t], b.u[t])).toBeLessThan(SUM_TOLERANCE)
      else expect(maxDifference(a.u[t], b.u[t])).toBeGreaterThan(1e-3)
    }
  })

  it('use_bias: the bias of out_proj is added to the residual stream', () => {
    const bias = odd.tensors.get('backbone.layers.0.mixer.out_proj.bias')!.data
    const zero = { 'backbone.layers.0.mixer.out_proj.bias': vector(new Float64Array(dModel)) }
    const without = referenceHidden(changed({}, zero), TOKENS)[1]
    const rows = referenceHidden(odd, TOKENS)[1]
    rows.forEach((row, t) => {
      const shifted = without[t].map((value, i) => value + bias[i])
      expect(maxDifference(row, shifted)).toBeLessThan(SUM_TOLERANCE)
    })
  })

  it('an untied head: a copy of the embeddings is the tied model, and its rows are the vocabulary', () => {
    const embeddings = odd.tensors.get('backbone.embeddings.weight')!
    const tied = referenceProbs(changed({ tieWordEmbeddings: true }, {}), TOKENS)
    const copied = changed({}, { 'lm_head.weight': embeddings })
    expect(referenceProbs(copied, TOKENS)).toEqual(tied)
    const swapped = embeddings.data.slice()
    swapped.copyWithin(0, dModel, 2 * dModel) // row 0 becomes row 1
    const head = { shape: [vocabSize, dModel], data: swapped }
    const probs = referenceProbs(changed({}, { 'lm_head.weight': head }), TOKENS)
    expect(probs[0]).toBe(probs[1])
    expect(probs[2] / probs[1]).toBeCloseTo(tied[2] / tied[1], 12)
  })
})
