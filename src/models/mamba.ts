/**
 * Mamba-1 (Gu and Dao 2023, arXiv 2312.00752; Hugging Face `MambaForCausalLM`).
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
 * Shapes below: B prompts, T tokens, M kept sets per prompt, R runs, L suffix length, D = dInner, N = dState.
 * States are laid out [N, D], the wide axis last, for elementwise kernels.
 */
import type { Checkpoint } from '../checkpoints/checkpoint.js'
import { Graph, type OnnxModel, type Value } from '../onnx/graph.js'
import {
  type Architecture,
  FEATURE_CATEGORIES,
  type LayerInputs,
  type LayerKind,
  layerInputs,
  type ModelCosts,
  type ModelSpec,
} from './architecture.js'
import { ConfigReader } from './config.js'
import { featureNorms, knockedTable } from './features.js'
import { headGraph } from './head.js'
import { embedRows, requireTensors } from './tensors.js'

/** What config.json says of a Mamba-1 model. */
export interface MambaConfig {
  readonly vocabSize: number
  readonly dModel: number
  readonly nLayers: number
  readonly dInner: number
  readonly dState: number
  readonly dtRank: number
  readonly dConv: number
  readonly epsilon: number
  readonly useBias: boolean
  readonly useConvBias: boolean
  readonly tied: boolean
}

export function readMambaConfig(checkpoint: Pick<Checkpoint, 'config' | 'configFile'>): MambaConfig {
  const read = new ConfigReader(checkpoint)
  const dModel = read.size('hidden_size')
  read.oneOf('hidden_act', ['silu', 'swish'], 'silu')
  return {
    vocabSize: read.size('vocab_size'),
    dModel,
    nLayers: read.size('num_hidden_layers'),
    dInner: read.size('intermediate_size', read.size('expand', 2) * dModel),
    dState: read.size('state_size', 16),
    dtRank:
      read.text('time_step_rank') === 'auto'
        ? Math.ceil(dModel / 16)
        : read.size('time_step_rank', Math.ceil(dModel / 16)),
    dConv: read.size('conv_kernel', 4),
    epsilon: read.number('layer_norm_epsilon', 1e-5),
    useBias: read.flag('use_bias', false),
    useConvBias: read.flag('use_conv_bias', true),
    tied: read.flag('tie_word_embeddings', true),
  }
}

/** Names and shapes of a layer's tensors. */
export function layerTensors(c: MambaConfig, layer: number): Record<string, readonly number[]> {
  const at = `backbone.layers.${layer}`
  return {
    [`${at}.norm.weight`]: [c.dModel],
    [`${at}.mixer.in_proj.weight`]: [2 * c.dInner, c.dModel],
    ...(c.useBias && { [`${at}.mixer.in_proj.bias`]: [2 * c.dInner] }),
    [`${at}.mixer.conv1d.weight`]: [c.dInner, 1, c.dConv],
    ...(c.useConvBias && { [`${at}.mixer.conv1d.bias`]: [c.dInner] }),
    [`${at}.mixer.x_proj.weight`]: [c.dtRank + 2 * c.dState, c.dInner],
    [`${at}.mixer.dt_proj.weight`]: [c.dInner, c.dtRank],
    [`${at}.mixer.dt_proj.bias`]: [c.dInner],
    [`${at}.mixer.A_log`]: [c.dInner, c.dState],
    [`${at}.mixer.D`]: [c.dInner],
    [`${at}.mixer.out_proj.weight`]: [c.dModel, c.dInner],
    ...(c.useBias && { [`${at}.mixer.out_proj.bias`]: [c.dModel] }),
  }
}

/** The weights of one layer as constants of a graph, and the layer's equations on them. */
class MambaLayer {
  constructor(
    readonly g: Graph,
    readonly c: MambaConfig,
    /** Weights by their name inside the layer, `mixer.D` for instance. */
    readonly w: (name: string) => Value | undefined,
    /** A^T = -exp(A_log)^T, `[N, D]`. */
    readonly a: Value,
    /** Knocked features by category, `[3, D]`. */
    readonly knocked: Value,
    /** Taps of the convolution, `[K, D]`, oldest token first. */
    readonly taps: Value,
  ) {}

  /** Base rows and run rows through the layer. */
  advance(inputs: LayerInputs, kind: LayerKind): { base: Value; runs: Value } {
    const { g, c } = this
    const runRows = g.concat(0, inputs.runs, g.gather(inputs.base, inputs.newRows))
    const h = g.concat(0, inputs.base, runRows)
    const nBase = g.shape(inputs.base, 0, 1)
    const cut = (x: Value): [Value, Value] => [
      g.slice(x, g.ints(0), nBase, 0),
      g.slice(x, nBase, g.ints(2 ** 31), 0),
    ]

    // Rows: norm and input projection.
    const projected = g.linear(
      g.rmsNorm(h, this.w('norm.weight')!, c.epsilon),
      this.w('mixer.in_proj.weight')!,
      this.w('mixer.in_proj.bias'),
    )
    const [x, z] = g.split(projected, 1, c.dInner, c.dInner) as [Value, Value]

    // Mixing of tokens by the convolution.
    const [xBaseRows, xRunRows] = cut(x)
    const tokens = g.concat(0, g.shape(inputs.keep, 0, 1), g.shape(inputs.keep, 2, 3))
    const suffix = g.shape(inputs.runKeep, 0, 2)
    const byToken = (rows: Value, shape: Value, width = c.dInner): Value =>
      g.reshapeTo(rows, g.concat(0, shape, g.ints(width)))
    const flat = (values: Value, width: number): Value => g.reshape(values, -1, width)
    const past = this.pad(byToken(xBaseRows, tokens))
    const runPrompt = this.promptOf(inputs)
    const convBase = flat(this.convolve(past), c.dInner)
    const convRuns = this.convolveRuns(kind, past, inputs.start, runPrompt, xRunRows, suffix)
    const u = g.silu(g.concat(0, convBase, convRuns))

    // Rows: Delta, B, C.
    const [r, bRows, cRows] = g.split(
      g.linear(u, this.w('mixer.x_proj.weight')!),
      1,
      c.dtRank,
      c.dState,
      c.dState,
    ) as [Value, Value, Value]
    const delta = g.softplus(g.linear(r, this.w('mixer.dt_proj.weight')!, this.w('mixer.dt_proj.bias')!))
    const v = g.mul(delta, u)

    // Mixing of tokens by the state space.
    const [deltaB, deltaR] = cut(delta)
    const [vB, vR] = cut(v)
    const [bB, bR] = cut(bRows)
    const [cB, cR] = cut(cRows)
    const base: Scan = {
      delta: byToken(deltaB, tokens),
      v: byToken(vB, tokens),
      b: byToken(bB, tokens, c.dState),
      c: byToken(cB, tokens, c.dState),
    }
    const runs: Scan = { delta: deltaR, v: vR, b: bR, c: cR }
    const empty = g.concat(0, g.shape(inputs.keep, 0, 1), g.ints(c.dState, c.dInner))
    const yBase = flat(this.scan(base, g.op('ConstantOfShape', [empty])), c.dInner)
    const states = this.states(base, inputs)
    const runCut: RunCut = {
      states,
      set: inputs.runSet,
      keep: inputs.runKeep,
      target: inputs.runTarget,
      knocked: g.gather(this.knocked, g.gather(inputs.keepFeatures, inputs.runSet)),
    }
    const yRuns =
      kind === 'last'
        ? this.lastToken(runs, runCut)
        : flat(
            this.suffix(
              {
                delta: byToken(deltaR, suffix),
                v: byToken(vR, suffix),
                b: byToken(bR, suffix, c.dState),
                c: byToken(cR, suffix, c.dState),
              },
              runCut,
              g.mul(runPrompt, this.setsPerPrompt(inputs)),
            ),
            c.dInner,
          )

    // Rows: skip, gate, output projection, residual.
    const y = g.add(g.concat(0, yBase, yRuns), g.mul(u, this.w('mixer.D')!))
    const out = g.add(
      h,
      g.linear(g.mul(y, g.silu(z)), this.w('mixer.out_proj.weight')!, this.w('mixer.out_proj.bias')),
    )
    const [baseOut, runsOut] = cut(out)
    return { base: baseOut, runs: runsOut }
  }

  /** M, the number of kept sets per prompt: int32 `[1]`. */
  private setsPerPrompt(inputs: LayerInputs): Value {
    return this.g.cast(this.g.shape(inputs.keep, 1, 2), 'int32')
  }

  /** The prompt of each run: int32 `[R]`. */
  private promptOf(inputs: LayerInputs): Value {
    return this.g.div(inputs.runSet, this.setsPerPrompt(inputs))
  }

  /** K - 1 zero tokens in front: `[B, T, D]` to `[B, K - 1 + T, D]`. */
  private pad(x: Value): Value {
    return this.g.op('Pad', [x, this.g.ints(0, this.c.dConv - 1, 0, 0, 0, 0)])
  }

  /** Causal depthwise convolution of `[B, K - 1 + T, D]` to `[B, T, D]`. */
  private convolve(x: Value): Value {
    const { g } = this
    const end = g.shape(x, 1, 2)
    const taps = Array.from({ length: this.c.dConv }, (_, i) => {
      const first = g.ints(i)
      const last = g.sub(end, g.ints(this.c.dConv - 1 - i))
      return g.mul(g.slice(x, first, last, 1), this.tap(i))
    })
    return this.biased(taps.reduce((a, b) => g.add(a, b)))
  }

  /** Tap i, `[D]`. */
  private tap(i: number): Value {
    return this.g.squeeze(this.g.slice(this.taps, this.g.ints(i), this.g.ints(i + 1), 0), 0)
  }

  private biased(x: Value): Value {
    const bias = this.w('mixer.conv1d.bias')
    return bias ? this.g.add(x, bias) : x
  }

  /** The convolution over the suffix of each run, `[R * L, D]`; the tokens before it are the baseline's. */
  private convolveRuns(
    kind: LayerKind,
    past: Value,
    start: Value,
    runPrompt: Value,
    x: Value,
    suffix: Value,
  ): Value {
    const { g, c } = this
    // Token i of the padded prompt is token i - (K - 1), so the K - 1 tokens before `start` begin at index `start`.
    const steps = g.constant(
      'steps',
      Int32Array.from({ length: c.dConv - 1 }, (_, i) => i),
    )
    const index = g.add(g.unsqueeze(start, 1), steps) // [B, K - 1]
    const tail = g.op('GatherND', [past, g.unsqueeze(g.cast(index, 'int64'), 2)], { batch_dims: 1 }) // [B, K - 1, D]
    if (kind === 'last') {
      const older = g.slice(this.taps, g.ints(0), g.ints(c.dConv - 1), 0) // [K - 1, D]
      const fromPast = this.biased(g.squeeze(g.reduceSum(g.mul(tail, older), 1), 1)) // [B, D]
      return g.add(g.gather(fromPast, runPrompt), g.mul(x, this.tap(c.dConv - 1)))
    }
    const own = g.reshapeTo(x, g.concat(0, suffix, g.ints(c.dInner)))
    return g.reshape(this.convolve(g.concat(1, g.gather(tail, runPrompt), own)), -1, c.dInner)
  }

  /** y without the skip, `[B, T, D]`: the recurrence from the state `past`, `[B, N, D]`. */
  private scan(x: Scan, past: Value): Value {
    return this.g.scan(past, [x.delta, x.v, x.b, x.c], (g, state, [delta, v, b, c]) => {
      const decay = g.exp(g.mul(g.unsqueeze(delta!, 1), this.a)) // [B, N, D]
      const next = g.add(g.mul(decay, state), g.mul(g.unsqueeze(b!, 2), g.unsqueeze(v!, 1)))
      return { state: next, output: g.squeeze(g.matMul(g.unsqueeze(c!, 1), next), 1) }
    })
  }

  /** States before the suffix, one per kept set: `[B * M, N, D]`. */
  private states(x: Scan, inputs: LayerInputs): Value {
    const { g, c } = this
    // Delta of the suffix counts as 0, so that contributions decay to the suffix's start and no further.
    const clean = g.slice(inputs.keep, g.ints(0), g.ints(1), 1) // [B, 1, T]
    const delta = g.mul(x.delta, g.transpose(clean, 0, 2, 1)) // [B, T, D]
    const decay = g.exp(g.mul(g.unsqueeze(g.sumAfter(delta, 1), 2), this.a)) // [B, T, N, D]
    const added = g.mul(g.unsqueeze(x.b, 3), g.unsqueeze(x.v, 2)) // [B, T, N, D]
    const contributions = g.reshape(g.mul(decay, added), 0, 0, -1) // [B, T, N D]
    const cutAll = g.matMul(inputs.keep, contributions) // [B, M, N D]
    const cleanState = g.slice(cutAll, g.ints(0), g.ints(1), 1) // [B, 1, N D]
    const shape = [-1, c.dState, c.dInner] as const
    const sets = g.shape(inputs.keep, 0, 2)
    const knocked = g.reshapeTo(
      g.gather(this.knocked, inputs.keepFeatures),
      g.concat(0, sets, g.ints(1, c.dInner)),
    ) // [B, M, 1, D]
    const wide = (s: Value): Value => g.reshape(s, 0, 0, c.dState, c.dInner)
    return g.reshape(g.where(g.cast(knocked, 'bool'), wide(cutAll), wide(cleanState)), ...shape)
  }

  /** 1 where a run's suffix token still feeds a feature, `keep` `[..., 1]` and `knocked` `[..., D]` broadcast. */
  private kept(keep: Value, knocked: Value): Value {
    const { g } = this
    return g.sub(g.scalar(1), g.mul(g.sub(g.scalar(1), keep), knocked))
  }

  /** y of the last token alone, `[R, D]`: C^T (exp(Delta A) S) + (C . B) v. */
  private lastToken(x: Scan, cut: RunCut): Value {
    const { g } = this
    const decay = g.exp(g.mul(g.unsqueeze(x.delta, 1), this.a)) // [R, N, D]
    const state = g.mul(decay, g.gather(cut.states, cut.set))
    const fromContext = g.squeeze(g.matMul(g.unsqueeze(x.c, 1), state), 1) // [R, D]
    const own = g.mul(g.reduceSum(g.mul(x.b, x.c), 1), x.v)
    return g.add(fromContext, g.mul(own, this.kept(cut.keep, cut.knocked)))
  }

  /** y of a suffix, `[R, L, D]`: target tokens read the recurrence without the cut sources, the others the whole. */
  private suffix(x: Scan, cut: RunCut, cleanSet: Value): Value {
    const { g } = this
    const past = (set: Value): Value => g.gather(cut.states, set) // [R, N, D]
    const clean = this.scan(x, past(cleanSet))
    const keep = this.kept(g.unsqueeze(cut.keep, 2), g.unsqueeze(cut.knocked, 1)) // [R, L, D]
    const masked = this.scan({ ...x, v: g.mul(x.v, keep) }, past(cut.set))
    return g.where(g.cast(g.unsqueeze(cut.target, 2), 'bool'), masked, clean)
  }
}

/** What a scan reads: Delta and v `[..., D]`, B and C `[..., N]`. */
interface Scan {
  readonly delta: Value
  readonly v: Value
  readonly b: Value
  readonly c: Value
}

/** What the runs cut: kept sets' states `[B * M, N, D]`, per run its set, suffix keep and target masks, knocked features `[R, D]`. */
interface RunCut {
  readonly states: Value
  readonly set: Value
  readonly keep: Value
  readonly target: Value
  readonly knocked: Value
}

/** -exp(A_log) transposed to `[N, D]`, computed in float64. */
function transition(aLog: Float32Array, c: MambaConfig): Float32Array {
  const a = new Float32Array(aLog.length)
  for (let d = 0; d < c.dInner; d++) {
    for (let n = 0; n < c.dState; n++) a[n * c.dInner + d] = -Math.exp(aLog[d * c.dState + n]!)
  }
  return a
}

/** conv1d.weight `[D, 1, K]` to taps `[K, D]`. */
function tapsOf(weight: Float32Array, c: MambaConfig): Float32Array {
  const taps = new Float32Array(weight.length)
  for (let d = 0; d < c.dInner; d++) {
    for (let k = 0; k < c.dConv; k++) taps[k * c.dInner + d] = weight[d * c.dConv + k]!
  }
  return taps
}

/** The graph of one layer. */
async function layerModel(
  checkpoint: Checkpoint,
  c: MambaConfig,
  layer: number,
  kind: LayerKind,
): Promise<OnnxModel> {
  const at = `backbone.layers.${layer}.`
  const tensors = new Map<string, { data: Float32Array; shape: readonly number[] }>()
  for (const [name, shape] of Object.entries(layerTensors(c, layer))) {
    tensors.set(name.slice(at.length), { data: await checkpoint.tensor(name, shape), shape })
  }
  const data = (name: string): Float32Array => tensors.get(name)!.data
  const g = new Graph(`mamba layer ${layer}`)
  const norms = featureNorms(data('mixer.A_log'), c.dInner)
  const constants = new Map<string, Value>()
  const weight = (name: string): Value | undefined => {
    const tensor = tensors.get(name)
    if (!tensor) return undefined
    if (!constants.has(name)) constants.set(name, g.constant(name, tensor.data, tensor.shape))
    return constants.get(name)
  }
  const inputs = layerInputs(g, kind, c.dModel)
  const out = new MambaLayer(
    g,
    c,
    weight,
    g.constant('A', transition(data('mixer.A_log'), c), [c.dState, c.dInner]),
    g.constant('knocked', knockedTable(norms), [FEATURE_CATEGORIES.length, c.dInner]),
    g.constant('taps', tapsOf(data('mixer.conv1d.weight'), c), [c.dConv, c.dInner]),
  ).advance(inputs, kind)
  g.output('nextBase', out.base, 'float32', ['B*T', c.dModel])
  g.output('nextRuns', out.runs, 'float32', ['R*L', c.dModel])
  return g.build()
}

function costs(c: MambaConfig): ModelCosts {
  const float = 4
  const projections =
    2 * c.dInner * c.dModel + (c.dtRank + 2 * c.dState) * c.dInner + c.dtRank * c.dInner + c.dModel * c.dInner
  const state = c.dInner * c.dState
  const row = 2 * c.dModel + 10 * c.dInner
  return {
    layerBytes: float * (projections + 3 * state + (c.dConv + 8) * c.dInner),
    headBytes: float * c.vocabSize * c.dModel,
    // Live at once: the decay, what it multiplies and the product; in a suffix the decay of both recurrences.
    baseRowBytes: float * (row + 3 * state),
    runRowBytes: { last: float * (row + 3 * state), suffix: float * (row + 2 * state) },
    setBytes: float * 4 * state,
    layerFlops: 2 * projections,
    headFlops: 2 * c.vocabSize * c.dModel,
  }
}

/** Mamba-1 from a Hugging Face checkpoint. */
export const mamba: Architecture = {
  modelType: 'mamba',
  open(checkpoint: Checkpoint): ModelSpec {
    const c = readMambaConfig(checkpoint)
    const embedding = 'backbone.embeddings.weight'
    const unembedding = !c.tied || checkpoint.has('lm_head.weight') ? 'lm_head.weight' : embedding
    const table = [c.vocabSize, c.dModel] as const
    for (let layer = 0; layer < c.nLayers; layer++) requireTensors(checkpoint, layerTensors(c, layer))
    requireTensors(checkpoint, {
      [embedding]: table,
      [unembedding]: table,
      'backbone.norm_f.weight': [c.dModel],
    })
    return {
      modelType: 'mamba',
      nLayers: c.nLayers,
      dModel: c.dModel,
      vocabSize: c.vocabSize,
      featureCategories: FEATURE_CATEGORIES,
      costs: costs(c),
      layer: (layer, kind) => layerModel(checkpoint, c, layer, kind),
      embed: (ids) => embedRows(checkpoint, embedding, table, ids),
      head: async () =>
        headGraph({
          norm: await checkpoint.tensor('backbone.norm_f.weight', [c.dModel]),
          unembedding: await checkpoint.tensor(unembedding, table),
          epsilon: c.epsilon,
          vocabSize: c.vocabSize,
          dModel: c.dModel,
        }),
    }
  },
}
