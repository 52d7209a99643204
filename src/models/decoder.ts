/**
 * The decoder that Llama, Mistral and Qwen2 have in common (Touvron et al. 2023, arXiv 2302.13971): per layer
 *
 *   h += W_o Attention(rotary(W_q n), rotary(W_k n), W_v n)       n = RMSNorm(h)
 *   h += W_down (SiLU(W_gate m) * W_up m)                         m = RMSNorm(h)
 *
 * Tensor names and config keys are those of Hugging Face's `LlamaForCausalLM`.
 */
import type { Value } from '../onnx/graph.js'
import type {
  ActivationCosts,
  ConfigSource,
  LayerWeights,
  ModelDescription,
  TensorShapes,
} from './architecture.js'
import { Attention, type AttentionSizes, pairBytes } from './attention.js'
import { ConfigReader } from './config.js'
import { anglesOf, inverseFrequencies, rotate } from './rotary.js'
import type { LayerRows } from './rows.js'

/** What tells the families apart. */
export interface DecoderOptions {
  /** Which of the attention's projections have a bias. */
  readonly biases: { readonly qkv: boolean; readonly out: boolean; readonly mlp: boolean }
  /** Tokens that a token of this layer sees; undefined: all before it. */
  slidingWindow(layer: number): number | undefined
}

interface DecoderSizes extends Omit<AttentionSizes, 'slidingWindow'> {
  readonly dModel: number
  readonly dFeedForward: number
  readonly epsilon: number
  readonly frequencies: Float32Array
}

/** Each head's rotary frequencies are listed one by one. */
const MOST_HEAD_DIM = 2 ** 16

function readSizes(read: ConfigReader): DecoderSizes {
  const dModel = read.size('hidden_size')
  const nHeads = read.size('num_attention_heads')
  const nKeyHeads = read.size('num_key_value_heads', nHeads)
  read.divides('num_key_value_heads', nKeyHeads, 'num_attention_heads', nHeads)
  if (!read.has('head_dim')) read.divides('num_attention_heads', nHeads, 'hidden_size', dModel)
  const headDim = read.size('head_dim', dModel / nHeads, MOST_HEAD_DIM)
  if (headDim % 2 !== 0) read.refuse('head_dim', 'must be even (positions turn pairs of channels)')
  read.oneOf('hidden_act', ['silu', 'swish'], 'silu')
  return {
    dModel,
    nHeads,
    nKeyHeads,
    headDim,
    scale: 1 / Math.sqrt(headDim),
    dFeedForward: read.size('intermediate_size'),
    epsilon: read.number('rms_norm_eps', 1e-6),
    frequencies: inverseFrequencies(read, headDim, read.size('max_position_embeddings', 2048)),
  }
}

function layerTensors(c: DecoderSizes, { biases }: DecoderOptions): TensorShapes {
  const linear = (name: string, outputs: number, inputs: number, bias: boolean): TensorShapes => ({
    [`${name}.weight`]: [outputs, inputs],
    ...(bias && { [`${name}.bias`]: [outputs] }),
  })
  const queries = c.nHeads * c.headDim
  const keys = c.nKeyHeads * c.headDim
  return {
    'input_layernorm.weight': [c.dModel],
    ...linear('self_attn.q_proj', queries, c.dModel, biases.qkv),
    ...linear('self_attn.k_proj', keys, c.dModel, biases.qkv),
    ...linear('self_attn.v_proj', keys, c.dModel, biases.qkv),
    ...linear('self_attn.o_proj', c.dModel, queries, biases.out),
    'post_attention_layernorm.weight': [c.dModel],
    ...linear('mlp.gate_proj', c.dFeedForward, c.dModel, biases.mlp),
    ...linear('mlp.up_proj', c.dFeedForward, c.dModel, biases.mlp),
    ...linear('mlp.down_proj', c.dModel, c.dFeedForward, biases.mlp),
  }
}

/** Bytes inside a layer: what is alive at once at the worst moment. */
function activations(c: DecoderSizes): ActivationCosts {
  const float = 4
  return {
    // Residual, its norm and a sum; queries, keys and values before and after rotation, or the feed-forward part.
    rowBytes:
      float * (4 * c.dModel + Math.max(3 * (c.nHeads + 2 * c.nKeyHeads) * c.headDim, 4 * c.dFeedForward)),
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

function advance(
  c: DecoderSizes,
  w: LayerWeights,
  rows: LayerRows,
  slidingWindow: number | undefined,
): Value {
  const { g } = rows
  const linear = (x: Value, name: string): Value =>
    g.linear(x, w.constant(`${name}.weight`), w.optional(`${name}.bias`))
  const norm = (x: Value, name: string): Value => g.rmsNorm(x, w.constant(`${name}.weight`), c.epsilon)

  const h = rows.all
  const n = norm(h, 'input_layernorm')
  const angles = anglesOf(rows, c.frequencies)
  const q = rotate(g, linear(n, 'self_attn.q_proj'), c.nHeads, c.headDim, angles)
  const k = rotate(g, linear(n, 'self_attn.k_proj'), c.nKeyHeads, c.headDim, angles)
  const mixed = new Attention(rows, { ...c, slidingWindow }).mix(q, k, linear(n, 'self_attn.v_proj'))
  const attended = g.add(h, linear(mixed, 'self_attn.o_proj'))

  const m = norm(attended, 'post_attention_layernorm')
  const gated = g.mul(g.silu(linear(m, 'mlp.gate_proj')), linear(m, 'mlp.up_proj'))
  return g.add(attended, linear(gated, 'mlp.down_proj'))
}

/** The description of a decoder. @throws InputError when the config is not one of a model that factflow computes */
export function describeDecoder(source: ConfigSource, options: DecoderOptions): ModelDescription {
  const read = new ConfigReader(source)
  const c = readSizes(read)
  return {
    nLayers: read.layers('num_hidden_layers'),
    dModel: c.dModel,
    vocabSize: read.size('vocab_size'),
    featureCategories: ['all'],
    activations: activations(c),
    prefix: 'model.',
    // Written by transformers until version 4.30.
    ignored: /\.self_attn\.rotary_emb\.inv_freq$/,
    embedding: 'model.embed_tokens.weight',
    tied: read.flag('tie_word_embeddings', false),
    finalNorm: { weight: 'model.norm.weight', epsilon: c.epsilon },
    layerPrefix: (layer) => `model.layers.${layer}.`,
    layerTensors: () => layerTensors(c, options),
    advance: (weights, rows, layer) => advance(c, weights, rows, options.slidingWindow(layer)),
  }
}
