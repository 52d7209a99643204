/**
 * Mamba-1 and Falcon-Mamba in the reference engine. Equations: Gu and Dao 2023 (arXiv 2312.00752, Algorithm 2) as
 * Hugging Face's `MambaForCausalLM` computes them; Falcon-Mamba (arXiv 2410.05355): the step, B and C normalised, as
 * `FalconMambaForCausalLM` does.
 *
 * Symbols: T tokens, dModel, D = dInner, N = dState, R = dtRank, K = convKernel. A matrix is an array of rows.
 */
import {
  added,
  causalConv,
  columns,
  linear,
  type Rows,
  rms,
  rmsNorm,
  rowsOf,
  silu,
  softplus,
} from './math.js'
import {
  cutFeatures,
  embeddings,
  type MambaConfig,
  type ReferenceFamily,
  type ReferenceFeatures,
  type ReferenceKnockout,
  type ReferenceModel,
  tensor,
  unembedding,
} from './model.js'

type MambaModel = ReferenceModel<MambaConfig>

/** What the selective scan of one layer reads. */
export interface ScanInputs {
  /** [T, D]: the scanned sequence, after the convolution and SiLU. */
  u: Rows
  /** [T, D]: the gate, before SiLU. */
  z: Rows
  /** [T, D]: step sizes, after softplus. */
  delta: Rows
  /** [D, N]: `-exp(A_log)`. */
  A: Rows
  /** [T, N] */
  B: Rows
  /** [T, N] */
  C: Rows
  /** [D]: the skip connection. */
  skip: Float64Array
}

const EMBEDDING = 'backbone.embeddings.weight'

export const mamba: ReferenceFamily<MambaConfig> = {
  embed: (model, tokens) => embeddings(model, EMBEDDING, model.config.vocabSize, tokens),
  layer(model, layer, residual, knockouts) {
    const inputs = scanInputs(model, layer, residual)
    const alpha = implicitAttention(inputs)
    for (const knockout of knockouts) cut(model, layer, alpha, knockout)
    return mixerOutput(model, layer, residual, scanOutput(inputs, alpha), inputs.z)
  },
  logits(model, rows) {
    const { dModel, epsilon } = model.config
    const normed = rmsNorm(rows, tensor(model, 'backbone.norm_f.weight', [dModel]), epsilon)
    return linear(normed, unembedding(model, EMBEDDING))
  },
}

/** Everything in layer `layer` before the scan. `residual` [T, dModel] is the stream entering the layer. */
export function scanInputs(model: MambaModel, layer: number, residual: Rows): ScanInputs {
  const { dModel, dInner, dState, dtRank, convKernel, epsilon, useBias, useConvBias } = model.config
  const get = (name: string, ...shape: number[]) => tensor(model, `backbone.layers.${layer}.${name}`, shape)

  const normed = rmsNorm(residual, get('norm.weight', dModel), epsilon)
  const inBias = useBias ? get('mixer.in_proj.bias', 2 * dInner) : undefined
  const projected = linear(normed, get('mixer.in_proj.weight', 2 * dInner, dModel), inBias) // [T, 2 D]
  const z = columns(projected, dInner, 2 * dInner)
  const convBias = useConvBias ? get('mixer.conv1d.bias', dInner) : undefined
  const convolved = causalConv(
    columns(projected, 0, dInner),
    get('mixer.conv1d.weight', dInner, 1, convKernel),
    convBias,
  )
  const u = convolved.map((row) => row.map(silu))

  const selected = linear(u, get('mixer.x_proj.weight', dtRank + 2 * dState, dInner)) // [T, R + 2 N]
  const step = normalised(model, columns(selected, 0, dtRank))
  const dtWeight = get('mixer.dt_proj.weight', dInner, dtRank)
  const delta = linear(step, dtWeight, get('mixer.dt_proj.bias', dInner))
  return {
    u,
    z,
    delta: delta.map((row) => row.map(softplus)),
    A: rowsOf(get('mixer.A_log', dInner, dState)).map((row) => row.map((value) => -Math.exp(value))),
    B: normalised(model, columns(selected, dtRank, dtRank + dState)),
    C: normalised(model, columns(selected, dtRank + dState, dtRank + 2 * dState)),
    skip: get('mixer.D', dInner).data,
  }
}

/** Falcon-Mamba's weightless RMS per row; Mamba-1 has none. */
function normalised({ config }: MambaModel, x: Rows): Rows {
  const { modelType, mixerEpsilon } = config
  if (modelType === 'mamba') return x
  if (mixerEpsilon === undefined) throw new Error('mixerEpsilon: falcon_mamba must have it')
  return x.map((row) => rms(row, mixerEpsilon))
}

/**
 * The implicit attention of one layer, [T, T, D] row-major: entry (t, s, d) at `(t * T + s) * D + d` is
 * `sum_n C[t, n] * prod_{k = s+1..t} exp(delta[k, d] A[d, n]) * delta[s, d] B[s, n]`, zero for s > t.
 */
export function implicitAttention({ u, delta, A, B, C }: ScanInputs): Float64Array {
  const T = u.length
  const D = A.length
  const N = A[0].length
  const alpha = new Float64Array(T * T * D)
  const query = new Float64Array(N) // C[t, n] times the decay of every step from t back to s + 1
  for (let d = 0; d < D; d++) {
    const decay = new Float64Array(T * N)
    for (let t = 0; t < T; t++) {
      for (let n = 0; n < N; n++) decay[t * N + n] = Math.exp(delta[t][d] * A[d][n])
      query.set(C[t])
      for (let s = t; s >= 0; s--) {
        let sum = 0
        for (let n = 0; n < N; n++) {
          sum += query[n] * B[s][n]
          query[n] *= decay[s * N + n]
        }
        alpha[(t * T + s) * D + d] = sum * delta[s][d]
      }
    }
  }
  return alpha
}

/** `y[t] = sum_s alpha[t, s] * u[s] + skip * u[t]` per channel, [T, D]. */
export function scanOutput({ u, skip }: Pick<ScanInputs, 'u' | 'skip'>, alpha: Float64Array): Rows {
  const T = u.length
  const D = skip.length
  return u.map((row, t) => {
    const y = new Float64Array(D)
    for (let s = 0; s < T; s++) for (let d = 0; d < D; d++) y[d] += alpha[(t * T + s) * D + d] * u[s][d]
    for (let d = 0; d < D; d++) y[d] += skip[d] * row[d]
    return y
  })
}

/** Which channels of a layer a feature category knocks out, [D]: see `cutFeatures`. */
export function cutChannels(model: MambaModel, layer: number, features: ReferenceFeatures): boolean[] {
  const { dInner, dState } = model.config
  const aLog = rowsOf(tensor(model, `backbone.layers.${layer}.mixer.A_log`, [dInner, dState]))
  const norms = aLog.map((row) => row.reduce((sum, value) => sum + Math.exp(-Math.exp(value)), 0))
  return cutFeatures(norms, features)
}

/** Set the cut entries of a layer's implicit attention to zero, in place. */
export function cut(
  model: MambaModel,
  layer: number,
  alpha: Float64Array,
  { sources, targets, features }: ReferenceKnockout,
): void {
  const D = model.config.dInner
  const T = Math.sqrt(alpha.length / D)
  const isCut = cutChannels(model, layer, features)
  for (const t of targets) {
    for (const s of sources) {
      for (let d = 0; d < D; d++) if (isCut[d]) alpha[(t * T + s) * D + d] = 0
    }
  }
}

/** Everything after the scan: `residual + W_out (y * SiLU(z))`, [T, dModel]. */
function mixerOutput(model: MambaModel, layer: number, residual: Rows, y: Rows, z: Rows): Rows {
  const { dModel, dInner, useBias } = model.config
  const name = `backbone.layers.${layer}.mixer.out_proj`
  const gated = y.map((row, t) => row.map((value, d) => value * silu(z[t][d])))
  const bias = useBias ? tensor(model, `${name}.bias`, [dModel]) : undefined
  return added(residual, linear(gated, tensor(model, `${name}.weight`, [dModel, dInner]), bias))
}
