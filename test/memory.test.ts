/** How the memory is shared, as rules that hold for every model and memory. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { leastMemory, memoryForBatch, shareMemory, weightForm } from '../src/memory.js'
import type { ModelCosts } from '../src/models/architecture.js'
import { KNOWN_MODELS } from '../src/models/known.js'
import { architectureOf } from '../src/models/registry.js'
import { modelCosts } from '../src/models/spec.js'
import type { WeightForm } from '../src/onnx/graph.js'

const GB = 1e9
/** Sums of bytes in float64. */
const ROUNDING = 1 + 1e-12

const size = fc.integer({ min: 1, max: 1e9 })
const anyCosts: fc.Arbitrary<ModelCosts> = fc.record({
  layerBytes: size,
  headBytes: size,
  headPartBytes: size,
  rowBytes: size,
  promptBytes: size,
  setBytes: size,
  contextTokenBytes: size,
  pairBytes: size,
  pairTokens: fc.integer({ min: 1, max: 100 }),
  partBytes: size,
  crossBytes: size,
  fixedBytes: size,
  layerFlops: fc.constant(1),
  headFlops: fc.constant(1),
})
const anyModel = fc.record({ nLayers: fc.integer({ min: 1, max: 80 }), costs: anyCosts })
const anyRuntime = fc.record({
  lanes: fc.integer({ min: 1, max: 4 }),
  weights: fc.constantFrom<WeightForm>('inputs', 'constants'),
})
const LANES = 2
/** Memory in units of the least that the model runs in. */
const anyFactor = fc.double({ min: 1, max: 1000, noNaN: true })

const largest = ({ layerBytes, headPartBytes }: ModelCosts): number => Math.max(layerBytes, headPartBytes)

test('the shares, with every part that is there at the same time, are within the memory', () => {
  fc.assert(
    fc.property(anyModel, anyRuntime, anyFactor, (model, runtime, factor) => {
      const memory = factor * leastMemory(model, runtime.weights)
      const shares = shareMemory(model, memory, runtime.lanes, runtime.weights)
      const { nLayers, costs } = model
      const resident = nLayers * costs.layerBytes + costs.headBytes <= shares.weights
      const copies = runtime.weights === 'inputs' ? 1 : 3
      const passing = resident ? 0 : (shares.passing - 1) * largest(costs)
      // Of a batch the rows are there twice: in the layer and on their way; those that wait are among them.
      const used =
        copies * largest(costs) + passing + shares.weights + shares.batch + runtime.lanes * shares.logits
      expect(used).toBeLessThanOrEqual(memory * ROUNDING)
      expect(shares.waiting).toBeLessThanOrEqual(shares.batch)
      expect(shares.weights).toBeGreaterThanOrEqual(0)
      expect(shares.passing).toBeGreaterThanOrEqual(1)
      expect(shares.passing).toBeLessThanOrEqual(runtime.lanes + 1)
    }),
  )
})

test('more memory never makes less room for rows or fewer parts, and the least is enough', () => {
  fc.assert(
    fc.property(anyModel, anyRuntime, anyFactor, anyFactor, (model, runtime, a, b) => {
      const least = leastMemory(model, runtime.weights)
      const [less, more] = [Math.min(a, b), Math.max(a, b)].map((factor) =>
        shareMemory(model, factor * least, runtime.lanes, runtime.weights),
      )
      expect(less!.batch).toBeLessThanOrEqual(more!.batch * ROUNDING)
      expect(less!.passing).toBeLessThanOrEqual(more!.passing)
    }),
  )
})

test('what a batch is said to need is what it needs', () => {
  fc.assert(
    fc.property(anyModel, anyRuntime, fc.integer({ min: 1, max: 1e12 }), (model, runtime, bytes) => {
      const need = memoryForBatch(model, bytes, runtime.weights)
      expect(
        shareMemory(model, need, runtime.lanes, runtime.weights).batch * ROUNDING,
      ).toBeGreaterThanOrEqual(bytes)
      // A batch that fits in the least memory needs no more than that.
      if (need > leastMemory(model, runtime.weights)) {
        expect(shareMemory(model, 0.99 * need, runtime.lanes, runtime.weights).batch).toBeLessThan(bytes)
      }
    }),
  )
})

describe('Falcon-Mamba-7B', () => {
  const { id, config } = KNOWN_MODELS.find((model) => /falcon-mamba-7b/i.test(model.id))!
  const source = { config, configFile: id }
  const d = architectureOf(source).describe(source)
  const model = { nLayers: d.nLayers, costs: modelCosts(d) }

  test('in 6 GB each lane has a layer, one is loaded ahead, and 16 prompts go through each layer together', () => {
    const shares = shareMemory(model, 6 * GB, LANES, 'inputs')
    expect(shares.passing).toBe(3)
    // 12 tokens each, and a row for each of 8 knockouts in 56 windows of 9 layers.
    expect(shares.waiting).toBeGreaterThan(4 * d.dModel * 16 * (12 + 8 * 56))
  })

  test('in little memory layers come one by one', () => {
    expect(shareMemory(model, 1.05 * leastMemory(model), LANES, 'inputs').passing).toBe(1)
  })
})

describe('how a model has its weights', () => {
  const needs = (name: string) => {
    const { id, config } = KNOWN_MODELS.find((model) => model.id === name)!
    const source = { config, configFile: id }
    const d = architectureOf(source).describe(source)
    return { nLayers: d.nLayers, costs: modelCosts(d) }
  }

  test.each([
    ['state-spaces/mamba-130m-hf', 'constants'],
    ['tiiuae/falcon-mamba-7b', 'inputs'],
  ])('%s: %s, whatever the memory', (name, form) => {
    expect(weightForm(needs(name), { weights: 'inputs' })).toBe(form)
    expect(weightForm(needs(name), {})).toBe('constants')
    expect(weightForm(needs(name), { weights: 'inputs', packedBytes: 0 })).toBe('inputs')
  })
})
