/** What every family has from its description: tensors, costs, memory of the weights. */
import { Tensor } from 'onnxruntime-common'
import { describe, expect, test } from 'vitest'
import { ARCHITECTURES, openModel } from '../../src/models/registry.js'
import type { Tensors } from '../../src/runtime/runtime.js'
import { referenceCheckpoint } from '../helpers/checkpoint.js'
import { runtime } from '../knockout/sweep-helpers.js'
import { MODELS } from '../reference/families.js'

const values = (shapes: Iterable<readonly number[]>): number =>
  Array.from(shapes).reduce((sum, shape) => sum + shape.reduce((a, b) => a * b, 1), 0)

/** One prompt of three tokens, and one run of its last. */
function lastTokenFeeds(dModel: number): Tensors {
  const floats = (dims: number[], value: (i: number) => number): Tensor =>
    new Tensor(
      'float32',
      Float32Array.from({ length: values([dims]) }, (_, i) => value(i)),
      dims,
    )
  const ints = (...data: number[]): Int32Array => Int32Array.from(data)
  return {
    base: floats([3, dModel], (i) => Math.sin(i)),
    runs: floats([0, dModel], () => 0),
    newRows: new Tensor('int32', ints(2), [1]),
    contexts: new Tensor('int32', ints(0), [1]),
    start: new Tensor('int32', ints(2), [1]),
    keep: floats([1, 1, 3], (i) => (i < 2 ? 1 : 0)),
    keepFeatures: new Tensor('int32', ints(0), [1, 1]),
    runSet: new Tensor('int32', ints(0), [1]),
    runKeep: floats([1, 1], () => 1),
  }
}

test('there is a model of each architecture', () => {
  const types = new Set(MODELS.map(([, model]) => referenceCheckpoint(model).config.model_type))
  expect([...types].sort()).toEqual(ARCHITECTURES.map(({ modelType }) => modelType).sort())
})

describe.each(MODELS)('%s', (_, model) => {
  const checkpoint = referenceCheckpoint(model)
  const spec = openModel(checkpoint)

  test('costs are those of the tensors that are there', () => {
    const inLayers = checkpoint.names().filter((name) => /\.\d+\./.test(name))
    const layer = inLayers.filter((name) => name.includes('.0.'))
    expect(spec.costs.layerBytes).toBe(4 * values(layer.map((name) => checkpoint.shape(name))))
    expect(spec.costs.headBytes).toBe(4 * spec.vocabSize * spec.dModel)
    const counted = spec.headParts.reduce((sum, { count }) => sum + count, 0)
    expect(counted).toBe(spec.vocabSize)
  })

  test("a layer's weights lie where those of the layer before lay", async () => {
    const used: ArrayBufferLike[][] = []
    const watched = openModel({
      ...checkpoint,
      tensor: (name, shape, into) => {
        used.at(-1)?.push(into!.buffer)
        return checkpoint.tensor(name, shape, into)
      },
    })
    for (const layer of [0, 1]) {
      used.push([])
      await watched.layer(layer, 'last')
    }
    const memory = new Set(used.flat())
    expect(used[1].length).toBeGreaterThan(0)
    expect(memory.size).toBe(1)
    expect([...memory][0].byteLength).toBe(watched.costs.layerBytes)
  })

  test('a session needs nothing of them when it is there', async () => {
    const graph = await spec.layer(0, 'last')
    const session = await runtime.createSession(graph)
    for (const { data } of graph.externalData) data.fill(255) // NaN
    const feeds = lastTokenFeeds(spec.dModel)
    const { nextBase } = await session.run(feeds, ['nextBase'])
    for (const value of nextBase.data as Float32Array) expect(value).not.toBeNaN()
    await session.release()
  })
})
