/** The runtime of Node: what it accepts, what it says of itself, and what it says when ONNX Runtime fails. */
import { readdirSync } from 'node:fs'
import os from 'node:os'
import process from 'node:process'
import { Worker } from 'node:worker_threads'
import { env } from 'onnxruntime-node'
import { describe, expect, test } from 'vitest'
import { InputError } from '../../src/errors.js'
import { Graph, type OnnxModel, type WeightForm } from '../../src/onnx/graph.js'
import { nodeRuntime } from '../../src/runtime/node.js'
import { linkTo } from '../../src/runtime/node-thread.js'
import { ThreadPool } from '../../src/runtime/thread-pool.js'
import { inputError } from '../checkpoints/helpers.js'
import { ndArray, numbers, tensorOf } from '../helpers/graph.js'

/** y `[rows, 2]` = x `[rows, 3]` W. */
function product(name = 'product'): OnnxModel {
  const g = new Graph(name)
  const x = g.input('x', 'float32', ['rows', 3])
  g.output('y', g.matMul(x, g.constant('W', Float32Array.of(1, 2, 3, 4, 5, 6), [3, 2])), 'float32', [
    'rows',
    2,
  ])
  return g.build()
}

test("ONNX Runtime's telemetry is off, unless the user has decided otherwise", () => {
  const before = process.env.ORT_DISABLE_TELEMETRY
  try {
    delete process.env.ORT_DISABLE_TELEMETRY
    nodeRuntime()
    expect(process.env.ORT_DISABLE_TELEMETRY).toBe('1')
    process.env.ORT_DISABLE_TELEMETRY = '0'
    nodeRuntime()
    expect(process.env.ORT_DISABLE_TELEMETRY).toBe('0')
  } finally {
    process.env.ORT_DISABLE_TELEMETRY = before ?? '1'
  }
})

describe('threads', () => {
  test.each([
    [0, '0'],
    [-1, '-1'],
    [1.5, '1.5'],
    [Number.NaN, 'NaN'],
    [Number.POSITIVE_INFINITY, 'Infinity'],
  ])('%d is refused', async (threads, got) => {
    expect(await inputError(() => nodeRuntime({ threads }))).toBe(
      `threads: must be a whole number above 0, got ${got}; leave it out for all processors`,
    )
  })

  test.each([1, 2])('%i: the same numbers', async (threads) => {
    const session = await nodeRuntime({ threads }).createSession(product())
    const x = ndArray([2, 3], (i, j) => i + j)
    const { y } = await session.run({ x: tensorOf(x) }, ['y'])
    // [0, 1, 2] W and [1, 2, 3] W
    expect({ dims: y.dims, data: Array.from(y.data as Float32Array) }).toEqual({
      dims: [2, 2],
      data: [13, 16, 22, 28],
    })
    await session.release()
  })
})

test.skipIf(process.platform !== 'linux')('a session has as many threads as it is given', async () => {
  const running = () => readdirSync('/proc/self/task').length
  const added = async (threads: number, lane?: number): Promise<number> => {
    const runtime = nodeRuntime({ threads })
    const first = await runtime.createSession(product(), lane) // what starts at first use
    const before = running()
    const session = await runtime.createSession(product(), lane)
    const after = running()
    await session.release()
    await first.release()
    return after - before
  }
  // The thread that runs it is one of them. With nine there are four lanes, the first of three; a session without a lane has all.
  expect([await added(1), await added(9), await added(9, 0)]).toEqual([0, 8, 2])
})

test('sessions of different lanes run at the same time, those of one lane in turn', async () => {
  const runtime = nodeRuntime({ threads: 2 })
  expect(runtime.lanes).toBe(2)
  const sessions = await Promise.all([0, 1, 1].map((lane) => runtime.createSession(product(), lane)))
  const x = tensorOf(ndArray([2, 3], (i, j) => i + j))
  const results = await Promise.all(
    sessions.flatMap((session) => [session, session]).map((session) => session.run({ x }, ['y'])),
  )
  for (const { y } of results) expect(Array.from(y.data as Float32Array)).toEqual([13, 16, 22, 28])
  await Promise.all(sessions.map((session) => session.release()))
})

test('a closed runtime has no threads left, and starts others when asked again', async () => {
  const runtime = nodeRuntime({ threads: 2 })
  const use = async (): Promise<void> => {
    const sessions = await Promise.all([0, 1].map((lane) => runtime.createSession(product(), lane)))
    const [{ y }] = await Promise.all(
      sessions.map((session) => session.run({ x: tensorOf(ndArray([1, 3], () => 1)) }, ['y'])),
    )
    expect(y.dims).toEqual([1, 2])
    await Promise.all(sessions.map((session) => session.release()))
    await runtime.close!()
  }
  await use()
  const before = process.report.getReport() as unknown as { workers: unknown[] }
  await use()
  const after = process.report.getReport() as unknown as { workers: unknown[] }
  expect(after.workers.length).toBe(before.workers.length)
})

test('sessions of a thread that has ended fail; new ones have a new thread', async () => {
  const runtime = nodeRuntime({ threads: 2 })
  const session = await runtime.createSession(product(), 1)
  await runtime.close!()
  const x = tensorOf(ndArray([1, 3], () => 1))
  await expect(session.run({ x }, ['y'])).rejects.toThrow('the computing thread was ended')
  const other = await runtime.createSession(product(), 1)
  expect((await other.run({ x }, ['y'])).y.dims).toEqual([1, 2])
  await other.release()
  await runtime.close!()
})

test('a thread whose memory runs out is an error that says so', async () => {
  const glutton = `require('node:worker_threads').parentPort.on('message', () => {
    const all = []
    for (;;) all.push(new Array(10_000).fill({}))
  })`
  const resourceLimits = { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 4 }
  const pool = new ThreadPool(1, (listener) =>
    linkTo(new Worker(glutton, { eval: true, resourceLimits }), listener),
  )
  const lost = pool.createSession(0, product(), 1)
  await expect(lost).rejects.toBeInstanceOf(InputError)
  await expect(lost).rejects.toThrow(
    /^memory: must suffice for a computing thread, got "ERR_WORKER_OUT_OF_MEMORY"; give factflow less/,
  )
  await pool.end()
})

test('what goes wrong in a thread is told as on this one', async () => {
  const runtime = nodeRuntime({ threads: 2 })
  const session = await runtime.createSession(product('layer 3 of m'), 1)
  const wrong = session.run({ x: tensorOf(ndArray([2, 7], () => 1)) }, ['y'])
  await expect(wrong).rejects.toThrow(/^ONNX Runtime could not run layer 3 of m with x float32\[2,7\]: ./)
  const broken: OnnxModel = { ...product('layer 4 of m'), bytes: new Uint8Array([1, 2, 3]) }
  await expect(runtime.createSession(broken, 0)).rejects.toThrow(
    /^ONNX Runtime does not accept layer 4 of m: ./,
  )
  await session.release()
})

test('the description: version, device, threads', () => {
  const version = env.versions.node
  expect(version).toMatch(/^\d+\.\d+\.\d+/)
  expect(nodeRuntime({ threads: 1 }).description).toBe(`ONNX Runtime ${version}, CPU, 1 thread`)
  expect(nodeRuntime({ threads: 3 }).description).toBe(`ONNX Runtime ${version}, CPU, 3 threads`)
  const all = os.availableParallelism()
  expect(nodeRuntime().description).toBe(`ONNX Runtime ${version}, CPU, ${all} thread${all === 1 ? '' : 's'}`)
})

test('free memory: bytes of this machine', () => {
  const free = nodeRuntime().freeMemory()
  expect(free).toBeGreaterThan(2 ** 20)
  expect(free).toBeLessThanOrEqual(os.totalmem())
})

describe('failures name the graph', () => {
  const runtime = nodeRuntime({ threads: 1 })

  test('a model that is none', async () => {
    const broken: OnnxModel = { ...product('layer 3 of m'), bytes: new Uint8Array([1, 2, 3]) }
    await expect(runtime.createSession(broken)).rejects.toThrow(
      /^ONNX Runtime does not accept layer 3 of m: ./,
    )
  })

  test('weights that are missing', async () => {
    const g = new Graph('layer 4 of m')
    g.output('y', g.constant('W', new Float32Array(1000)), 'float32', [1000])
    await expect(runtime.createSession({ ...g.build(), externalData: [] })).rejects.toThrow(
      /^ONNX Runtime does not accept layer 4 of m: ./,
    )
  })

  test.each([
    ['another size', { x: tensorOf(numbers(2, 4)) }, 'x float32[2,4]'],
    ['another rank', { x: tensorOf(numbers(3)) }, 'x float32[3]'],
    ['another type', { x: tensorOf(ndArray([2, 3], () => 1, 'int32')) }, 'x int32[2,3]'],
    ['another name', { z: tensorOf(numbers(2, 3)) }, 'z float32[2,3]'],
    [
      'another size, among others',
      { x: tensorOf(numbers(1, 4)), z: tensorOf(ndArray([0], () => 0, 'int64')) },
      'x float32[1,4], z int64[0]',
    ],
  ])('inputs of %s are listed with their types and sizes', async (_, feeds, given) => {
    const session = await runtime.createSession(product('head'))
    const failure = session.run(feeds, ['y'])
    await expect(failure).rejects.toThrow(`ONNX Runtime could not run head with ${given}: `)
    await expect(failure).rejects.toHaveProperty('cause')
    await session.release()
  })

  test('an output that there is not', async () => {
    const session = await runtime.createSession(product('head'))
    await expect(session.run({ x: tensorOf(numbers(1, 3)) }, ['logits'])).rejects.toThrow(
      /^ONNX Runtime could not run head with x float32\[1,3\]: .*logits/,
    )
    await session.release()
  })

  test('a session goes on after a failure, and no more after its release', async () => {
    const session = await runtime.createSession(product('head'))
    const feeds = { x: tensorOf(numbers(1, 3)) }
    await expect(session.run({ x: tensorOf(numbers(1, 4)) }, ['y'])).rejects.toThrow('could not run head')
    expect((await session.run(feeds, ['y'])).y.dims).toEqual([1, 2])
    await session.release()
    await expect(session.run(feeds, ['y'])).rejects.toThrow(
      /^ONNX Runtime could not run head with x float32\[1,3\]: ./,
    )
  })
})

describe.each([1, 2])('memory that is lent to a graph, %i thread(s)', (threads) => {
  const runtime = nodeRuntime({ threads })
  /** Values larger than what lies in the model itself. */
  const WIDTH = 300

  /** y = x w, w in memory that is lent; `returned` is what came back. */
  function lent(
    form: WeightForm,
    value: number,
    broken = false,
  ): { model: OnnxModel; returned: ArrayBuffer[] } {
    const returned: ArrayBuffer[] = []
    const memory = new ArrayBuffer(4 * WIDTH)
    const g = new Graph('lent')
    const x = g.input('x', 'float32', ['n', WIDTH])
    const w = g.constant('w', new Float32Array(memory).fill(value))
    g.output('y', broken ? g.op('NoSuchOperator', [x, w]) : g.mul(x, w), 'float32', ['n', WIDTH])
    const giveBack = (back: ArrayBuffer) => returned.push(back)
    return { model: { ...g.build(form), loan: { memory, giveBack } }, returned }
  }

  const ones = () => ({ x: tensorOf(ndArray([1, WIDTH], () => 1)) })
  const isWhole = (returned: readonly ArrayBuffer[]) =>
    expect(returned.map(({ byteLength }) => byteLength)).toEqual([4 * WIDTH])

  test('constants: it comes back when the session is there', async () => {
    const { model, returned } = lent('constants', 3)
    const session = await runtime.createSession(model, 0)
    isWhole(returned)
    new Float32Array(returned[0]!).fill(Number.NaN)
    const { y } = await session.run(ones(), ['y'])
    expect((y!.data as Float32Array)[7]).toBe(3)
    await session.release()
    expect(returned.length).toBe(1)
  })

  test('inputs: it comes back when the session is released, and is used until then', async () => {
    const [a, b] = [lent('inputs', 3), lent('inputs', 5)]
    const first = await runtime.createSession(a.model, 0)
    const second = await runtime.createSession(b.model, 0)
    expect(a.returned).toEqual([])
    for (const [session, value] of [
      [second, 5],
      [first, 3],
      [second, 5],
    ] as const) {
      const { y } = await session.run(ones(), ['y'])
      expect((y!.data as Float32Array)[WIDTH - 1]).toBe(value)
    }
    await first.release()
    isWhole(a.returned)
    expect(b.returned).toEqual([])
    await second.release()
    isWhole(b.returned)
  })

  test.each(['constants', 'inputs'] as const)(
    '%s: it comes back when there can be no session',
    async (form) => {
      const { model, returned } = lent(form, 3, true)
      await expect(runtime.createSession(model, 0)).rejects.toThrow('ONNX Runtime does not accept lent')
      isWhole(returned)
    },
  )
})
