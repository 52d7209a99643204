/** Small random models of every family, plain ones and ones with all options away from their defaults. */
import type { ReferenceConfig, ReferenceFeatures, ReferenceModel } from './model.js'
import { randomGpt2, randomLlama, randomMamba, randomMamba2 } from './random.js'

const UNBOUNDED = Number.POSITIVE_INFINITY
const SIZES = { nLayers: 3, dModel: 12, vocabSize: 23 }
const SCAN = { dState: 4, dtRank: 2, convKernel: 4 }
const HEADS = { nHeads: 4, nKvHeads: 2, headDim: 4, dMlp: 20 }
const LLAMA3 = { factor: 8, lowFreqFactor: 1, highFreqFactor: 4, originalMaxPositions: 32 }

/** Models by a name that says what they have. Three layers, 23 tokens, width 12 or 10. */
export const MODELS: [string, ReferenceModel][] = [
  ['mamba', randomMamba(1, { ...SIZES, ...SCAN })],
  [
    'mamba with other options',
    randomMamba(2, {
      ...SIZES,
      dModel: 10,
      dInner: 17, // no multiple of dModel
      dState: 3,
      dtRank: 4,
      convKernel: 3,
      useBias: true,
      useConvBias: false,
      tied: false,
    }),
  ],
  ['falcon_mamba', randomMamba(3, { ...SIZES, ...SCAN, mixerEpsilon: 1e-2, tied: false })],
  ['mamba2', randomMamba2(4, { ...SIZES, nHeads: 6, headDim: 4, dState: 4, convKernel: 4 })],
  [
    'mamba2 with other options',
    randomMamba2(5, {
      ...SIZES,
      dModel: 10,
      nHeads: 6,
      headDim: 3,
      dState: 3,
      nGroups: 2,
      convKernel: 3,
      useBias: true,
      useConvBias: false,
      timeStepLimit: [0.1, 0.6],
      tied: false,
    }),
  ],
  ['gpt2', randomGpt2(6, { ...SIZES, nHeads: 3, nPositions: 150 })],
  [
    'gpt2 with other options',
    randomGpt2(7, {
      ...SIZES,
      dModel: 10,
      nHeads: 2,
      nPositions: 150,
      dMlp: 14,
      scaleWeights: false,
      scaleByInverseLayer: true,
      activation: 'gelu',
      tied: false,
    }),
  ],
  ['llama', randomLlama(8, { ...SIZES, ...HEADS })],
  [
    'llama with other options',
    randomLlama(9, {
      ...SIZES,
      ...HEADS,
      dModel: 10,
      headDim: 6,
      attentionBias: true,
      mlpBias: true,
      rope: { type: 'llama3', theta: 1000, ...LLAMA3 },
      tied: false,
    }),
  ],
  ['mistral', randomLlama(10, { ...SIZES, ...HEADS, modelType: 'mistral', windows: [5, 5, 5] })],
  [
    'qwen2',
    randomLlama(11, {
      ...SIZES,
      ...HEADS,
      modelType: 'qwen2',
      windows: [UNBOUNDED, 5, UNBOUNDED],
      tied: false,
    }),
  ],
]

/** The feature categories that a family knows. */
export function categoriesOf({ modelType }: Pick<ReferenceConfig, 'modelType'>): ReferenceFeatures[] {
  const isStateSpace = modelType.includes('mamba')
  return isStateSpace ? ['all', 'context-dependent', 'context-independent'] : ['all']
}
