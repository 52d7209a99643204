/** Arithmetic of the reference engine in float64: plain loops over rows. T tokens; a matrix is an array of rows. */

/** A matrix as its rows. */
export type Rows = Float64Array[]

/** A tensor of a checkpoint, row-major. */
export interface ReferenceTensor {
  shape: number[]
  data: Float64Array
}

/** `x W^T + bias`: x [T, in], weight [out, in], bias [out]; returns [T, out]. */
export function linear(x: Rows, weight: ReferenceTensor, bias?: ReferenceTensor): Rows {
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

/** A tensor of rank 2 with its axes swapped. */
export function transposed({ shape: [rows, width], data }: ReferenceTensor): ReferenceTensor {
  const turned = new Float64Array(data.length)
  for (let r = 0; r < rows; r++) for (let c = 0; c < width; c++) turned[c * rows + r] = data[r * width + c]
  return { shape: [width, rows], data: turned }
}

/** Causal depthwise convolution, zeros before the first token: x [T, D], weight [D, 1, K], bias [D]. */
export function causalConv(x: Rows, weight: ReferenceTensor, bias?: ReferenceTensor): Rows {
  const K = weight.shape[2]
  return x.map((row, t) =>
    row.map((_, d) => {
      let sum = bias ? bias.data[d] : 0
      for (let k = Math.max(0, K - 1 - t); k < K; k++) sum += weight.data[d * K + k] * x[t - (K - 1) + k][d]
      return sum
    }),
  )
}

/** `x / sqrt(mean(x^2) + epsilon)` of one vector. */
export function rms(x: Float64Array, epsilon: number): Float64Array {
  const meanSquare = x.reduce((sum, value) => sum + value * value, 0) / x.length
  return x.map((value) => value / Math.sqrt(meanSquare + epsilon))
}

/** `weight * x / sqrt(mean(x^2) + epsilon)` per row. */
export function rmsNorm(x: Rows, weight: ReferenceTensor, epsilon: number): Rows {
  return x.map((row) => rms(row, epsilon).map((value, i) => weight.data[i] * value))
}

/** `weight * (x - mean(x)) / sqrt(variance(x) + epsilon) + bias` per row. */
export function layerNorm(x: Rows, weight: ReferenceTensor, bias: ReferenceTensor, epsilon: number): Rows {
  return x.map((row) => {
    const mean = row.reduce((sum, value) => sum + value, 0) / row.length
    const centred = row.map((value) => value - mean)
    return rms(centred, epsilon).map((value, i) => weight.data[i] * value + bias.data[i])
  })
}

/** Softmax over the entries that are not minus infinity; zeros when all are. */
export function softmax(scores: Float64Array): Float64Array {
  const max = scores.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY)
  if (max === Number.NEGATIVE_INFINITY) return new Float64Array(scores.length)
  const weights = scores.map((value) => Math.exp(value - max))
  const sum = weights.reduce((a, b) => a + b, 0)
  return weights.map((value) => value / sum)
}

export function silu(x: number): number {
  return x / (1 + Math.exp(-x))
}

/** `gelu_new` of transformers: GELU with its tanh approximation. */
export function geluNew(x: number): number {
  return 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)))
}

/** `gelu` of transformers: `x` times the normal distribution function. */
export function gelu(x: number): number {
  return 0.5 * x * (1 + erf(x / Math.SQRT2))
}

/** The error function: `2 / sqrt(pi) * exp(-x^2) * sum_n 2^n x^(2n+1) / (2n+1)!!`, whose terms have one sign. */
export function erf(x: number): number {
  if (Math.abs(x) > 6) return Math.sign(x) // the rest is below 1e-16
  let term = x
  let sum = x
  for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(sum); n++) {
    term *= (2 * x * x) / (2 * n + 1)
    sum += term
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum
}

/** `log(1 + exp(x))`, without overflow for large x. */
export function softplus(x: number): number {
  return Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)))
}

/** The sum of two matrices. */
export function added(a: Rows, b: Rows): Rows {
  return a.map((row, t) => row.map((value, i) => value + b[t][i]))
}

/** Columns `from` to `to` (exclusive) of every row. */
export function columns(x: Rows, from: number, to: number): Rows {
  return x.map((row) => row.slice(from, to))
}

/** The rows of a tensor of rank 2. */
export function rowsOf({ shape: [rows, width], data }: ReferenceTensor): Rows {
  return Array.from({ length: rows }, (_, r) => data.slice(r * width, (r + 1) * width))
}
