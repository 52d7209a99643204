/** Operators that move, pick and reduce elements on ONNX Runtime, against plain loops over their definitions. */
import { describe, test } from 'vitest'
import { at, expectGraph, type NdArray, ndArray, numbers } from '../helpers/graph.js'

/** Relative, above 1 and absolute, below: sums of a few float32 values; measured 1e-7. */
const SUM_TOLERANCE = 1e-6

function sum(length: number, term: (i: number) => number): number {
  return Array.from({ length }, (_, i) => term(i)).reduce((a, b) => a + b, 0)
}

describe('shapes and positions', () => {
  const x = numbers(2, 3, 4)
  const reshaped = (...dims: number[]): NdArray => ({ ...x, dims })

  test('reshape: -1 is the rest, 0 keeps', async () => {
    await expectGraph((g, v) => g.reshape(v, -1, 4), [x], reshaped(6, 4))
    await expectGraph((g, v) => g.reshape(v, 0, -1), [x], reshaped(2, 12))
    await expectGraph((g, v) => g.reshape(v), [numbers(1)], { ...numbers(1), dims: [] })
    await expectGraph((g, v) => g.reshape(v, -1, 4), [numbers(0, 3, 4)], numbers(0, 4))
  })

  test('reshapeTo and shape', async () => {
    await expectGraph(
      (g, v) => g.reshapeTo(v, g.concat(0, g.shape(v, 2, 3), g.ints(-1))),
      [x],
      reshaped(4, 6),
    )
    const dims = (...values: number[]) => ndArray([values.length], (i) => values[i], 'int64')
    await expectGraph((g, v) => g.shape(v, 0, 2), [x], dims(2, 3))
    await expectGraph((g, v) => g.shape(v, 2, 3), [numbers(2, 3, 0)], dims(0))
  })

  test('transpose, unsqueeze, squeeze', async () => {
    const turned = ndArray([4, 2, 3], (k, i, j) => at(x, i, j, k))
    await expectGraph((g, v) => g.transpose(v, 2, 0, 1), [x], turned)
    await expectGraph((g, v) => g.unsqueeze(v, 0, 3), [x], reshaped(1, 2, 3, 1, 4))
    await expectGraph((g, v) => g.squeeze(v, 0, 3), [reshaped(1, 2, 3, 1, 4)], x)
  })

  test('concat along an axis, also with nothing', async () => {
    const y = numbers(2, 1, 4)
    const expected = ndArray([2, 4, 4], (i, j, k) => (j < 3 ? at(x, i, j, k) : at(y, i, j - 3, k)))
    await expectGraph((g, a, b) => g.concat(1, a, b), [x, y], expected)
    await expectGraph((g, a, b) => g.concat(0, a, b), [numbers(0, 3, 4), x], x)
  })

  test.each(['int32', 'int64'] as const)('gather by %s', async (type) => {
    const indices = ndArray([2, 2], (i, j) => [1, 0, 1, 1][2 * i + j], type)
    const rows = ndArray([2, 2, 3, 4], (a, b, j, k) => at(x, at(indices, a, b), j, k))
    await expectGraph((g, v, i) => g.gather(v, i), [x, indices], rows)
    const middle = ndArray([2, 2, 2, 4], (i, a, b, k) => at(x, i, at(indices, a, b), k))
    await expectGraph((g, v, i) => g.gather(v, i, 1), [x, indices], middle)
    await expectGraph((g, v, i) => g.gather(v, i), [x, ndArray([0], () => 0, type)], numbers(0, 3, 4))
  })

  test('split into pieces of different sizes', async () => {
    const first = ndArray([2, 3, 1], (i, j, k) => at(x, i, j, k))
    const second = ndArray([2, 3, 3], (i, j, k) => at(x, i, j, k + 1))
    await expectGraph((g, v) => g.split(v, 2, 1, 3)[0], [x], first)
    await expectGraph((g, v) => g.split(v, 2, 1, 3)[1], [x], second)
    await expectGraph((g, v) => g.split(v, 1, 1, 3)[1], [numbers(0, 4)], numbers(0, 3))
  })

  test('slice: the end is clamped, from the start on may be nothing', async () => {
    const tail = ndArray([2, 2, 4], (i, j, k) => at(x, i, j + 1, k))
    await expectGraph((g, v) => g.slice(v, g.ints(1), g.ints(3), 1), [x], tail)
    await expectGraph((g, v) => g.slice(v, g.ints(1), g.ints(2 ** 31), 1), [x], tail)
    await expectGraph((g, v) => g.slice(v, g.ints(2), g.ints(2), 0), [x], numbers(0, 3, 4))
  })
})

describe('reductions', () => {
  const x = numbers(3, 4)

  test.each([0, 1, -1])('over axis %i', async (axis) => {
    const columns = axis !== 0
    const length = columns ? 4 : 3
    const reduced = (value: (line: number[]) => number): NdArray =>
      ndArray(columns ? [3, 1] : [1, 4], (i, j) =>
        value(Array.from({ length }, (_, k) => (columns ? at(x, i, k) : at(x, k, j)))),
      )
    const sum = reduced((line) => line.reduce((a, b) => a + b))
    const max = reduced((line) => Math.max(...line))
    const arg = { ...reduced((line) => line.indexOf(Math.max(...line))), type: 'int64' } as const
    await expectGraph((g, v) => g.reduceSum(v, axis), [x], sum, SUM_TOLERANCE)
    await expectGraph((g, v) => g.reduceMax(v, axis), [x], max)
    await expectGraph((g, v) => g.argMax(v, axis), [x], arg)
  })

  test('of no rows; an empty sum is 0', async () => {
    const none = numbers(0, 4)
    await expectGraph((g, v) => g.reduceSum(v, 1), [none], numbers(0, 1))
    await expectGraph((g, v) => g.reduceMax(v, 1), [none], numbers(0, 1))
    await expectGraph(
      (g, v) => g.argMax(v, 1),
      [none],
      ndArray([0, 1], () => 0, 'int64'),
    )
    await expectGraph(
      (g, v) => g.reduceSum(v, 0),
      [none],
      ndArray([1, 4], () => 0),
    )
  })

  test('argMax: of equal values the first', async () => {
    const tied = ndArray([1, 5], (_, j) => [1, 4, 2, 4, 4][j])
    await expectGraph(
      (g, v) => g.argMax(v, 1),
      [tied],
      ndArray([1, 1], () => 1, 'int64'),
    )
  })

  test('sumAfter leaves each element itself out', async () => {
    const after = ndArray([3, 4], (i, j) => sum(4, (k) => (k > j ? at(x, i, k) : 0)))
    await expectGraph((g, v) => g.sumAfter(v, 1), [x], after, SUM_TOLERANCE)
    const below = ndArray([3, 4], (i, j) => sum(3, (k) => (k > i ? at(x, k, j) : 0)))
    await expectGraph((g, v) => g.sumAfter(v, 0), [x], below, SUM_TOLERANCE)
    await expectGraph((g, v) => g.sumAfter(v, 1), [numbers(0, 4)], numbers(0, 4))
  })
})
