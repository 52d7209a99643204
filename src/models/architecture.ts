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

/** What a model needs, for planning: counts of float32 values and floating point operations. */
export interface ModelCosts {
  /** Bytes of one layer's weights in memory. */
  readonly layerBytes: number
  /** Bytes of the unembedding in memory. */
  readonly headBytes: number
  /** Bytes inside a layer per row of the residual stream, base or run. */
  readonly rowBytes: number
  /** ... per prompt of a batch, besides its rows. */
  readonly promptBytes: number
  /** ... per kept set of a prompt. */
  readonly setBytes: number
  /** ... per token of the longest prompt (contexts are worked on one by one). */
  readonly contextTokenBytes: number
  /** ... whatever the batch. */
  readonly fixedBytes: number
  /** Floating point operations of the matrix products of one layer, and of the head, per row. */
  readonly layerFlops: number
  readonly headFlops: number
}

/** A model whose checkpoint has been read and checked as far as its config goes. */
export interface ModelSpec {
  /** What the user called it. */
  readonly name: string
  readonly modelType: string
  readonly nLayers: number
  readonly dModel: number
  readonly vocabSize: number
  /** Feature categories that knockouts of this family can name. */
  readonly featureCategories: readonly FeatureCategory[]
  readonly costs: ModelCosts
  /** The graph of one layer with its weights: inputs as `LayerInputs`; outputs `base` and `runs`, advanced. */
  layer(layer: number, kind: LayerKind): Promise<OnnxModel>
  /** Rows of the embedding: float32 `[ids.length, dModel]`. */
  embed(ids: readonly number[]): Promise<Float32Array>
  /** The graph of the final norm and the unembedding, see `headGraph`. */
  head(): Promise<OnnxModel>
}

/** A model family. */
export interface Architecture {
  /** `model_type` of config.json. */
  readonly modelType: string
  /** Check the config and the presence and shape of every tensor; throws InputError. Reads no weights. */
  open(checkpoint: Checkpoint): ModelSpec
}
