/** Loops of a graph on ONNX Runtime, against plain loops. */
import fc from 'fast-check'
import { afterAll, beforeAll, describe, test } from 'vitest'
import type { Graph, Value } from '../../src/onnx/graph.js'
import type { Session } from '../../src/runtime/runtime.js'
import {
  at,
  expectArray,
  expectGraph,
  type NdArray,
  ndArray,
  numbers,
  run,
  session,
} from '../helpers/graph.js'

/** Relative, above 1 and absolute, below: a few float32 operations a step; measured 3e-7. */
const STEP_TOLERANCE = 1e-6

describe('scan', () => {
  /** Outputs `[B, T, M]` of `step` from the state `[B, M]`, for one number at a time. */
  function expected(
    initial: NdArray,
    inputs: NdArray[],
    step: (state: number, slices: number[]) => { state: number; output: number },
  ): NdArray {
    const [rows, steps, width] = inputs[0].dims
    const outputs = new Map<string, number>()
    for (let b = 0; b < rows; b++) {
      for (let m = 0; m < width; m++) {
        let state = at(initial, b, m)
        for (let t = 0; t < steps; t++) {
          const now = step(
            state,
            inputs.map((input) => at(input, b, t, m)),
          )
          outputs.set(`${b} ${t} ${m}`, now.output)
          state = now.state
        }
      }
    }
    return ndArray([rows, steps, width], (...index) => outputs.get(index.join(' '))!)
  }

  test.each([
    [2, 4, 3],
    [1, 1, 1],
    [3, 1, 2],
    [1, 9, 2],
  ])('state and output of two inputs: [%i, %i, %i]', async (rows, steps, width) => {
    const initial = numbers(rows, width)
    const [a, b] = [numbers(rows, steps, width), ndArray([rows, steps, width], (...i) => i[1] - i[0] / 2)]
    await expectGraph(
      (g, s, x, y) =>
        g.scan(s, [x, y], (body, state, [u, v]) => {
          const next = body.add(body.mul(state, body.scalar(0.5)), u)
          return { state: next, output: body.mul(next, v) }
        }),
      [initial, a, b],
      expected(initial, [a, b], (state, [u, v]) => {
        const next = 0.5 * state + u
        return { state: next, output: next * v }
      }),
      STEP_TOLERANCE,
    )
  })

  const initial = numbers(2, 3)
  const x = numbers(2, 4, 3)
  test.each<
    [
      string,
      (g: Graph, state: Value, x: Value) => { state: Value; output: Value },
      (state: number, x: number) => { state: number; output: number },
    ]
  >([
    [
      'the next state is also the output',
      (g, state, v) => {
        const next = g.add(state, v)
        return { state: next, output: next }
      },
      (state, v) => ({ state: state + v, output: state + v }),
    ],
    [
      'the state stays',
      (g, state, v) => ({ state, output: g.add(state, v) }),
      (state, v) => ({ state, output: state + v }),
    ],
    [
      'the output is the state before',
      (g, state, v) => ({ state: g.add(state, v), output: state }),
      (state, v) => ({ state: state + v, output: state }),
    ],
    [
      'the next state is the input',
      (g, state, v) => ({ state: v, output: g.sub(v, state) }),
      (state, v) => ({ state: v, output: v - state }),
    ],
    [
      'nothing is computed',
      (_, state, v) => ({ state: v, output: state }),
      (state, v) => ({ state: v, output: state }),
    ],
  ])('%s', async (_, body, step) => {
    await expectGraph(
      (g, s, v) => g.scan(s, [v], (inner, state, [slice]) => body(inner, state, slice)),
      [initial, x],
      expected(initial, [x], (state, [slice]) => step(state, slice)),
      STEP_TOLERANCE,
    )
  })

  test("sees the parent's values; its constants lie in the parent", async () => {
    await expectGraph(
      (g, s, v) => {
        const doubled = g.mul(v, g.scalar(2))
        const first = g.squeeze(g.slice(doubled, g.ints(0), g.ints(1), 1), 1)
        return g.scan(s, [v], (body, state, [slice]) => ({
          state: body.add(state, first),
          output: body.add(state, body.mul(slice, body.constant('w', Float32Array.of(1, 2, 3)))),
        }))
      },
      [initial, x],
      ndArray([2, 4, 3], (b, t, m) => at(initial, b, m) + t * 2 * at(x, b, 0, m) + at(x, b, t, m) * (m + 1)),
      STEP_TOLERANCE,
    )
  })
})

describe('forEach', () => {
  const x = numbers(3, 2, 4)

  test('slices of several types, one after the other', async () => {
    const table = numbers(5, 4)
    const rows = ndArray([3, 2], (i, j) => (2 * i + j) % 5, 'int32')
    const signs = ndArray([3], (i) => i % 2, 'bool')
    await expectGraph(
      (g, v, t, i, s) =>
        g.forEach(
          [
            { value: v, type: 'float32' },
            { value: i, type: 'int32' },
            { value: s, type: 'bool' },
          ],
          (body, [slice, index, sign]) =>
            body.where(sign, body.add(slice, body.gather(t, index)), body.sub(slice, body.gather(t, index))),
        ),
      [x, table, rows, signs],
      ndArray(
        [3, 2, 4],
        (i, j, k) => at(x, i, j, k) + (at(signs, i) ? 1 : -1) * at(table, at(rows, i, j), k),
      ),
      STEP_TOLERANCE,
    )
  })

  test.each<[string, (g: Graph, slice: Value, outer: Value) => Value, NdArray]>([
    ['the slice itself', (_, slice) => slice, x],
    ["a value of the parent's", (_, _slice, outer) => outer, ndArray([3, 5], (_, j) => at(numbers(5), j))],
    ['a constant', (g) => g.constant('c', Float32Array.of(1, 2)), ndArray([3, 2], (_, j) => j + 1)],
    ['a scalar', (g) => g.scalar(7), ndArray([3], () => 7)],
  ])('gives back %s', async (_, body, expected) => {
    await expectGraph(
      (g, v, outer) =>
        g.forEach([{ value: v, type: 'float32' }], (each, [slice]) => body(each, slice, outer)),
      [x, numbers(5)],
      expected,
    )
  })

  test('nested, with a scan inside', async () => {
    // Running sums over the last axis but one, shifted by a number of the outer loop's slice.
    const shift = numbers(3)
    const sums = ndArray([3, 2, 4], (i, j, k) => {
      let sum = at(shift, i)
      for (let t = 0; t <= j; t++) sum += at(x, i, t, k)
      return sum
    })
    await expectGraph(
      (g, v, s) =>
        g.forEach(
          [
            { value: v, type: 'float32' },
            { value: s, type: 'float32' },
          ],
          (each, [slice, own]) => {
            const zero = each.op('Expand', [own, each.ints(1, 4)])
            const scanned = each.scan(zero, [each.unsqueeze(slice, 0)], (body, state, [row]) => {
              const next = body.add(state, row)
              return { state: next, output: next }
            })
            return each.forEach([{ value: each.squeeze(scanned, 0), type: 'float32' }], (inner, [row]) =>
              inner.mul(row, inner.scalar(1)),
            )
          },
        ),
      [x, shift],
      sums,
      STEP_TOLERANCE,
    )
  })
})

test('either computes one of two branches, which see the values of the graph', async () => {
  const x = numbers(3, 2)
  for (const length of [2, 3]) {
    const y = numbers(length)
    await expectGraph(
      (g, v, w) =>
        g.either(
          g.less(g.ints(2), g.shape(w, 0, 1)),
          (long) => long.mul(v, long.scalar(2)),
          // A branch gives back a value of the graph as it is, too.
          () => v,
        ),
      [x, y],
      ndArray([3, 2], (i, j) => (length > 2 ? 2 : 1) * at(x, i, j)),
    )
  }
})

describe('blocks', () => {
  const WIDTH = 3
  const TABLE = numbers(4, WIDTH)
  const sessions = new Map<number, Session>()

  /** Per row: the row plus a row of a table, the number of rows in its block, and a number that no row of zeros has. */
  beforeAll(async () => {
    for (const rows of [1, 2, 3, 4, 8, 100]) {
      const made = await session(
        (g, x, index, flag) => {
          const table = g.constant('table', Float32Array.from(TABLE.data), TABLE.dims)
          return g.blocks(
            rows,
            [
              { value: x, type: 'float32' },
              { value: index, type: 'int32' },
              { value: flag, type: 'bool' },
            ],
            (block, [values, picked, flags]) => {
              const sum = block.add(values, block.gather(table, picked))
              const size = block.cast(block.shape(values, 0, 1), 'float32')
              const column = block.unsqueeze(block.cast(flags, 'float32'), 1)
              const inverse = block.div(block.scalar(1), column) // infinite in rows of zeros
              return block.concat(1, sum, block.mul(block.mul(size, column), inverse))
            },
          )
        },
        [
          { type: 'float32', dims: ['n', WIDTH] },
          { type: 'int32', dims: ['n'] },
          { type: 'bool', dims: ['n'] },
        ],
        { type: 'float32', dims: ['n', WIDTH + 1] },
      )
      sessions.set(rows, made)
    }
  })
  afterAll(async () => {
    for (const made of sessions.values()) await made.release()
  })

  async function check(rows: number, x: NdArray, index: NdArray): Promise<void> {
    const n = x.dims[0]
    const flags = ndArray([n], () => 1, 'bool')
    // As few blocks as can be, and as equal as can be.
    const blocks = Math.ceil(n / rows)
    const size = Math.ceil(n / blocks)
    const expected = ndArray([n, WIDTH + 1], (i, j) =>
      j < WIDTH ? at(x, i, j) + at(TABLE, at(index, i), j) : size,
    )
    expectArray(await run(sessions.get(rows)!, [x, index, flags]), expected, STEP_TOLERANCE)
  }

  const indices = (n: number): NdArray => ndArray([n], (i) => (7 * i) % 4, 'int32')

  test.each([0, 1, 7, 8, 9, 15, 16, 17, 1000])('%i rows in blocks of 8', async (n) => {
    await check(8, numbers(n, WIDTH), indices(n))
  })

  test('any number of rows in blocks of any size', async () => {
    const values = fc.float({ noNaN: true, min: -1e3, max: 1e3 })
    const row = fc.record({ values: fc.tuple(values, values, values), pick: fc.nat(3) })
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...[1, 2, 3, 4, 8, 100]),
        fc.array(row, { maxLength: 60 }),
        async (rows, input) => {
          const n = input.length
          await check(
            rows,
            ndArray([n, WIDTH], (i, j) => input[i].values[j]),
            ndArray([n], (i) => input[i].pick, 'int32'),
          )
        },
      ),
    )
  })

  test('rows of any rank in, rows of another rank out', async () => {
    const x = numbers(5, 2, 3)
    const y = ndArray([5, 1], (i) => i, 'int64')
    await expectGraph(
      (g, v, w) =>
        g.blocks(
          2,
          [
            { value: v, type: 'float32' },
            { value: w, type: 'int64' },
          ],
          (block, [a, b]) => {
            const sum = block.squeeze(block.reduceSum(a, 1), 1)
            return block.unsqueeze(block.add(sum, block.cast(b, 'float32')), 1, 3)
          },
        ),
      [x, y],
      ndArray([5, 1, 3, 1], (i, _, k) => at(x, i, 0, k) + at(x, i, 1, k) + i),
      STEP_TOLERANCE,
    )
  })

  test('rows go through a block as they are', async () => {
    const x = numbers(5, 2)
    await expectGraph((g, v) => g.blocks(2, [{ value: v, type: 'float32' }], (_, [rows]) => rows), [x], x)
  })
})
