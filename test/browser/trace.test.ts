/** What a page says of a fact is what Node says. */
import { describe, expect, it } from 'vitest'
import { loadModel } from '../../src/load.js'
import { core, withPage } from './core.js'
import { ask, inChromium, type Served } from './harness.js'
import type { Timed } from './page/worker.js'

/** On probabilities; two float32 computations of 12 to 24 layers. */
const WASM_TOLERANCE = 1e-5
const WEBGPU_TOLERANCE = 1e-4
/** 24 layers in software. */
const TIMEOUT_MS = 120_000

const MODELS = ['tiny-mamba1', 'tiny-mamba2', 'tiny-gpt2']
const FACT = { prompt: 'Marie Curie was born in the city of', subject: 'Marie Curie' }

const page = core()

/** All probabilities of a trace, in order. */
function probabilities({ base, heatmap, infoFlow }: Timed['trace']): number[] {
  const curves = infoFlow.measurements.map(({ knocked }) => knocked.prob)
  return [base.prob, ...heatmap.knocked.flat().map(({ prob }) => prob), ...curves]
}

describe.skipIf(!inChromium).each(MODELS)('%s', (name) => {
  it.each([
    { on: 'wasm, isolated', device: 'wasm', from: 'isolated', tolerance: WASM_TOLERANCE },
    { on: 'wasm, a plain file host', device: 'wasm', from: 'plain', tolerance: WASM_TOLERANCE },
    { on: 'webgpu', device: 'webgpu', from: 'isolated', tolerance: WEBGPU_TOLERANCE },
  ] as const)(
    'as in Node: $on',
    async ({ device, from, tolerance }) => {
      const model = await loadModel(name)
      const wanted = probabilities(await model.trace(FACT.prompt, FACT))
      await model.close()
      const served: Served = page[from]
      const { trace } = await withPage(page, served, async (one, complaints) => {
        await ask(one, 'runtime', { device, assets: page.assets(served) })
        await ask(one, 'open', { embedded: name, base: `${served.url}models/` })
        const timed = await ask<Timed>(one, 'trace', FACT)
        expect(complaints).toEqual([])
        return timed
      })
      const got = probabilities(trace)
      expect(got.length).toBeGreaterThan(100)
      expect(got).toHaveLength(wanted.length)
      got.forEach((value, i) => {
        expect(Math.abs(value - wanted[i])).toBeLessThanOrEqual(tolerance)
      })
    },
    TIMEOUT_MS,
  )
})
