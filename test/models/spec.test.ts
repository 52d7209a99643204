/** What every family has from its description: tensors, costs, memory of the weights. */
import { Tensor } from 'onnxruntime-common'
import { describe, expect, test } from 'vitest'
import { ARCHITECTURES, openModel } from '../../src/models/registry.js'
import type { Tensors } from '../../src/runtime/runtime.js'
import { referenceCheckpoint } from '../helpers/checkpoint.js'
import { maxDifference } from '../helpers/numbers.js'
import { runtime } from '../knockout/sweep-helpers.js'
import { MODELS } from '../reference/families.js'

/** Absolute, on values of about 1: packed weights add float32 terms in another order. */
const PACKING_TOLERANCE = 2e-5

/** Models whose layers are not alike: scores scaled by the layer's number, windows in some layers. */
const UNLIKE: readonly string[] = ['gpt2 with other options', 'qwen2']

const OUTPUTS = ['nextBase', 'nextRuns']

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

describe.each(MODELS)('%s', (name, model) => {
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

  /** The spec, and the memory that tensors were read into, layer by layer. */
  function watched(): { spec: typeof spec; used: ArrayBufferLike[] } {
    const used: ArrayBufferLike[] = []
    const watching = openModel({
      ...checkpoint,
      tensor: (name, shape, into) => {
        used.push(into!.buffer)
        return checkpoint.tensor(name, shape, into)
      },
    })
    return { spec: watching, used }
  }

  test("a layer's weights lie where those of a layer before lay that are free", async () => {
    const { spec: watching, used } = watched()
    const first = await watching.layer(0, 'last')
    const second = await watching.layer(1, 'last')
    expect(new Set(used).size).toBe(2)
    const [memory] = used
    expect(memory!.byteLength).toBe(spec.costs.layerBytes)
    first.loan!.giveBack(first.loan!.memory)
    used.length = 0
    await watching.layer(1, 'suffix', 'inputs')
    expect(new Set(used)).toEqual(new Set([memory]))
    second.loan!.giveBack(second.loan!.memory)
  })

  test('a tensor that cannot be read: the error comes when nothing is read any more, and the memory is free', async () => {
    let reading = 0
    let fails = true
    const memory = new Set<ArrayBufferLike>()
    const damaged = openModel({
      ...checkpoint,
      tensor: async (name, shape, into) => {
        memory.add(into!.buffer)
        reading++
        const own = reading
        await new Promise((resolve) => setTimeout(resolve, 3 * own))
        if (fails && own === 1) {
          reading--
          throw new Error(`${name} is damaged`)
        }
        const values = await checkpoint.tensor(name, shape, into)
        reading--
        return values
      },
    })
    await expect(damaged.layer(0, 'last')).rejects.toThrow('is damaged')
    expect(reading).toBe(0)
    fails = false
    await damaged.layer(0, 'last')
    expect(memory.size).toBe(1)
  })

  test('a session needs nothing of constants when it is there', async () => {
    const graph = await spec.layer(0, 'last')
    const session = await runtime.createSession(graph)
    for (const { data } of graph.externalData) data.fill(255) // NaN
    const { nextBase } = await session.run(lastTokenFeeds(spec.dModel), ['nextBase'])
    for (const value of nextBase!.data as Float32Array) expect(value).not.toBeNaN()
    await session.release()
  })

  test('weights as inputs give what constants give; like layers are then the same graph', async () => {
    const feeds = lastTokenFeeds(spec.dModel)
    const graphs = [await spec.layer(0, 'last', 'inputs'), await spec.layer(1, 'last', 'inputs')]
    expect(Buffer.compare(graphs[0]!.bytes, graphs[1]!.bytes) === 0).toBe(!UNLIKE.includes(name))
    // Both are there at once, on one session underneath.
    const sessions = await Promise.all(graphs.map((graph) => runtime.createSession(graph)))
    for (const [layer, session] of sessions.entries()) {
      const constants = await runtime.createSession(await spec.layer(layer, 'last'))
      const [got, expected] = [await session.run(feeds, OUTPUTS), await constants.run(feeds, OUTPUTS)]
      for (const output of OUTPUTS) {
        const difference = maxDifference(
          Array.from(got[output]!.data as Float32Array),
          Array.from(expected[output]!.data as Float32Array),
        )
        expect(difference).toBeLessThanOrEqual(PACKING_TOLERANCE)
      }
      await constants.release()
    }
    for (const session of sessions) await session.release()
  })
})
