import { describe, expect, it } from 'vitest'
import { maxDifference, range } from '../helpers/numbers.js'
import { referenceHidden } from './engine.js'
import { cutHeads, type Mamba2Inputs, mamba2Attention, mamba2Inputs, mamba2Output } from './mamba2.js'
import type { Rows } from './math.js'
import type { Mamba2Config, ReferenceFeatures, ReferenceModel } from './model.js'
import { randomMamba2 } from './random.js'

/** Absolute, on values of order one: two ways to sum the same float64 terms. */
const SUM_TOLERANCE = 1e-12

const MODEL = randomMamba2(1, {
  nLayers: 3,
  dModel: 10,
  nHeads: 6,
  headDim: 3,
  dState: 4,
  nGroups: 3,
  convKernel: 3,
  vocabSize: 23,
  timeStepLimit: [0.1, 0.6],
})
const TOKENS = [3, 14, 15, 9, 2, 6, 5]
const LAYERS = range(0, 3)
const hidden = referenceHidden(MODEL, TOKENS)

/** `S_t = exp(dt_t A) S_{t-1} + dt_t x_t B_t^T`, `y_t = S_t C_t + skip x_t`, head by head. */
function recurrence(
  { nHeads, nGroups, headDim, dState }: Mamba2Config,
  { x, B, C, dt, A, skip }: Mamba2Inputs,
): Rows {
  const state = range(0, nHeads * headDim).map(() => new Float64Array(dState))
  return x.map((row, t) =>
    row.map((value, d) => {
      const h = Math.floor(d / headDim)
      const group = Math.floor((h * nGroups) / nHeads)
      let y = skip[h] * value
      for (let n = 0; n < dState; n++) {
        const entering = dt[t][h] * value * B[t][group * dState + n]
        state[d][n] = Math.exp(dt[t][h] * A[h]) * state[d][n] + entering
        y += state[d][n] * C[t][group * dState + n]
      }
      return y
    }),
  )
}

describe('Mamba-2', () => {
  it.each(LAYERS)('layer %i: y = M x + D x is the recurrence', (layer) => {
    const inputs = mamba2Inputs(MODEL, layer, hidden[layer])
    const y = mamba2Output(MODEL.config, inputs, mamba2Attention(MODEL.config, inputs))
    recurrence(MODEL.config, inputs).forEach((row, t) => {
      expect(maxDifference(y[t], row)).toBeLessThan(SUM_TOLERANCE)
    })
  })

  it('steps keep to their limits, and meet both', () => {
    const steps = LAYERS.flatMap((layer) => mamba2Inputs(MODEL, layer, hidden[layer]).dt).flatMap((row) => [
      ...row,
    ])
    expect(Math.min(...steps)).toBe(0.1)
    expect(Math.max(...steps)).toBe(0.6)
    expect(steps.some((step) => step > 0.1 && step < 0.6)).toBe(true)
  })

  it('heads of one group share B and C', () => {
    const inputs = mamba2Inputs(MODEL, 0, hidden[0])
    const alpha = mamba2Attention(MODEL.config, inputs)
    const product = (t: number, s: number, h: number) => {
      const decay = range(s + 1, t + 1).reduce((sum, k) => sum + inputs.dt[k][h] * inputs.A[h], 0)
      return alpha[(t * TOKENS.length + s) * 6 + h] / (Math.exp(decay) * inputs.dt[s][h])
    }
    for (const [first, second] of [
      [0, 1],
      [2, 3],
      [4, 5],
    ]) {
      expect(product(4, 1, first)).toBeCloseTo(product(4, 1, second), 12)
    }
    expect(Math.abs(product(4, 1, 1) - product(4, 1, 2))).toBeGreaterThan(0.1)
  })
})

describe('feature categories are of heads', () => {
  /** Heads from fastest to slowest decay: 4, 0, 6, 2, 1, 5, 3. */
  const rates = [5, 0.4, 0.7, 0.1, 9, 0.2, 1]
  const model: ReferenceModel<Mamba2Config> = randomMamba2(1, {
    nLayers: 1,
    dModel: 4,
    nHeads: 7,
    headDim: 2,
    dState: 2,
    convKernel: 2,
    vocabSize: 5,
  })
  model.tensors.set('backbone.layers.0.mixer.A_log', { shape: [7], data: Float64Array.from(rates, Math.log) })
  const spared = (features: ReferenceFeatures) =>
    cutHeads(model, 0, features).flatMap((isCut, h) => (isCut ? [] : [h]))

  it('spare the fastest third, the slowest third, or none; a third is rounded down', () => {
    expect(spared('context-dependent')).toEqual([0, 4])
    expect(spared('context-independent')).toEqual([3, 5])
    expect(spared('all')).toEqual([])
  })
})
