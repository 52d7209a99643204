/**
 * The reference engine: Mamba-1 knockout the slow and plain way, for tests.
 *
 * One whole run of the model per knockout, with the implicit attention of every layer materialised and the cut
 * entries set to zero, in float64. It shares nothing with src/. Equations: Gu and Dao 2023 (arXiv 2312.00752,
 * Algorithm 2) as Hugging Face's `MambaForCausalLM` computes them; knockout: Endy et al. 2025 (arXiv 2505.24244).
 *
 * Symbols: T tokens, dModel, D = dInner, N = dState, R = dtRank, K = convKernel. A matrix is an array of rows.
 */

/** The numbers of a Hugging Face `mamba` config that change what the model computes. */
export interface ReferenceConfig {
  nLayers: number
  dModel: number
  dInner: number
  dState: number
  dtRank: number
  convKernel: number
  vocabSize: number
  /** `layer_norm_epsilon`, of every RMSNorm. */
  epsilon: number
  /** Whether `in_proj` and `out_proj` have a bias. */
  useBias: boolean
  useConvBias: boolean
  /** Whether the unembedding is `backbone.embeddings.weight` rather than `lm_head.weight`. */
  tieWordEmbeddings: boolean
}

/** A tensor of a checkpoint, row-major. */
export interface ReferenceTensor {
  shape: number[]
  data: Float64Array
}

/** A model: its config and its weights under their Hugging Face names. */
export interface ReferenceModel {
  config: ReferenceConfig
  tensors: Map<string, ReferenceTensor>
}

export type ReferenceFeatures = 'all' | 'context-dependent' | 'context-independent'

/** In each of `layers` no target position receives anything from any source position, in the cut features. */
export interface ReferenceKnockout {
  layers: number[]
  sources: number[]
  targets: number[]
  features: ReferenceFeatures
}

/** A matrix as its rows. */
export type Rows = Float64Array[]

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

/**
 * Next-token distribution at the last position, [vocabSize], in one whole run.
 * All `knockouts` are in force at once: a connection is cut where any of them cuts it.
 * @throws Error on an empty prompt, a missing or misshapen tensor, a token, position or layer out of range.
 */
export function referenceProbs(
  model: ReferenceModel,
  tokens: number[],
  knockouts: ReferenceKnockout[] = [],
): Float64Array {
  const { config } = model
  const hidden = referenceHidden(model, tokens, knockouts)
  const last = hidden[config.nLayers].slice(-1)
  const unembedding = config.tieWordEmbeddings ? 'backbone.embeddings.weight' : 'lm_head.weight'
  const normed = rmsNorm(last, tensor(model, 'backbone.norm_f.weight', [config.dModel]), config.epsilon)
  return softmax(linear(normed, tensor(model, unembedding, [config.vocabSize, config.dModel]))[0])
}

/**
 * The residual stream of one whole run, [nLayers + 1][T][dModel]: entry l enters layer l, the last one leaves the
 * last layer (before the final norm). Knockouts and throws as in `referenceProbs`.
 */
export function referenceHidden(
  model: ReferenceModel,
  tokens: number[],
  knockouts: ReferenceKnockout[] = [],
): Rows[] {
  const { nLayers, dModel, vocabSize } = model.config
  checkIndices('tokens', tokens, vocabSize)
  if (tokens.length === 0) throw new Error('tokens: at least one')
  for (const knockout of knockouts) {
    checkIndices('layers', knockout.layers, nLayers)
    checkIndices('sources', knockout.sources, tokens.length)
    checkIndices('targets', knockout.targets, tokens.length)
  }
  const embedding = tensor(model, 'backbone.embeddings.weight', [vocabSize, dModel]).data
  const hidden: Rows[] = [tokens.map((id) => embedding.slice(id * dModel, (id + 1) * dModel))]
  for (let layer = 0; layer < nLayers; layer++) {
    const inputs = scanInputs(model, layer, hidden[layer])
    const alpha = implicitAttention(inputs)
    for (const knockout of knockouts) if (knockout.layers.includes(layer)) cut(model, layer, alpha, knockout)
    hidden.push(mixerOutput(model, layer, hidden[layer], scanOutput(inputs, alpha), inputs.z))
  }
  return hidden
}

/** Everything in layer `layer` before the scan. `residual` [T, dModel] is the stream entering the layer. */
export function scanInputs(model: ReferenceModel, layer: number, residual: Rows): ScanInputs {
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
  const dtWeight = get('mixer.dt_proj.weight', dInner, dtRank)
  const step = linear(columns(selected, 0, dtRank), dtWeight, get('mixer.dt_proj.bias', dInner))
  return {
    u,
    z,
    delta: step.map((row) => row.map(softplus)),
    A: rowsOf(get('mixer.A_log', dInner, dState)).map((row) => row.map((value) => -Math.exp(value))),
    B: columns(selected, dtRank, dtRank + dState),
    C: columns(selected, dtRank + dState, dtRank + 2 * dState),
    skip: get('mixer.D', dInner).data,
  }
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
export function scanOutput({ u, skip }: ScanInputs, alpha: Float64Array): Rows {
  const T = u.length
  const D = skip.length
  return u.map((row, t) => {
    const y = new Float64Array(D)
    for (let s = 0; s < T; s++) for (let d = 0; d < D; d++) y[d] += alpha[(t * T + s) * D + d] * u[s][d]
    for (let d = 0; d < D; d++) y[d] += skip[d] * row[d]
    return y
  })
}

/**
 * Which channels of a layer a feature category knocks out, [D].
 *
 * Channels are ranked by the L1 norm over N of `exp(-exp(A_log))`. `context-dependent` spares the floor(D / 3) with
 * the smallest norms, `context-independent` the floor(D / 3) with the largest, `all` none. Equal norms rank by
 * channel index, ascending, in both rankings: of tied channels the lower indices are spared first.
 */
export function cutChannels(model: ReferenceModel, layer: number, features: ReferenceFeatures): boolean[] {
  const { dInner, dState } = model.config
  const aLog = rowsOf(tensor(model, `backbone.layers.${layer}.mixer.A_log`, [dInner, dState]))
  const norms = aLog.map((row) => row.reduce((sum, value) => sum + Math.exp(-Math.exp(value)), 0))
  const sparedFirst = (sign: number) =>
    new Set(
      norms
        .map((_, d) => d)
        .sort((a, b) => sign * (norms[a] - norms[b]) || a - b)
        .slice(0, Math.floor(dInner / 3)),
    )
  let spared: Set<number>
  switch (features) {
    case 'all':
      spared = new Set()
      break
    case 'context-dependent':
      spared = sparedFirst(1)
      break
    case 'context-independent':
      spared = sparedFirst(-1)
      break
    default:
      throw new Error(`features: unknown category ${features satisfies never}`)
  }
  return norms.map((_, d) => !spared.has(d))
}

/** Set the cut entries of a layer's implicit attention to zero, in place. */
export function cut(
  model: ReferenceModel,
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
function mixerOutput(model: ReferenceModel, layer: number, residual: Rows, y: Rows, z: Rows): Rows {
  const { dModel, dInner, useBias } = model.config
  const name = `backbone.layers.${layer}.mixer.out_proj`
  const gated = y.map((row, t) => row.map((value, d) => value * silu(z[t][d])))
  const bias = useBias ? tensor(model, `${name}.bias`, [dModel]) : undefined
  const out = linear(gated, tensor(model, `${name}.weight`, [dModel, dInner]), bias)
  return residual.map((row, t) => row.map((value, i) => value + out[t][i]))
}

/** `x W^T + bias`: x [T, in], weight [out, in], bias [out]; returns [T, out]. */
function linear(x: Rows, weight: ReferenceTensor, bias?: ReferenceTensor): Rows {
  const [nOut, nIn] = weight.shape
  const w = weight.data
  return x.map((row) => {
    const out = new Float64Array(nOut)
    for (let o = 0; o < nOut; o++) {
      let sum = bias ? bias.data[o] : 0
      for (let i = 0; i < nIn; i++) sum += w[o * nIn + i] * row[i]
      out[o] = sum
    }
    return out
  })
}

/** Causal depthwise convolution, zeros before the first token: x [T, D], weight [D, 1, K], bias [D]. */
function causalConv(x: Rows, weight: ReferenceTensor, bias?: ReferenceTensor): Rows {
  const K = weight.shape[2]
  return x.map((row, t) =>
    row.map((_, d) => {
      let sum = bias ? bias.data[d] : 0
      for (let k = Math.max(0, K - 1 - t); k < K; k++) sum += weight.data[d * K + k] * x[t - (K - 1) + k][d]
      return sum
    }),
  )
}

/** `weight * x / sqrt(mean(x^2) + epsilon)` per row. */
function rmsNorm(x: Rows, weight: ReferenceTensor, epsilon: number): Rows {
  return x.map((row) => {
    const meanSquare = row.reduce((sum, value) => sum + value * value, 0) / row.length
    return row.map((value, i) => (weight.data[i] * value) / Math.sqrt(meanSquare + epsilon))
  })
}

function softmax(logits: Float64Array): Float64Array {
  const max = logits.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY)
  const weights = logits.map((value) => Math.exp(value - max))
  const sum = weights.reduce((a, b) => a + b, 0)
  return weights.map((value) => value / sum)
}

function silu(x: number): number {
  return x / (1 + Math.exp(-x))
}

/** `log(1 + exp(x))`, without overflow for large x. */
function softplus(x: number): number {
  return Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)))
}

/** Columns `from` to `to` (exclusive) of every row. */
function columns(x: Rows, from: number, to: number): Rows {
  return x.map((row) => row.slice(from, to))
}

/** The rows of a tensor of rank 2. */
function rowsOf({ shape: [rows, width], data }: ReferenceTensor): Rows {
  return Array.from({ length: rows }, (_, r) => data.slice(r * width, (r + 1) * width))
}

function tensor(model: ReferenceModel, name: string, shape: number[]): ReferenceTensor {
  const found = model.tensors.get(name)
  if (!found) throw new Error(`${name}: not in the checkpoint`)
  if (found.shape.join() !== shape.join())
    throw new Error(`${name}: shape [${shape}] expected, got [${found.shape}]`)
  return found
}

function checkIndices(what: string, indices: number[], length: number): void {
  for (const i of indices) {
    if (!Number.isInteger(i) || i < 0 || i >= length) throw new Error(`${what}: 0 to ${length - 1}, got ${i}`)
  }
}
