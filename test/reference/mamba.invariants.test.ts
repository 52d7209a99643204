import { describe, expect, it } from 'vitest'
import { maxDifference, range } from '../helpers/numbers.js'
import { referenceHidden } from './engine.js'
import type { ScanInputs } from './mamba.js'
import { cut, cutChannels, implicitAttention, scanInputs, scanOutput } from './mamba.js'
import type { Rows } from './math.js'
import type { MambaConfig, ReferenceFeatures, ReferenceModel } from './model.js'
import { randomMamba } from './random.js'

/** Absolute, on values of order one: two ways to sum the same float64 terms; measured 4e-15. */
const SUM_TOLERANCE = 1e-12

const CATEGORIES: ReferenceFeatures[] = ['all', 'context-dependent', 'context-independent']
/** Every flag of the config away from its default, dInner no multiple of dModel. */
const ODD = {
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
}
const PLAIN = { nLayers: 4, dModel: 16, dState: 4, dtRank: 2, convKernel: 4, vocabSize: 31 }
const MODELS: [string, ReferenceModel<MambaConfig>][] = [
  ['plain', randomMamba(1, PLAIN)],
  ['odd', randomMamba(2, ODD)],
  ['Falcon-Mamba', randomMamba(3, { ...PLAIN, mixerEpsilon: 1e-2 })],
]
const TOKENS = [3, 14, 15, 9, 2, 6, 5]
const LAST = TOKENS.length - 1

describe.each(MODELS)('implicit attention, %s model', (_, model) => {
  const T = TOKENS.length
  const D = model.config.dInner
  const hidden = referenceHidden(model, TOKENS)
  const layers = range(0, model.config.nLayers)

  it.each(layers)('layer %i: the upper triangle is zero and the diagonal is C B delta', (layer) => {
    const inputs = scanInputs(model, layer, hidden[layer])
    const alpha = implicitAttention(inputs)
    for (let t = 0; t < T; t++) {
      for (let s = t + 1; s < T; s++) for (let d = 0; d < D; d++) expect(alpha[(t * T + s) * D + d]).toBe(0)
      const product = inputs.C[t].reduce((sum, c, n) => sum + c * inputs.B[t][n], 0)
      const diagonal = alpha.slice((t * T + t) * D, (t * T + t + 1) * D)
      const expected = inputs.delta[t].map((delta) => product * delta)
      expect(maxDifference(diagonal, expected)).toBeLessThan(SUM_TOLERANCE)
    }
  })

  it.each(layers)('layer %i: y = M u + D u is the recurrence', (layer) => {
    const inputs = scanInputs(model, layer, hidden[layer])
    const y = scanOutput(inputs, implicitAttention(inputs))
    const expected = recurrence(inputs, () => false)
    for (let t = 0; t < T; t++) expect(maxDifference(y[t], expected[t])).toBeLessThan(SUM_TOLERANCE)
  })

  it.each(CATEGORIES)('a cut row reads the state that its sources never entered: %s', (features) => {
    const sources = [1, 3, LAST]
    const targets = [3, LAST]
    for (const layer of layers) {
      const inputs = scanInputs(model, layer, hidden[layer])
      const alpha = implicitAttention(inputs)
      cut(model, layer, alpha, { layers: [layer], sources, targets, features })
      const y = scanOutput(inputs, alpha)
      const isCut = cutChannels(model, layer, features)
      const clean = recurrence(inputs, () => false)
      const masked = recurrence(inputs, (s, d) => sources.includes(s) && isCut[d])
      for (let t = 0; t < T; t++) {
        const expected = targets.includes(t) ? masked[t] : clean[t]
        expect(maxDifference(y[t], expected)).toBeLessThan(SUM_TOLERANCE)
      }
      expect(maxDifference(clean[LAST], masked[LAST])).toBeGreaterThan(1e-3)
    }
  })

  it('a one-token prompt still has its skip path when it is cut from itself', () => {
    const inputs = scanInputs(model, 0, referenceHidden(model, [5])[0])
    const alpha = implicitAttention(inputs)
    cut(model, 0, alpha, { layers: [0], sources: [0], targets: [0], features: 'all' })
    expect(scanOutput(inputs, alpha)[0]).toEqual(inputs.u[0].map((u, d) => inputs.skip[d] * u))
  })
})

/** `S_t = exp(delta_t A) S_{t-1} + delta_t u_t B_t^T`, `y_t = S_t C_t + skip u_t`; masked inputs never enter S. */
function recurrence(
  { u, delta, A, B, C, skip }: ScanInputs,
  masked: (s: number, d: number) => boolean,
): Rows {
  const state = A.map((row) => new Float64Array(row.length))
  return u.map((row, t) =>
    row.map((value, d) => {
      const input = masked(t, d) ? 0 : value
      let y = skip[d] * value
      for (let n = 0; n < A[d].length; n++) {
        state[d][n] = Math.exp(delta[t][d] * A[d][n]) * state[d][n] + delta[t][d] * B[t][n] * input
        y += C[t][n] * state[d][n]
      }
      return y
    }),
  )
}
