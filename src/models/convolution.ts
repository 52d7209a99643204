/** The causal depthwise convolution of Mamba layers, on base rows and run rows. */
import type { Value } from '../onnx/graph.js'
import type { GpuInputs } from './gpu-inputs.js'
import type { LayerRows } from './rows.js'

export interface Convolution {
  /** Channels, D. */
  readonly width: number
  /** Taps, K. */
  readonly taps: number
  /** `[K, D]`, oldest token first. */
  readonly weight: Value
  /** `[D]` */
  readonly bias?: Value
}

/** conv1d.weight `[D, 1, K]` to taps `[K, D]`. */
export function tapsOf(weight: Float32Array, width: number, taps: number): Float32Array {
  const byTap = new Float32Array(weight.length)
  for (let d = 0; d < width; d++) {
    for (let k = 0; k < taps; k++) byTap[k * width + d] = weight[d * taps + k]!
  }
  return byTap
}

/** All rows of x, `[rows, D]`. Before their suffix, runs see the baseline's tokens. */
export function convolve(rows: LayerRows, x: Value, conv: Convolution): Value {
  const { g, inputs } = rows
  if (inputs.gpu) return convolveByRows(rows, inputs.gpu, x, conv)
  const [base, runs] = rows.cut(x)
  // K - 1 zero tokens before every prompt.
  const padded = g.op('Pad', [rows.byToken(base, conv.width), g.ints(0, conv.taps - 1, 0, 0, 0, 0)])
  // Token i of a prompt is at i + K - 1 of its K - 1 + T now, so the K - 1 tokens before `start` begin at `start`.
  const steps = g.constant(
    'steps',
    Int32Array.from({ length: conv.taps - 1 }, (_, i) => i),
  )
  const first = g.add(inputs.start, g.mul(inputs.contexts, g.cast(g.shape(padded, 1, 2), 'int32')))
  const tail = g.gather(g.reshape(padded, -1, conv.width), g.add(g.unsqueeze(first, 1), steps)) // [C, K - 1, D]
  const convolved = g.reshape(slide(rows, padded, conv), -1, conv.width)
  return g.concat(0, convolved, convolveRuns(rows, tail, runs, conv))
}

/** The same for GPUs, in few operators: each row's tokens before it are gathered. */
function convolveByRows(rows: LayerRows, gpu: GpuInputs, x: Value, conv: Convolution): Value {
  const { g } = rows
  const newest = g.mul(x, tap(rows, conv, conv.taps - 1))
  if (!gpu.history) return biased(rows, newest, conv)
  const older = g.slice(conv.weight, g.ints(0), g.ints(conv.taps - 1), 0) // [K - 1, D]
  const before = g.gather(x, gpu.history) // [., K - 1, D]
  const known = gpu.known!
  const sum =
    g.target.device === 'webgpu'
      ? g.einsum('rkd,kd,rk->rd', before, older, known)
      : g.squeeze(g.reduceSum(g.mul(g.mul(before, g.unsqueeze(known, 2)), older), 1), 1)
  const all = biased(rows, sum, conv)
  return g.add(newest, gpu.token ? g.gather(all, gpu.token) : all)
}

function tap({ g }: LayerRows, conv: Convolution, i: number): Value {
  return g.squeeze(g.slice(conv.weight, g.ints(i), g.ints(i + 1), 0), 0)
}

function biased({ g }: LayerRows, x: Value, { bias }: Convolution): Value {
  return bias ? g.add(x, bias) : x
}

/** `[B, K - 1 + T, D]` to `[B, T, D]`. */
function slide(rows: LayerRows, x: Value, conv: Convolution): Value {
  const { g } = rows
  const end = g.shape(x, 1, 2)
  const terms = Array.from({ length: conv.taps }, (_, i) =>
    g.mul(g.slice(x, g.ints(i), g.sub(end, g.ints(conv.taps - 1 - i)), 1), tap(rows, conv, i)),
  )
  return biased(
    rows,
    terms.reduce((a, b) => g.add(a, b)),
    conv,
  )
}

/** The run rows, `[R * L, D]`, after the last K - 1 tokens of their contexts, `tail [C, K - 1, D]`. */
function convolveRuns(rows: LayerRows, tail: Value, x: Value, conv: Convolution): Value {
  const { g } = rows
  if (rows.kind === 'last') {
    const older = g.slice(conv.weight, g.ints(0), g.ints(conv.taps - 1), 0) // [K - 1, D]
    const fromTail = biased(rows, g.squeeze(g.reduceSum(g.mul(tail, older), 1), 1), conv) // [C, D]
    return g.add(g.gather(fromTail, rows.runContext), g.mul(x, tap(rows, conv, conv.taps - 1)))
  }
  const whole = g.concat(1, g.gather(tail, rows.runContext), rows.bySuffix(x, conv.width))
  return g.reshape(slide(rows, whole, conv), -1, conv.width)
}
