import { describe, expect, it } from 'vitest'
import type { ReferenceFeatures, ReferenceKnockout, ReferenceModel, Rows, ScanInputs } from './mamba.js'
import {
  cut,
  cutChannels,
  implicitAttention,
  referenceHidden,
  referenceProbs,
  scanInputs,
  scanOutput,
} from './mamba.js'
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
const MODELS: [string, ReferenceModel][] = [
  ['plain', randomMamba(1, PLAIN)],
  ['odd', randomMamba(2, ODD)],
]
const TOKENS = [3, 14, 15, 9, 2, 6, 5]
const LAST = TOKENS.length - 1

function maxDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  expect(a.length).toBe(b.length)
  let max = 0
  for (let i = 0; i < a.length; i++) max = Math.max(max, Math.abs(a[i] - b[i]))
  return max
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i)
}

describe.each(MODELS)('invariants of a knockout, %s model', (_, model) => {
  const layers = range(0, model.config.nLayers)
  const base = referenceProbs(model, TOKENS)

  it('changes probabilities by percents', () => {
    for (const features of CATEGORIES) {
      const probs = referenceProbs(model, TOKENS, [{ layers, sources: [1, 2], targets: [LAST], features }])
      const changes = probs.map((p, i) => Math.abs(p / base[i] - 1))
      expect(Math.max(...changes), features).toBeGreaterThan(0.01)
    }
  })

  it.each([
    ['no layers', { layers: [], sources: [1], targets: [LAST] }],
    ['no sources', { layers, sources: [], targets: [LAST] }],
    ['no targets', { layers, sources: [1], targets: [] }],
    ['only sources after their targets', { layers, sources: [4, 5, 6], targets: [1, 3] }],
  ])('that cuts nothing equals the baseline exactly: %s', (_name, positions) => {
    for (const features of CATEGORIES) {
      expect(referenceProbs(model, TOKENS, [{ ...positions, features }])).toEqual(base)
    }
  })

  it('leaves layers before it and positions before its first target exactly as they were', () => {
    const clean = referenceHidden(model, TOKENS)
    const knocked = referenceHidden(model, TOKENS, [
      { layers: [1], sources: [0, 1], targets: [3, 5], features: 'all' },
    ])
    expect(knocked.slice(0, 2)).toEqual(clean.slice(0, 2))
    expect(knocked.map((rows) => rows.slice(0, 3))).toEqual(clean.map((rows) => rows.slice(0, 3)))
    expect(maxDifference(knocked[2][3], clean[2][3])).toBeGreaterThan(1e-6)
    expect(knocked[2][4]).toEqual(clean[2][4])
    expect(maxDifference(knocked[2][5], clean[2][5])).toBeGreaterThan(1e-6)
  })

  it('several at once are the union of their cuts', () => {
    const one = (sources: number[], features: ReferenceFeatures, where = layers): ReferenceKnockout => ({
      layers: where,
      sources,
      targets: [LAST],
      features,
    })
    const whole = referenceProbs(model, TOKENS, [one([1, 2], 'all')])
    expect(referenceProbs(model, TOKENS, [one([1], 'all'), one([1, 2], 'all'), one([2], 'all')])).toEqual(
      whole,
    )
    const split = [one([1, 2], 'all', [0]), one([1, 2], 'all', layers.slice(1))]
    expect(referenceProbs(model, TOKENS, split)).toEqual(whole)
    // No channel is spared by both categories.
    const both = [one([1, 2], 'context-dependent'), one([1, 2], 'context-independent')]
    expect(referenceProbs(model, TOKENS, both)).toEqual(whole)
  })

  it('a later token never changes an earlier position', () => {
    const changed = [...TOKENS.slice(0, 4), 20, 21, 22]
    const knockouts: ReferenceKnockout[] = [
      { layers: [0, 1], sources: [1], targets: [2, 3, LAST], features: 'context-dependent' },
    ]
    for (const cuts of [[], knockouts]) {
      const a = referenceHidden(model, TOKENS, cuts)
      const b = referenceHidden(model, changed, cuts)
      expect(b.map((rows) => rows.slice(0, 4))).toEqual(a.map((rows) => rows.slice(0, 4)))
      expect(maxDifference(a.at(-1)![4], b.at(-1)![4])).toBeGreaterThan(1e-3)
    }
  })

  it('a one-token prompt still has its skip path when it is cut from itself', () => {
    const knockout: ReferenceKnockout = { layers: [0], sources: [0], targets: [0], features: 'all' }
    const inputs = scanInputs(model, 0, referenceHidden(model, [5])[0])
    const alpha = implicitAttention(inputs)
    cut(model, 0, alpha, knockout)
    expect(scanOutput(inputs, alpha)[0]).toEqual(inputs.u[0].map((u, d) => inputs.skip[d] * u))
  })
})

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
