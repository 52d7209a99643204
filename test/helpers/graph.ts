/** Runs small graphs on ONNX Runtime, and the arrays that they are compared with. */
import { Tensor } from 'onnxruntime-common'
import { expect } from 'vitest'
import { Graph, type Value } from '../../src/onnx/graph.js'
import type { ElementType } from '../../src/onnx/proto.js'
import { nodeRuntime } from '../../src/runtime/node.js'
import type { Session } from '../../src/runtime/runtime.js'

/** One thread: the graphs are small, and results do not depend on the machine. */
export const runtime = nodeRuntime({ threads: 1 })

/** An array of any rank, row-major; booleans are 0 and 1. */
export interface NdArray {
  readonly type: ElementType
  readonly dims: readonly number[]
  readonly data: readonly number[]
}

/** The array with `value(i, j, ...)` at `[i, j, ...]`. */
export function ndArray(
  dims: readonly number[],
  value: (...index: number[]) => number,
  type: ElementType = 'float32',
): NdArray {
  const size = dims.reduce((a, b) => a * b, 1)
  const data = Array.from({ length: size }, (_, flat) => {
    const index: number[] = []
    for (let axis = dims.length - 1, rest = flat; axis >= 0; axis--) {
      index.unshift(rest % dims[axis])
      rest = Math.floor(rest / dims[axis])
    }
    const found = value(...index)
    return type === 'float32' ? Math.fround(found) : found
  })
  return { type, dims, data }
}

/** The element at an index, with numpy's broadcasting: missing leading axes and axes of size 1 repeat. */
export function at({ dims, data }: NdArray, ...index: number[]): number {
  const own = index.slice(index.length - dims.length)
  return data[dims.reduce((flat, size, axis) => flat * size + (size === 1 ? 0 : own[axis]), 0)]
}

/** The dimensions of the broadcast of two arrays. */
export function broadcast(a: NdArray, b: NdArray): number[] {
  const rank = Math.max(a.dims.length, b.dims.length)
  const size = (x: NdArray, axis: number) => x.dims[axis - rank + x.dims.length] ?? 1
  return Array.from({ length: rank }, (_, axis) => (size(a, axis) === 1 ? size(b, axis) : size(a, axis)))
}

/** A scrambled but fixed array of numbers from -3 to 3. */
export function numbers(...dims: number[]): NdArray {
  let state = dims.reduce((sum, size) => sum * 31 + size, 7)
  return ndArray(dims, () => {
    state = (state * 1103515245 + 12345) % 2147483648
    return (state / 2147483648) * 6 - 3
  })
}

export function tensorOf({ type, dims, data }: NdArray): Tensor {
  switch (type) {
    case 'float32':
      return new Tensor(type, Float32Array.from(data), dims)
    case 'int32':
      return new Tensor(type, Int32Array.from(data), dims)
    case 'int64':
      return new Tensor(type, BigInt64Array.from(data, BigInt), dims)
    case 'bool':
      return new Tensor(type, Uint8Array.from(data), dims)
    default:
      throw new Error(`tensorOf: ${type satisfies never}`)
  }
}

export function arrayOf(tensor: Tensor): NdArray {
  const data = Array.from(tensor.data as ArrayLike<number | bigint>, Number)
  return { type: tensor.type as ElementType, dims: tensor.dims, data }
}

/** The same type and dimensions, and no element further off than `tolerance * max(1, |expected|)`. */
export function expectArray(got: NdArray, expected: NdArray, tolerance: number): void {
  expect({ type: got.type, dims: got.dims }).toEqual({ type: expected.type, dims: [...expected.dims] })
  const off = expected.data.findIndex((value, i) => {
    const difference = Math.abs(got.data[i] - value)
    return !(Object.is(got.data[i], value) || difference <= tolerance * Math.max(1, Math.abs(value)))
  })
  if (off >= 0) expect.fail(`element ${off}: expected ${expected.data[off]}, got ${got.data[off]}`)
}

type Build = (g: Graph, ...inputs: Value[]) => Value

/** A session of `y = build(inputs)`: inputs are called x0, x1... */
export function session(
  build: Build,
  inputs: readonly { readonly type: ElementType; readonly dims: readonly (number | string)[] }[],
  output: { readonly type: ElementType; readonly dims: readonly (number | string)[] },
): Promise<Session> {
  const g = new Graph('test graph')
  const values = inputs.map(({ type, dims }, i) => g.input(`x${i}`, type, dims))
  g.output('y', build(g, ...values), output.type, output.dims)
  return runtime.createSession(g.build())
}

export async function run(made: Session, inputs: readonly NdArray[]): Promise<NdArray> {
  const feeds = Object.fromEntries(inputs.map((input, i) => [`x${i}`, tensorOf(input)]))
  return arrayOf((await made.run(feeds, ['y'])).y)
}

/** `build` of `inputs` is `expected`, both with sizes fixed in the graph and with sizes that it sees when it runs. */
export async function expectGraph(
  build: Build,
  inputs: readonly NdArray[],
  expected: NdArray,
  tolerance = 0,
): Promise<void> {
  const symbolic = ({ type, dims }: NdArray, name: string) => ({ type, dims: dims.map((_, i) => name + i) })
  const fixed = await session(build, inputs, expected)
  const open = await session(
    build,
    inputs.map((input, i) => symbolic(input, `x${i}_`)),
    symbolic(expected, 'y'),
  )
  for (const made of [fixed, open]) {
    expectArray(await run(made, inputs), expected, tolerance)
    await made.release()
  }
}
