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
 * Shapes: B prompts, T tokens, C contexts, M kept sets per context, R runs, L suffix length, D = dInner, N = dState.
 * States lie as [N, D], the wide axis last, for elementwise kernels; whatever has a state per row is computed in
 * blocks of rows that fit a processor's cache.
 */
import type { Graph, Value } from '../onnx/graph.js'
import type { LayerInputs, LayerKind } from './architecture.js'

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
}

/** Weights of a layer as constants of its graph. */
export interface MambaWeights {
  readonly norm: Value
  readonly inProj: Value
  readonly inProjBias?: Value
  /** `[K, D]`, oldest token first. */
  readonly taps: Value
  readonly convBias?: Value
  readonly xProj: Value
  readonly dtProj: Value
  readonly dtBias: Value
  /** A^T = -exp(A_log)^T, `[N, D]`. */
  readonly a: Value
  readonly skip: Value
  readonly outProj: Value
  readonly outProjBias?: Value
  /** Knocked features by category, 1 where cut, `[3, D]`. */
  readonly knocked: Value
}

/** What a scan reads: Delta and v `[..., D]`, B and C `[..., N]`. */
interface Scan {
  readonly delta: Value
  readonly v: Value
  readonly b: Value
  readonly c: Value
}

/** Rows of states that a block holds. */
export function blockRows(c: MambaSizes): number {
  return Math.max(1, Math.floor(BLOCK_BYTES / (4 * c.dInner * c.dState)))
}

export class MambaLayer {
  /** Axis 0 of everything: base rows, then run rows. */
  readonly #baseRows: Value
  /** `[B, T]` */
  readonly #tokens: Value
  /** `[R, L]` */
  readonly #suffix: Value
  /** M, int32 `[1]` */
  readonly #sets: Value
  /** The context of each run, int32 `[R]`. */
  readonly #runContext: Value

  constructor(
    private readonly g: Graph,
    private readonly c: MambaSizes,
    private readonly w: MambaWeights,
    private readonly inputs: LayerInputs,
    private readonly kind: LayerKind,
  ) {
    this.#baseRows = g.shape(inputs.base, 0, 1)
    const length = g.shape(inputs.keep, 2, 3)
    this.#tokens = g.concat(0, g.div(this.#baseRows, length), length)
    this.#suffix = g.shape(inputs.runKeep, 0, 2)
    this.#sets = g.cast(g.shape(inputs.keep, 1, 2), 'int32')
    this.#runContext = g.div(inputs.runSet, this.#sets)
  }

  /** Base rows and run rows through the layer. */
  advance(): { base: Value; runs: Value } {
    const { g, c, w, inputs } = this
    const h = g.concat(0, inputs.base, inputs.runs, g.gather(inputs.base, inputs.newRows))
    const projected = g.linear(g.rmsNorm(h, w.norm, c.epsilon), w.inProj, w.inProjBias)
    const [x, z] = g.split(projected, 1, c.dInner, c.dInner) as [Value, Value]
    const u = g.silu(this.convolution(x))
    const [r, b, cc] = g.split(g.linear(u, w.xProj), 1, c.dtRank, c.dState, c.dState) as [Value, Value, Value]
    const delta = g.softplus(g.linear(r, w.dtProj, w.dtBias))
    const y = g.add(this.stateSpace({ delta, v: g.mul(delta, u), b, c: cc }), g.mul(u, w.skip))
    const out = g.add(h, g.linear(g.mul(y, g.silu(z)), w.outProj, w.outProjBias))
    const [base, runs] = this.cut(out)
    return { base, runs }
  }

  /** Base rows and run rows of a value. */
  private cut(x: Value): [Value, Value] {
    const { g } = this
    return [g.slice(x, g.ints(0), this.#baseRows, 0), g.slice(x, this.#baseRows, g.ints(2 ** 31), 0)]
  }

  /** `[B * T, width]` to `[B, T, width]`, or with `#suffix` `[R * L, width]` to `[R, L, width]`. */
  private byToken(rows: Value, shape: Value, width: number): Value {
    return this.g.reshapeTo(rows, this.g.concat(0, shape, this.g.ints(width)))
  }

  // The convolution.

  private tap(i: number): Value {
    return this.g.squeeze(this.g.slice(this.w.taps, this.g.ints(i), this.g.ints(i + 1), 0), 0)
  }

  private biased(x: Value): Value {
    return this.w.convBias ? this.g.add(x, this.w.convBias) : x
  }

  /** `[B, K - 1 + T, D]` to `[B, T, D]`. */
  private convolve(x: Value): Value {
    const { g, c } = this
    const end = g.shape(x, 1, 2)
    const terms = Array.from({ length: c.dConv }, (_, i) =>
      g.mul(g.slice(x, g.ints(i), g.sub(end, g.ints(c.dConv - 1 - i)), 1), this.tap(i)),
    )
    return this.biased(terms.reduce((a, b) => g.add(a, b)))
  }

  /** All rows. Before their suffix, runs see the baseline's tokens. */
  private convolution(x: Value): Value {
    const { g, c, inputs } = this
    const [base, runs] = this.cut(x)
    // K - 1 zero tokens before every prompt.
    const padded = g.op('Pad', [
      this.byToken(base, this.#tokens, c.dInner),
      g.ints(0, c.dConv - 1, 0, 0, 0, 0),
    ])
    // Token i is at i + K - 1 now, so the K - 1 tokens before `start` begin at index `start`.
    const steps = g.constant(
      'steps',
      Int32Array.from({ length: c.dConv - 1 }, (_, i) => i),
    )
    const index = g.unsqueeze(g.cast(g.add(g.unsqueeze(inputs.start, 1), steps), 'int64'), 2) // [C, K - 1, 1]
    const tail = g.op('GatherND', [g.gather(padded, inputs.contexts), index], { batch_dims: 1 }) // [C, K - 1, D]
    return g.concat(0, g.reshape(this.convolve(padded), -1, c.dInner), this.convolveRuns(tail, runs))
  }

  /** The run rows, `[R * L, D]`, after the last K - 1 tokens of their contexts, `tail [C, K - 1, D]`. */
  private convolveRuns(tail: Value, x: Value): Value {
    const { g, c } = this
    if (this.kind === 'last') {
      const older = g.slice(this.w.taps, g.ints(0), g.ints(c.dConv - 1), 0) // [K - 1, D]
      const fromTail = this.biased(g.squeeze(g.reduceSum(g.mul(tail, older), 1), 1)) // [C, D]
      return g.add(g.gather(fromTail, this.#runContext), g.mul(x, this.tap(c.dConv - 1)))
    }
    const whole = g.concat(1, g.gather(tail, this.#runContext), this.byToken(x, this.#suffix, c.dInner))
    return g.reshape(this.convolve(whole), -1, c.dInner)
  }

  // The state space.

  /** y without the skip, of all rows. */
  private stateSpace(x: Scan): Value {
    const { g, c, inputs } = this
    const [deltaB, deltaR] = this.cut(x.delta)
    const [vB, vR] = this.cut(x.v)
    const [bB, bR] = this.cut(x.b)
    const [cB, cR] = this.cut(x.c)
    const rows = (value: Value, width: number): Value => this.byToken(value, this.#tokens, width)
    const base = {
      delta: rows(deltaB, c.dInner),
      v: rows(vB, c.dInner),
      b: rows(bB, c.dState),
      c: rows(cB, c.dState),
    }
    const zero = g.op('ConstantOfShape', [g.concat(0, g.shape(base.delta, 0, 1), g.ints(c.dState, c.dInner))])
    const yBase = g.reshape(this.scan(g, base, zero), -1, c.dInner)
    const states = this.states(base)
    const knocked = g.gather(this.w.knocked, g.gather(g.reshape(inputs.keepFeatures, -1), inputs.runSet)) // [R, D]
    const yRuns =
      this.kind === 'last'
        ? this.lastTokens({ delta: deltaR, v: vR, b: bR, c: cR }, states, knocked)
        : this.suffixes({ delta: deltaR, v: vR, b: bR, c: cR }, states, knocked)
    return g.concat(0, yBase, yRuns)
  }

  /** The recurrence over `[B, T, ...]` from the state `past [B, N, D]`: y `[B, T, D]`. */
  private scan(graph: Graph, x: Scan, past: Value): Value {
    return graph.scan(past, [x.delta, x.v, x.b, x.c], (g, state, [delta, v, b, c]) => {
      const decay = g.exp(g.mul(g.unsqueeze(delta!, 1), this.w.a)) // [B, N, D]
      const next = g.add(g.mul(decay, state), g.mul(g.unsqueeze(b!, 2), g.unsqueeze(v!, 1)))
      return { state: next, output: g.squeeze(g.matMul(g.unsqueeze(c!, 1), next), 1) }
    })
  }

  /** States before the suffix, one per kept set: `[C * M, N, D]`. */
  private states(base: Scan): Value {
    const { g, c, w, inputs } = this
    const ofContext = (value: Value): Value => g.gather(value, inputs.contexts) // [C, T, ...]
    const inputsOfEach = [ofContext(base.delta), ofContext(base.v), ofContext(base.b), inputs.keep]
    const knocked = g.gather(w.knocked, inputs.keepFeatures) // [C, M, D]
    const states = g.forEach(
      [...inputsOfEach, knocked].map((value) => ({ value, type: 'float32' })),
      (each, [delta, v, b, keep, cut]) => {
        // Delta of the suffix counts as 0: contributions decay to the suffix's start and no further.
        const clean = each.slice(keep!, each.ints(0), each.ints(1), 0) // [1, T]
        const inContext = each.mul(delta!, each.transpose(clean, 1, 0)) // [T, D]
        const decay = each.exp(each.mul(each.unsqueeze(each.sumAfter(inContext, 0), 1), w.a)) // [T, N, D]
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
    const { g, c, w, inputs } = this
    const fromContext = g.blocks(
      blockRows(c),
      [
        { value: x.delta, type: 'float32' },
        { value: x.c, type: 'float32' },
        { value: inputs.runSet, type: 'int32' },
      ],
      (block, [delta, out, set]) => {
        const decay = block.exp(block.mul(block.unsqueeze(delta!, 1), w.a)) // [rows, N, D]
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
    const rows = (value: Value, width: number): Value => this.byToken(value, this.#suffix, width)
    const floats = [
      rows(x.delta, c.dInner),
      rows(x.v, c.dInner),
      rows(x.b, c.dState),
      rows(x.c, c.dState),
      knocked,
    ]
    const masks = [inputs.runKeep, inputs.runTarget!]
    const sets = [inputs.runSet, g.mul(this.#runContext, this.#sets)]
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
