/**
 * A Mamba-2 layer on base rows and run rows (Dao and Gu 2024, arXiv 2405.21060).
 *
 *   [z, x, B, C, dt] = W_in RMSNorm(h)               widths D, D, G N, G N, H
 *   [x, B, C] = SiLU(causal depthwise conv([x, B, C]))
 *   dt        = softplus(dt + dt_bias)               [rows, H], within time_step_limit
 *   S_t       = exp(dt_t A) S_{t-1} + B_t (dt_t x_t)^T    A = -exp(A_log), one number per head
 *   y_t       = C_t^T S_t + D x_t
 *   h        += W_out RMSNorm(y * SiLU(z))           normalised in G groups of channels
 *
 * In its dual form (the paper's section 3) the state space is a masked attention:
 *   y_t = sum_{s <= t} (C_t . B_s) exp(A sum_{k=s+1..t} dt_k) v_s,   v = dt x,
 * computed so here: most prompts are short, a state [N, D] is large, and a knockout of source s is the mask of that
 * attention. What is longer than CHUNK tokens goes chunk by chunk (section 6): the dual form within a chunk, and a
 * state from one to the next, so that work grows with T and not with T^2.
 *
 * Between a run's suffix and its context the decay is a product of what follows s in the context and what precedes t in the suffix,
 *   exp(A sum_{k=s+1..start-1} dt_k) exp(A sum_{k=start..t} dt_k),
 * so the first goes with v_s and the second with y_t, and all runs meet all context tokens in one matrix product
 * `(C B^T * mask) [R * L, C * C'] x v [C * C', D]`. Exponents are sums of terms of one sign, never differences.
 *
 * Shapes: B prompts, T tokens, C contexts of C' tokens, R runs, L suffix length, H heads of P channels, D = H P, G groups of heads
 * that share B and C, N = dState.
 */
import type { Graph, Value } from '../onnx/graph.js'
import { FEATURE_CATEGORIES, type LayerInputs, type LayerWeights, type TensorShapes } from './architecture.js'
import { type Convolution, convolve, tapsOf } from './convolution.js'
import { LEAST_EXPONENT } from './decay.js'
import { featureNorms, knockedTable } from './features.js'
import type { LayerRows } from './rows.js'

/** Tokens of a sequence whose pairs are worked on at once. */
export const CHUNK = 64

export interface Mamba2Sizes {
  readonly dModel: number
  readonly nHeads: number
  readonly headDim: number
  readonly nGroups: number
  readonly dState: number
  /** Taps of the convolution, K. */
  readonly dConv: number
  readonly epsilon: number
  /** Bounds of dt after softplus. */
  readonly timeStepLimit: readonly [least: number, most: number]
  readonly useBias: boolean
  readonly useConvBias: boolean
}

/** D, and the width of the convolution: x, B and C. */
export function mamba2Widths(c: Mamba2Sizes): { dInner: number; dConvolved: number } {
  const dInner = c.nHeads * c.headDim
  return { dInner, dConvolved: dInner + 2 * c.nGroups * c.dState }
}

/** A layer's tensors, by their names after `backbone.layers.N.`. */
export function mamba2Tensors(c: Mamba2Sizes): TensorShapes {
  const { dInner, dConvolved } = mamba2Widths(c)
  const projected = dInner + dConvolved + c.nHeads
  return {
    'norm.weight': [c.dModel],
    'mixer.in_proj.weight': [projected, c.dModel],
    ...(c.useBias && { 'mixer.in_proj.bias': [projected] }),
    'mixer.conv1d.weight': [dConvolved, 1, c.dConv],
    ...(c.useConvBias && { 'mixer.conv1d.bias': [dConvolved] }),
    'mixer.dt_bias': [c.nHeads],
    'mixer.A_log': [c.nHeads],
    'mixer.D': [c.nHeads],
    'mixer.norm.weight': [dInner],
    'mixer.out_proj.weight': [c.dModel, dInner],
    ...(c.useBias && { 'mixer.out_proj.bias': [c.dModel] }),
  }
}

/** What the state space reads of some rows: dt and dt A `[..., H]`, v `[..., D]`, B and C `[..., G N]`. */
interface Sequence {
  readonly decay: Value
  readonly v: Value
  readonly b: Value
  readonly c: Value
}

/** What runs of sequences `[n, T]` lack: sources cut and targets float32 `[n, T]`, knocked heads `[n, H]`; 1 where so. */
interface Cut {
  readonly source: Value
  readonly target: Value
  readonly knocked: Value
}

export class Mamba2Layer {
  readonly #conv: Convolution
  readonly #dInner: number
  /** -exp(A_log), `[H]`. */
  readonly #a: Value
  /** Knocked heads by category, 1 where cut, `[3, H]`. */
  readonly #knocked: Value

  constructor(
    private readonly c: Mamba2Sizes,
    private readonly w: LayerWeights,
    private readonly rows: LayerRows,
  ) {
    const { g } = this
    const { dInner, dConvolved } = mamba2Widths(c)
    this.#dInner = dInner
    this.#conv = {
      width: dConvolved,
      taps: c.dConv,
      weight: g.constant('taps', tapsOf(w.data('mixer.conv1d.weight'), dConvolved, c.dConv), [
        c.dConv,
        dConvolved,
      ]),
      bias: w.optional('mixer.conv1d.bias'),
    }
    const aLog = w.data('mixer.A_log')
    this.#a = g.constant(
      'A',
      aLog.map((value) => -Math.exp(value)),
    )
    const table = knockedTable(featureNorms(aLog, c.nHeads))
    this.#knocked = g.constant('knocked', table, [FEATURE_CATEGORIES.length, c.nHeads])
  }

  private get g(): Graph {
    return this.rows.g
  }

  private get inputs(): LayerInputs {
    return this.rows.inputs
  }

  /** Base rows and run rows through the layer. */
  advance(): Value {
    const { g, c, w } = this
    const h = this.rows.all
    const dInner = this.#dInner
    const groups = c.nGroups * c.dState
    const projected = g.linear(
      g.rmsNorm(h, w.constant('norm.weight'), c.epsilon),
      w.constant('mixer.in_proj.weight'),
      w.optional('mixer.in_proj.bias'),
    )
    const [z, xbc, rate] = g.split(projected, 1, dInner, this.#conv.width, c.nHeads) as [Value, Value, Value]
    const convolved = g.silu(convolve(this.rows, xbc, this.#conv))
    const [x, b, cc] = g.split(convolved, 1, dInner, groups, groups) as [Value, Value, Value]
    const dt = this.limited(g.softplus(g.add(rate, w.constant('mixer.dt_bias')))) // [rows, H]
    const byHead = g.reshape(x, 0, c.nHeads, c.headDim)
    const v = g.reshape(g.mul(byHead, g.unsqueeze(dt, 2)), 0, dInner)
    const skip = g.reshape(g.mul(byHead, g.unsqueeze(w.constant('mixer.D'), 1)), 0, dInner)
    const y = g.add(this.stateSpace({ decay: g.mul(dt, this.#a), v, b, c: cc }), skip)
    const out = g.linear(
      this.gatedNorm(g.mul(y, g.silu(z))),
      w.constant('mixer.out_proj.weight'),
      w.optional('mixer.out_proj.bias'),
    )
    return g.add(h, out)
  }

  private limited(dt: Value): Value {
    const { g } = this
    const [least, most] = this.c.timeStepLimit
    // softplus is never below 0.
    if (least <= 0 && most === Number.POSITIVE_INFINITY) return dt
    const bound = (value: number): Value | undefined => (Number.isFinite(value) ? g.scalar(value) : undefined)
    return g.op('Clip', [dt, bound(least), bound(most)])
  }

  /** RMSNorm within each of G groups of channels. */
  private gatedNorm(x: Value): Value {
    const { g, c, w } = this
    const weight = w.constant('mixer.norm.weight')
    if (c.nGroups === 1) return g.rmsNorm(x, weight, c.epsilon)
    const width = this.#dInner / c.nGroups
    const ones = g.constant('ones', new Float32Array(width).fill(1))
    const normed = g.rmsNorm(g.reshape(x, 0, c.nGroups, width), ones, c.epsilon)
    return g.mul(g.reshape(normed, 0, this.#dInner), weight)
  }

  /** y without the skip, `[rows, D]`. */
  private stateSpace(x: Sequence): Value {
    const rows = this.rows
    const [decayB, decayR] = rows.cut(x.decay)
    const [vB, vR] = rows.cut(x.v)
    const [bB, bR] = rows.cut(x.b)
    const [cB, cR] = rows.cut(x.c)
    const { nHeads, nGroups, dState } = this.c
    const base = {
      decay: rows.byToken(decayB, nHeads),
      v: rows.byToken(vB, this.#dInner),
      b: rows.byToken(bB, nGroups * dState),
      c: rows.byToken(cB, nGroups * dState),
    }
    const runs = { decay: decayR, v: vR, b: bR, c: cR }
    return this.g.concat(0, this.g.reshape(this.sequence(base), -1, this.#dInner), this.runRows(base, runs))
  }

  /** y of sequences `[n, T, ...]`, each alone: `[n, T, D]`. GPUs have the memory, and WebGPU no loops. */
  private sequence(x: Sequence, cut?: Cut): Value {
    const { g } = this
    const length = g.shape(x.decay, 1, 2)
    if (g.gpu) return this.dual(g, this.rows.causal(length), x, cut)
    return g.either(
      g.less(g.ints(CHUNK), length),
      (long) => this.oneByOne(long, x, cut, (each, own, ownCut) => this.chunks(each, length, own, ownCut)),
      (short) => this.dual(short, this.rows.causal(length), x, cut),
    )
  }

  /**
   * `write` for each of the sequences `[n, T, ...]` alone, n = 1: their states and pairs of tokens together would be
   * large, and memory that is given back to the system and faulted in again costs more than what is computed in it.
   */
  private oneByOne(
    g: Graph,
    x: Sequence,
    cut: Cut | undefined,
    write: (each: Graph, x: Sequence, cut?: Cut) => Value,
  ): Value {
    const inputs = [x.decay, x.v, x.b, x.c, ...(cut ? [cut.source, cut.target, cut.knocked] : [])]
    return g.forEach(
      inputs.map((value) => ({ value, type: 'float32' })),
      (each, slices) => {
        const [decay, v, b, c, source, target, knocked] = slices.map((slice) => each.unsqueeze(slice, 0))
        const own = { decay: decay!, v: v!, b: b!, c: c! }
        const ownCut = cut && { source: source!, target: target!, knocked: knocked! }
        return each.squeeze(write(each, own, ownCut), 0)
      },
    )
  }

  /**
   * The dual form within sequences of T tokens, `[n, T, D]`.
   * @param causal 1 where a source is not after its target, `[T, T]` (target, source)
   */
  private dual(g: Graph, causal: Value, x: Sequence, cut?: Cut): Value {
    const { c } = this
    // Row k of column s: the decay of token k where it comes after s; summed over k up to t.
    const after = g.sub(g.scalar(1), g.transpose(causal, 1, 0)) // [k, s]: 1 where k > s
    const steps = g.mul(g.unsqueeze(g.transpose(x.decay, 0, 2, 1), 3), after) // [n, H, T, T]
    const decay = g.mul(this.decay(g, g.sumUpTo(steps, 2)), causal)
    const scores = g.matMul(this.grouped(g, x.c, 0, 2, 1, 3), this.grouped(g, x.b, 0, 2, 3, 1)) // [n, G, T, T]
    const length = g.shape(x.decay, 1, 2)
    const byGroup = g.reshapeTo(
      cut ? g.mul(decay, this.kept(g, cut)) : decay,
      g.concat(0, g.ints(-1, c.nGroups, c.nHeads / c.nGroups), length, length),
    )
    const weights = g.reshapeTo(
      g.mul(byGroup, g.unsqueeze(scores, 2)),
      g.concat(0, g.ints(-1, c.nHeads), length, length),
    )
    const v = g.transpose(g.reshape(x.v, 0, 0, c.nHeads, c.headDim), 0, 2, 1, 3) // [n, H, T, P]
    return g.reshape(g.transpose(g.matMul(weights, v), 0, 2, 1, 3), 0, 0, this.#dInner)
  }

  /** exp of sums of decays. */
  private decay(g: Graph, exponents: Value): Value {
    return g.exp(g.max(exponents, g.scalar(LEAST_EXPONENT)))
  }

  /** 0 where a head's edge is cut, `[n, H, T, T]` (target, source). */
  private kept(g: Graph, { source, target, knocked }: Cut): Value {
    const edges = g.mul(g.unsqueeze(target, 1, 3), g.unsqueeze(source, 1, 2)) // [n, 1, T, T]
    return g.sub(g.scalar(1), g.mul(edges, g.unsqueeze(knocked, 2, 3)))
  }

  /**
   * Sequences of many tokens, chunk by chunk: a token reads its own chunk in the dual form, and the state that the
   * chunks before have left. Where sources are cut there are two states, whole and without them; targets read the
   * second.
   */
  private chunks(g: Graph, length: Value, x: Sequence, cut?: Cut): Value {
    const { nHeads, headDim, nGroups, dState } = this.c
    const up = (n: Value, by: Value): Value => g.div(g.sub(g.add(n, by), g.ints(1)), by)
    const count = up(length, g.ints(CHUNK))
    const size = up(length, count)
    // Zeros behind the last token change nothing before them.
    const chunked = (value: Value): Value => {
      const sizes = g.op('Shape', [value], { start: 2 })
      const rest = g.sub(g.mul(count, size), length)
      const padded = g.op('Pad', [value, g.concat(0, g.ints(0), rest), undefined, g.ints(1)])
      return g.reshapeTo(padded, g.concat(0, g.shape(value, 0, 1), count, size, sizes))
    }
    const variants = cut ? 2 : 1
    const perGroup = this.#dInner / nGroups
    const initial = g.op('ConstantOfShape', [
      g.concat(0, g.shape(x.decay, 0, 1), g.ints(variants, nGroups, dState, perGroup)),
    ])
    const causal = this.rows.causal(size, g)
    const inputs = [x.decay, x.v, x.b, x.c, ...(cut ? [cut.source, cut.target] : [])].map(chunked)
    const y = g.scan(initial, inputs, (step, state, [decay, v, b, c, source, target]) => {
      const own = cut && { source: source!, target: target!, knocked: cut.knocked }
      const within = this.dual(step, causal, { decay: decay!, v: v!, b: b!, c: c! }, own)
      // All [n, Q, H, ...] with Q tokens.
      const byHead = (value: Value): Value => step.reshape(value, 0, 0, nHeads, headDim)
      const left = step.mul(byHead(v!), step.unsqueeze(this.decay(step, step.sumAfter(decay!, 1)), 3))
      const without = (): Value => {
        const lost = step.mul(step.unsqueeze(source!, 2), step.unsqueeze(cut!.knocked, 1)) // [n, Q, H]
        return step.mul(left, step.unsqueeze(step.sub(step.scalar(1), lost), 3))
      }
      const all = step.concat(
        1,
        ...(cut ? [left, without()] : [left]).map((value) => step.unsqueeze(value, 1)),
      )
      const byGroup = step.transpose(step.reshape(all, 0, variants, -1, nGroups, perGroup), 0, 1, 3, 2, 4)
      const added = step.matMul(step.unsqueeze(this.grouped(step, b!, 0, 2, 3, 1), 1), byGroup) // [n, V, G, N, D / G]
      const total = this.decay(step, step.reduceSum(decay!, 1)) // [n, 1, H]
      const heads = step.reshape(total, -1, 1, nGroups, 1, nHeads / nGroups, 1)
      const faded = step.mul(step.reshape(state, 0, 0, 0, 0, nHeads / nGroups, headDim), heads)
      const next = step.add(step.reshape(faded, 0, 0, 0, 0, perGroup), added)
      const read = step.matMul(step.unsqueeze(this.grouped(step, c!, 0, 2, 1, 3), 1), state) // [n, V, G, Q, D / G]
      const byVariant = step.transpose(read, 1, 0, 3, 2, 4) // [V, n, Q, G, D / G]
      const [whole, masked] = Array.from({ length: variants }, (_, i) =>
        byHead(step.reshape(step.gather(byVariant, step.int32(i)), 0, 0, this.#dInner)),
      )
      const isTarget = cut && step.cast(step.unsqueeze(target!, 2, 3), 'bool')
      const before = isTarget ? step.where(isTarget, masked!, whole!) : whole!
      const faint = step.unsqueeze(this.decay(step, step.sumUpTo(decay!, 1)), 3)
      const output = step.add(within, step.reshape(step.mul(before, faint), 0, 0, this.#dInner))
      return { state: next, output }
    })
    const flat = g.reshapeTo(y, g.concat(0, g.shape(x.decay, 0, 1), g.mul(count, size), g.ints(this.#dInner)))
    return g.slice(flat, g.ints(0), length, 1)
  }

  /** B or C `[n, T, G N]` as `[n, T, G, N]`, its axes permuted. */
  private grouped(g: Graph, x: Value, ...permutation: number[]): Value {
    return g.transpose(g.reshape(x, 0, 0, this.c.nGroups, this.c.dState), ...permutation)
  }

  /** y of the run rows, `[R * L, D]`. */
  private runRows(base: Sequence, x: Sequence): Value {
    const { g, c, inputs } = this
    const rows = this.rows
    const category = g.gather(g.reshape(inputs.keepFeatures, -1), inputs.runSet)
    const knocked = g.gather(this.#knocked, category) // [R, H]
    const steps = rows.bySuffix(x.decay, c.nHeads)
    const decay = this.decay(g, g.sumUpTo(steps, 1)) // [R, L, H]
    const context = rows.bySuffix(this.fromContext(base, x.c, knocked), c.nHeads, c.headDim)
    const suffix = this.fromSuffix({ ...x, decay: steps }, knocked) // [R, L, D]
    const y = g.mul(context, g.unsqueeze(decay, 3))
    return g.reshape(g.add(g.reshape(y, 0, 0, this.#dInner), suffix), -1, this.#dInner)
  }

  /** What run rows read of their contexts, but for the decay inside of the suffix: `[R * L, D]`. */
  private fromContext(base: Sequence, c: Value, knocked: Value): Value {
    const { g } = this
    const { nHeads, headDim, nGroups, dState } = this.c
    const rows = this.rows
    // Decay of the suffix counts as 0: contributions decay to the suffix's start and no further.
    const steps = g.mul(rows.ofContexts(base.decay), g.unsqueeze(rows.clean, 2)) // [C, C', H]
    const decay = this.decay(g, g.sumAfter(steps, 1))
    const byHead = g.reshape(rows.ofContexts(base.v), 0, 0, nHeads, headDim)
    const v = g.mul(byHead, g.unsqueeze(decay, 3)) // [C, C', H, P]
    const byGroup = (x: Value, width: number): Value => g.reshape(x, -1, nGroups, width)
    const v3 = g.transpose(byGroup(v, this.#dInner / nGroups), 1, 0, 2) // [G, C * C', D / G]
    const b3 = g.transpose(byGroup(rows.ofContexts(base.b), dState), 1, 2, 0) // [G, N, C * C']
    const scores = g.matMul(g.transpose(byGroup(c, dState), 1, 0, 2), b3) // [G, R * L, C * C']
    const masks = rows.contextMasks()
    const read = (mask: Value): Value =>
      g.reshape(g.transpose(g.matMul(g.mul(scores, mask), v3), 1, 0, 2), -1, nHeads, headDim)
    // Heads that are not cut keep every source.
    const cut = g.unsqueeze(g.unsqueeze(knocked, 1), 3) // [R, 1, H, 1]
    const chosen = g.where(
      g.cast(cut, 'bool'),
      rows.bySuffix(read(masks.kept), nHeads, headDim),
      rows.bySuffix(read(masks.whole), nHeads, headDim),
    )
    return g.reshape(chosen, -1, this.#dInner)
  }

  /** What run rows read of their suffix, `[R, L, D]`. */
  private fromSuffix(x: Sequence, knocked: Value): Value {
    const { g } = this
    const { nHeads, headDim, nGroups, dState } = this.c
    const rows = this.rows
    const source = g.sub(g.scalar(1), this.inputs.runKeep)
    if (this.rows.kind === 'suffix') {
      return this.sequence(
        {
          decay: x.decay,
          v: rows.bySuffix(x.v, this.#dInner),
          b: rows.bySuffix(x.b, nGroups * dState),
          c: rows.bySuffix(x.c, nGroups * dState),
        },
        { source, target: this.inputs.runTarget!, knocked },
      )
    }
    const keep = g.sub(g.scalar(1), g.mul(source, knocked)) // [R, H]
    const byGroup = (value: Value): Value => g.reshape(value, 0, nGroups, dState)
    const scores = g.reduceSum(g.mul(byGroup(x.c), byGroup(x.b)), 2) // [R, G, 1]
    const kept = g.mul(scores, g.reshape(keep, 0, nGroups, nHeads / nGroups)) // [R, G, H / G]
    const v = g.reshape(x.v, 0, nHeads, headDim)
    const y = g.mul(v, g.reshape(kept, 0, nHeads, 1))
    return g.reshape(y, 0, 1, this.#dInner)
  }
}
