/** Matrix products alone, in the forms that a graph can write them in. */
import type { Graph, GraphTarget, Value } from '../../src/onnx/graph.js'
import type { Runtime } from '../../src/runtime/runtime.js'
import { timed } from './measure.js'

export type Form = 'gemm' | 'matmul' | 'blocks'

export interface ProductRate {
  readonly form: Form
  readonly rows: number
  readonly outputs: number
  readonly inputs: number
  readonly ms: number
  readonly tflops: number
}

/** Enough repetitions for about this much work, in FLOP. */
const WORK = 4e11

/** `[rows, inputs] x [outputs, inputs]^T` as: */
function product(g: Graph, form: Form, block: number, x: Value, weight: Value, outputs: number): Value {
  switch (form) {
    // Gemm with a transposed weight, as the checkpoint has it
    case 'gemm':
      return g.linear(x, weight)
    // MatMul with a weight turned when it is loaded
    case 'matmul':
      return g.matMul(x, g.transpose(weight, 1, 0))
    // the same for blocks of rows, as a batch
    case 'blocks':
      return g.reshape(
        g.matMul(g.op('Reshape', [x, g.ints(-1, block, 0)], { allowzero: 0 }), g.transpose(weight, 1, 0)),
        -1,
        outputs,
      )
    default:
      throw new Error(`product: unknown form ${form satisfies never}`)
  }
}

export async function productRate(
  runtime: Runtime,
  target: GraphTarget,
  form: Form,
  rows: number,
  [outputs, inputs]: readonly [number, number],
  block: number,
): Promise<ProductRate> {
  const flop = 2 * rows * outputs * inputs
  const weight = new Float32Array(outputs * inputs).fill(0.01)
  const ms = await timed(
    runtime,
    target,
    { x: [rows, inputs] },
    (g, { x }) => {
      const w = g.constant('w', weight, [outputs, inputs])
      return product(g, form, block, x!, w, outputs)
    },
    Math.max(1, Math.min(8, Math.round(WORK / flop))),
  )
  return { form, rows, outputs, inputs, ms, tflops: flop / ms / 1e9 }
}
