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
import { FEATURE_CATEGORIES, type LayerInputs, type LayerWeights, type TensorShapes } from './architecture.js'
import { type Convolution, convolve, tapsOf } from './convolution.js'
import { LEAST_EXPONENT } from './decay.js'
import { featureNorms, knockedTable } from './features.js'
import { MambaGpuStateSpace } from './mamba-gpu.js'
import type { LayerRows } from './rows.js'

/** Bytes of a block's states: three such arrays fit a second-level cache. */
const BLOCK_BYTES = 2 ** 19

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
export interface Scan {
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
  readonly #conv: Convolution
  /** A^T, `[N, D]`. */
  readonly #a: Value
  /** Knocked channels by category, 1 where cut, `[3, D]`. */
  readonly #knocked: Value
  /** What is left of them, 0 where cut, and a row of ones: `[4, D]`. */
  readonly #left: Value

  constructor(
    private readonly c: MambaSizes,
    private readonly w: LayerWeights,
    private readonly rows: LayerRows,
  ) {
    const { g } = this
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
    const categories = FEATURE_CATEGORIES.length
    this.#knocked = g.constant('knocked', table, [categories, dInner])
    const left = new Float32Array((categories + 1) * dInner).map((_, i) => 1 - (table[i] ?? 0))
    this.#left = g.constant('left', left, [categories + 1, dInner])
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
    const normed = g.rmsNorm(h, w.constant('norm.weight'), c.epsilon)
    const [x, z] = [0, 1].map((half) => this.project(normed, half)) as [Value, Value]
    const u = g.silu(convolve(this.rows, x, this.#conv))
    const selected = g.split(g.linear(u, w.constant('mixer.x_proj.weight')), 1, c.dtRank, c.dState, c.dState)
    const [r, b, cc] = selected.map((part, i) => this.normed(part, i === 0 ? c.dtRank : c.dState))
    const delta = g.softplus(
      g.linear(r!, w.constant('mixer.dt_proj.weight'), w.constant('mixer.dt_proj.bias')),
    )
    const read = { delta, v: g.mul(delta, u), b: b!, c: cc! }
    const mixed = g.gpu
      ? new MambaGpuStateSpace(this.rows, c, this.#a, this.#knocked, this.#left).mix(read)
      : this.stateSpace(read)
    const y = g.add(mixed, g.mul(u, w.constant('mixer.D')))
    const out = g.linear(
      g.mul(y, g.silu(z)),
      w.constant('mixer.out_proj.weight'),
      w.optional('mixer.out_proj.bias'),
    )
    return g.add(h, out)
  }

  /** Half of in_proj: u (0) or z (1). Two products save a copy of what one would give. */
  private project(normed: Value, half: number): Value {
    const { g, c, w } = this
    const part = (name: string, width: number, shape: number[]): Value => {
      const size = c.dInner * width
      return g.constant(name, w.data(`mixer.${name}`).subarray(half * size, (half + 1) * size), shape)
    }
    const weight = part('in_proj.weight', c.dModel, [c.dInner, c.dModel])
    return g.linear(normed, weight, c.useBias ? part('in_proj.bias', 1, [c.dInner]) : undefined)
  }

  private normed(x: Value, width: number): Value {
    const { g, c } = this
    if (c.mixerEpsilon === undefined) return x
    return g.rmsNorm(x, g.constant('ones', new Float32Array(width).fill(1)), c.mixerEpsilon)
  }

  /** y without the skip, of all rows. */
  private stateSpace(x: Scan): Value {
    const { g, c, inputs } = this
    const rows = this.rows
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
    const category = g.gather(g.reshape(inputs.keepFeatures, -1), inputs.runSet) // [R]
    const runs = { delta: deltaR, v: vR, b: bR, c: cR }
    const yRuns =
      this.rows.kind === 'last'
        ? this.lastTokens(runs, states, category)
        : this.suffixes(runs, states, category)
    return g.concat(0, yBase, yRuns)
  }

  /** The recurrence over `[B, T, ...]` from the state `past [B, N, D]`: y `[B, T, D]`. */
  private scan(graph: Graph, x: Scan, past: Value): Value {
    // Shapes that meet without help: every operator of a step costs some microseconds besides its arithmetic.
    const row = (value: Value): Value => graph.unsqueeze(value, 2)
    const inputs = [row(x.delta), row(x.v), graph.unsqueeze(x.b, 3), row(x.c)]
    const y = graph.scan(past, inputs, (g, state, [delta, v, b, c]) => {
      const decay = g.exp(g.mul(delta!, this.#a)) // [B, N, D]
      const next = g.add(g.mul(decay, state), g.mul(b!, v!))
      return { state: next, output: g.matMul(c!, next) }
    })
    return graph.squeeze(y, 2)
  }

  /** States before the suffix, one per kept set: `[C * M, N, D]`. */
  private states(base: Scan): Value {
    const { g, c, inputs } = this
    const rows = this.rows
    const [delta, v, b] = [base.delta, base.v, base.b].map((value) => rows.ofContexts(value)) // [C, T, ...]
    // Delta of the suffix counts as 0: contributions decay to the suffix's start and no further.
    const after = g.sumAfter(g.mul(delta!, g.unsqueeze(rows.clean, 2)), 1) // [C, T, D]
    const knocked = g.gather(this.#knocked, inputs.keepFeatures) // [C, M, D]
    const given = [
      g.unsqueeze(after, 2),
      g.unsqueeze(v!, 2),
      g.unsqueeze(b!, 3),
      rows.keep,
      g.unsqueeze(knocked, 2),
    ]
    const states = g.forEach(
      given.map((value) => ({ value, type: 'float32' })),
      (each, [decaying, value, weight, keep, cut]) => {
        const exponents = each.max(each.mul(decaying!, this.#a), each.scalar(LEAST_EXPONENT)) // [T, N, D]
        const decay = each.exp(exponents)
        const added = each.mul(weight!, value!) // [T, N, D]
        const contributions = each.reshape(each.mul(decay, added), 0, c.dState * c.dInner)
        const all = each.reshape(each.matMul(keep!, contributions), -1, c.dState, c.dInner) // [M, N, D]
        const whole = each.slice(all, each.ints(0), each.ints(1), 0) // [1, N, D]
        // Features that are not cut keep every source.
        return each.where(each.cast(cut!, 'bool'), all, whole)
      },
    )
    return g.reshape(states, -1, c.dState, c.dInner)
  }

  /** 1 where a suffix token still feeds a feature: `keep` is 1, or the feature is not cut. */
  private kept(g: Graph, keep: Value, knocked: Value): Value {
    return g.sub(g.scalar(1), g.mul(g.sub(g.scalar(1), keep), knocked))
  }

  /** y of the last token alone, `[R, D]`: C^T exp(Delta A) S + (B . C) v, where v counts if the token is kept. */
  private lastTokens(x: Scan, states: Value, category: Value): Value {
    const { g, c, inputs } = this
    const fromContext = g.blocks(
      blockRows(c),
      [
        { value: g.unsqueeze(x.delta, 1), type: 'float32' },
        { value: g.unsqueeze(x.c, 1), type: 'float32' },
        { value: inputs.runSet, type: 'int32' },
      ],
      (block, [delta, out, set]) => {
        const decay = block.exp(block.mul(delta!, this.#a)) // [rows, N, D]
        return block.matMul(out!, block.mul(decay, block.gather(states, set!)))
      },
    ) // [R, 1, D]
    const whole = g.cast(g.squeeze(inputs.runKeep, 1), 'bool')
    const left = g.gather(this.#left, g.where(whole, g.int32(FEATURE_CATEGORIES.length), category)) // [R, D]
    const own = g.mul(g.reduceSum(g.mul(x.b, x.c), 1), x.v)
    return g.add(g.squeeze(fromContext, 1), g.mul(own, left))
  }

  /** y of suffixes, `[R * L, D]`: targets read the recurrence without the cut sources, the other tokens the whole. */
  private suffixes(x: Scan, states: Value, category: Value): Value {
    const { g, c, inputs } = this
    const rows = this.rows
    const floats = [
      rows.bySuffix(x.delta, c.dInner),
      rows.bySuffix(x.v, c.dInner),
      rows.bySuffix(x.b, c.dState),
      rows.bySuffix(x.c, c.dState),
      g.gather(this.#knocked, category),
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
