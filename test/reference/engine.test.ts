import { describe, expect, it } from 'vitest'
import { maxDifference, range } from '../helpers/numbers.js'
import { oracles, type TrainedCase, trainedOracles } from '../helpers/oracle.js'
import { referenceProbs } from './engine.js'
import type { ReferenceFeatures, ReferenceKnockout, ReferenceModel } from './model.js'
import { randomMamba } from './random.js'
import { readFixture } from './safetensors.js'

/**
 * Absolute, on probabilities. The oracles are float32 with 7 or 8 digits; measured 7e-7 at most, and 1.2e-6 for
 * mamba2-hf, whose knockouts move probabilities by up to 0.6.
 */
const ORACLE_TOLERANCE = 2e-6
/** Twice what parity tests of the sweep allow. The two kinds of GELU differ least, by 2e-5. */
const LEAST_CHANGE = 1e-5
/** Relative, on probabilities down to 1e-3 after 16 to 24 float32 layers; measured 2e-5 at most. */
const TRAINED_TOLERANCE = 5e-5
/** The sweep is compared with all knockouts of the oracles; this slow engine with every fifth (of 8 or 19 kinds). */
const EVERY = 5

/** Those whose weights are .safetensors; the original layouts hold the weights of their Hugging Face twins. */
const readable = [...oracles('oracle'), ...oracles('variants')].filter(
  ({ name }) => !name.endsWith('-original'),
)

describe.each(readable.map((oracle) => [oracle.name, oracle] as const))('%s', (name, { dir, cases }) => {
  it('whole distributions', () => {
    const model = readFixture(dir)
    let effect = 0
    for (const { tokens, baseProbs, knockouts } of cases) {
      expect(maxDifference(referenceProbs(model, tokens), baseProbs)).toBeLessThan(ORACLE_TOLERANCE)
      knockouts.forEach(({ probs, ...knockout }, k) => {
        if (name.startsWith('oracle/') && k % EVERY !== 0) return
        const ours = referenceProbs(model, tokens, [knockout])
        expect(maxDifference(ours, probs), JSON.stringify(knockout)).toBeLessThan(ORACLE_TOLERANCE)
        effect = Math.max(effect, maxDifference(probs, baseProbs))
      })
    }
    expect(effect).toBeGreaterThan(1000 * ORACLE_TOLERANCE) // or agreement would mean nothing
  })
})

describe('what a variant is there for changes its probabilities', () => {
  const UNBOUNDED = Number.POSITIVE_INFINITY
  it.each([
    ['llama-rope-llama3-tied', { rope: { type: 'default', theta: 10000 } }],
    ['llama-version-4', { rope: { type: 'default', theta: 5000 } }],
    ['llama-version-4', { rope: { type: 'linear', theta: 10000, factor: 4 } }],
    ['llama-version-4', { qkvBias: false }],
    ['llama-version-4', { oBias: false }],
    ['llama-version-4', { mlpBias: false }],
    ['mistral-window-sharded', { windows: [UNBOUNDED, UNBOUNDED] }],
    ['mistral-window-sharded', { windows: [5, 5] }],
    ['qwen2-layer-types', { windows: [UNBOUNDED, 3, 3] }],
    ['qwen2-max-window-layers', { windows: [3, 3] }],
    ['qwen2-bfloat16', { windows: [UNBOUNDED, 4] }],
    ['gpt2-inverse-layer', { scaleByInverseLayer: false }],
    ['gpt2-inverse-layer', { activation: 'gelu_new' }],
    ['mamba2-groups', { normGroups: 1 }],
    ['mamba2-groups', { useBias: false }],
    ['mamba2-groups', { timeStepLimit: [0.1, UNBOUNDED] }],
    ['mamba2-groups', { timeStepLimit: [0, 0.6] }],
    ['mamba-bias', { useBias: false }],
    ['falcon-mamba-epsilon', { mixerEpsilon: 1e-6 }],
  ])('%s without %j', (folder, change) => {
    const { dir, cases } = readable.find(({ name }) => name === `variants/${folder}`)!
    const model = readFixture(dir)
    const changed = { ...model, config: { ...model.config, ...change } } as ReferenceModel
    const [{ tokens, baseProbs }] = cases
    expect(maxDifference(referenceProbs(changed, tokens), baseProbs)).toBeGreaterThan(LEAST_CHANGE)
  })
})

const trained = [...trainedOracles('first'), ...trainedOracles('embedded')]
describe.each(trained.map(({ name, dir, cases }) => [name, dir, cases[0]] as const))(
  'trained: %s',
  (_, dir, { tokens, subjectTokens, answerToken, baseProb, window, curves }: TrainedCase) => {
    const last = tokens.length - 1
    const sourcesOf: Record<string, number[]> = {
      subject: subjectTokens,
      relation: range(0, tokens.length).filter((position) => !subjectTokens.includes(position)),
      first: [0],
      last: [last],
      'relation-minus-last': range(0, last).filter((position) => !subjectTokens.includes(position)),
    }
    it('base probability, and the first or the last window of every curve', () => {
      const model = readFixture(dir)
      const prob = (knockouts: ReferenceKnockout[]) => referenceProbs(model, tokens, knockouts)[answerToken]
      expect(Math.abs(prob([]) / baseProb - 1)).toBeLessThan(TRAINED_TOLERANCE)
      Object.entries(curves).forEach(([curve, probs], i) => {
        const [role, features = 'all'] = curve.split(':') as [string, ReferenceFeatures?]
        const first = i % 2 === 0 ? 0 : probs.length - 1
        const layers = range(first, first + window)
        const knocked = prob([{ layers, sources: sourcesOf[role], targets: [last], features }])
        expect(Math.abs(knocked / probs[first] - 1), curve).toBeLessThan(TRAINED_TOLERANCE)
      })
    })
  },
)

describe('errors', () => {
  const shape = { nLayers: 3, dModel: 10, dState: 3, dtRank: 4, convKernel: 3, vocabSize: 23 }
  const model = randomMamba(2, shape)
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
