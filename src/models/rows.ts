/**
 * The rows of a layer: which are base rows and which run rows, and what a run may see of its context. Norms,
 * projections and gates treat all rows alike; only the mixers of tokens ask here.
 *
 * Shapes: B prompts, T tokens, C contexts, M kept sets per context, R runs, L suffix length. All rows are
 * `[B * T + R * L, width]`, base rows first.
 */
import type { Graph, Value } from '../onnx/graph.js'
import type { LayerInputs, LayerKind } from './architecture.js'

export class LayerRows {
  /** The residual stream entering the layer, `[rows, dModel]`. */
  readonly all: Value
  /** Number of base rows, int64 `[1]`. */
  readonly baseCount: Value
  /** `[B, T]` as int64 `[2]`. */
  readonly tokens: Value
  /** `[R, L]` as int64 `[2]`. */
  readonly suffix: Value
  /**
   * Tokens of the contexts that can come before a suffix, int64 `[1]`: the first max(1, T - L); below, C' is so many.
   * No run looks at others, and at the one that is always there only if it is kept.
   */
  readonly contextLength: Value

  constructor(
    readonly g: Graph,
    readonly inputs: LayerInputs,
    readonly kind: LayerKind,
  ) {
    const known = inputs.all ? [inputs.all] : [inputs.base, inputs.runs]
    // Base rows come first.
    this.all = g.concat(0, ...known, g.gather(known[0]!, inputs.newRows))
    this.baseCount = g.shape(inputs.base, 0, 1)
    const length = g.shape(inputs.keep, 2, 3)
    this.tokens = g.concat(0, g.div(this.baseCount, length), length)
    this.suffix = g.shape(inputs.runKeep, 0, 2)
    this.contextLength = g.op('Max', [g.sub(length, g.shape(inputs.runKeep, 1, 2)), g.ints(1)])
  }

  /** `inputs.keep` of the contexts' tokens, `[C, M, C']`. */
  get keep(): Value {
    return this.g.slice(this.inputs.keep, this.g.ints(0), this.contextLength, 2)
  }

  /** M, int32 `[1]`. */
  get sets(): Value {
    const { g, inputs } = this
    return g.cast(g.shape(inputs.keep, 1, 2), 'int32')
  }

  /** The context of each run, int32 `[R]`. */
  get runContext(): Value {
    return this.g.div(this.inputs.runSet, this.sets)
  }

  /** Base rows of a value of all rows. */
  base(x: Value): Value {
    const { g } = this
    return g.slice(x, g.ints(0), this.baseCount, 0)
  }

  /** Its run rows. */
  runs(x: Value): Value {
    const { g } = this
    return g.slice(x, this.baseCount, g.ints(2 ** 31), 0)
  }

  cut(x: Value): [base: Value, runs: Value] {
    return [this.base(x), this.runs(x)]
  }

  /** Base rows `[B * T, ...]` as `[B, T, ...sizes]`. */
  byToken(rows: Value, ...sizes: number[]): Value {
    return this.g.reshapeTo(rows, this.g.concat(0, this.tokens, this.g.ints(...sizes)))
  }

  /** Run rows `[R * L, ...]` as `[R, L, ...sizes]`. */
  bySuffix(rows: Value, ...sizes: number[]): Value {
    return this.g.reshapeTo(rows, this.g.concat(0, this.suffix, this.g.ints(...sizes)))
  }

  /** What runs may look at of a base value `[B, T, ...]`: `[C, C', ...]`. */
  ofContexts(value: Value): Value {
    const { g } = this
    return g.gather(g.slice(value, g.ints(0), this.contextLength, 1), this.inputs.contexts)
  }

  /** 1 where a token is before the suffix of its context, `[C, C']`: kept set 0. */
  get clean(): Value {
    const { g } = this
    return g.squeeze(g.slice(this.keep, g.ints(0), g.ints(1), 1), 1)
  }

  /**
   * Which context tokens each run row may read: two float32 masks `[R * L, C * C']`, `whole` as in the baseline and
   * `kept` without the sources that the row's knockout cuts (the same where the row is no target). Tokens of other
   * contexts are 0 in both: so the runs of all prompts meet the tokens of all prompts in one matrix product, whose
   * other blocks cost less than sorting the rows would.
   */
  contextMasks(): { whole: Value; kept: Value } {
    const { g, inputs, kind } = this
    const count = g.shape(inputs.keep, 0, 1)
    const tokens = this.contextLength
    const bySet = g.reshapeTo(this.keep, g.concat(0, g.ints(-1), tokens)) // [C * M, C']
    const own = g.cast(g.equal(g.unsqueeze(this.runContext, 1), this.range(count)), 'float32') // [R, C]
    const size = g.concat(0, g.ints(-1), g.mul(count, tokens))
    // [R, L, C'] to [R * L, C * C'], zero outside of the run's own context
    const spread = (mask: Value): Value =>
      g.reshapeTo(g.mul(g.unsqueeze(own, 1, 3), g.unsqueeze(mask, 2)), size)
    const kept = g.unsqueeze(g.gather(bySet, inputs.runSet), 1) // [R, 1, C']
    const whole = g.unsqueeze(g.gather(this.clean, this.runContext), 1) // [R, 1, C']
    if (kind === 'last') return { whole: spread(whole), kept: spread(kept) }
    const target = g.cast(g.unsqueeze(inputs.runTarget!, 2), 'bool') // [R, L, 1]
    return { whole: spread(g.where(target, whole, whole)), kept: spread(g.where(target, kept, whole)) }
  }

  /**
   * float32 `[R, L, L]` (target token, source token): 1 where a suffix token is cut from another, whether or not it
   * comes after it.
   */
  suffixCut(): Value {
    const { g, inputs, kind } = this
    const cut = g.unsqueeze(g.sub(g.scalar(1), inputs.runKeep), 1) // [R, 1, L]
    return kind === 'last' ? cut : g.mul(g.unsqueeze(inputs.runTarget!, 2), cut)
  }

  /** 1 where a source is not after its target, float32 `[n, n]` (target, source); `n` int64 `[1]`. */
  causal(n: Value, g: Graph = this.g): Value {
    const range = this.range(n, g)
    return g.cast(g.op('Not', [g.less(g.unsqueeze(range, 1), g.unsqueeze(range, 0))]), 'float32')
  }

  /** 0 to n - 1, int32 `[n]`; `n` int64 `[1]`. */
  range(n: Value, g: Graph = this.g): Value {
    return g.op('Range', [g.int32(0), g.cast(g.squeeze(n, 0), 'int32'), g.int32(1)])
  }

  /** Positions of base tokens, int32 `[T]`. */
  get positions(): Value {
    return this.range(this.g.shape(this.inputs.keep, 2, 3))
  }

  /** Positions of suffix tokens, int32 `[R, L]`. */
  get suffixPositions(): Value {
    const { g, inputs } = this
    const start = g.unsqueeze(g.gather(inputs.start, this.runContext), 1)
    return g.add(start, this.range(g.shape(inputs.runKeep, 1, 2)))
  }
}
