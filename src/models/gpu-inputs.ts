/**
 * What graphs for GPUs get besides `LayerInputs` where a layer has states and a convolution: which rows belong together,
 * worked out by the process that knows the batch. Each operator that a graph would need for it costs a GPU as much as one
 * that computes.
 *
 * Shapes: B prompts, T tokens, C contexts of C' tokens (`LayerRows.contextLength`), M kept sets per context, R runs, L
 * suffix length, K taps. All rows are base rows followed by run rows.
 */
import type { Graph, Value } from '../onnx/graph.js'
import type { LayerKind } from './architecture.js'

export interface GpuInputs {
  /** int32 `[C, C']`: the base rows that runs of a context may look at. */
  readonly contextRows: Value
  /** float32 `[C, C', 1]`: 1 where they come before the suffix. */
  readonly clean: Value
  /**
   * float32 `[C, M, 2, C']`: 1 where they feed a kept set; first for features that its knockout leaves, then for those
   * that it cuts.
   */
  readonly sources: Value
  /**
   * The rows of the K - 1 tokens before each row's, oldest first, int32 `[., K - 1]`, and 1 where there is such a token,
   * float32. In `last` graphs of base rows alone: a run's last token has those of its prompt's. None where K is 1.
   */
  readonly history?: Value
  readonly known?: Value
  /** int32 `[rows]`: the base row of each row's token. Only in `last` graphs. */
  readonly token?: Value
  /**
   * float32 `[rows, 4]`: by which of the features each row reads its own token, 1 in one column: all but those of a
   * category, by its number, or all (3). 0 in base rows. Only in `last` graphs.
   */
  readonly own?: Value
}

/** Names of inputs that are the same in all layers of a graph; those of a `last` graph's history are, too. */
const SHARED = ['contextRows', 'clean', 'sources']
const HISTORY = ['history', 'known']

/** Whether an input has a value of its own for each layer of a graph. */
export function isOwnGpuInput(name: string, kind: LayerKind): boolean {
  return !SHARED.includes(name) && !(kind === 'last' && HISTORY.includes(name))
}

/**
 * Declare them for a layer of a graph, counted from 0.
 * @param history K - 1
 * @param named the name of an input that each layer has for itself
 * @param before those of the layer before
 */
export function gpuInputs(
  g: Graph,
  kind: LayerKind,
  history: number,
  named: (name: string) => string,
  before?: GpuInputs,
): GpuInputs {
  const input = (name: keyof GpuInputs, type: 'float32' | 'int32', shape: (string | number)[]): Value =>
    before && !isOwnGpuInput(name, kind)
      ? before[name]!
      : g.input(isOwnGpuInput(name, kind) ? named(name) : name, type, shape)
  const rows = named('rows')
  const known = kind === 'last' ? 'B*T' : rows
  return {
    contextRows: input('contextRows', 'int32', ['C', "C'"]),
    clean: input('clean', 'float32', ['C', "C'", 1]),
    sources: input('sources', 'float32', ['C', 'M', 2, "C'"]),
    ...(history > 0 && {
      history: input('history', 'int32', [known, history]),
      known: input('known', 'float32', [known, history]),
    }),
    ...(kind === 'last' && {
      token: input('token', 'int32', [rows]),
      own: input('own', 'float32', [rows, 4]),
    }),
  }
}
