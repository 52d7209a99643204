/**
 * The part of ONNX's protobuf format that factflow writes (onnx/onnx.proto, IR version 10), as plain data and one
 * encoder each. `@bufbuild/protobuf` does the wire format; this file knows the field numbers.
 */
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire'

/** Element types of tensors in graphs. */
export type ElementType = 'float32' | 'int32' | 'int64' | 'bool'

/** onnx.TensorProto.DataType. */
const ELEMENT_TYPE: Record<ElementType, number> = { float32: 1, int32: 6, int64: 7, bool: 9 }

/** A dimension: a size, or the name of a size known only when the graph runs. */
export type Dim = number | string

export type Attribute =
  | number
  | { readonly float: number }
  | string
  | readonly number[]
  | { readonly graph: GraphProto }

export interface NodeProto {
  readonly opType: string
  readonly domain: string
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
  readonly attributes: Readonly<Record<string, Attribute>>
}

export interface ValueInfoProto {
  readonly name: string
  readonly type: ElementType
  /** Inputs and outputs of a body graph may leave their shape to be inferred. */
  readonly shape?: readonly Dim[]
}

/** A constant tensor: its bytes lie in the model, or outside of it under `location` (see `ModelProto`). */
export interface TensorProto {
  readonly name: string
  readonly type: ElementType
  readonly shape: readonly number[]
  readonly data: { readonly raw: Uint8Array } | { readonly location: string; readonly length: number }
}

export interface GraphProto {
  readonly name: string
  readonly nodes: readonly NodeProto[]
  readonly initializers: readonly TensorProto[]
  readonly inputs: readonly ValueInfoProto[]
  readonly outputs: readonly ValueInfoProto[]
}

export interface ModelProto {
  readonly graph: GraphProto
  /** Operator sets: domain ('' is ONNX's own) to version. */
  readonly opsets: Readonly<Record<string, number>>
}

const IR_VERSION = 10

type Write<T> = (w: BinaryWriter, value: T) => void

function message<T>(w: BinaryWriter, field: number, write: Write<T>, value: T): void {
  w.tag(field, WireType.LengthDelimited).fork()
  write(w, value)
  w.join()
}

function string(w: BinaryWriter, field: number, value: string): void {
  w.tag(field, WireType.LengthDelimited).string(value)
}

function int(w: BinaryWriter, field: number, value: number): void {
  w.tag(field, WireType.Varint).int64(value)
}

const writeAttribute: Write<[string, Attribute]> = (w, [name, value]) => {
  string(w, 1, name)
  if (typeof value === 'number') {
    int(w, 3, value)
    int(w, 20, 2) // INT
  } else if (typeof value === 'string') {
    string(w, 4, value)
    int(w, 20, 3) // STRING
  } else if ('float' in value) {
    w.tag(2, WireType.Bit32).float(value.float)
    int(w, 20, 1) // FLOAT
  } else if ('graph' in value) {
    message(w, 6, writeGraph, value.graph)
    int(w, 20, 5) // GRAPH
  } else {
    for (const item of value) int(w, 8, item)
    int(w, 20, 7) // INTS
  }
}

const writeNode: Write<NodeProto> = (w, node) => {
  for (const name of node.inputs) string(w, 1, name)
  for (const name of node.outputs) string(w, 2, name)
  string(w, 3, node.outputs[0]!) // name, for ONNX Runtime's messages
  string(w, 4, node.opType)
  for (const entry of Object.entries(node.attributes)) message(w, 5, writeAttribute, entry)
  if (node.domain) string(w, 7, node.domain)
}

const writeKeyValue: Write<[string, string]> = (w, [key, value]) => {
  string(w, 1, key)
  string(w, 2, value)
}

const writeTensor: Write<TensorProto> = (w, tensor) => {
  for (const dim of tensor.shape) int(w, 1, dim)
  int(w, 2, ELEMENT_TYPE[tensor.type])
  string(w, 8, tensor.name)
  if ('raw' in tensor.data) {
    w.tag(9, WireType.LengthDelimited).bytes(tensor.data.raw)
  } else {
    message(w, 13, writeKeyValue, ['location', tensor.data.location])
    message(w, 13, writeKeyValue, ['offset', '0'])
    message(w, 13, writeKeyValue, ['length', String(tensor.data.length)])
    int(w, 14, 1) // data_location = EXTERNAL
  }
}

const writeDim: Write<Dim> = (w, dim) => {
  if (typeof dim === 'number') int(w, 1, dim)
  else string(w, 2, dim)
}

const writeShape: Write<readonly Dim[]> = (w, shape) => {
  for (const dim of shape) message(w, 1, writeDim, dim)
}

const writeTensorType: Write<ValueInfoProto> = (w, info) => {
  int(w, 1, ELEMENT_TYPE[info.type])
  if (info.shape) message(w, 2, writeShape, info.shape)
}

const writeValueInfo: Write<ValueInfoProto> = (w, info) => {
  string(w, 1, info.name)
  message(w, 2, (type, value) => message(type, 1, writeTensorType, value), info)
}

const writeGraph: Write<GraphProto> = (w, graph) => {
  for (const node of graph.nodes) message(w, 1, writeNode, node)
  string(w, 2, graph.name)
  for (const tensor of graph.initializers) message(w, 5, writeTensor, tensor)
  for (const input of graph.inputs) message(w, 11, writeValueInfo, input)
  for (const output of graph.outputs) message(w, 12, writeValueInfo, output)
}

const writeOpset: Write<[string, number]> = (w, [domain, version]) => {
  string(w, 1, domain)
  int(w, 2, version)
}

/** The bytes of a `.onnx` file. */
export function encodeModel(model: ModelProto): Uint8Array<ArrayBuffer> {
  const w = new BinaryWriter()
  int(w, 1, IR_VERSION)
  string(w, 2, 'factflow')
  message(w, 7, writeGraph, model.graph)
  for (const entry of Object.entries(model.opsets)) message(w, 8, writeOpset, entry)
  return w.finish()
}
