/** What a finished graph is: its constants, its inputs and outputs, and what is said of one that is wrong. */
import { describe, expect, test } from 'vitest'
import { type ConstantData, Graph, type OnnxModel } from '../../src/onnx/graph.js'
import {
  expectGraph,
  type NdArray,
  ndArray,
  numbers,
  run,
  runtime,
  session,
  tensorOf,
} from '../helpers/graph.js'

/** The graph that gives a constant back. */
function constantModel(data: ConstantData, shape: readonly number[] = [data.length]): OnnxModel {
  const g = new Graph('constant')
  g.output('y', g.constant('weight', data, shape), typeOf(data), shape)
  return g.build()
}

function typeOf(data: ConstantData): 'float32' | 'int32' | 'int64' {
  if (data instanceof Float32Array) return 'float32'
  return data instanceof Int32Array ? 'int32' : 'int64'
}

const ramp = (length: number, of: 'float32' | 'int32' | 'int64'): ConstantData => {
  if (of === 'int64') return BigInt64Array.from({ length }, (_, i) => -BigInt(i) * 2n ** 33n)
  if (of === 'int32') return Int32Array.from({ length }, (_, i) => i - 5)
  return Float32Array.from({ length }, (_, i) => i - 5)
}

describe('constants', () => {
  test.each([
    ['float32', 256],
    ['float32', 257],
    ['float32', 70_000],
    ['int32', 256],
    ['int32', 257],
    ['int64', 128],
    ['int64', 129],
  ] as const)(
    '%s of %i values come back; those above 1 KiB lie outside of the model',
    async (type, length) => {
      const data = ramp(length, type)
      const model = constantModel(data)
      expect(model.externalData.length).toBe(data.byteLength > 1024 ? 1 : 0)
      expect(model.bytes.length).toBeLessThan(1024 + 200)
      const made = await runtime.createSession(model)
      const { y } = await made.run({}, ['y'])
      expect(y.data).toEqual(data)
      await made.release()
    },
  )

  test('large ones are neither copied nor mixed up, and may be views of a larger buffer', async () => {
    const buffer = Float32Array.from({ length: 3000 }, (_, i) => i)
    const [a, b] = [buffer.subarray(500, 1500), buffer.subarray(1500, 2500)]
    const g = new Graph('two')
    const x = g.input('x', 'float32', [1000])
    const sum = g.sub(g.add(x, g.constant('weight', b)), g.constant('weight', a))
    g.output('y', sum, 'float32', [1000])
    const model = g.build()
    expect(model.externalData.map(({ data }) => data.buffer)).toEqual([buffer.buffer, buffer.buffer])
    const made = await runtime.createSession(model)
    const zero = ndArray([1000], () => 0)
    const { y } = await made.run({ x: tensorOf(zero) }, ['y'])
    expect(Array.from(y.data as Float32Array)).toEqual(new Array(1000).fill(1000))
    await made.release()
  })

  test('as inputs: float32 ones with axes are given at every run, the others stay', async () => {
    const g = new Graph('weights')
    const x = g.input('x', 'float32', ['n', 2])
    const weight = g.constant('weight', Float32Array.of(1, 2, 3, 4), [2, 2])
    const each = g.forEach([{ value: x, type: 'float32' }], (body, [row]) =>
      // A loop's body sees them, too.
      body.add(body.mul(row!, body.constant('scale', Float32Array.of(10, 100))), body.scalar(1)),
    )
    g.output('y', g.matMul(g.reshape(each, -1, 2), weight), 'float32', ['n', 2])
    const { weights, ...model } = g.build('inputs')
    expect(weights!.map(({ data, shape }) => [Array.from(data), shape])).toEqual([
      [
        [1, 2, 3, 4],
        [2, 2],
      ],
      [[10, 100], [2]],
    ])
    const made = await runtime.createSession(model)
    const given = (factor: number) =>
      weights!.map(
        ({ name, data, shape }) =>
          [
            name,
            tensorOf(ndArray([...shape], (...i) => factor * data[i.reduce((a, b) => 2 * a + b, 0)]!)),
          ] as const,
      )
    for (const factor of [1, 2]) {
      const { y } = await made.run(
        { x: tensorOf(ndArray([1, 2], (_, i) => i + 1)), ...Object.fromEntries(given(factor)) },
        ['y'],
      )
      const [a, b] = [10 * factor + 1, 200 * factor + 1]
      expect(Array.from(y!.data as Float32Array)).toEqual([factor * (a + 3 * b), factor * (2 * a + 4 * b)])
    }
    await made.release()
  })

  test('graphs that differ in their weights and names alone have the same bytes as inputs, and no others', () => {
    const made = (name: string, value: number, width: number) => {
      const g = new Graph(name)
      const x = g.input('x', 'float32', ['n', width])
      g.output('y', g.mul(x, g.constant('w', new Float32Array(width).fill(value))), 'float32', ['n', width])
      return Buffer.from(g.build('inputs').bytes)
    }
    expect(made('a', 1, 3)).toEqual(made('b', 2, 3))
    expect(made('a', 1, 3)).not.toEqual(made('a', 1, 4))
  })

  test.each([[[0]], [[3, 0]]])('of no values: shape [%s]', async (shape) => {
    const made = await runtime.createSession(constantModel(new Float32Array(0), shape))
    expect((await made.run({}, ['y'])).y.dims).toEqual(shape)
    await made.release()
  })

  test('of another size than its shape is refused', () => {
    const g = new Graph('g')
    expect(() => g.constant('mixer.D', new Float32Array(5), [2, 3])).toThrow(
      'Graph.constant: mixer.D of shape [2,3] needs 6 values, got 5',
    )
    expect(() => g.constant('x', new Float32Array(0), [])).toThrow('needs 1 values, got 0')
  })
})

describe('inputs and outputs', () => {
  test.each(['float32', 'int32', 'int64', 'bool'] as const)('of type %s pass through', async (type) => {
    const x = ndArray([2, 2], (i, j) => (i + j) % 2, type)
    await expectGraph((_, v) => v, [x], x)
    await expectGraph(
      (_, v) => v,
      [ndArray([0, 2], () => 0, type)],
      ndArray([0, 2], () => 0, type),
    )
  })

  test('a size with a name is any size, another one at every run', async () => {
    const open = { type: 'float32', dims: ['rows', 2] } as const
    const made = await session((g, x) => g.add(x, g.scalar(1)), [open], open)
    for (const rows of [3, 0, 7]) {
      const x = numbers(rows, 2)
      const expected: NdArray = { ...x, data: x.data.map((value) => Math.fround(value + 1)) }
      expect(await run(made, [x])).toEqual(expected)
    }
    await made.release()
  })

  test('only the outputs that are asked for come back', async () => {
    const g = new Graph('g')
    const x = g.input('x', 'float32', [])
    g.output('a', x, 'float32', [])
    g.output('b', g.exp(x), 'float32', [])
    g.output('c', x, 'float32', [])
    const made = await runtime.createSession(g.build())
    const feeds = { x: tensorOf(ndArray([], () => 1)) }
    expect(Object.keys(await made.run(feeds, ['c', 'b'])).sort()).toEqual(['b', 'c'])
    await made.release()
  })
})

describe('a graph that is wrong: the error names the graph and the node', () => {
  const x = numbers(2, 3)

  test('sizes that do not fit, known before it runs', async () => {
    await expect(session((g, v) => g.matMul(g.exp(v), v), [x], x)).rejects.toThrow(
      /^ONNX Runtime does not accept test graph: .*MatMul_1/,
    )
  })

  test('sizes that do not fit, known when it runs', async () => {
    const open = { type: 'float32', dims: ['a', 'b'] } as const
    const made = await session((g, v) => g.matMul(g.exp(v), v), [open], open)
    await expect(run(made, [x])).rejects.toThrow(
      /^ONNX Runtime could not run test graph with x0 float32\[2,3\]: .*MatMul_1/,
    )
    await made.release()
  })

  test('types that do not fit', async () => {
    await expect(session((g, v) => g.add(v, g.int32(1)), [x], x)).rejects.toThrow(
      /^ONNX Runtime does not accept test graph: .*Add_1/,
    )
  })

  test('an operator that there is not', async () => {
    await expect(session((g, v) => g.op('Nonsense', [v]), [x], x)).rejects.toThrow(
      /^ONNX Runtime does not accept test graph: .*Nonsense/,
    )
  })

  test('a value of another graph', async () => {
    const other = new Graph('other')
    const foreign = other.exp(other.input('z', 'float32', []))
    await expect(session((g, v) => g.add(v, foreign), [x], x)).rejects.toThrow(
      /^ONNX Runtime does not accept test graph: .*Exp_0/,
    )
  })
})
