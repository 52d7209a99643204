/**
 * What the sweep asks of a model family. An architecture is one file in this folder and one line in registry.ts.
 *
 * The sweep moves two kinds of rows of the residual stream through a layer at once (ARCHITECTURE.md, "The sweep"):
 * - base rows: every token of every prompt, `[B * T, dModel]`, prompts padded on the right to T tokens (the models
 *   are causal, so padding changes nothing before it);
 * - run rows: the last L tokens of a prompt under a knockout, `[R * L, dModel]`.
 * A layer graph advances both. The base rows leave what a run needs of the tokens before its suffix (states and
 * convolution tail, or keys and values), once per set of kept tokens.
 */
import type { Checkpoint } from '../checkpoints/checkpoint.js'
import type { Graph, OnnxModel, Value, WeightForm } from '../onnx/graph.js'
import { type GpuInputs, gpuInputs } from './gpu-inputs.js'
import type { HeadOutputs, HeadPart } from './head.js'
import type { LayerRows } from './rows.js'

/** Which features of a layer a knockout cuts; position in this list is the category's number in graphs. */
export const FEATURE_CATEGORIES = ['all', 'context-dependent', 'context-independent'] as const
export type FeatureCategory = (typeof FEATURE_CATEGORIES)[number]

/**
 * `last`: every run's suffix is the last token alone (L = 1), which has a closed form. `suffix`: any L.
 * Both give the same numbers for L = 1.
 */
export type LayerKind = 'last' | 'suffix'

/**
 * The inputs of a layer graph besides its weights. B prompts, T tokens, C contexts (prompts that have runs), M kept
 * sets per context, R runs.
 */
export interface LayerInputs {
  /** float32 `[B * T, dModel]`: the residual stream of the prompts entering the layer. */
  readonly base: Value
  /** float32 `[(R - new) * L, dModel]`: the residual stream of the runs that are already apart from the baseline. */
  readonly runs: Value
  /** int32 `[new * L]`: rows of `base` with which runs start at this layer; they follow `runs`. */
  readonly newRows: Value
  /** int32 `[C]`, C >= 1: the prompt of each context. */
  readonly contexts: Value
  /** int32 `[C]`: position of the first token of the context's suffix. */
  readonly start: Value
  /**
   * float32 `[C, M, T]`: 1 where a kept set keeps a token of the context, 0 where it is cut and from `start` on. Set 0
   * keeps all.
   */
  readonly keep: Value
  /** int32 `[C, M]`: the feature category of each kept set. */
  readonly keepFeatures: Value
  /** int32 `[R]`: the kept set (row of `[C * M]`) that each run uses in this layer. */
  readonly runSet: Value
  /** float32 `[R, L]`: 1 where a run keeps its suffix's token as a source, 0 where it is cut. */
  readonly runKeep: Value
  /** float32 `[R, L]`: 1 where a suffix token is a target of the run's knockout in this layer. Only in `suffix` graphs. */
  readonly runTarget?: Value
  /** In graphs for GPUs, of models with states. */
  readonly gpu?: GpuInputs
  /** All rows, base rows first, where another layer of the same graph has given them; then `base` and `runs` are not read. */
  readonly all?: Value
}

/** What differs from layer to layer of a batch, under the names of `LayerInputs`. */
type OwnInputs = Pick<LayerInputs, 'newRows' | 'runSet' | 'runKeep' | 'runTarget'>

/** The name of an input that each layer has for itself, for a layer of a graph of several, counted from 0. */
export function ownInput(name: string, place: number): string {
  return place === 0 ? name : `${name} ${place}`
}

function ownInputs(g: Graph, kind: LayerKind, place: number): OwnInputs {
  const name = (of: keyof OwnInputs): string => ownInput(of, place)
  const length = kind === 'last' ? 1 : 'L'
  const runs = place === 0 ? 'R' : `R${place}`
  return {
    newRows: g.input(name('newRows'), 'int32', [`new${place}*L`]),
    runSet: g.input(name('runSet'), 'int32', [runs]),
    runKeep: g.input(name('runKeep'), 'float32', [runs, length]),
    ...(kind === 'suffix' && { runTarget: g.input(name('runTarget'), 'float32', [runs, length]) }),
  }
}

/**
 * Declare the inputs of a layer graph.
 * @param history tokens before a token that a layer reads for its convolution; undefined where there is none
 */
export function layerInputs(g: Graph, kind: LayerKind, dModel: number, history?: number): LayerInputs {
  return {
    base: g.input('base', 'float32', ['B*T', dModel]),
    runs: g.input('runs', 'float32', ['old*L', dModel]),
    contexts: g.input('contexts', 'int32', ['C']),
    start: g.input('start', 'int32', ['C']),
    keep: g.input('keep', 'float32', ['C', 'M', 'T']),
    keepFeatures: g.input('keepFeatures', 'int32', ['C', 'M']),
    ...ownInputs(g, kind, 0),
    ...(g.gpu && history !== undefined && { gpu: gpuInputs(g, kind, history, (name) => name) }),
  }
}

/**
 * The inputs of a later layer in the same graph: its own, and the rows that the one before gave.
 * @param place number of the layer in the graph, from 0
 */
export function nextInputs(
  g: Graph,
  kind: LayerKind,
  place: number,
  before: LayerInputs,
  all: Value,
  history?: number,
): LayerInputs {
  const named = (name: string): string => ownInput(name, place)
  const gpu = before.gpu && gpuInputs(g, kind, history!, named, before.gpu)
  return { ...before, all, ...ownInputs(g, kind, place), ...(gpu && { gpu }) }
}

/** Bytes that a layer works with, whatever its weights, by what a batch has: for planning. */
export interface ActivationCosts {
  /** Per row of the residual stream, base or run. */
  readonly rowBytes: number
  /** Per prompt of a batch, besides its rows. */
  readonly promptBytes: number
  /** Per kept set of a prompt. */
  readonly setBytes: number
  /** Per token before the suffix in the longest prompt (contexts that are worked on one by one). */
  readonly contextTokenBytes: number
  /** Per pair of tokens of one prompt, or of one run's suffix. */
  readonly pairBytes: number
  /** Tokens whose pairs are there at once: longer prompts and suffixes are worked on one by one, in parts of so many. */
  readonly pairTokens: number
  /** If there is a prompt or suffix of more than `pairTokens` tokens: what a part of it leaves to the next. */
  readonly partBytes: number
  /** Per pair of a run's row and a token before the suffix of any prompt of the batch. */
  readonly crossBytes: number
  /** Whatever the batch. */
  readonly fixedBytes: number
}

/** What a model needs, for planning. */
export interface ModelCosts extends ActivationCosts {
  /** Bytes of one layer's weights in memory (the largest layer's). */
  readonly layerBytes: number
  /** Bytes of the unembedding in memory, and of its largest part. */
  readonly headBytes: number
  readonly headPartBytes: number
  /** Floating point operations of the matrix products of one layer, and of the head, per row. */
  readonly layerFlops: number
  readonly headFlops: number
}

/** Names and shapes of tensors, as the checkpoint has them. */
export type TensorShapes = Readonly<Record<string, readonly number[]>>

/** The norm before the unembedding: RMSNorm, or LayerNorm when it has a bias. */
export interface FinalNorm {
  readonly weight: string
  readonly bias?: string
  readonly epsilon: number
}

/** What a config says of a model: everything but the values of the weights. */
export interface ModelDescription {
  readonly nLayers: number
  readonly dModel: number
  readonly vocabSize: number
  /** The most tokens that a prompt may have, where positions are learned. */
  readonly maxTokens?: number
  /** Feature categories that knockouts of this family can name. */
  readonly featureCategories: readonly FeatureCategory[]
  /** Tokens before a token that a layer reads for its convolution; where there is one, and states. */
  readonly history?: number
  /** The tensor of a layer, `[features, ...]`, by which its features are ranked; where there are categories. */
  readonly aLog?: string
  readonly activations: ActivationCosts
  /** The same in graphs for a GPU, where it differs. */
  readonly gpuActivations?: ActivationCosts
  /** What all names of tensors but the unembedding's begin with; checkpoints of the bare model lack it. */
  readonly prefix: string
  /** Tensors that some checkpoints hold and nobody needs: buffers that follow from the config. */
  readonly ignored?: RegExp
  /** The token embedding, `[vocabSize, dModel]`. */
  readonly embedding: string
  /** Learned positions, `[maxTokens, dModel]`. */
  readonly positions?: string
  /** Whether the unembedding is the embedding; otherwise it is `lm_head.weight`. */
  readonly tied: boolean
  readonly finalNorm: FinalNorm
  /** What names of a layer's tensors begin with: `backbone.layers.3.`. */
  layerPrefix(layer: number): string
  /** A layer's tensors, by their names after `layerPrefix`. */
  layerTensors(layer: number): TensorShapes
  /** Write one layer: all rows of the residual stream, `[B * T + R * L, dModel]`, advanced. */
  advance(weights: LayerWeights, rows: LayerRows, layer: number): Value
}

/** The weights of one layer while its graph is written. Names are those after `layerPrefix`. */
export interface LayerWeights {
  /** A tensor as it is, as a constant of the graph. */
  constant(name: string): Value
  /** The same, or undefined where the layer has no such tensor (an optional bias). */
  optional(name: string): Value | undefined
  /** A tensor's values, to derive others from. */
  data(name: string): Float32Array
}

/** A model whose checkpoint has been read and checked as far as its config goes. */
export interface ModelSpec {
  /** What the user called it. */
  readonly name: string
  readonly modelType: string
  readonly nLayers: number
  readonly dModel: number
  readonly vocabSize: number
  /** Number of parameters, tied ones counted once. */
  readonly parameters: number
  readonly maxTokens?: number
  readonly featureCategories: readonly FeatureCategory[]
  /** See `ModelDescription`. */
  readonly history?: number
  readonly costs: ModelCosts
  /**
   * The graph of a layer, or of `count` in a row, with their weights: inputs as `LayerInputs`, those of later layers
   * under the names of `ownInput`; outputs `nextBase` and `nextRuns`. The weights stay as they are until its loan is
   * given back.
   * @param form default constants
   * @param count default 1
   */
  layer(layer: number, kind: LayerKind, form?: WeightForm, count?: number): Promise<OnnxModel>
  /**
   * The residual stream that enters the first layer: float32 `[ids.length, dModel]`.
   * @param positions of the tokens in their prompts, from 0
   */
  embed(ids: readonly number[], positions: readonly number[]): Promise<Float32Array>
  /** The graph of the final norm, see `finalNormGraph`. */
  finalNorm(): Promise<OnnxModel>
  /** The parts in which the unembedding is loaded, in the order of their tokens. */
  readonly headParts: readonly HeadPart[]
  /** The graph of one of them, see `unembeddingGraph`; weights as those of `layer`. */
  unembedding(part: HeadPart, outputs: HeadOutputs, form?: WeightForm): Promise<OnnxModel>
  /** Rows of the unembedding: float32 `[ids.length, dModel]`. */
  unembed(ids: readonly number[]): Promise<Float32Array>
  /** The norms by which the features of each layer are ranked (`models/features.ts`); none where there are no categories. */
  featureNorms(): Promise<Float64Array[]>
}

/** Where a config comes from, for messages. */
export type ConfigSource = Pick<Checkpoint, 'config' | 'configFile'>

/** A model family. */
export interface Architecture {
  /** `model_type` of config.json. */
  readonly modelType: string
  /** What people call it. */
  readonly family: string
  /** Read and check the config. @throws InputError */
  describe(source: ConfigSource): ModelDescription
}
