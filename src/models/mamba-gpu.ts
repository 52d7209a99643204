/**
 * The state space of Mamba-1 for GPUs: what `mamba-layer.ts` computes in blocks and loops for a processor, in one piece
 * and without loops. The equations are those of mamba-layer.ts.
 *
 * - Recurrences are `LinearAttention` (com.microsoft, update rule `gated`): S_t = exp(g_t) S_{t-1} + k_t v_t^T and
 *   o_t = q_t^T S_t, with a head for each channel: g = Delta A `[T, D N]`, k = B and q = C (one head for all channels),
 *   v = Delta u, one value a head.
 * - One token after a context (`last`) is the closed form y = C^T (exp(Delta A) * S): what costs are the passes over
 *   `[R, N, D]`, which are larger than any cache.
 * - Sums of products of several tensors are one `Einsum` on WebGPU: one pass, and one operator to start. CUDA's would
 *   turn and multiply them two by two.
 *
 * Shapes: B prompts, T tokens, C contexts of C' tokens, M kept sets per context, R runs, L suffix length, D = dInner,
 * N = dState.
 */
import { type Graph, MICROSOFT, type Value } from '../onnx/graph.js'
import type { LayerInputs } from './architecture.js'
import type { GpuInputs } from './gpu-inputs.js'
import type { MambaSizes, Scan } from './mamba-layer.js'
import type { LayerRows } from './rows.js'

export class MambaGpuStateSpace {
  readonly #g: Graph
  readonly #inputs: LayerInputs
  readonly #gpu: GpuInputs

  /**
   * @param a -exp(A_log)^T, `[N, D]`
   * @param knocked knocked channels by category, 1 where cut, `[3, D]`
   * @param left what is left of them, 0 where cut, and a row of ones: `[4, D]`
   */
  constructor(
    private readonly rows: LayerRows,
    private readonly c: Pick<MambaSizes, 'dInner' | 'dState'>,
    private readonly a: Value,
    private readonly knocked: Value,
    private readonly left: Value,
  ) {
    this.#g = rows.g
    this.#inputs = rows.inputs
    this.#gpu = rows.inputs.gpu!
  }

  /** y without the skip of base rows and run rows, `[B * T + R * L, D]`. */
  mix(x: Scan): Value {
    const { c, rows } = this
    const g = this.#g
    const base = this.sequences(x, (value, width) => rows.byToken(rows.base(value), width))
    const yBase = g.reshape(this.recurrence(base), -1, c.dInner)
    const states = this.states(x)
    if (rows.kind === 'suffix') return g.concat(0, yBase, this.suffixes(x, states))
    return g.add(g.concat(0, yBase, this.fromContext(x, states)), this.fromOwn(x))
  }

  private sequences(x: Scan, shape: (value: Value, width: number) => Value): Scan {
    const { dInner, dState } = this.c
    return {
      delta: shape(x.delta, dInner),
      v: shape(x.v, dInner),
      b: shape(x.b, dState),
      c: shape(x.c, dState),
    }
  }

  /** The recurrence over `[n, T, ...]` from the states `past [n, D, N, 1]`, or from none: y `[n, T, D]`. */
  private recurrence(x: Scan, past?: Value): Value {
    const g = this.#g
    const { dInner, dState } = this.c
    const byChannel = g.transpose(this.a, 1, 0) // [D, N]
    const decay = g.reshape(g.mul(g.unsqueeze(x.delta, 3), byChannel), 0, 0, dInner * dState)
    const attributes = { update_rule: 'gated', scale: { float: 1 }, q_num_heads: 1, kv_num_heads: dInner }
    return g.ops(2, 'LinearAttention', [x.c, x.b, x.v, past, decay], attributes, MICROSOFT)[0]!
  }

  /** exp(delta A): delta `[..., 1, D]` to `[..., N, D]`. */
  private decay(delta: Value): Value {
    return this.#g.exp(this.#g.mul(delta, this.a))
  }

  /** States before the suffix, one for each kept set: `[C * M, N, D]`. */
  private states(x: Scan): Value {
    const { c } = this
    const g = this.#g
    const { contextRows, clean, sources } = this.#gpu
    const [delta, v, b] = [x.delta, x.v, x.b].map((value) => g.gather(value, contextRows)) // [C, C', ...]
    // Delta of the suffix counts as 0: contributions decay to the suffix's start and no further.
    const decay = this.decay(g.unsqueeze(g.sumAfter(g.mul(delta!, clean), 1), 2)) // [C, C', N, D]
    // By category, which channels read the first of `sources` and which the second: [C, M, 2, D]
    const both = g.concat(1, g.unsqueeze(g.sub(g.scalar(1), this.knocked), 1), g.unsqueeze(this.knocked, 1))
    const channels = g.gather(both, this.#inputs.keepFeatures)
    return g.reshape(this.summed({ sources, channels, b: b!, v: v!, decay }), -1, c.dState, c.dInner)
  }

  /** Contributions of context tokens, decayed, of those that feed each kept set: `[C, M, N, D]`. */
  private summed(x: Readonly<Record<'sources' | 'channels' | 'b' | 'v' | 'decay', Value>>): Value {
    const { dInner, dState } = this.c
    const g = this.#g
    if (g.target.device === 'webgpu') {
      return g.einsum('cmft,cmfd,ctn,ctd,ctnd->cmnd', x.sources, x.channels, x.b, x.v, x.decay)
    }
    const added = g.mul(g.mul(x.decay, g.unsqueeze(x.b, 3)), g.unsqueeze(x.v, 2))
    const contributions = g.unsqueeze(g.reshape(added, 0, 0, dState * dInner), 1) // [C, 1, C', N D]
    const both = g.reshape(g.matMul(x.sources, contributions), 0, 0, 2, dState, dInner)
    return g.squeeze(g.reduceSum(g.mul(both, g.unsqueeze(x.channels, 3)), 2), 2)
  }

  /** What the last token of each run reads of its context: C^T exp(Delta A) S, `[R, D]`. */
  private fromContext(x: Scan, states: Value): Value {
    const { rows } = this
    const g = this.#g
    const decay = this.decay(g.unsqueeze(rows.runs(x.delta), 1)) // [R, N, D]
    const state = g.gather(states, this.#inputs.runSet)
    const out = rows.runs(x.c) // [R, N]
    if (g.target.device === 'webgpu') return g.einsum('rnd,rnd,rn->rd', decay, state, out)
    return g.squeeze(g.matMul(g.unsqueeze(out, 1), g.mul(decay, state)), 1)
  }

  /** What it reads of itself: (B . C) v where it is kept; nothing in base rows. `[rows, D]` */
  private fromOwn(x: Scan): Value {
    const g = this.#g
    const own = this.#gpu.own!
    if (g.target.device === 'webgpu') {
      return g.einsum('rn,rn,rd,rk,kd->rd', x.b, x.c, x.v, own, this.left)
    }
    const product = g.reduceSum(g.mul(x.b, x.c), 1)
    return g.mul(g.mul(product, x.v), g.matMul(own, this.left))
  }

  /** y of suffixes, `[R * L, D]`: targets read the recurrence without the cut sources, the other tokens the whole. */
  private suffixes(x: Scan, states: Value): Value {
    const { c, rows } = this
    const g = this.#g
    const { keepFeatures, runSet, runKeep, runTarget } = this.#inputs
    const category = g.gather(g.reshape(keepFeatures, -1), runSet)
    const knocked = g.unsqueeze(g.gather(this.knocked, category), 1) // [R, 1, D]
    const own = this.sequences(x, (value, width) => rows.bySuffix(rows.runs(value), width))
    const byChannel = g.unsqueeze(g.transpose(states, 0, 2, 1), 3) // [C * M, D, N, 1]
    // 1 where a suffix token still feeds a channel: it is kept, or the channel is not cut.
    const kept = g.sub(g.scalar(1), g.mul(g.sub(g.scalar(1), g.unsqueeze(runKeep, 2)), knocked)) // [R, L, D]
    const clean = this.recurrence(own, g.gather(byChannel, g.mul(rows.runContext, rows.sets)))
    const masked = this.recurrence({ ...own, v: g.mul(own.v, kept) }, g.gather(byChannel, runSet))
    const y = g.where(g.cast(g.unsqueeze(runTarget!, 2), 'bool'), masked, clean)
    return g.reshape(y, -1, c.dInner)
  }
}
