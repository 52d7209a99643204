/**
 * Causal attention on base rows and run rows (Vaswani et al. 2017; grouped queries: Ainslie et al. 2023,
 * arXiv 2305.13245), with knockouts: the score of (target, source) is minus infinity before the softmax, in every
 * head. A target whose sources are all cut receives nothing: its mixture of values is zero.
 *
 * Run rows read the keys and values of their context, which are the baseline's, and of their own suffix. The rows of
 * all runs meet the context tokens of all prompts in one matrix product, of which each reads its own prompt's.
 *
 * Shapes: B prompts, T tokens, C contexts of C' tokens, R runs, L suffix length; H query heads in groups of Q that share one of K
 * key heads (H = K Q), P their width.
 */
import type { Graph, Value } from '../onnx/graph.js'
import type { LayerRows } from './rows.js'

export interface AttentionSizes {
  readonly nHeads: number
  readonly nKeyHeads: number
  readonly headDim: number
  /** Factor on scores: 1 / sqrt(P). */
  readonly scale: number
  /** Tokens that a token sees, itself included; none: all before it. */
  readonly slidingWindow?: number
}

/** Below every score: its exponential is 0 beside any other. Finite, so that a row of nothing else stays a number. */
const CUT = -1e30

/** Bytes per pair of tokens: scores, those of what is seen, and their exponentials. */
export function pairBytes(c: Pick<AttentionSizes, 'nHeads'>): number {
  return 4 * 3 * c.nHeads
}

export class Attention {
  readonly #g: Graph
  readonly #queries: number

  constructor(
    private readonly rows: LayerRows,
    private readonly c: AttentionSizes,
  ) {
    this.#g = rows.g
    this.#queries = c.nHeads / c.nKeyHeads
  }

  /** Queries `[rows, H P]`, keys and values `[rows, K P]` to mixed values `[rows, H P]`. */
  mix(q: Value, k: Value, v: Value): Value {
    const { rows } = this
    const [qB, qR] = rows.cut(this.#g.mul(q, this.#g.scalar(this.c.scale)))
    const [kB, kR] = rows.cut(k)
    const [vB, vR] = rows.cut(v)
    return this.#g.concat(0, this.baseRows(qB, kB, vB), this.runRows(qR, kR, vR, kB, vB))
  }

  /** 1 where a token at position `target` sees one at position `source` as far as the sliding window goes; float32. */
  private near(target: Value, source: Value): Value | undefined {
    const g = this.#g
    const { slidingWindow } = this.c
    if (slidingWindow === undefined) return undefined
    return g.cast(g.less(g.sub(target, source), g.int32(slidingWindow)), 'float32')
  }

  private both(a: Value, b: Value | undefined): Value {
    return b ? this.#g.mul(a, b) : a
  }

  /** Heads before tokens: `[n, T, K Q P]` to `[n, K, Q T, P]`. */
  private queriesFirst(x: Value): Value {
    const g = this.#g
    const { nKeyHeads, headDim } = this.c
    const heads = g.transpose(g.reshape(x, 0, 0, nKeyHeads, this.#queries, headDim), 0, 2, 3, 1, 4)
    return g.reshapeTo(heads, g.concat(0, g.shape(x, 0, 1), g.ints(nKeyHeads, -1, headDim)))
  }

  /** `[n, T, K P]` to `[n, K, T, P]`, or with `transposed` to `[n, K, P, T]`. */
  private keysFirst(x: Value, transposed: boolean): Value {
    const heads = this.#g.reshape(x, 0, 0, this.c.nKeyHeads, this.c.headDim)
    return transposed ? this.#g.transpose(heads, 0, 2, 3, 1) : this.#g.transpose(heads, 0, 2, 1, 3)
  }

  /** The baseline: every token attends to itself and those before it. */
  private baseRows(q: Value, k: Value, v: Value): Value {
    const g = this.#g
    const { nHeads, nKeyHeads, headDim } = this.c
    const { rows } = this
    const width = nKeyHeads * headDim
    const length = g.shape(rows.inputs.keep, 2, 3)
    const positions = rows.positions
    const near = this.near(g.unsqueeze(positions, 1), positions)
    const unseen = this.unseen(this.both(rows.causal(length), near)) // [T, T]
    const scores = g.matMul(
      this.queriesFirst(rows.byToken(q, nHeads * headDim)),
      this.keysFirst(rows.byToken(k, width), true),
    ) // [B, K, Q T, T]
    const byToken = g.reshapeTo(scores, g.concat(0, g.ints(-1, nHeads), length, length))
    const weights = g.softmax(g.add(byToken, unseen))
    const grouped = g.reshapeTo(weights, g.concat(0, g.ints(-1, nKeyHeads), this.times(length), length))
    const mixed = g.matMul(grouped, this.keysFirst(rows.byToken(v, width), false)) // [B, K, Q T, P]
    const heads = g.reshapeTo(
      mixed,
      g.concat(0, g.ints(-1, nKeyHeads, this.#queries), length, g.ints(headDim)),
    )
    return g.reshape(g.transpose(heads, 0, 3, 1, 2, 4), -1, nHeads * headDim)
  }

  /** Q times a length, int64 `[1]`. */
  private times(length: Value): Value {
    return this.#g.mul(length, this.#g.ints(this.#queries))
  }

  /** Run rows, `[R * L, H P]`. */
  private runRows(q: Value, k: Value, v: Value, kBase: Value, vBase: Value): Value {
    const g = this.#g
    const { rows } = this
    const { nHeads, nKeyHeads, headDim } = this.c
    const width = nKeyHeads * headDim
    const count = g.shape(q, 0, 1) // R * L

    // Context: [K, R L Q, P] x [K, P, C C']
    const tokens = (x: Value): Value =>
      g.reshape(rows.ofContexts(rows.byToken(x, width)), -1, nKeyHeads, headDim)
    const byKey = g.transpose(g.reshape(q, -1, nKeyHeads, this.#queries, headDim), 1, 0, 2, 3)
    const flatQueries = g.reshape(byKey, nKeyHeads, -1, headDim)
    const products = g.matMul(flatQueries, g.transpose(tokens(kBase), 1, 2, 0)) // [K, R L Q, C C']
    const contextSize = g.shape(products, 2, 3)
    const byRow = (x: Value, size: Value): Value =>
      g.reshapeTo(x, g.concat(0, g.ints(nKeyHeads), count, g.ints(this.#queries), size)) // [K, R L, Q, size]
    const context = g.add(byRow(products, contextSize), this.unseen(this.seenContext()))
    const suffix = this.suffixScores(q, k)

    // One softmax over both. Where all is cut, every score is CUT and stays far below half of it.
    const largest = g.max(
      g.max(g.reduceMax(context, 3), this.suffixToRows(g.reduceMax(suffix, 3), 1)),
      g.scalar(CUT / 2),
    ) // [K, R L, Q, 1]
    const ofContext = g.exp(g.sub(context, largest))
    const ofSuffix = g.exp(g.sub(suffix, this.rowsToSuffix(largest)))
    // Of a row that sees anything the largest weight is 1; without any, 0 / 0.5.
    const sum = g.max(
      g.add(g.reduceSum(ofContext, 3), this.suffixToRows(g.reduceSum(ofSuffix, 3), 1)),
      g.scalar(0.5),
    )
    const flatWeights = g.reshapeTo(ofContext, g.concat(0, g.ints(nKeyHeads, -1), contextSize))
    const mixedContext = g.matMul(flatWeights, g.transpose(tokens(vBase), 1, 0, 2)) // [K, R L Q, P]
    const mixed = g.add(
      byRow(mixedContext, g.ints(headDim)),
      this.suffixToRows(this.suffixValues(ofSuffix, v), headDim),
    )
    return g.reshape(g.transpose(g.div(mixed, sum), 1, 0, 2, 3), -1, nHeads * headDim)
  }

  /** What is added to scores: 0 where `seen` is 1, CUT where it is 0 (a score is lost in the rounding of CUT). */
  private unseen(seen: Value): Value {
    return this.#g.mul(this.#g.sub(this.#g.scalar(1), seen), this.#g.scalar(CUT))
  }

  /** 1 where a run row sees a context token, float32 `[R * L, 1, C * C']`. */
  private seenContext(): Value {
    const g = this.#g
    const { rows } = this
    const { kept } = rows.contextMasks()
    // The position of each column is that of its token, whichever context it is of.
    const columns = g.op('Tile', [rows.range(rows.contextLength), g.shape(rows.keep, 0, 1)])
    const near = this.near(g.reshape(rows.suffixPositions, -1, 1), columns)
    return g.unsqueeze(this.both(kept, near), 1)
  }

  /** 1 where a suffix token sees another, float32 `[R, 1, L, L]` (target, source). */
  private seenSuffix(): Value {
    const g = this.#g
    const { rows } = this
    const length = g.shape(rows.inputs.runKeep, 1, 2)
    const own = rows.range(length)
    const near = this.near(g.unsqueeze(own, 1), own)
    const causal = this.both(rows.causal(length), near)
    return g.unsqueeze(g.mul(causal, g.sub(g.scalar(1), rows.suffixCut())), 1)
  }

  /** Scores of run rows with the tokens of their suffix, those that are not seen CUT: `[R, H, L, L]`; `last`: `[K, R, Q, 1]`. */
  private suffixScores(q: Value, k: Value): Value {
    const g = this.#g
    const { rows } = this
    const { nHeads, nKeyHeads, headDim } = this.c
    if (rows.kind === 'last') {
      const queries = g.reshape(q, -1, nKeyHeads, this.#queries, headDim)
      const product = g.mul(queries, g.reshape(k, -1, nKeyHeads, 1, headDim))
      const scores = g.transpose(g.reduceSum(product, 3), 1, 0, 2, 3)
      return g.add(scores, this.unseen(g.squeeze(this.seenSuffix(), 3))) // [R, 1, 1]
    }
    const scores = g.matMul(
      this.queriesFirst(rows.bySuffix(q, nHeads * headDim)),
      this.keysFirst(rows.bySuffix(k, nKeyHeads * headDim), true),
    ) // [R, K, Q L, L]
    const length = g.shape(rows.inputs.runKeep, 1, 2)
    const byHead = g.reshapeTo(scores, g.concat(0, g.ints(-1, nHeads), length, length))
    return g.add(byHead, this.unseen(this.seenSuffix()))
  }

  /** Weights of suffix tokens, as `suffixScores`, times their values: `[R, H, L, P]`; `last`: `[K, R, Q, P]`. */
  private suffixValues(weights: Value, v: Value): Value {
    const g = this.#g
    const { rows } = this
    const { nHeads, nKeyHeads, headDim } = this.c
    if (rows.kind === 'last') {
      const values = g.transpose(g.reshape(v, -1, nKeyHeads, 1, headDim), 1, 0, 2, 3) // [K, R, 1, P]
      return g.mul(weights, values)
    }
    const length = g.shape(rows.inputs.runKeep, 1, 2)
    const grouped = g.reshapeTo(weights, g.concat(0, g.ints(-1, nKeyHeads), this.times(length), length))
    const mixed = g.matMul(grouped, this.keysFirst(rows.bySuffix(v, nKeyHeads * headDim), false)) // [R, K, Q L, P]
    return g.reshapeTo(mixed, g.concat(0, g.ints(-1, nHeads), length, g.ints(headDim)))
  }

  /** What suffix tokens have, `[R, H, L, size]`, as the context part has it: `[K, R * L, Q, size]`; `last`: as it is. */
  private suffixToRows(x: Value, size: number): Value {
    const g = this.#g
    const { rows } = this
    if (rows.kind === 'last') return x
    const { nKeyHeads } = this.c
    const length = g.shape(rows.inputs.runKeep, 1, 2)
    const byGroup = g.reshapeTo(x, g.concat(0, g.ints(-1, nKeyHeads, this.#queries), length, g.ints(size)))
    return g.reshape(g.transpose(byGroup, 1, 0, 3, 2, 4), nKeyHeads, -1, this.#queries, size)
  }

  /** The other way, `[K, R * L, Q, 1]` to `[R, H, L, 1]`. */
  private rowsToSuffix(x: Value): Value {
    const g = this.#g
    const { rows } = this
    if (rows.kind === 'last') return x
    const { nHeads, nKeyHeads } = this.c
    const length = g.shape(rows.inputs.runKeep, 1, 2)
    const byRun = g.reshapeTo(x, g.concat(0, g.ints(nKeyHeads, -1), length, g.ints(this.#queries, 1)))
    return g.reshapeTo(g.transpose(byRun, 1, 0, 3, 2, 4), g.concat(0, g.ints(-1, nHeads), length, g.ints(1)))
  }
}
