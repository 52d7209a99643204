/** The bytes of models, read by a plain decoder of the protobuf wire format with the field numbers of onnx.proto. */
import { describe, expect, test } from 'vitest'
import { type Attribute, encodeModel, type GraphProto, type TensorProto } from '../../src/onnx/proto.js'

/** Messages of onnx/onnx.proto (v1.17.0): field number to name and type. A repeated field ends in []. */
const SCHEMA = {
  Model: { 1: 'ir_version int', 2: 'producer_name string', 7: 'graph Graph', 8: 'opset_import[] Opset' },
  Opset: { 1: 'domain string', 2: 'version int' },
  Graph: {
    1: 'node[] Node',
    2: 'name string',
    5: 'initializer[] Tensor',
    11: 'input[] ValueInfo',
    12: 'output[] ValueInfo',
  },
  Node: {
    1: 'input[] string',
    2: 'output[] string',
    3: 'name string',
    4: 'op_type string',
    5: 'attribute[] Attribute',
    7: 'domain string',
  },
  Attribute: {
    1: 'name string',
    2: 'f float',
    3: 'i int',
    4: 's string',
    6: 'g Graph',
    8: 'ints[] int',
    20: 'type int',
  },
  Tensor: {
    1: 'dims[] int',
    2: 'data_type int',
    8: 'name string',
    9: 'raw_data bytes',
    13: 'external_data[] KeyValue',
    14: 'data_location int',
  },
  KeyValue: { 1: 'key string', 2: 'value string' },
  ValueInfo: { 1: 'name string', 2: 'type Type' },
  Type: { 1: 'tensor_type TensorType' },
  TensorType: { 1: 'elem_type int', 2: 'shape Shape' },
  Shape: { 1: 'dim[] Dimension' },
  Dimension: { 1: 'dim_value int', 2: 'dim_param string' },
} as const
type Message = keyof typeof SCHEMA

/** https://protobuf.dev/programming-guides/encoding: tag = field << 3 | wire type. */
function decode(bytes: Uint8Array, message: Message): Record<string, unknown> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const out: Record<string, unknown> = {}
  let position = 0
  const varint = (): number => {
    let value = 0n
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[position++]
      value |= BigInt(byte & 127) << shift
      if (byte < 128) return Number(BigInt.asIntN(64, value))
    }
  }
  while (position < bytes.length) {
    const tag = varint()
    const field: string | undefined = (SCHEMA[message] as Record<number, string>)[tag >> 3]
    if (!field) throw new Error(`${message} has no field ${tag >> 3}`)
    const [name, type] = field.split(' ')
    const put = (value: unknown) => {
      if (!name.endsWith('[]')) out[name] = value
      else out[name.slice(0, -2)] = [...((out[name.slice(0, -2)] as unknown[]) ?? []), value]
    }
    const wire = tag & 7
    if (type === 'int' && wire === 0) put(varint())
    else if (type === 'float' && wire === 5) {
      put(view.getFloat32(position, true))
      position += 4
    } else if (wire === 2) {
      const length = varint()
      const part = bytes.subarray(position, position + length)
      expect(part.length).toBe(length)
      position += length
      if (type === 'string') put(new TextDecoder().decode(part))
      else if (type === 'bytes') put([...part])
      else if (type in SCHEMA) put(decode(part, type as Message))
      else throw new Error(`${message}.${name}: ${type} with wire type 2`)
    } else throw new Error(`${message}.${name}: ${type} with wire type ${wire}`)
  }
  return out
}

const EMPTY: GraphProto = { name: 'g', nodes: [], initializers: [], inputs: [], outputs: [] }
const EMPTY_DECODED = { name: 'g' }

function graphOf(graph: Partial<GraphProto>): Record<string, unknown> {
  const model = decode(encodeModel({ graph: { ...EMPTY, ...graph }, opsets: {} }), 'Model')
  return model.graph as Record<string, unknown>
}

test('a model: IR version 10, its producer, operator sets by domain', () => {
  expect(decode(encodeModel({ graph: EMPTY, opsets: { '': 21, 'com.microsoft': 1 } }), 'Model')).toEqual({
    ir_version: 10,
    producer_name: 'factflow',
    graph: EMPTY_DECODED,
    opset_import: [
      { domain: '', version: 21 },
      { domain: 'com.microsoft', version: 1 },
    ],
  })
})

test("a node: inputs, a missing optional input, outputs; ONNX's own domain is left out; named after its output", () => {
  const node = { opType: 'Op', inputs: ['a', '', 'c'], outputs: ['x', 'y'], attributes: {} }
  expect(graphOf({ nodes: [{ ...node, domain: '' }] }).node).toEqual([
    { input: ['a', '', 'c'], output: ['x', 'y'], op_type: 'Op', name: 'x' },
  ])
  expect(graphOf({ nodes: [{ ...node, domain: 'com.microsoft' }] }).node).toEqual([
    { input: ['a', '', 'c'], output: ['x', 'y'], op_type: 'Op', name: 'x', domain: 'com.microsoft' },
  ])
})

// AttributeProto.AttributeType: FLOAT 1, INT 2, STRING 3, GRAPH 5, INTS 7.
test.each<[string, Attribute, Record<string, unknown>]>([
  ['int', 3, { type: 2, i: 3 }],
  ['negative int', -1, { type: 2, i: -1 }],
  ['zero', 0, { type: 2, i: 0 }],
  ['int of more than 32 bits', 2 ** 40, { type: 2, i: 2 ** 40 }],
  ['float', { float: 1.5 }, { type: 1, f: 1.5 }],
  ['float of a whole number', { float: 2 }, { type: 1, f: 2 }],
  ['string', 'gated', { type: 3, s: 'gated' }],
  ['ints', [0, -2, 300], { type: 7, ints: [0, -2, 300] }],
  ['no ints', [], { type: 7 }],
  ['graph', { graph: EMPTY }, { type: 5, g: EMPTY_DECODED }],
])('an attribute: %s', (_, value, expected) => {
  const node = { opType: 'Op', domain: '', inputs: [], outputs: ['y'], attributes: { key: value } }
  expect(graphOf({ nodes: [node] }).node).toEqual([
    { output: ['y'], name: 'y', op_type: 'Op', attribute: [{ name: 'key', ...expected }] },
  ])
})

describe('a constant', () => {
  const tensor = (rest: Partial<TensorProto>) =>
    graphOf({
      initializers: [{ name: 'w', type: 'float32', shape: [], data: { raw: new Uint8Array() }, ...rest }],
    }).initializer

  // TensorProto.DataType: FLOAT 1, INT32 6, INT64 7, BOOL 9.
  test.each([
    ['float32', 1],
    ['int32', 6],
    ['int64', 7],
    ['bool', 9],
  ] as const)('%s, its bytes in the model', (type, code) => {
    expect(tensor({ type, shape: [2, 0, 300], data: { raw: Uint8Array.of(1, 0, 255) } })).toEqual([
      { name: 'w', dims: [2, 0, 300], data_type: code, raw_data: [1, 0, 255] },
    ])
  })

  test('its bytes outside: a location, the whole of it', () => {
    // TensorProto.DataLocation: EXTERNAL 1.
    expect(tensor({ shape: [5000], data: { location: 'weights', length: 20000 } })).toEqual([
      {
        name: 'w',
        dims: [5000],
        data_type: 1,
        data_location: 1,
        external_data: [
          { key: 'location', value: 'weights' },
          { key: 'offset', value: '0' },
          { key: 'length', value: '20000' },
        ],
      },
    ])
  })
})

test('inputs and outputs: sizes, names of sizes, scalars, and a shape that is left open', () => {
  const infos = [
    { name: 'a', type: 'float32', shape: ['B*T', 768] },
    { name: 'b', type: 'bool', shape: [] },
    { name: 'c', type: 'int64' },
  ] as const
  const decoded = [
    {
      name: 'a',
      type: { tensor_type: { elem_type: 1, shape: { dim: [{ dim_param: 'B*T' }, { dim_value: 768 }] } } },
    },
    { name: 'b', type: { tensor_type: { elem_type: 9, shape: {} } } },
    { name: 'c', type: { tensor_type: { elem_type: 7 } } },
  ]
  expect(graphOf({ inputs: infos })).toEqual({ ...EMPTY_DECODED, input: decoded })
  expect(graphOf({ outputs: infos })).toEqual({ ...EMPTY_DECODED, output: decoded })
})
