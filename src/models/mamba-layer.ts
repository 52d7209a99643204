/**
 * A Mamba-1 layer on base rows and run rows (Gu and Dao 2023, arXiv 2312.00752, algorithm 2).
 *
 *   [u, z]  = W_in RMSNorm(h)                      W_in [2 D, d]
 *   u       = SiLU(causal depthwise conv(u))       K taps per channel
 *   [r,B,C] = W_x u                                W_x [R + 2 N, D]
 *   Delta   = softplus(W_dt r + b)                 [rows, D]
 *   S_t     = exp(Delta_t A) S_{t-1} + B_t (Delta_t u_t)^T     A = -exp(A_log), state [N, D]
 *   y_t     = C_t^T S_t + D u_t
 *   h      += W_out (y * SiLU(z))
 *
 * The layer is linear in v = Delta u once Delta, B and C are fixed, so a knockout of source s removes s's
 * contribution to the state and nothing else: the state after position e is the sum over s <= e of
 *   W_s = exp(A sum_{k=s+1..e} Delta_k) * B_s v_s^T        [N, D]
 * and all kept sets of a prompt are one matrix product `keep [M, T] x W [T, N D]`.
 *
 * Falcon-Mamba puts a weightless RMSNorm on r, B and C (Zuo et al. 2024, arXiv 2410.05355, section 2.2).
 *
 * Shapes: B prompts, T tokens, C contexts, M kept sets per context, R runs, L suffix length, D = dInner, N = dState.
 * States lie as [N, D], the wide axis last, for elementwise kernels; whatever has a state per row is computed in
 * blocks of rows that fit a processor's cache.
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

/** Bytes of a block's states: about a second-level cache. */
const BLOCK_BYTES = 2 ** 20

export interface MambaSizes {
  readonly dModel: number
  readonly dInner: number
  readonly dState: number
  readonly dtRank: number
  /** Taps of the convolution, K. */
  readonly dConv: number
  readonly epsilon: number
  readonly useBias: boolean
  readonly useConvBias: boolean
  /** Epsilon of the weightless norms of Falcon-Mamba; none in Mamba-1. */
  readonly mixerEpsilon?: number
}

/** A layer's tensors, by their names after `backbone.layers.N.`. */
export function mambaTensors(c: MambaSizes): TensorShapes {
  return {
    'norm.weight': [c.dModel],
    'mixer.in_proj.weight': [2 * c.dInner, c.dModel],
    ...(c.useBias && { 'mixer.in_proj.bias': [2 * c.dInner] }),
    'mixer.conv1d.weight': [c.dInner, 1, c.dConv],
    ...(c.useConvBias && { 'mixer.conv1d.bias': [c.dInner] }),
    'mixer.x_proj.weight': [c.dtRank + 2 * c.dState, c.dInner],
    'mixer.dt_proj.weight': [c.dInner, c.dtRank],
    'mixer.dt_proj.bias': [c.dInner],
    'mixer.A_log': [c.dInner, c.dState],
    'mixer.D': [c.dInner],
    'mixer.out_proj.weight': [c.dModel, c.dInner],
    ...(c.useBias && { 'mixer.out_proj.bias': [c.dModel] }),
  }
}

/** -exp(A_log) transposed to `[N, D]`, computed in float64. */
function transition(aLog: Float32Array, c: MambaSizes): Float32Array {
  const a = new Float32Array(aLog.length)
  for (let d = 0; d < c.dInner; d++) {
    for (let n = 0; n < c.dState; n++) a[n * c.dInner + d] = -Math.exp(aLog[d * c.dState + n]!)
  }
  return a
}

/** What a scan reads: Delta and v `[..., D]`, B and C `[..., N]`. */
interface Scan {
  readonly delta: Value
  readonly v: Value
  readonly b: Value
  readonly c: Value
}

/** Rows of states that a block holds. */
export function blockRows(c: Pick<MambaSizes, 'dInner' | 'dState'>): number {
  return Math.max(1, Math.floor(BLOCK_BYTES / (4 * c.dInner * c.dState)))
}

export class MambaLayer {
  readonly #rows: LayerRows
  readonly #conv: Convolution
  /** A^T, `[N, D]`. */
  readonly #a: Value
  /** Knocked channels by category, 1 where cut, `[3, D]`. */
  readonly #knocked: Value

  constructor(
    private readonly g: Graph,
    private readonly c: MambaSizes,
    private readonly w: LayerWeights,
    private readonly inputs: LayerInputs,
    private readonly kind: LayerKind,
  ) {
    this.#rows = new LayerRows(g, inputs, kind)
    const { dInner, dState, dConv } = c
    this.#conv = {
      width: dInner,
      taps: dConv,
      weight: g.constant('taps', tapsOf(w.data('mixer.conv1d.weight'), dInner, dConv), [dConv, dInner]),
      bias: w.optional('mixer.conv1d.bias'),
    }
    const aLog = w.data('mixer.A_log')
    this.#a = g.constant('A', transition(aLog, c), [dState, dInner])
    const table = knockedTable(featureNorms(aLog, dInner))
    this.#knocked = g.constant('knocked', table, [FEATURE_CATEGORIES.length, dInner])
  }

  /** Base rows and run rows through the layer. */
  advance(): LayerOutputs {
    const { g, c, w } = this
    const h = this.#rows.all
    const projected = g.linear(
      g.rmsNorm(h, w.constant('norm.weight'), c.epsilon),
      w.constant('mixer.in_proj.weight'),
      w.optional('mixer.in_proj.bias'),
    )
    const [x, z] = g.split(projected, 1, c.dInner, c.dInner) as [Value, Value]
    const u = g.silu(convolve(this.#rows, x, this.#conv))
    const selected = g.split(g.linear(u, w.constant('mixer.x_proj.weight')), 1, c.dtRank, c.dState, c.dState)
    const [r, b, cc] = selected.map((part, i) => this.normed(part, i === 0 ? c.dtRank : c.dState))
    const delta = g.softplus(
      g.linear(r!, w.constant('mixer.dt_proj.weight'), w.constant('mixer.dt_proj.bias')),
    )
    const mixed = this.stateSpace({ delta, v: g.mul(delta, u), b: b!, c: cc! })
    const y = g.add(mixed, g.mul(u, w.constant('mixer.D')))
    const out = g.linear(
      g.mul(y, g.silu(z)),
      w.constant('mixer.out_proj.weight'),
      w.optional('mixer.out_proj.bias'),
    )
    return this.#rows.outputs(g.add(h, out))
  }

  private normed(x: Value, width: number): Value {
    const { g, c } = this
    if (c.mixerEpsilon === undefined) return x
    return g.rmsNorm(x, g.constant('ones', new Float32Array(width).fill(1)), c.mixerEpsilon)
  }

  /** y without the skip, of all rows. */
  private stateSpace(x: Scan): Value {
    const { g, c, inputs } = this
    const rows = this.#rows
    const [deltaB, deltaR] = rows.cut(x.delta)
    const [vB, vR] = rows.cut(x.v)
    const [bB, bR] = rows.cut(x.b)
    const [cB, cR] = rows.cut(x.c)
    const base = {
      delta: rows.byToken(deltaB, c.dInner),
      v: rows.byToken(vB, c.dInner),
      b: rows.byToken(bB, c.dState),
      c: rows.byToken(cB, c.dState),
    }
    const zero = g.op('ConstantOfShape', [g.concat(0, g.shape(base.delta, 0, 1), g.ints(c.dState, c.dInner))])
    const yBase = g.reshape(this.scan(g, base, zero), -1, c.dInner)
    const states = this.states(base)
    const knocked = g.gather(this.#knocked, g.gather(g.reshape(inputs.keepFeatures, -1), inputs.runSet)) // [R, D]
    const runs = { delta: deltaR, v: vR, b: bR, c: cR }
    const yRuns =
      this.kind === 'last' ? this.lastTokens(runs, states, knocked) : this.suffixes(runs, states, knocked)
    return g.concat(0, yBase, yRuns)
  }

  /** The recurrence over `[B, T, ...]` from the state `past [B, N, D]`: y `[B, T, D]`. */
  private scan(graph: Graph, x: Scan, past: Value): Value {
    return graph.scan(past, [x.delta, x.v, x.b, x.c], (g, state, [delta, v, b, c]) => {
      const decay = g.exp(g.mul(g.unsqueeze(delta!, 1), this.#a)) // [B, N, D]
      const next = g.add(g.mul(decay, state), g.mul(g.unsqueeze(b!, 2), g.unsqueeze(v!, 1)))
      return { state: next, output: g.squeeze(g.matMul(g.unsqueeze(c!, 1), next), 1) }
    })
  }

  /** States before the suffix, one per kept set: `[C * M, N, D]`. */
  private states(base: Scan): Value {
    const { g, c, inputs } = this
    const rows = this.#rows
    const ofContexts = [base.delta, base.v, base.b].map((value) => rows.ofContexts(value)) // [C, T, ...]
    const knocked = g.gather(this.#knocked, inputs.keepFeatures) // [C, M, D]
    const states = g.forEach(
      [...ofContexts, inputs.keep, knocked].map((value) => ({ value, type: 'float32' })),
      (each, [delta, v, b, keep, cut]) => {
        // Delta of the suffix counts as 0: contributions decay to the suffix's start and no further.
        const clean = each.slice(keep!, each.ints(0), each.ints(1), 0) // [1, T]
        const inContext = each.mul(delta!, each.transpose(clean, 1, 0)) // [T, D]
        const decay = each.exp(each.mul(each.unsqueeze(each.sumAfter(inContext, 0), 1), this.#a)) // [T, N, D]
        const added = each.mul(each.unsqueeze(b!, 2), each.unsqueeze(v!, 1)) // [T, N, D]
        const contributions = each.reshape(each.mul(decay, added), 0, c.dState * c.dInner)
        const all = each.reshape(each.matMul(keep!, contributions), -1, c.dState, c.dInner) // [M, N, D]
        const whole = each.slice(all, each.ints(0), each.ints(1), 0) // [1, N, D]
        // Features that are not cut keep every source.
        return each.where(each.cast(each.unsqueeze(cut!, 1), 'bool'), all, whole)
      },
    )
    return g.reshape(states, -1, c.dState, c.dInner)
  }

  /** 1 where a suffix token still feeds a feature: `keep` is 1, or the feature is not cut. */
  private kept(g: Graph, keep: Value, knocked: Value): Value {
    return g.sub(g.scalar(1), g.mul(g.sub(g.scalar(1), keep), knocked))
  }

  /** y of the last token alone, `[R, D]`: C^T exp(Delta A) S + (B . C) v, where v counts if the token is kept. */
  private lastTokens(x: Scan, states: Value, knocked: Value): Value {
    const { g, c, inputs } = this
    const fromContext = g.blocks(
      blockRows(c),
      [
        { value: x.delta, type: 'float32' },
        { value: x.c, type: 'float32' },
        { value: inputs.runSet, type: 'int32' },
      ],
      (block, [delta, out, set]) => {
        const decay = block.exp(block.mul(block.unsqueeze(delta!, 1), this.#a)) // [rows, N, D]
        const state = block.mul(decay, block.gather(states, set!))
        return block.squeeze(block.matMul(block.unsqueeze(out!, 1), state), 1)
      },
    )
    const own = g.mul(g.reduceSum(g.mul(x.b, x.c), 1), x.v)
    return g.add(fromContext, g.mul(own, this.kept(g, inputs.runKeep, knocked)))
  }

  /** y of suffixes, `[R * L, D]`: targets read the recurrence without the cut sources, the other tokens the whole. */
  private suffixes(x: Scan, states: Value, knocked: Value): Value {
    const { g, c, inputs } = this
    const rows = this.#rows
    const floats = [
      rows.bySuffix(x.delta, c.dInner),
      rows.bySuffix(x.v, c.dInner),
      rows.bySuffix(x.b, c.dState),
      rows.bySuffix(x.c, c.dState),
      knocked,
    ]
    const masks = [inputs.runKeep, inputs.runTarget!]
    const sets = [inputs.runSet, g.mul(rows.runContext, rows.sets)]
    const y = g.blocks(
      blockRows(c),
      [
        ...[...floats, ...masks].map((value) => ({ value, type: 'float32' }) as const),
        ...sets.map((value) => ({ value, type: 'int32' }) as const),
      ],
      (block, [delta, v, b, out, cut, keep, target, set, cleanSet]) => {
        const own = { delta: delta!, v: v!, b: b!, c: out! }
        const kept = this.kept(block, block.unsqueeze(keep!, 2), block.unsqueeze(cut!, 1)) // [rows, L, D]
        const clean = this.scan(block, own, block.gather(states, cleanSet!))
        const masked = this.scan(block, { ...own, v: block.mul(v!, kept) }, block.gather(states, set!))
        return block.where(block.cast(block.unsqueeze(target!, 2), 'bool'), masked, clean)
      },
    )
    return g.reshape(y, -1, c.dInner)
  }
}
