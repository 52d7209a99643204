/** The vocabulary of operators in which layers are written; `Graph` adds inputs, constants and loops. */
import type { Attribute } from './proto.js'

/** A tensor in a graph. */
export interface Value {
  readonly name: string
}

export abstract class Operators {
  /** Any operator with one output. */
  abstract op(
    opType: string,
    inputs: readonly (Value | undefined)[],
    attributes?: Record<string, Attribute>,
    domain?: string,
  ): Value

  /** Any operator with `count` outputs. A missing optional input is `undefined`. */
  abstract ops(
    count: number,
    opType: string,
    inputs: readonly (Value | undefined)[],
    attributes?: Record<string, Attribute>,
    domain?: string,
  ): Value[]

  /** An int64 vector, the type ONNX wants for shapes and axes. */
  abstract ints(...values: number[]): Value

  /** An int32 scalar. */
  abstract int32(value: number): Value

  /** A product with a weight, in the type that the graph's target has for it. */
  protected abstract gemm(
    x: Value,
    weight: Value,
    bias: Value | undefined,
    attributes: Record<string, Attribute>,
  ): Value

  /** A float32 scalar. */
  abstract scalar(value: number): Value

  /** Whether the graph is for a GPU. */
  abstract get gpu(): boolean

  // Elementwise, with numpy broadcasting.
  add = (a: Value, b: Value): Value => this.op('Add', [a, b])
  sub = (a: Value, b: Value): Value => this.op('Sub', [a, b])
  mul = (a: Value, b: Value): Value => this.op('Mul', [a, b])
  div = (a: Value, b: Value): Value => this.op('Div', [a, b])
  exp = (x: Value): Value => this.op('Exp', [x])
  log = (x: Value): Value => this.op('Log', [x])
  sigmoid = (x: Value): Value => this.op('Sigmoid', [x])
  /**
   * log(1 + exp(x)) = max(x, 0) + log(1 + u), u = exp(-|x|), to 3e-7 of the value. ONNX Runtime's Softplus is as exact but
   * scalar on CPUs, and takes twice as long there. With w = 1 + u rounded, log(1 + u) = log(w) + (u - (w - 1)) / w.
   */
  softplus = (x: Value): Value => {
    if (this.gpu) return this.op('Softplus', [x])
    const u = this.exp(this.op('Neg', [this.op('Abs', [x])]))
    const w = this.add(u, this.scalar(1))
    const lost = this.div(this.sub(u, this.sub(w, this.scalar(1))), w)
    return this.add(this.add(this.log(w), lost), this.op('Relu', [x]))
  }
  /** x * sigmoid(x) */
  silu = (x: Value): Value => this.mul(x, this.sigmoid(x))
  tanh = (x: Value): Value => this.op('Tanh', [x])
  cos = (x: Value): Value => this.op('Cos', [x])
  sin = (x: Value): Value => this.op('Sin', [x])
  /** x times the normal distribution function of x, or its approximation by tanh (GPT-2's `gelu_new`). */
  gelu = (x: Value, approximate: 'none' | 'tanh'): Value => this.op('Gelu', [x], { approximate })
  /** Over the last axis. */
  softmax = (x: Value): Value => this.op('Softmax', [x], { axis: -1 })
  max = (a: Value, b: Value): Value => this.op('Max', [a, b])
  greater = (a: Value, b: Value): Value => this.op('Greater', [a, b])
  less = (a: Value, b: Value): Value => this.op('Less', [a, b])
  equal = (a: Value, b: Value): Value => this.op('Equal', [a, b])
  /** `yes` where `condition` (bool) holds, else `no`. */
  where = (condition: Value, yes: Value, no: Value): Value => this.op('Where', [condition, yes, no])
  cast = (x: Value, type: 'float32' | 'float16' | 'int32' | 'int64' | 'bool'): Value =>
    this.op('Cast', [x], { to: { float32: 1, int32: 6, int64: 7, bool: 9, float16: 10 }[type] })

  // Linear algebra.
  /** Sums of products by numpy's subscripts: `rn,rn->r`. */
  einsum = (equation: string, ...values: Value[]): Value => this.op('Einsum', values, { equation })
  matMul = (a: Value, b: Value): Value => this.op('MatMul', [a, b])
  /** x W^T + bias for x `[rows, in]` and W `[out, in]`: PyTorch's `Linear`, weights as checkpoints hold them. */
  linear = (x: Value, weight: Value, bias?: Value): Value => this.gemm(x, weight, bias, { transB: 1 })
  /** x W + bias for x `[rows, in]` and W `[in, out]`: GPT-2's `Conv1D`. */
  affine = (x: Value, weight: Value, bias: Value): Value => this.gemm(x, weight, bias, {})
  /** x / sqrt(mean(x^2 over the last axis) + epsilon) * weight */
  rmsNorm = (x: Value, weight: Value, epsilon: number): Value =>
    this.op('SimplifiedLayerNormalization', [x, weight], { axis: -1, epsilon: { float: epsilon } })
  /** (x - mean) / sqrt(variance + epsilon) * weight + bias, over the last axis. */
  layerNorm = (x: Value, weight: Value, bias: Value, epsilon: number): Value =>
    this.op('LayerNormalization', [x, weight, bias], { axis: -1, epsilon: { float: epsilon } })

  // Shapes and positions.
  /** 0 in `shape` keeps a dimension, -1 is what remains. */
  reshape = (x: Value, ...shape: number[]): Value => this.op('Reshape', [x, this.ints(...shape)])
  reshapeTo = (x: Value, shape: Value): Value => this.op('Reshape', [x, shape])
  shape = (x: Value, start: number, end: number): Value => this.op('Shape', [x], { start, end })
  transpose = (x: Value, ...permutation: number[]): Value => this.op('Transpose', [x], { perm: permutation })
  unsqueeze = (x: Value, ...axes: number[]): Value => this.op('Unsqueeze', [x, this.ints(...axes)])
  squeeze = (x: Value, ...axes: number[]): Value => this.op('Squeeze', [x, this.ints(...axes)])
  concat = (axis: number, ...values: Value[]): Value => this.op('Concat', values, { axis })
  /** Rows (or any axis) by index; indices int32 or int64. */
  gather = (x: Value, indices: Value, axis = 0): Value => this.op('Gather', [x, indices], { axis })
  /** Pieces of the given sizes along an axis. */
  split = (x: Value, axis: number, ...sizes: number[]): Value[] =>
    this.ops(sizes.length, 'Split', [x, this.ints(...sizes)], { axis })
  /** Elements start <= i < end along one axis; start and end are int64 vectors of length 1. */
  slice = (x: Value, start: Value, end: Value, axis: number): Value =>
    this.op('Slice', [x, start, end, this.ints(axis)])

  // Reductions; the axis stays with size 1.
  reduceSum = (x: Value, axis: number): Value => this.op('ReduceSum', [x, this.ints(axis)], { keepdims: 1 })
  reduceMax = (x: Value, axis: number): Value => this.op('ReduceMax', [x, this.ints(axis)], { keepdims: 1 })
  reduceMin = (x: Value, axis: number): Value => this.op('ReduceMin', [x, this.ints(axis)], { keepdims: 1 })
  argMax = (x: Value, axis: number): Value => this.op('ArgMax', [x], { axis, keepdims: 1 })
  /** Sums over an axis from its end, each without its own element: y[i] = x[i+1] + x[i+2] + ... */
  sumAfter = (x: Value, axis: number): Value =>
    this.op('CumSum', [x, this.int32(axis)], { exclusive: 1, reverse: 1 })
  /** Running sums over an axis: y[i] = x[0] + ... + x[i] */
  sumUpTo = (x: Value, axis: number): Value => this.op('CumSum', [x, this.int32(axis)])
}
