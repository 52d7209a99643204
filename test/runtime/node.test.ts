/** The runtime of Node: what it accepts, what it says of itself, and what it says when ONNX Runtime fails. */
import { readdirSync } from 'node:fs'
import os from 'node:os'
import process from 'node:process'
import { env } from 'onnxruntime-node'
import { describe, expect, test } from 'vitest'
import { Graph, type OnnxModel } from '../../src/onnx/graph.js'
import { nodeRuntime } from '../../src/runtime/node.js'
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
  const added = async (threads: number): Promise<number> => {
    const before = running()
    const session = await nodeRuntime({ threads }).createSession(product())
    const after = running()
    await session.release()
    return after - before
  }
  await added(1) // what Node itself starts at first use
  // The calling thread is one of them.
  expect([await added(1), await added(9)]).toEqual([0, 8])
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
