/** Timing of graphs on a device: their inputs are made there, and the device has finished when the clock stops. */
import { Tensor } from 'onnxruntime-common'
import { Graph, type GraphTarget, type Value } from '../../src/onnx/graph.js'
import type { Runtime } from '../../src/runtime/runtime.js'

const RUNS = 6

type Inputs = Readonly<Record<string, Value>>

/**
 * Milliseconds that `build` takes: of RUNS runs the mean of the faster half. Inputs are small numbers, a row each that
 * the graph repeats to their shape. A run does `times` times what `build` does, so that what it costs besides counts for
 * little, and gives one number back.
 */
export async function timed(
  runtime: Runtime,
  target: GraphTarget,
  inputs: Readonly<Record<string, readonly number[]>>,
  build: (g: Graph, inputs: Inputs) => Value,
  times: number,
): Promise<number> {
  const g = new Graph('measured', undefined, target)
  const rows: Record<string, Tensor> = {}
  const values: Record<string, Value> = {}
  for (const [name, shape] of Object.entries(inputs)) {
    const width = shape.at(-1)!
    const row = Float32Array.from({ length: width }, (_, i) => ((i * 7919) % 101) / 1010)
    rows[name] = new Tensor('float32', row, [width])
    values[name] = g.op('Expand', [g.input(name, 'float32', [width]), g.ints(...shape)])
  }
  // Each repetition reads what the one before gave, if only as a zero, so that none is left out as a copy of another.
  const changed = Object.keys(inputs)[0]!
  let last: Value | undefined
  for (let i = 0; i < times; i++) {
    const before = last && g.mul(last, g.scalar(0))
    const y = build(g, before ? { ...values, [changed]: g.add(values[changed]!, before) } : values)
    last = g.slice(g.reshape(y, -1), g.ints(0), g.ints(1), 0)
  }
  g.output('y', last!, 'float32', [1])
  const session = await runtime.createSession(g.build())
  const all: number[] = []
  for (let i = 0; i <= RUNS; i++) {
    const begin = performance.now()
    await session.run(rows, ['y'])
    if (i > 0) all.push((performance.now() - begin) / times)
  }
  await session.release()
  const best = all.sort((a, b) => a - b).slice(0, RUNS / 2)
  return best.reduce((a, b) => a + b, 0) / best.length
}
