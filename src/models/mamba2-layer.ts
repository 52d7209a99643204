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
 * computed so here: prompts are short, a state [N, D] is large, and a knockout of source s is the mask of that
 * attention. Its decay is a product of what follows s in the context and what precedes t in the suffix,
 *   exp(A sum_{k=s+1..start-1} dt_k) exp(A sum_{k=start..t} dt_k),
 * so the first goes with v_s and the second with y_t, and all runs meet all context tokens in one matrix product
 * `(C B^T * mask) [R * L, C * T] x v [C * T, D]`. Exponents are sums of terms of one sign, never differences.
 *
 * Shapes: B prompts, T tokens, C contexts, R runs, L suffix length, H heads of P channels, D = H P, G groups of heads
 * that share B and C, N = dState.
 */
import type { Graph, Value } from '../onnx/graph.js'
import {
  FEATURE_CATEGORIES,
  type LayerInputs,
  type LayerKind,
  type LayerOutputs,
  type LayerWeights,
  type TensorShapes,
} from './architecture.js'
import { type Convolution, convolve, tapsOf } from './convolution.js'
import { featureNorms, knockedTable } from './features.js'
import { LayerRows } from './rows.js'

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

export class Mamba2Layer {
  readonly #rows: LayerRows
  readonly #conv: Convolution
  readonly #dInner: number
  /** -exp(A_log), `[H]`. */
  readonly #a: Value
  /** Knocked heads by category, 1 where cut, `[3, H]`. */
  readonly #knocked: Value

  constructor(
    private readonly g: Graph,
    private readonly c: Mamba2Sizes,
    private readonly w: LayerWeights,
    private readonly inputs: LayerInputs,
    private readonly kind: LayerKind,
  ) {
    this.#rows = new LayerRows(g, inputs, kind)
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

  /** Base rows and run rows through the layer. */
  advance(): LayerOutputs {
    const { g, c, w } = this
    const h = this.#rows.all
    const dInner = this.#dInner
    const groups = c.nGroups * c.dState
    const projected = g.linear(
      g.rmsNorm(h, w.constant('norm.weight'), c.epsilon),
      w.constant('mixer.in_proj.weight'),
      w.optional('mixer.in_proj.bias'),
    )
    const [z, xbc, rate] = g.split(projected, 1, dInner, this.#conv.width, c.nHeads) as [Value, Value, Value]
    const convolved = g.silu(convolve(this.#rows, xbc, this.#conv))
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
    return this.#rows.outputs(g.add(h, out))
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
    const rows = this.#rows
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
    return this.g.concat(0, this.g.reshape(this.own(base), -1, this.#dInner), this.runRows(base, runs))
  }

  /**
   * The dual form over tokens of one sequence, `[n, T, D]`.
   * @param keep float32 `[n, H, T, T]` (target, source), 0 where a head is cut
   */
  private own(x: Sequence, keep?: Value): Value {
    const { g, c } = this
    const length = g.shape(x.decay, 1, 2)
    const causal = this.#rows.causal(length) // [T, T]
    // Row k of column s: the decay of token k where it comes after s; summed over k up to t.
    const after = g.sub(g.scalar(1), g.transpose(causal, 1, 0)) // [k, s]: 1 where k > s
    const steps = g.mul(g.unsqueeze(g.transpose(x.decay, 0, 2, 1), 3), after) // [n, H, T, T]
    const decay = g.mul(g.exp(g.sumUpTo(steps, 2)), causal)
    const scores = g.matMul(this.grouped(x.c, 0, 2, 1, 3), this.grouped(x.b, 0, 2, 3, 1)) // [n, G, T, T]
    const byGroup = g.reshapeTo(
      keep ? g.mul(decay, keep) : decay,
      g.concat(0, g.ints(-1, c.nGroups, c.nHeads / c.nGroups), length, length),
    )
    const weights = g.reshapeTo(
      g.mul(byGroup, g.unsqueeze(scores, 2)),
      g.concat(0, g.ints(-1, c.nHeads), length, length),
    )
    const v = g.transpose(g.reshape(x.v, 0, 0, c.nHeads, c.headDim), 0, 2, 1, 3) // [n, H, T, P]
    return g.reshape(g.transpose(g.matMul(weights, v), 0, 2, 1, 3), 0, 0, this.#dInner)
  }

  /** B or C `[n, T, G N]` as `[n, T, G, N]`, its axes permuted. */
  private grouped(x: Value, ...permutation: number[]): Value {
    return this.g.transpose(this.g.reshape(x, 0, 0, this.c.nGroups, this.c.dState), ...permutation)
  }

  /** y of the run rows, `[R * L, D]`. */
  private runRows(base: Sequence, x: Sequence): Value {
    const { g, c, inputs } = this
    const rows = this.#rows
    const category = g.gather(g.reshape(inputs.keepFeatures, -1), inputs.runSet)
    const knocked = g.gather(this.#knocked, category) // [R, H]
    const steps = rows.bySuffix(x.decay, c.nHeads)
    const decay = g.exp(g.sumUpTo(steps, 1)) // [R, L, H]
    const context = rows.bySuffix(this.fromContext(base, x.c, knocked), c.nHeads, c.headDim)
    const suffix = this.fromSuffix({ ...x, decay: steps }, knocked) // [R, L, D]
    const y = g.mul(context, g.unsqueeze(decay, 3))
    return g.reshape(g.add(g.reshape(y, 0, 0, this.#dInner), suffix), -1, this.#dInner)
  }

  /** What run rows read of their contexts, but for the decay inside of the suffix: `[R * L, D]`. */
  private fromContext(base: Sequence, c: Value, knocked: Value): Value {
    const { g } = this
    const { nHeads, headDim, nGroups, dState } = this.c
    const rows = this.#rows
    // Decay of the suffix counts as 0: contributions decay to the suffix's start and no further.
    const steps = g.mul(rows.ofContexts(base.decay), g.unsqueeze(rows.clean, 2)) // [C, T, H]
    const decay = g.exp(g.sumAfter(steps, 1))
    const byHead = g.reshape(rows.ofContexts(base.v), 0, 0, nHeads, headDim)
    const v = g.mul(byHead, g.unsqueeze(decay, 3)) // [C, T, H, P]
    const byGroup = (x: Value, width: number): Value => g.reshape(x, -1, nGroups, width)
    const v3 = g.transpose(byGroup(v, this.#dInner / nGroups), 1, 0, 2) // [G, C * T, D / G]
    const b3 = g.transpose(byGroup(rows.ofContexts(base.b), dState), 1, 2, 0) // [G, N, C * T]
    const scores = g.matMul(g.transpose(byGroup(c, dState), 1, 0, 2), b3) // [G, R * L, C * T]
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
    const rows = this.#rows
    const cut = g.mul(g.unsqueeze(rows.suffixCut(), 1), g.unsqueeze(knocked, 2, 3)) // [R, H, L, L]
    const keep = g.sub(g.scalar(1), cut)
    if (this.kind === 'suffix') {
      return this.own(
        {
          decay: x.decay,
          v: rows.bySuffix(x.v, this.#dInner),
          b: rows.bySuffix(x.b, nGroups * dState),
          c: rows.bySuffix(x.c, nGroups * dState),
        },
        keep,
      )
    }
    const byGroup = (value: Value): Value => g.reshape(value, 0, nGroups, dState)
    const scores = g.reduceSum(g.mul(byGroup(x.c), byGroup(x.b)), 2) // [R, G, 1]
    const kept = g.mul(scores, g.reshape(keep, 0, nGroups, nHeads / nGroups)) // [R, G, H / G]
    const v = g.reshape(x.v, 0, nHeads, headDim)
    const y = g.mul(v, g.reshape(kept, 0, nHeads, 1))
    return g.reshape(y, 0, 1, this.#dInner)
  }
}
