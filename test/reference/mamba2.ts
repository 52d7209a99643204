/**
 * Mamba-2 in the reference engine. Equations: Dao and Gu 2024 (arXiv 2405.21060) as `Mamba2` of mamba_ssm
 * (mamba_ssm/modules/mamba2.py) and Hugging Face's `Mamba2ForCausalLM` compute them.
 *
 * Symbols: T tokens, H = nHeads, P = headDim, D = H P, N = dState, G = nGroups, K = convKernel.
 */
import {
  added,
  causalConv,
  columns,
  linear,
  type ReferenceTensor,
  type Rows,
  rms,
  rmsNorm,
  silu,
  softplus,
} from './math.js'
import {
  cutFeatures,
  embeddings,
  type Mamba2Config,
  type ReferenceFamily,
  type ReferenceFeatures,
  type ReferenceKnockout,
  type ReferenceModel,
  tensor,
  unembedding,
} from './model.js'

type Mamba2Model = ReferenceModel<Mamba2Config>

/** What the state space of one layer reads. */
export interface Mamba2Inputs {
  /** [T, D]: the gate, before SiLU. */
  z: Rows
  /** [T, D]: head h has columns h P to (h + 1) P. */
  x: Rows
  /** [T, G N]: group g has columns g N to (g + 1) N. */
  B: Rows
  /** [T, G N] */
  C: Rows
  /** [T, H]: step sizes, after softplus and the limits. */
  dt: Rows
  /** [H]: `-exp(A_log)`. */
  A: Float64Array
  /** [H]: the skip connection. */
  skip: Float64Array
}

const EMBEDDING = 'backbone.embeddings.weight'

export const mamba2: ReferenceFamily<Mamba2Config> = {
  embed: (model, tokens) => embeddings(model, EMBEDDING, model.config.vocabSize, tokens),
  layer(model, layer, residual, knockouts) {
    const inputs = mamba2Inputs(model, layer, residual)
    const alpha = mamba2Attention(model.config, inputs)
    for (const knockout of knockouts) cut(model, layer, alpha, knockout)
    return mixerOutput(model, layer, residual, mamba2Output(model.config, inputs, alpha), inputs.z)
  },
  logits(model, rows) {
    const { dModel, epsilon } = model.config
    const normed = rmsNorm(rows, tensor(model, 'backbone.norm_f.weight', [dModel]), epsilon)
    return linear(normed, unembedding(model, EMBEDDING))
  },
}

/** Everything in layer `layer` before the state space. `residual` [T, dModel] is the stream entering the layer. */
export function mamba2Inputs(model: Mamba2Model, layer: number, residual: Rows): Mamba2Inputs {
  const { config } = model
  const { dModel, nHeads, headDim, dState, nGroups, convKernel } = config
  const D = nHeads * headDim
  const GN = nGroups * dState
  const get = (name: string, ...shape: number[]) => tensor(model, `backbone.layers.${layer}.${name}`, shape)

  const normed = rmsNorm(residual, get('norm.weight', dModel), config.epsilon)
  const width = 2 * D + 2 * GN + nHeads
  const bias = config.useBias ? get('mixer.in_proj.bias', width) : undefined
  const projected = linear(normed, get('mixer.in_proj.weight', width, dModel), bias) // [z, x, B, C, dt]
  const convBias = config.useConvBias ? get('mixer.conv1d.bias', D + 2 * GN) : undefined
  const convolved = causalConv(
    columns(projected, D, 2 * D + 2 * GN),
    get('mixer.conv1d.weight', D + 2 * GN, 1, convKernel),
    convBias,
  ).map((row) => row.map(silu))

  const dtBias = get('mixer.dt_bias', nHeads).data
  const [least, largest] = config.timeStepLimit
  const step = (value: number, h: number) => Math.min(Math.max(softplus(value + dtBias[h]), least), largest)
  return {
    z: columns(projected, 0, D),
    x: columns(convolved, 0, D),
    B: columns(convolved, D, D + GN),
    C: columns(convolved, D + GN, D + 2 * GN),
    dt: columns(projected, 2 * D + 2 * GN, width).map((row) => row.map(step)),
    A: aLog(model, layer).data.map((value) => -Math.exp(value)),
    skip: get('mixer.D', nHeads).data,
  }
}

/**
 * The implicit attention of one layer, [T, T, H] row-major: entry (t, s, h) at `(t * T + s) * H + h` is
 * `(C[t] . B[s]) * prod_{k = s+1..t} exp(dt[k, h] A[h]) * dt[s, h]` with B and C of the head's group, zero for s > t.
 */
export function mamba2Attention(
  { nHeads, nGroups, dState }: Mamba2Config,
  { B, C, dt, A }: Mamba2Inputs,
): Float64Array {
  const T = dt.length
  const alpha = new Float64Array(T * T * nHeads)
  for (let h = 0; h < nHeads; h++) {
    const group = Math.floor(h / (nHeads / nGroups))
    for (let t = 0; t < T; t++) {
      let decay = 1
      for (let s = t; s >= 0; s--) {
        let product = 0
        for (let n = group * dState; n < (group + 1) * dState; n++) product += C[t][n] * B[s][n]
        alpha[(t * T + s) * nHeads + h] = product * decay * dt[s][h]
        decay *= Math.exp(dt[s][h] * A[h])
      }
    }
  }
  return alpha
}

/** `y[t] = sum_s alpha[t, s] * x[s] + skip * x[t]` per head, [T, D]. */
export function mamba2Output(
  { nHeads, headDim }: Mamba2Config,
  { x, skip }: Pick<Mamba2Inputs, 'x' | 'skip'>,
  alpha: Float64Array,
): Rows {
  const T = x.length
  return x.map((row, t) =>
    row.map((value, d) => {
      const h = Math.floor(d / headDim)
      let y = skip[h] * value
      for (let s = 0; s < T; s++) y += alpha[(t * T + s) * nHeads + h] * x[s][d]
      return y
    }),
  )
}

/** Which heads of a layer a feature category knocks out, [H]: see `cutFeatures`. */
export function cutHeads(model: Mamba2Model, layer: number, features: ReferenceFeatures): boolean[] {
  const norms = Array.from(aLog(model, layer).data, (value) => Math.exp(-Math.exp(value)))
  return cutFeatures(norms, features)
}

/** Set the cut entries of a layer's implicit attention to zero, in place. */
function cut(
  model: Mamba2Model,
  layer: number,
  alpha: Float64Array,
  { sources, targets, features }: ReferenceKnockout,
): void {
  const H = model.config.nHeads
  const T = Math.sqrt(alpha.length / H)
  const isCut = cutHeads(model, layer, features)
  for (const t of targets) {
    for (const s of sources) {
      for (let h = 0; h < H; h++) if (isCut[h]) alpha[(t * T + s) * H + h] = 0
    }
  }
}

/** `residual + W_out RMSNorm(y * SiLU(z))`, the norm over each of `normGroups` runs of channels, [T, dModel]. */
function mixerOutput(model: Mamba2Model, layer: number, residual: Rows, y: Rows, z: Rows): Rows {
  const { dModel, nHeads, headDim, normGroups, useBias, epsilon } = model.config
  const D = nHeads * headDim
  const get = (name: string, ...shape: number[]) =>
    tensor(model, `backbone.layers.${layer}.mixer.${name}`, shape)
  const weight = get('norm.weight', D).data
  const width = D / normGroups
  const normed = y.map((row, t) => {
    const gated = row.map((value, d) => value * silu(z[t][d]))
    const groups = Array.from({ length: normGroups }, (_, g) => gated.slice(g * width, (g + 1) * width))
    const scaled = groups.flatMap((group) => Array.from(rms(group, epsilon)))
    return Float64Array.from(scaled, (value, d) => weight[d] * value)
  })
  const bias = useBias ? get('out_proj.bias', dModel) : undefined
  return added(residual, linear(normed, get('out_proj.weight', dModel, D), bias))
}

function aLog(model: Mamba2Model, layer: number): ReferenceTensor {
  return tensor(model, `backbone.layers.${layer}.mixer.A_log`, [model.config.nHeads])
}
