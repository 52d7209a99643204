/** How fast this machine multiplies matrices, now. */
import { Tensor } from 'onnxruntime-common'
import { Graph } from '../onnx/graph.js'
import type { Runtime } from './runtime.js'

const ROWS = 512
const WIDTH = 1024
/** Milliseconds that are measured. */
const MEASURED = 150

/** Floating point operations a second of a product of `[512, 1024]` with a weight of `[1024, 1024]`. */
export async function speedOf(runtime: Runtime): Promise<number> {
  const g = new Graph('speed')
  // Little goes in and out: only the product counts.
  const x = g.op('Expand', [g.input('row', 'float32', [WIDTH]), g.ints(ROWS, WIDTH)])
  const weight = g.constant('weight', new Float32Array(WIDTH * WIDTH).fill(1e-3), [WIDTH, WIDTH])
  g.output('y', g.reduceMax(g.linear(x, weight), 0), 'float32', [1, WIDTH])
  const session = await runtime.createSession(g.build())
  try {
    const feeds = { row: new Tensor('float32', new Float32Array(WIDTH).fill(1), [WIDTH]) }
    await session.run(feeds, ['y'])
    let best = Number.POSITIVE_INFINITY
    const begin = performance.now()
    while (performance.now() - begin < MEASURED) {
      const start = performance.now()
      await session.run(feeds, ['y'])
      best = Math.min(best, performance.now() - start)
    }
    return (2 * ROWS * WIDTH * WIDTH) / (best / 1000)
  } finally {
    await session.release()
  }
}
