import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { beforeAll, describe, expect, it } from 'vitest'
import type { ReferenceFeatures, ReferenceKnockout, ReferenceModel, ReferenceTensor } from './mamba.js'
import { cutChannels, referenceHidden, referenceProbs, scanInputs } from './mamba.js'
import { randomMamba } from './random.js'
import { readFixture } from './safetensors.js'

/** Absolute, on probabilities. The oracles are float32 with 7 digits; measured 2.3e-7 at most. */
const ORACLE_TOLERANCE = 5e-7
/** Relative, on probabilities down to 1e-3 after 24 float32 layers; measured 1.2e-5 at most. */
const TRAINED_TOLERANCE = 5e-5
/** Absolute, on values of order one: two ways to sum the same float64 terms; measured 4e-15. */
const SUM_TOLERANCE = 1e-12

const root = fileURLToPath(new URL('../..', import.meta.url))
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

function readJson<T>(path: string): T {
  return JSON.parse(readFileSync(join(root, path), 'utf8')) as T
}

function maxDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  expect(a.length).toBe(b.length)
  let max = 0
  for (let i = 0; i < a.length; i++) max = Math.max(max, Math.abs(a[i] - b[i]))
  return max
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i)
}

describe('oracle: Hugging Face Mamba-1 with the knockout code of the paper authors', () => {
  interface OracleCase {
    tokens: number[]
    baseProbs: number[]
    knockouts: (ReferenceKnockout & { probs: number[] })[]
  }
  const model = readFixture(join(root, 'test/fixtures/oracle/mamba1-hf'))
  const { cases } = readJson<{ cases: OracleCase[] }>('test/fixtures/oracle/mamba1-hf/cases.json')

  it('has all its cases', () => {
    expect(cases.map(({ knockouts }) => knockouts.length)).toEqual([76, 76, 76])
  })

  it.each(cases.map((c, i) => [i, c] as const))('case %i', (_, { tokens, baseProbs, knockouts }) => {
    const base = referenceProbs(model, tokens)
    expect(maxDifference(base, baseProbs)).toBeLessThan(ORACLE_TOLERANCE)
    let largestEffect = 0
    for (const { probs, ...knockout } of knockouts) {
      const ours = referenceProbs(model, tokens, [knockout])
      expect(maxDifference(ours, probs), JSON.stringify(knockout)).toBeLessThan(ORACLE_TOLERANCE)
      largestEffect = Math.max(largestEffect, maxDifference(probs, baseProbs))
    }
    expect(largestEffect).toBeGreaterThan(1000 * ORACLE_TOLERANCE) // or agreement would mean nothing
  })
})

describe('oracle: a trained model with float16 weights', () => {
  interface TrainedCase {
    tokens: number[]
    subjectTokens: number[]
    answerToken: number
    baseProb: number
    window: number
    /** The answer's probability per window start, target last; keys are `role` or `role:features`. */
    curves: Record<string, number[]>
  }
  const [{ tokens, subjectTokens, answerToken, baseProb, window, curves }] = readJson<TrainedCase[]>(
    'test/fixtures/trained/tiny-mamba1.json',
  )
  const last = tokens.length - 1
  const sourcesOf: Record<string, number[]> = {
    subject: subjectTokens,
    first: [0],
    last: [last],
    'relation-minus-last': range(0, last).filter((position) => !subjectTokens.includes(position)),
  }
  let model: ReferenceModel
  beforeAll(() => {
    model = readFixture(join(root, 'models/tiny-mamba1'))
  })

  it('base probability', () => {
    const prob = referenceProbs(model, tokens)[answerToken]
    expect(Math.abs(prob / baseProb - 1)).toBeLessThan(TRAINED_TOLERANCE)
  })

  it.each(Object.keys(curves))('%s -> last, the first and the last window', (curve) => {
    const [role, features = 'all'] = curve.split(':')
    for (const first of [0, curves[curve].length - 1]) {
      const knockout: ReferenceKnockout = {
        layers: range(first, first + window),
        sources: sourcesOf[role],
        targets: [last],
        features: features as ReferenceFeatures,
      }
      const prob = referenceProbs(model, tokens, [knockout])[answerToken]
      expect(Math.abs(prob / curves[curve][first] - 1)).toBeLessThan(TRAINED_TOLERANCE)
    }
  })
})

describe('feature categories', () => {
  const shape = { nLayers: 1, dModel: 4, dInner: 7, dState: 2, dtRank: 1, convKernel: 2, vocabSize: 5 }
  /** Channels from fastest to slowest decay: 4, 0, 6, 2, 1, 5, 3. */
  const rates = [5, 0.4, 0.7, 0.1, 9, 0.2, 1]

  function withRates(values: number[]): ReferenceModel {
    const model = randomMamba(1, shape)
    const data = Float64Array.from(values.flatMap((rate) => [Math.log(rate), Math.log(2 * rate)]))
    model.tensors.set('backbone.layers.0.mixer.A_log', { shape: [7, 2], data })
    return model
  }
  const spared = (model: ReferenceModel, features: ReferenceFeatures) =>
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
    config: Partial<ReferenceModel['config']>,
    tensors: Record<string, ReferenceTensor>,
  ): ReferenceModel {
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

describe('errors', () => {
  const model = ODD_MODEL
  const knockout: ReferenceKnockout = { layers: [0], sources: [0], targets: [1], features: 'all' }
  it.each([
    ['tokens: at least one', [], knockout],
    ['tokens: 0 to 22, got 23', [23], knockout],
    ['layers: 0 to 2, got 3', [1, 2], { ...knockout, layers: [3] }],
    ['sources: 0 to 1, got -1', [1, 2], { ...knockout, sources: [-1] }],
    ['targets: 0 to 1, got 2', [1, 2], { ...knockout, targets: [2] }],
  ])('%s', (message, tokens, cuts) => {
    expect(() => referenceProbs(model, tokens, [cuts])).toThrow(message)
  })
})
