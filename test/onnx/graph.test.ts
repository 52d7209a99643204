/** Operators that compute on ONNX Runtime, against plain loops over their definitions. */
import { describe, expect, test } from 'vitest'
import { Graph, MICROSOFT, type Value } from '../../src/onnx/graph.js'
import { at, broadcast, expectGraph, type NdArray, ndArray, numbers } from '../helpers/graph.js'

/** Relative, above 1 and absolute, below: float32 has 6e-8, the kernels' polynomials lose some; measured 1e-7. */
const KERNEL_TOLERANCE = 1e-6
/** Sums of some five float32 products, each up to 9; measured 2e-7. */
const SUM_TOLERANCE = 2e-6

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x))
const softplus = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)))

/** `value` of every pair of elements, with broadcasting. */
function pairs(a: NdArray, b: NdArray, value: (a: number, b: number) => number): NdArray {
  return ndArray(broadcast(a, b), (...index) => value(at(a, ...index), at(b, ...index)))
}

function sums(length: number, term: (i: number) => number): number {
  let sum = 0
  for (let i = 0; i < length; i++) sum += term(i)
  return sum
}

const bools = (x: NdArray): NdArray => ({ ...x, type: 'bool' })

describe('elementwise operators broadcast', () => {
  const shapes: [number[], number[]][] = [
    [
      [2, 3],
      [2, 3],
    ],
    [[2, 3], [3]],
    [
      [4, 1, 3],
      [2, 1],
    ],
    [[], [2]],
    [
      [0, 3],
      [1, 3],
    ],
    [[2, 3], []],
  ]
  const operators = {
    add: (a: number, b: number) => a + b,
    sub: (a: number, b: number) => a - b,
    mul: (a: number, b: number) => a * b,
    div: (a: number, b: number) => a / b,
  }
  test.each(shapes)('[%s] and [%s]', async (left, right) => {
    const [a, b] = [numbers(...left), numbers(...right)]
    for (const [name, value] of Object.entries(operators)) {
      const op = name as keyof typeof operators
      await expectGraph((g, x, y) => g[op](x, y), [a, b], pairs(a, b, value), KERNEL_TOLERANCE)
    }
    const greater = bools(pairs(a, b, (x, y) => Number(x > y)))
    const less = bools(pairs(a, b, (x, y) => Number(x < y)))
    await expectGraph((g, x, y) => g.greater(x, y), [a, b], greater)
    await expectGraph((g, x, y) => g.less(x, y), [a, b], less)
  })

  test('equal values are neither greater nor less', async () => {
    const a = ndArray([3], (i) => i)
    const none = ndArray([3], () => 0, 'bool')
    await expectGraph((g, x) => g.greater(x, x), [a], none)
    await expectGraph((g, x) => g.less(x, x), [a], none)
  })

  test('integers', async () => {
    const a = ndArray([4], (i) => [7, -7, 6, 0][i], 'int64')
    const b = ndArray([1], () => 2, 'int64')
    // Integers divide towards zero.
    await expectGraph(
      (g, x, y) => g.div(x, y),
      [a, b],
      ndArray([4], (i) => [3, -3, 3, 0][i], 'int64'),
    )
    await expectGraph(
      (g, x) => g.sub(g.cast(x, 'int32'), g.int32(2 ** 31 - 1)),
      [ndArray([2], (i) => [2 ** 31 - 1, 5][i], 'int64')],
      ndArray([2], (i) => [0, 6 - 2 ** 31][i], 'int32'),
    )
  })
})

describe('functions of one value', () => {
  const functions = { exp: Math.exp, log: Math.log, sigmoid, softplus, silu: (x: number) => x * sigmoid(x) }
  test.each(Object.keys(functions) as (keyof typeof functions)[])('%s', async (name) => {
    const x = numbers(5, 7)
    const inputs = name === 'log' ? { ...x, data: x.data.map((v) => Math.fround(Math.abs(v) + 1e-3)) } : x
    const expected = ndArray([5, 7], (...index) => functions[name](at(inputs, ...index)))
    await expectGraph((g, v) => g[name](v), [inputs], expected, KERNEL_TOLERANCE)
    await expectGraph((g, v) => g[name](v), [numbers(0, 7)], numbers(0, 7))
  })

  test('nothing overflows far from zero', async () => {
    const x = ndArray([4], (i) => [-1000, -90, 90, 1000][i])
    for (const name of ['sigmoid', 'softplus', 'silu'] as const) {
      const expected = ndArray([4], (i) => functions[name](x.data[i]))
      await expectGraph((g, v) => g[name](v), [x], expected, KERNEL_TOLERANCE)
    }
  })

  test('exp of minus infinity is 0, log of 0 is minus infinity', async () => {
    const minus = ndArray([1], () => Number.NEGATIVE_INFINITY)
    await expectGraph(
      (g, v) => g.exp(v),
      [minus],
      ndArray([1], () => 0),
    )
    await expectGraph((g, v) => g.log(v), [ndArray([1], () => 0)], minus)
  })
})

test('where: broadcasts all three', async () => {
  const condition = ndArray([2, 1], (i) => i, 'bool')
  const yes = numbers(3)
  const no = numbers(2, 3)
  const expected = ndArray([2, 3], (i, j) => (at(condition, i, j) ? at(yes, i, j) : at(no, i, j)))
  await expectGraph((g, c, a, b) => g.where(c, a, b), [condition, yes, no], expected)
})

describe('cast', () => {
  const x = ndArray([5], (i) => [-1.7, -0.2, 0, 0.9, 3][i])
  test.each([
    ['int32', [-1, 0, 0, 0, 3]],
    ['int64', [-1, 0, 0, 0, 3]],
    ['bool', [1, 1, 0, 1, 1]],
    ['float32', x.data],
  ] as const)('float32 to %s', async (type, values) => {
    const expected = ndArray([5], (i) => values[i], type)
    await expectGraph((g, v) => g.cast(v, type), [x], expected)
    await expectGraph((g, v) => g.cast(v, 'float32'), [expected], { ...expected, type: 'float32' })
  })
})

describe('linear algebra', () => {
  test.each([
    [
      [2, 3],
      [3, 4],
    ],
    [
      [5, 2, 3],
      [3, 4],
    ],
    [
      [5, 1, 3],
      [5, 3, 2],
    ],
    [
      [0, 3],
      [3, 4],
    ],
  ])('matMul [%s] x [%s]', async (left, right) => {
    const [a, b] = [numbers(...left), numbers(...right)]
    const width = right.at(-1)!
    const expected = ndArray([...left.slice(0, -1), width], (...index) => {
      const [row, column] = [index.slice(0, -1), index.at(-1)!]
      const batch = right.length === 3 ? [index[0]] : []
      return sums(right.at(-2)!, (k) => at(a, ...row, k) * at(b, ...batch, k, column))
    })
    await expectGraph((g, x, y) => g.matMul(x, y), [a, b], expected, SUM_TOLERANCE)
  })

  test.each([
    ['with a bias', 3, true],
    ['without', 3, false],
    ['of no rows', 0, true],
  ])('linear %s', async (_, rows, biased) => {
    const [x, w, b] = [numbers(rows, 5), numbers(4, 5), numbers(4)]
    const expected = ndArray(
      [rows, 4],
      (i, o) => sums(5, (k) => at(x, i, k) * at(w, o, k)) + (biased ? at(b, o) : 0),
    )
    const build = (g: Graph, ...v: Parameters<Graph['linear']>) => g.linear(...v)
    await expectGraph(build, biased ? [x, w, b] : [x, w], expected, SUM_TOLERANCE)
  })

  test.each([3, 0])('rmsNorm of %i rows; a row of zeros stays', async (rows) => {
    const [scrambled, w] = [numbers(rows, 8), numbers(8)]
    const x = ndArray([rows, 8], (i, j) => (i === 1 ? 0 : at(scrambled, i, j)))
    for (const epsilon of [1e-5, 0.5]) {
      const expected = ndArray([rows, 8], (i, j) => {
        const meanSquare = sums(8, (k) => at(x, i, k) ** 2) / 8
        return (at(x, i, j) / Math.sqrt(meanSquare + epsilon)) * at(w, j)
      })
      await expectGraph((g, v, weight) => g.rmsNorm(v, weight, epsilon), [x, w], expected, KERNEL_TOLERANCE)
    }
  })
})

describe('any operator', () => {
  const x = ndArray([4], (i) => i - 2)

  test('float, string and list attributes; an optional input that is missing', async () => {
    const leaky = ndArray([4], (i) => (i < 2 ? 0.25 * (i - 2) : i - 2))
    await expectGraph((g, v) => g.op('LeakyRelu', [v], { alpha: { float: 0.25 } }), [x], leaky)
    const reflected = ndArray([6], (i) => [0, -1, -2, -1, 0, 1][i])
    await expectGraph((g, v) => g.op('Pad', [v, g.ints(2, 0)], { mode: 'reflect' }), [x], reflected)
    await expectGraph((g) => g.op('Constant', [], { value_ints: [3, -4] }), [], {
      type: 'int64',
      dims: [2],
      data: [3, -4],
    })
    const atMost = ndArray([4], (i) => Math.min(i - 2, 0))
    await expectGraph((g, v) => g.op('Clip', [v, undefined, g.scalar(0)]), [x], atMost)
  })

  test("ONNX Runtime's own, with several outputs", async () => {
    const outputs = (g: Graph, v: Value) => {
      const inputs = [v, v, g.constant('weight', Float32Array.of(1, 2))]
      return g.ops(4, 'SkipSimplifiedLayerNormalization', inputs, { epsilon: { float: 0 } }, MICROSOFT)
    }
    const x = ndArray([1, 2], (_, j) => [1.5, 2][j])
    const sum = ndArray([1, 2], (_, j) => [3, 4][j]) // its mean square is 12.5
    const normed = ndArray([1, 2], (_, j) => [3, 8][j] / Math.sqrt(12.5))
    await expectGraph((g, v) => outputs(g, v)[0], [x], normed, KERNEL_TOLERANCE)
    await expectGraph((g, v) => outputs(g, v)[3], [x], sum)
  })
})

test('small constants that are equal are one', () => {
  const g = new Graph('g')
  expect(g.scalar(2)).toBe(g.scalar(2))
  expect(g.ints(1, 2)).toBe(g.ints(1, 2))
  expect(g.int32(2)).toBe(g.int32(2))
  const names = [g.scalar(2), g.int32(2), g.ints(2), g.ints(1, 2), g.ints(12), g.scalar(2.5)]
  expect(new Set(names.map(({ name }) => name)).size).toBe(names.length)
})
