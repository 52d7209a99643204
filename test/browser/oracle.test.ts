/** The oracles of every architecture, computed in a worker of a page. */
import { beforeAll, describe, expect, it } from 'vitest'
import { maxDifference } from '../helpers/numbers.js'
import { oracles } from '../helpers/oracle.js'
import { core } from './core.js'
import { ask, inChromium, type Opened, openPage } from './harness.js'

/** Absolute, on probabilities: that of the CPU in Node (models/oracle.test.ts). */
const WASM_TOLERANCE = 5e-6
/** Adapters multiply and add in other orders, and their functions are less exact. */
const WEBGPU_TOLERANCE = 1e-4
/** A model of some layers, its shaders compiled and run in software. */
const TIMEOUT_MS = 240_000

interface Answer {
  readonly base: number[]
  readonly knockouts: number[][]
}

const DEVICES = [
  { device: 'wasm', tolerance: WASM_TOLERANCE },
  { device: 'webgpu', tolerance: WEBGPU_TOLERANCE },
] as const

const page = core()

describe.each(DEVICES)('parity on $device', ({ device, tolerance }) => {
  let opened: Opened

  beforeAll(async () => {
    if (!inChromium) return
    opened = await openPage(page.browser, page.isolated.url)
    await ask(opened.page, 'runtime', { device, assets: page.assets(page.isolated) })
  })

  it.skipIf(!inChromium).each(oracles('oracle').map((oracle) => [oracle.name, oracle] as const))(
    '%s',
    async (name, { cases }) => {
      const base = `${page.isolated.url}fixtures/oracle/`
      await ask(opened.page, 'open', { embedded: name.split('/')[1], base })
      const prompts = cases.map(({ tokens, knockouts }) => ({ ids: tokens, knockouts }))
      const results = await ask<Answer[]>(opened.page, 'knockout', prompts)
      expect(results).toHaveLength(cases.length)
      let effect = 0
      cases.forEach(({ baseProbs, knockouts }, c) => {
        expect(maxDifference(results[c].base, baseProbs)).toBeLessThanOrEqual(tolerance)
        expect(results[c].knockouts).toHaveLength(knockouts.length)
        knockouts.forEach(({ probs }, k) => {
          expect(maxDifference(results[c].knockouts[k], probs)).toBeLessThanOrEqual(tolerance)
          effect = Math.max(effect, maxDifference(probs, baseProbs))
        })
      })
      expect(effect).toBeGreaterThan(20 * tolerance) // or agreement would mean nothing
      // No oracle has a tokenizer, which is fetched with the rest.
      expect(opened.complaints.filter((text) => !text.includes('404'))).toEqual([])
    },
    TIMEOUT_MS,
  )
})
