/** What the machine does at most: matrix products by themselves, and memory that is read once. */
import { Tensor } from 'onnxruntime-common'
import type { ConfigSource } from '../src/models/architecture.js'
import { architectureOf } from '../src/models/registry.js'
import { Graph } from '../src/onnx/graph.js'
import type { Runtime, Session } from '../src/runtime/runtime.js'

/** Milliseconds of the fastest of `repeats` runs, after one to warm up. */
export async function fastest(repeats: number, run: () => Promise<unknown>): Promise<number> {
  await run()
  let best = Number.POSITIVE_INFINITY
  for (let i = 0; i < repeats; i++) {
    const begin = performance.now()
    await run()
    best = Math.min(best, performance.now() - begin)
  }
  return best
}

/**
 * A session that multiplies `[rows, inputs] x [outputs, inputs]^T`. Its rows are one row of numbers, repeated in the
 * graph, and it gives one number back: nothing but the product counts.
 */
function product(
  runtime: Runtime,
  rows: number,
  outputs: number,
  inputs: number,
  lane?: number,
): Promise<Session> {
  const g = new Graph('matrix product')
  const x = g.op('Expand', [g.input('x', 'float32', [inputs]), g.ints(rows, inputs)])
  const w = g.constant('w', new Float32Array(outputs * inputs).fill(0.01), [outputs, inputs])
  const y = g.reshape(g.linear(x, w), -1)
  g.output('y', g.slice(y, g.ints(0), g.ints(1), 0), 'float32', [1])
  return runtime.createSession(g.build(), lane)
}

/** The shapes of the matrices of a model's first layer. */
export function layerMatrices(source: ConfigSource): [outputs: number, inputs: number][] {
  const tensors = architectureOf(source).describe(source).layerTensors(0)
  return Object.entries(tensors).flatMap(([name, shape]): [number, number][] =>
    shape.length === 2 && name.endsWith('weight') ? [[shape[0]!, shape[1]!]] : [],
  )
}

const REPEATS = 20
const row = (inputs: number): Tensor => new Tensor('float32', new Float32Array(inputs).fill(0.5), [inputs])

/**
 * FLOP/s of ONNX Runtime's matrix products alone, `[rows, inputs] x [outputs, inputs]^T` for each shape in turn: the
 * better of one at a time on all threads, and one in each lane at the same time.
 */
export async function matrixRate(
  runtime: Runtime,
  rows: number,
  shapes: readonly (readonly [outputs: number, inputs: number])[],
  repeats = REPEATS,
): Promise<number> {
  const flops = shapes.reduce((sum, [outputs, inputs]) => sum + 2 * rows * outputs * inputs, 0)
  const feeds = shapes.map(([, inputs]) => ({ x: row(inputs) }))
  let best = 0
  const every = Array.from({ length: runtime.lanes }, (_, lane) => lane)
  for (const lanes of [[undefined], every]) {
    const sessions = await Promise.all(
      lanes.map((lane) =>
        Promise.all(shapes.map(([outputs, inputs]) => product(runtime, rows, outputs, inputs, lane))),
      ),
    )
    const ms = await fastest(repeats, () =>
      Promise.all(
        sessions.map(async (own) => {
          for (const [i, session] of own.entries()) await session.run(feeds[i]!, ['y'])
        }),
      ),
    )
    best = Math.max(best, (lanes.length * flops * 1000) / ms)
    for (const session of sessions.flat()) await session.release()
  }
  return best
}

/** A matrix beyond any cache: 256 MiB. */
const WIDE = [16_384, 4096] as const

/** Bytes per second at which a matrix is read that meets one row alone. */
export async function memoryRate(runtime: Runtime): Promise<number> {
  const [outputs, inputs] = WIDE
  const session = await product(runtime, 1, outputs, inputs)
  const x = row(inputs)
  const ms = await fastest(REPEATS, () => session.run({ x }, ['y']))
  await session.release()
  return (4 * outputs * inputs * 1000) / ms
}
