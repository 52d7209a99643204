/** The graphs for GPUs, on the CPU provider, against the oracles: whether they are right does not hang on a device. */
import { describe, expect, it } from 'vitest'
import { openFolder } from '../../src/checkpoints/folder.js'
import { Model } from '../../src/model.js'
import type { GpuDevice, Runtime } from '../../src/runtime/runtime.js'
import { runtime } from '../helpers/graph.js'
import { maxDifference } from '../helpers/numbers.js'
import { oracles } from '../helpers/oracle.js'

/** Absolute, on probabilities, as for the graphs of the CPU (oracle.test.ts). */
const ORACLE_TOLERANCE = 5e-6

const ALL = [...oracles('oracle'), ...oracles('variants')]

/** The CPU provider, given graphs for a GPU; `sessionBytes` is 0 for a session for each layer, or infinite for one. */
function pretended(device: GpuDevice, sessionBytes: number): Runtime {
  const target = { device, products: 'float32' } as const
  return {
    ...runtime,
    lanes: 1,
    gpu: { target, batchRows: 512, headRows: 64, sessionBytes, tensorBytes: 2 ** 27 },
  }
}

describe.each([
  ['webgpu', Number.POSITIVE_INFINITY],
  ['cuda', 0],
] as const)('graphs for %s, %f bytes a session', (device, sessionBytes) => {
  it.each(ALL.map((oracle) => [oracle.name, oracle] as const))('%s', async (_, { dir, cases }) => {
    const model = Model.open(await openFolder(dir), pretended(device, sessionBytes))
    const results = await model.knockout(
      cases.map(({ tokens, knockouts }) => ({ ids: tokens, knockouts })),
      { probs: true },
    )
    await model.close()
    cases.forEach(({ baseProbs, knockouts }, c) => {
      expect(maxDifference(results[c].base.probs!, baseProbs), `case ${c}`).toBeLessThanOrEqual(
        ORACLE_TOLERANCE,
      )
      knockouts.forEach(({ probs, ...knockout }, k) => {
        const difference = maxDifference(results[c].knockouts[k].probs!, probs)
        expect(difference, JSON.stringify(knockout)).toBeLessThanOrEqual(ORACLE_TOLERANCE)
      })
    })
  })
})
