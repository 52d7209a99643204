/**
 * GPT-2 (Radford et al. 2019): Hugging Face's `GPT2LMHeadModel`. Positions are learned and added to the embeddings;
 * per layer
 *
 *   h += W_proj Attention(W_q n, W_k n, W_v n)        n = LayerNorm(h)
 *   h += W_proj GELU(W_fc m)                          m = LayerNorm(h)
 *
 * Its linear maps are `Conv1D` modules: weights `[inputs, outputs]`, q, k and v in one.
 */
import type { Value } from '../onnx/graph.js'
import type {
  ActivationCosts,
  Architecture,
  ConfigSource,
  LayerWeights,
  ModelDescription,
  TensorShapes,
} from './architecture.js'
import { Attention, pairBytes } from './attention.js'
import { ConfigReader } from './config.js'
import type { LayerRows } from './rows.js'

interface Gpt2Sizes {
  readonly dModel: number
  readonly nHeads: number
  readonly dFeedForward: number
  readonly epsilon: number
  /** Attention scores are divided by the square root of the head's width, */
  readonly scaled: boolean
  /** and by the number of the layer, from 1. */
  readonly scaledByLayer: boolean
  readonly gelu: 'tanh' | 'none'
}

function readSizes(read: ConfigReader): Gpt2Sizes {
  const dModel = read.size('n_embd', 768)
  const nHeads = read.size('n_head', 12)
  read.divides('n_head', nHeads, 'n_embd', dModel)
  if (read.flag('add_cross_attention', false)) read.refuse('add_cross_attention', 'must be false')
  const activation = read.oneOf(
    'activation_function',
    ['gelu_new', 'gelu_pytorch_tanh', 'gelu_fast', 'gelu'],
    'gelu_new',
  )
  return {
    dModel,
    nHeads,
    dFeedForward: read.size('n_inner', 4 * dModel),
    epsilon: read.number('layer_norm_epsilon', 1e-5),
    scaled: read.flag('scale_attn_weights', true),
    scaledByLayer: read.flag('scale_attn_by_inverse_layer_idx', false),
    gelu: activation === 'gelu' ? 'none' : 'tanh',
  }
}

function layerTensors(c: Gpt2Sizes): TensorShapes {
  const norm = (name: string): TensorShapes => ({
    [`${name}.weight`]: [c.dModel],
    [`${name}.bias`]: [c.dModel],
  })
  const affine = (name: string, inputs: number, outputs: number): TensorShapes => ({
    [`${name}.weight`]: [inputs, outputs],
    [`${name}.bias`]: [outputs],
  })
  return {
    ...norm('ln_1'),
    ...affine('attn.c_attn', c.dModel, 3 * c.dModel),
    ...affine('attn.c_proj', c.dModel, c.dModel),
    ...norm('ln_2'),
    ...affine('mlp.c_fc', c.dModel, c.dFeedForward),
    ...affine('mlp.c_proj', c.dFeedForward, c.dModel),
  }
}

/** Bytes inside a layer: what is alive at once at the worst moment. */
function activations(c: Gpt2Sizes): ActivationCosts {
  const float = 4
  return {
    rowBytes: float * (4 * c.dModel + Math.max(8 * c.dModel, 3 * c.dFeedForward)),
    promptBytes: 0,
    setBytes: 0,
    contextTokenBytes: 0,
    pairBytes: pairBytes(c),
    pairTokens: Number.POSITIVE_INFINITY,
    partBytes: 0,
    crossBytes: pairBytes(c) + 4 * float,
    fixedBytes: 0,
  }
}

function advance(c: Gpt2Sizes, w: LayerWeights, rows: LayerRows, layer: number): Value {
  const { g } = rows
  const affine = (x: Value, name: string): Value =>
    g.affine(x, w.constant(`${name}.weight`), w.constant(`${name}.bias`))
  const norm = (x: Value, name: string): Value =>
    g.layerNorm(x, w.constant(`${name}.weight`), w.constant(`${name}.bias`), c.epsilon)

  const h = rows.all
  const qkv = affine(norm(h, 'ln_1'), 'attn.c_attn')
  const [q, k, v] = g.split(qkv, 1, c.dModel, c.dModel, c.dModel) as [Value, Value, Value]
  const headDim = c.dModel / c.nHeads
  const attention = new Attention(rows, {
    nHeads: c.nHeads,
    nKeyHeads: c.nHeads,
    headDim,
    scale: (c.scaled ? 1 / Math.sqrt(headDim) : 1) / (c.scaledByLayer ? layer + 1 : 1),
  })
  const attended = g.add(h, affine(attention.mix(q, k, v), 'attn.c_proj'))
  const active = g.gelu(affine(norm(attended, 'ln_2'), 'mlp.c_fc'), c.gelu)
  return g.add(attended, affine(active, 'mlp.c_proj'))
}

function describe(source: ConfigSource): ModelDescription {
  const read = new ConfigReader(source)
  const c = readSizes(read)
  return {
    nLayers: read.layers('n_layer', 12),
    dModel: c.dModel,
    vocabSize: read.size('vocab_size', 50_257),
    maxTokens: read.size('n_positions', 1024),
    featureCategories: ['all'],
    activations: activations(c),
    prefix: 'transformer.',
    // The causal mask, which older versions of transformers saved with the weights.
    ignored: /\.attn\.(masked_)?bias$/,
    embedding: 'transformer.wte.weight',
    positions: 'transformer.wpe.weight',
    tied: read.flag('tie_word_embeddings', true),
    finalNorm: {
      weight: 'transformer.ln_f.weight',
      bias: 'transformer.ln_f.bias',
      epsilon: c.epsilon,
    },
    layerPrefix: (layer) => `transformer.h.${layer}.`,
    layerTensors: () => layerTensors(c),
    advance: (weights, rows, layer) => advance(c, weights, rows, layer),
  }
}

/** GPT-2. */
export const gpt2: Architecture = { modelType: 'gpt2', family: 'GPT-2', describe }
