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

/** A finished graph: the model file, and the large constants that lie beside it. */
export interface OnnxModel {
  /** What it is, for messages: `layer 3 of mamba`. */
  readonly name: string
  readonly bytes: Uint8Array
  readonly externalData: readonly { readonly path: string; readonly data: Uint8Array }[]
}

/** What a `Constant` may hold. */
export type ConstantData = Float32Array | Int32Array | BigInt64Array

function elementType(data: ConstantData): ElementType {
  if (data instanceof Float32Array) return 'float32'
  return data instanceof Int32Array ? 'int32' : 'int64'
}

function bytesOf(data: ConstantData): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
}

/** An ONNX graph under construction. Operators are methods; each returns its output (or outputs). */
export class Graph extends Operators {
  readonly #nodes: NodeProto[] = []
  readonly #inputs: ValueInfoProto[] = []
  readonly #outputs: ValueInfoProto[] = []
  readonly #initializers: TensorProto[] = []
  readonly #external: { path: string; data: Uint8Array }[] = []
  readonly #shared = new Map<string, Value>()
  #count = 0

  /** A graph; inside `parent` it is the body of a loop: it sees the parent's values and keeps its constants there. */
  constructor(
    readonly name: string,
    private readonly parent?: Graph,
  ) {
    super()
  }

  /** A tensor given at every run. Dimensions are sizes or names. */
  input(name: string, type: ElementType, shape: readonly Dim[]): Value {
    this.#inputs.push({ name, type, shape })
    return { name }
  }

  /** Give `value` back at every run under `name`. */
  output(name: string, value: Value, type: ElementType, shape: readonly Dim[]): void {
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
    const raw = bytesOf(data)
    const type = elementType(data)
    if (raw.length <= INLINE_BYTES) {
      this.#initializers.push({ name, type, shape, data: { raw } })
    } else {
      this.#external.push({ path: name, data: raw })
      this.#initializers.push({ name, type, shape, data: { location: name, length: raw.length } })
    }
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
   * last may end in rows of zeros, whose results (`[rows, ...]` like the others) are dropped.
   */
  blocks(
    rows: number,
    inputs: readonly { readonly value: Value; readonly type: ElementType }[],
    body: (body: Graph, blocks: Value[]) => Value,
  ): Value {
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

  /** The finished model. */
  build(): OnnxModel {
    return {
      name: this.name,
      bytes: encodeModel({ graph: this.#proto(), opsets: OPSETS }),
      externalData: this.#external,
    }
  }

  #proto(): GraphProto {
    return {
      name: this.name,
      nodes: this.#nodes,
      initializers: this.#initializers,
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
