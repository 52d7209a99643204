/**
 * Build an ONNX graph by calling its operators: `const y = g.matMul(g.silu(x), weight)`.
 *
 * A `Value` is a tensor of the graph. Shapes are ONNX Runtime's business: it infers and checks them when a session
 * is made of the graph, and names the node that is wrong.
 */
import { Operators, type Value } from './operators.js'
import {
  type Attribute,
  type Dim,
  type ElementType,
  encodeModel,
  type GraphProto,
  type NodeProto,
  type TensorProto,
  type ValueInfoProto,
} from './proto.js'

export type { Value } from './operators.js'

/** ONNX Runtime's own operators (onnxruntime/docs/ContribOperators.md). */
export const MICROSOFT = 'com.microsoft'

const OPSETS = { '': 21, [MICROSOFT]: 1 }

/** Constants up to this many bytes lie in the model itself: shape arithmetic must see them when it loads. */
const INLINE_BYTES = 1024

/**
 * How a graph has its weights, its float32 constants of one axis or more. `constants`: a session makes its own copy of
 * them, packed for its matrix products. `inputs`: they are given at every run and used where they lie, so that loading
 * them is reading them, and graphs that differ in nothing else share a session.
 */
export type WeightForm = 'constants' | 'inputs'

/** A finished graph: the model file, and the large constants that lie beside it. */
export interface OnnxModel {
  /** What it is, for messages: `layer 3 of mamba`. */
  readonly name: string
  readonly bytes: Uint8Array
  readonly externalData: readonly { readonly path: string; readonly data: Uint8Array }[]
  /** Outputs that stay where they were computed, for another graph to read; the others come back. */
  readonly staying?: readonly string[]
  /** Inputs that are to have these values at every run. */
  readonly weights?: readonly WeightInput[]
  /** Memory that is lent to it: its weights, or some of them, lie there. */
  readonly loan?: Loan
}

/**
 * Memory that is used for others when it is given back, once: for constants when a session has been made of them (it has
 * a copy), for inputs when their session is released.
 */
export interface Loan {
  readonly memory: ArrayBuffer
  /** @param memory the same, or what it has become when it was handed to another thread and back */
  readonly giveBack: (memory: ArrayBuffer) => void
}

/** A weight that is given at every run. */
export interface WeightInput {
  readonly name: string
  readonly data: Float32Array
  readonly shape: readonly number[]
}

/** What a `Constant` may hold. */
export type ConstantData = Float32Array | Int32Array | BigInt64Array

function elementType(data: ConstantData): ElementType {
  if (data instanceof Float32Array) return 'float32'
  return data instanceof Int32Array ? 'int32' : 'int64'
}

/** A constant, before it is known where it will lie. */
interface Constant {
  readonly name: string
  readonly data: ConstantData
  readonly shape: readonly number[]
}

function isWeight({ data, shape }: Constant): boolean {
  return data instanceof Float32Array && data.length > 0 && shape.length > 0
}

function bytesOf(data: ConstantData): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
}

/** What a graph is written for. All targets compute the same; they differ in which operators are fast, or there at all. */
export interface GraphTarget {
  readonly device: 'cpu' | 'webgpu' | 'cuda'
  /** The type of weights and of what they are multiplied with; everything else is float32. */
  readonly products: 'float32' | 'float16'
}

export const CPU_TARGET: GraphTarget = { device: 'cpu', products: 'float32' }

/** An ONNX graph under construction. Operators are methods; each returns its output (or outputs). */
export class Graph extends Operators {
  readonly #nodes: NodeProto[] = []
  readonly #inputs: ValueInfoProto[] = []
  readonly #outputs: ValueInfoProto[] = []
  readonly #staying: string[] = []
  readonly #constants: Constant[] = []
  readonly #shared = new Map<string, Value>()
  #count = 0

  /** A graph; inside `parent` it is the body of a loop: it sees the parent's values and keeps its constants there. */
  constructor(
    readonly name: string,
    private readonly parent?: Graph,
    readonly target: GraphTarget = parent?.target ?? CPU_TARGET,
  ) {
    super()
  }

  /** Whether it is for a GPU: no loops then (WebGPU has none), and nothing in blocks, as there is no cache to fit. */
  get gpu(): boolean {
    return this.target.device !== 'cpu'
  }

  /** A tensor given at every run. Dimensions are sizes or names. */
  input(name: string, type: ElementType, shape: readonly Dim[]): Value {
    this.#inputs.push({ name, type, shape })
    return { name }
  }

  /** Give `value` back at every run under `name`; with `stays` on the device, for another graph to read. */
  output(name: string, value: Value, type: ElementType, shape: readonly Dim[], stays?: 'stays'): void {
    if (stays) this.#staying.push(name)
    this.#nodes.push({
      opType: 'Identity',
      domain: '',
      inputs: [value.name],
      outputs: [name],
      attributes: {},
    })
    this.#outputs.push({ name, type, shape })
  }

  /** A constant tensor, a weight for instance. Row-major; `shape` multiplies to the length of `data`. */
  constant(label: string, data: ConstantData, shape: readonly number[] = [data.length]): Value {
    if (this.parent) return this.parent.constant(label, data, shape)
    const size = shape.reduce((a, b) => a * b, 1)
    if (size !== data.length) {
      throw new Error(`Graph.constant: ${label} of shape [${shape}] needs ${size} values, got ${data.length}`)
    }
    const name = this.#fresh(label)
    this.#constants.push({ name, data, shape })
    return { name }
  }

  /** A float32 scalar. */
  scalar(value: number): Value {
    return this.#once(`scalar ${value}`, () => this.constant('scalar', Float32Array.of(value), []))
  }

  /** An int64 vector, the type ONNX wants for shapes and axes. */
  ints(...values: number[]): Value {
    return this.#once(`ints ${values}`, () => this.constant('ints', BigInt64Array.from(values, BigInt)))
  }

  /** An int32 scalar. */
  int32(value: number): Value {
    return this.#once(`int32 ${value}`, () => this.constant('int32', Int32Array.of(value), []))
  }

  protected gemm(
    x: Value,
    weight: Value,
    bias: Value | undefined,
    attributes: Record<string, Attribute>,
  ): Value {
    const { device, products } = this.target
    if (products === 'float32' && device !== 'webgpu') {
      return this.op('Gemm', bias ? [x, weight, bias] : [x, weight], attributes)
    }
    // What is done to a weight, a constant, ONNX Runtime does once, when it loads.
    const typed = (value: Value): Value => (products === 'float16' ? this.cast(value, 'float16') : value)
    // WebGPU's MatMul is at least as fast as its Gemm (bench/gpu.ts).
    const y =
      device === 'webgpu'
        ? this.matMul(typed(x), typed(attributes.transB === 1 ? this.transpose(weight, 1, 0) : weight))
        : this.op('Gemm', [typed(x), typed(weight)], attributes)
    const float = products === 'float16' ? this.cast(y, 'float32') : y
    return bias ? this.add(float, bias) : float
  }

  /** Any operator with one output. */
  op(
    opType: string,
    inputs: readonly (Value | undefined)[],
    attributes: Record<string, Attribute> = {},
    domain = '',
  ): Value {
    return this.ops(1, opType, inputs, attributes, domain)[0]!
  }

  /** Any operator with `count` outputs. A missing optional input is `undefined`. */
  ops(
    count: number,
    opType: string,
    inputs: readonly (Value | undefined)[],
    attributes: Record<string, Attribute> = {},
    domain = '',
  ): Value[] {
    const outputs = Array.from({ length: count }, () => this.#fresh(opType))
    this.#nodes.push({ opType, domain, inputs: inputs.map((v) => v?.name ?? ''), outputs, attributes })
    return outputs.map((name) => ({ name }))
  }

  /**
   * A recurrence over axis 1 of `inputs` (`[B, T, ...]`, all float32): `step` gets the state and the slices `[B, ...]`
   * of one token, and gives the next state and an output `[B, ...]`. Returns the outputs `[B, T, ...]`. No size of the
   * inputs may be 0: ONNX Runtime 1.30 would crash.
   */
  scan(
    initial: Value,
    inputs: readonly Value[],
    step: (body: Graph, state: Value, slices: Value[]) => { state: Value; output: Value },
  ): Value {
    const body = new Graph('step', this)
    const slices = inputs.map(() => body.#formal('float32'))
    const { state, output } = step(body, body.#formal('float32', true), slices)
    body.#results(state, output)
    const [, outputs] = this.ops(2, 'Scan', [initial, ...inputs], {
      body: { graph: body.#proto() },
      num_scan_inputs: inputs.length,
      scan_input_axes: inputs.map(() => 1),
      scan_output_axes: [1],
    })
    return outputs!
  }

  /** One value (float32) or another, as a condition (bool of one element) says; only that one is computed. */
  either(condition: Value, yes: (branch: Graph) => Value, no: (branch: Graph) => Value): Value {
    const [thenBranch, elseBranch] = [yes, no].map((write) => {
      const branch = new Graph('branch', this)
      branch.#results(write(branch))
      return { graph: branch.#proto() }
    })
    return this.op('If', [condition], { then_branch: thenBranch!, else_branch: elseBranch! })
  }

  /**
   * `body` for each slice of `inputs` along axis 0 (one or more), one after the other, so that what it computes on the
   * way stays small. Returns its outputs (float32) stacked along axis 0.
   */
  forEach(
    inputs: readonly { readonly value: Value; readonly type: ElementType }[],
    body: (body: Graph, slices: Value[]) => Value,
  ): Value {
    const g = new Graph('each', this)
    const output = body(
      g,
      inputs.map(({ type }) => g.#formal(type)),
    )
    g.#results(output)
    return this.op(
      'Scan',
      inputs.map(({ value }) => value),
      { body: { graph: g.#proto() }, num_scan_inputs: inputs.length },
    )
  }

  /**
   * `body` on blocks of at most `rows` rows of `inputs` (`[n, ...]`), see `forEach`. Blocks are as equal as can be; the
   * last may end in rows of zeros, whose results (`[rows, ...]` like the others) are dropped. A GPU gets all at once.
   */
  blocks(
    rows: number,
    inputs: readonly { readonly value: Value; readonly type: ElementType }[],
    body: (body: Graph, blocks: Value[]) => Value,
  ): Value {
    if (this.gpu) {
      return body(
        this,
        inputs.map(({ value }) => value),
      )
    }
    const up = (a: Value, b: Value): Value => this.div(this.sub(this.add(a, b), this.ints(1)), b)
    const n = this.shape(inputs[0]!.value, 0, 1)
    const atLeastOne = (x: Value): Value => this.op('Max', [x, this.ints(1)])
    const count = atLeastOne(up(n, this.ints(rows)))
    const size = atLeastOne(up(n, count))
    const missing = this.sub(this.mul(count, size), n)
    const blocked = inputs.map(({ value, type }) => {
      const pads = this.concat(0, this.ints(0), missing)
      const padded = this.op('Pad', [value, pads, undefined, this.ints(0)])
      const shape = this.concat(0, count, size, this.op('Shape', [value], { start: 1 }))
      return { value: this.reshapeTo(padded, shape), type }
    })
    const done = this.forEach(blocked, body)
    const flat = this.reshapeTo(
      done,
      this.concat(0, this.mul(count, size), this.op('Shape', [done], { start: 2 })),
    )
    return this.slice(flat, this.ints(0), n, 0)
  }

  #formal(type: ElementType, first = false): Value {
    const name = this.#fresh('slice')
    const info = { name, type }
    if (first) this.#inputs.unshift(info)
    else this.#inputs.push(info)
    return { name }
  }

  /** Give `values` back at every step of a loop: each must come from a node of the body, under a name of its own. */
  #results(...values: Value[]): void {
    for (const value of values) {
      const made = this.#nodes.some(({ outputs }) => outputs.includes(value.name))
      const free = made && this.#outputs.every(({ name }) => name !== value.name)
      this.#outputs.push({ name: (free ? value : this.op('Identity', [value])).name, type: 'float32' })
    }
  }

  /** The finished model. Its weights are the arrays that were given, not copies. */
  build(form: WeightForm = 'constants'): OnnxModel {
    const weights: WeightInput[] = []
    const inputs = [...this.#inputs]
    const initializers: TensorProto[] = []
    const externalData: { path: string; data: Uint8Array }[] = []
    for (const constant of this.#constants) {
      const { name, data, shape } = constant
      const type = elementType(data)
      const raw = bytesOf(data)
      if (form === 'inputs' && isWeight(constant)) {
        inputs.push({ name, type, shape })
        weights.push({ name, data: data as Float32Array, shape })
      } else if (raw.length <= INLINE_BYTES) {
        initializers.push({ name, type, shape, data: { raw } })
      } else {
        externalData.push({ path: name, data: raw })
        initializers.push({ name, type, shape, data: { location: name, length: raw.length } })
      }
    }
    return {
      name: this.name,
      bytes: encodeModel({ graph: { ...this.#proto(), inputs, initializers }, opsets: OPSETS }),
      externalData,
      staying: this.#staying,
      ...(form === 'inputs' && { weights }),
    }
  }

  #proto(): GraphProto {
    return {
      // Not its own name: graphs that differ in their weights alone are the same bytes.
      name: 'graph',
      nodes: this.#nodes,
      initializers: [],
      inputs: this.#inputs,
      outputs: this.#outputs,
    }
  }

  #fresh(label: string): string {
    if (this.parent) return this.parent.#fresh(label)
    return `${label}_${this.#count++}`
  }

  #once(key: string, make: () => Value): Value {
    if (this.parent) return this.parent.#once(key, make)
    let value = this.#shared.get(key)
    if (!value) {
      value = make()
      this.#shared.set(key, value)
    }
    return value
  }
}
