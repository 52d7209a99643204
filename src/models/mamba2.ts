/** Mamba-2 (Dao and Gu 2024, arXiv 2405.21060): Hugging Face's `Mamba2ForCausalLM`. */
import {
  type ActivationCosts,
  type Architecture,
  type ConfigSource,
  FEATURE_CATEGORIES,
  type ModelDescription,
} from './architecture.js'
import { ConfigReader } from './config.js'
import { CHUNK, Mamba2Layer, type Mamba2Sizes, mamba2Tensors, mamba2Widths } from './mamba2-layer.js'

/** Bytes inside a layer: what is alive at once at the worst moment. */
function activations(c: Mamba2Sizes): ActivationCosts {
  const float = 4
  const { dInner, dConvolved } = mamba2Widths(c)
  return {
    // Residual and its norm, the projections, x and v and y with their heads apart and together.
    rowBytes: float * (3 * c.dModel + 5 * dInner + 4 * dConvolved),
    promptBytes: 0,
    setBytes: 0,
    contextTokenBytes: 0,
    // Decay exponents, decays, weights and one of them while it is reshaped.
    pairBytes: float * 4 * c.nHeads,
    pairTokens: CHUNK,
    // Of one sequence, whole and masked: the state, what is added to it, and the next.
    partBytes: float * 2 * 3 * dInner * c.dState,
    crossBytes: float * (3 * c.nGroups + 4),
    fixedBytes: 0,
  }
}

function readSizes(source: ConfigSource): Mamba2Sizes {
  const read = new ConfigReader(source)
  read.oneOf('hidden_act', ['silu', 'swish'], 'silu')
  const nHeads = read.size('num_heads', 128)
  const nGroups = read.size('n_groups', 8)
  read.divides('n_groups', nGroups, 'num_heads', nHeads)
  return {
    dModel: read.size('hidden_size'),
    nHeads,
    headDim: read.size('head_dim', 64),
    nGroups,
    dState: read.size('state_size', 128),
    dConv: read.size('conv_kernel', 4),
    epsilon: read.number('layer_norm_epsilon', 1e-5),
    timeStepLimit: read.range('time_step_limit', [0, Number.POSITIVE_INFINITY]),
    useBias: read.flag('use_bias', false),
    useConvBias: read.flag('use_conv_bias', true),
  }
}

function describe(source: ConfigSource): ModelDescription {
  const read = new ConfigReader(source)
  const c = readSizes(source)
  return {
    nLayers: read.layers('num_hidden_layers', 64),
    dModel: c.dModel,
    vocabSize: read.size('vocab_size'),
    featureCategories: FEATURE_CATEGORIES,
    history: c.dConv - 1,
    aLog: 'mixer.A_log',
    activations: activations(c),
    gpuActivations: { ...activations(c), pairTokens: Number.POSITIVE_INFINITY, partBytes: 0 },
    prefix: 'backbone.',
    embedding: 'backbone.embeddings.weight',
    tied: read.flag('tie_word_embeddings', false),
    finalNorm: { weight: 'backbone.norm_f.weight', epsilon: c.epsilon },
    layerPrefix: (layer) => `backbone.layers.${layer}.`,
    layerTensors: () => mamba2Tensors(c),
    advance: (weights, rows) => new Mamba2Layer(c, weights, rows).advance(),
  }
}

/** Mamba-2. */
export const mamba2: Architecture = { modelType: 'mamba2', family: 'Mamba-2', describe }
