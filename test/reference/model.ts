/** What all families of the reference engine share: configs, weights, knockouts. Nothing here is of src/. */
import type { ReferenceTensor, Rows } from './math.js'

/** Sizes that every family has. Names are those of the reference, not of a config.json (see hf-config.ts). */
export interface CommonConfig {
  nLayers: number
  dModel: number
  vocabSize: number
  /** Of every norm. */
  epsilon: number
  /** Whether the unembedding is the embedding rather than `lm_head.weight`. */
  tieWordEmbeddings: boolean
}

/** Mamba-1, and Falcon-Mamba: the numbers of the config that change what the model computes. */
export interface MambaConfig extends CommonConfig {
  modelType: 'mamba' | 'falcon_mamba'
  dInner: number
  dState: number
  dtRank: number
  convKernel: number
  /** Whether `in_proj` and `out_proj` have a bias. */
  useBias: boolean
  useConvBias: boolean
  /** Falcon-Mamba only: `mixer_rms_eps`, of the weightless RMS of the step, B and C. */
  mixerEpsilon?: number
}

export interface Mamba2Config extends CommonConfig {
  modelType: 'mamba2'
  nHeads: number
  headDim: number
  dState: number
  /** Groups of heads that share B and C. */
  nGroups: number
  /** Groups of channels that the gated norm normalises apart. */
  normGroups: number
  convKernel: number
  useBias: boolean
  useConvBias: boolean
  /** Least and largest step after softplus. */
  timeStepLimit: [number, number]
}

export interface Gpt2Config extends CommonConfig {
  modelType: 'gpt2'
  nHeads: number
  dMlp: number
  nPositions: number
  /** Of the MLP: GELU with its tanh approximation, or exact. */
  activation: 'gelu_new' | 'gelu'
  /** Whether scores are divided by the root of the head's width. */
  scaleWeights: boolean
  /** Whether scores of layer l are divided by l + 1. */
  scaleByInverseLayer: boolean
}

/** Rotary frequencies: `theta ** (-2 i / headDim)`, and how they are stretched. */
export type Rope =
  | { type: 'default'; theta: number }
  | { type: 'linear'; theta: number; factor: number }
  | {
      type: 'llama3'
      theta: number
      factor: number
      lowFreqFactor: number
      highFreqFactor: number
      originalMaxPositions: number
    }

/** The Llama family. */
export interface LlamaConfig extends CommonConfig {
  modelType: 'llama' | 'mistral' | 'qwen2'
  nHeads: number
  nKvHeads: number
  headDim: number
  dMlp: number
  rope: Rope
  /** Whether `q_proj`, `k_proj` and `v_proj` have a bias. */
  qkvBias: boolean
  /** Whether `o_proj` has one. */
  oBias: boolean
  /** Whether `gate_proj`, `up_proj` and `down_proj` have one. */
  mlpBias: boolean
  /** Per layer, how many tokens a token sees, itself included; Infinity for all. */
  windows: number[]
}

export type ReferenceConfig = MambaConfig | Mamba2Config | Gpt2Config | LlamaConfig

/** A model: its config and its weights under their Hugging Face names. */
export interface ReferenceModel<Config extends ReferenceConfig = ReferenceConfig> {
  config: Config
  tensors: Map<string, ReferenceTensor>
}

export type ReferenceFeatures = 'all' | 'context-dependent' | 'context-independent'

/** In each of `layers` no target position receives anything from any source position, in the cut features. */
export interface ReferenceKnockout {
  layers: number[]
  sources: number[]
  targets: number[]
  features: ReferenceFeatures
}

/** What a family computes. */
export interface ReferenceFamily<Config extends ReferenceConfig> {
  /** The residual stream that enters the first layer, [T, dModel]. */
  embed(model: ReferenceModel<Config>, tokens: number[]): Rows
  /** The stream after a layer; `knockouts` are those in force in it. */
  layer(model: ReferenceModel<Config>, layer: number, residual: Rows, knockouts: ReferenceKnockout[]): Rows
  /** Logits of rows of the last stream, [rows, vocabSize]. */
  logits(model: ReferenceModel<Config>, rows: Rows): Rows
}

/** A tensor of a model. Throws Error where it is missing or misshapen. */
export function tensor(model: ReferenceModel, name: string, shape: number[]): ReferenceTensor {
  const found = model.tensors.get(name)
  if (!found) throw new Error(`${name}: not in the checkpoint`)
  if (found.shape.join() !== shape.join())
    throw new Error(`${name}: shape [${shape}] expected, got [${found.shape}]`)
  return found
}

/** Rows `ids` of the table `name` [length, dModel]. */
export function embeddings(model: ReferenceModel, name: string, length: number, ids: number[]): Rows {
  const { dModel } = model.config
  const table = tensor(model, name, [length, dModel]).data
  return ids.map((id) => table.slice(id * dModel, (id + 1) * dModel))
}

/** The unembedding, [vocabSize, dModel]. */
export function unembedding(model: ReferenceModel, embedding: string): ReferenceTensor {
  const { tieWordEmbeddings, vocabSize, dModel } = model.config
  return tensor(model, tieWordEmbeddings ? embedding : 'lm_head.weight', [vocabSize, dModel])
}

/**
 * Which features of a state-space layer a category knocks out, by the L1 norms of `exp(-exp(A_log))` of its features.
 *
 * `context-dependent` spares the floor(n / 3) with the smallest norms, `context-independent` the floor(n / 3) with the
 * largest, `all` none. Equal norms rank by index, ascending, in both rankings: of ties the lower are spared first.
 */
export function cutFeatures(norms: number[], features: ReferenceFeatures): boolean[] {
  const sparedFirst = (sign: number) =>
    new Set(
      norms
        .map((_, d) => d)
        .sort((a, b) => sign * (norms[a] - norms[b]) || a - b)
        .slice(0, Math.floor(norms.length / 3)),
    )
  let spared: Set<number>
  switch (features) {
    case 'all':
      spared = new Set()
      break
    case 'context-dependent':
      spared = sparedFirst(1)
      break
    case 'context-independent':
      spared = sparedFirst(-1)
      break
    default:
      throw new Error(`features: unknown category ${features satisfies never}`)
  }
  return norms.map((_, d) => !spared.has(d))
}
