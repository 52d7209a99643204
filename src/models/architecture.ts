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
import type { Graph, OnnxModel, Value } from '../onnx/graph.js'
import type { HeadPart } from './head.js'

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
}

/** Declare the inputs of a layer graph. */
export function layerInputs(g: Graph, kind: LayerKind, dModel: number): LayerInputs {
  const length = kind === 'last' ? 1 : 'L'
  return {
    base: g.input('base', 'float32', ['B*T', dModel]),
    runs: g.input('runs', 'float32', ['old*L', dModel]),
    newRows: g.input('newRows', 'int32', ['new*L']),
    contexts: g.input('contexts', 'int32', ['C']),
    start: g.input('start', 'int32', ['C']),
    keep: g.input('keep', 'float32', ['C', 'M', 'T']),
    keepFeatures: g.input('keepFeatures', 'int32', ['C', 'M']),
    runSet: g.input('runSet', 'int32', ['R']),
    runKeep: g.input('runKeep', 'float32', ['R', length]),
    ...(kind === 'suffix' && { runTarget: g.input('runTarget', 'float32', ['R', length]) }),
  }
}

/** Bytes that a layer works with, whatever its weights, by what a batch has: for planning. */
export interface ActivationCosts {
  /** Per row of the residual stream, base or run. */
  readonly rowBytes: number
  /** Per prompt of a batch, besides its rows. */
  readonly promptBytes: number
  /** Per kept set of a prompt. */
  readonly setBytes: number
  /** Per token of the longest prompt (contexts that are worked on one by one). */
  readonly contextTokenBytes: number
  /** Per pair of tokens of one prompt, or of one run's suffix. */
  readonly pairBytes: number
  /** Per pair of a run's row and a token of any prompt of the batch. */
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
  /** The tensor of a layer, `[features, ...]`, by which its features are ranked; where there are categories. */
  readonly aLog?: string
  readonly activations: ActivationCosts
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
  /** Write one layer: base and run rows of the residual stream, advanced. */
  advance(g: Graph, weights: LayerWeights, inputs: LayerInputs, kind: LayerKind, layer: number): LayerOutputs
}

/** The residual stream after a layer: `[B * T, dModel]` and `[R * L, dModel]`. */
export interface LayerOutputs {
  readonly base: Value
  readonly runs: Value
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
  readonly costs: ModelCosts
  /**
   * The graph of one layer with its weights: inputs as `LayerInputs`; outputs `nextBase` and `nextRuns`. The weights
   * stay as they are until the next call of `layer` or `unembedding`: make a session of it first.
   */
  layer(layer: number, kind: LayerKind): Promise<OnnxModel>
  /**
   * The residual stream that enters the first layer: float32 `[ids.length, dModel]`.
   * @param positions of the tokens in their prompts, from 0
   */
  embed(ids: readonly number[], positions: readonly number[]): Promise<Float32Array>
  /** The graph of the final norm, see `finalNormGraph`. */
  finalNorm(): Promise<OnnxModel>
  /** The parts in which the unembedding is loaded, in the order of their tokens. */
  readonly headParts: readonly HeadPart[]
  /** The graph of one of them, see `unembeddingGraph`; its weights stay as those of `layer` do. */
  unembedding(part: HeadPart): Promise<OnnxModel>
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
