/** Mamba-1 (Gu and Dao 2023, arXiv 2312.00752): Hugging Face's `MambaForCausalLM`. */
import {
  type ActivationCosts,
  type Architecture,
  type ConfigSource,
  FEATURE_CATEGORIES,
  type ModelDescription,
} from './architecture.js'
import { ConfigReader } from './config.js'
import { blockRows, MambaLayer, type MambaSizes, mambaTensors } from './mamba-layer.js'

/** Bytes inside a layer: what is alive at once at the worst moment. */
function activations(c: MambaSizes): ActivationCosts {
  const float = 4
  const state = c.dInner * c.dState
  return {
    // About ten vectors of dInner a row; the recurrence's state and its temporaries; a state for each kept set; the
    // contributions of one context's tokens; a block's temporaries.
    rowBytes: float * (3 * c.dModel + 10 * c.dInner),
    promptBytes: float * 4 * state,
    setBytes: float * 2 * state,
    contextTokenBytes: float * 3 * state,
    pairBytes: 0,
    pairTokens: Number.POSITIVE_INFINITY,
    partBytes: 0,
    crossBytes: 0,
    fixedBytes: float * 5 * state * blockRows(c),
  }
}

/** The same in graphs for a GPU. */
function gpuActivations(c: MambaSizes): ActivationCosts {
  const float = 4
  const state = c.dInner * c.dState
  return {
    // About ten vectors of dInner, and of states the decay's exponent, the decay, the run's state and their product.
    rowBytes: float * (3 * c.dModel + 10 * c.dInner + 4 * state),
    promptBytes: 0,
    setBytes: float * 3 * state,
    contextTokenBytes: 0,
    pairBytes: 0,
    pairTokens: Number.POSITIVE_INFINITY,
    partBytes: 0,
    crossBytes: 0,
    fixedBytes: 0,
  }
}

/**
 * The sizes of a model of the Mamba-1 family.
 * @param mixerEpsilon Falcon-Mamba's, see `MambaSizes`
 * @throws InputError when the config is not one of this family
 */
export function readMambaSizes(source: ConfigSource, mixerEpsilon?: number): MambaSizes {
  const read = new ConfigReader(source)
  const dModel = read.size('hidden_size')
  read.oneOf('hidden_act', ['silu', 'swish'], 'silu')
  const rank = Math.ceil(dModel / 16)
  return {
    dModel,
    // intermediate_size counts: falcon-mamba-7b has an expand of 16 beside it, and expand may be a fraction.
    dInner: read.size('intermediate_size', Math.floor(read.number('expand', 2) * dModel)),
    dState: read.size('state_size', 16),
    dtRank: read.text('time_step_rank') === 'auto' ? rank : read.size('time_step_rank', rank),
    dConv: read.size('conv_kernel', 4),
    epsilon: read.number('layer_norm_epsilon', 1e-5),
    useBias: read.flag('use_bias', false),
    useConvBias: read.flag('use_conv_bias', true),
    mixerEpsilon,
  }
}

/** The description of a model of the Mamba-1 family. Parameters and errors as for `readMambaSizes`. */
export function describeMamba(source: ConfigSource, mixerEpsilon?: number): ModelDescription {
  const read = new ConfigReader(source)
  const c = readMambaSizes(source, mixerEpsilon)
  return {
    nLayers: read.layers('num_hidden_layers'),
    dModel: c.dModel,
    vocabSize: read.size('vocab_size'),
    featureCategories: FEATURE_CATEGORIES,
    history: c.dConv - 1,
    aLog: 'mixer.A_log',
    activations: activations(c),
    gpuActivations: gpuActivations(c),
    prefix: 'backbone.',
    embedding: 'backbone.embeddings.weight',
    tied: read.flag('tie_word_embeddings', true),
    finalNorm: { weight: 'backbone.norm_f.weight', epsilon: c.epsilon },
    layerPrefix: (layer) => `backbone.layers.${layer}.`,
    layerTensors: () => mambaTensors(c),
    advance: (weights, rows) => new MambaLayer(c, weights, rows).advance(),
  }
}

/** Mamba-1. */
export const mamba: Architecture = {
  modelType: 'mamba',
  family: 'Mamba-1',
  describe: (source) => describeMamba(source),
}
