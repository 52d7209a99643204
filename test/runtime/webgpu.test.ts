/**
 * The oracles through WebGPU, where there is an adapter; a software one does: with Chromium's SwiftShader,
 * VK_DRIVER_FILES=/usr/lib/chromium/vk_swiftshader_icd.json LD_LIBRARY_PATH=/usr/lib/chromium npm run test:slow
 */
import { execFile } from 'node:child_process'
import process from 'node:process'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { openFolder } from '../../src/checkpoints/folder.js'
import { Model } from '../../src/model.js'
import { nodeRuntime } from '../../src/runtime/node.js'
import { maxDifference } from '../helpers/numbers.js'
import { oracles } from '../helpers/oracle.js'

/** Absolute, on probabilities: that of the CPU (oracle.test.ts); adapters multiply and add in other orders. */
const ORACLE_TOLERANCE = 5e-6
/** A model of some layers, each adapter compiling its shaders, in software. */
const TIMEOUT_MS = 120_000

/** In a process of its own: what fails in an adapter may end it. */
async function adapterWorks(): Promise<boolean> {
  const source = `
    import { Graph } from './src/onnx/graph.ts'
    import { nodeRuntime } from './src/runtime/node.ts'
    const g = new Graph('probe')
    g.output('y', g.exp(g.input('x', 'float32', [1])), 'float32', [1])
    await nodeRuntime({ device: 'webgpu' }).createSession(g.build())`
  const options = ['--import', 'tsx', '--input-type=module', '--eval', source]
  return promisify(execFile)(process.execPath, options).then(
    () => true,
    () => false,
  )
}

const works = await adapterWorks()
if (!works) process.stderr.write('skipped: WebGPU, as there is no adapter here\n')

it
  .skipIf(!works)
  .each([...oracles('oracle'), ...oracles('variants')].map((oracle) => [oracle.name, oracle] as const))(
  '%s',
  async (_, { dir, cases }) => {
    const model = Model.open(await openFolder(dir), nodeRuntime({ device: 'webgpu' }))
    const results = await model.knockout(
      cases.map(({ tokens, knockouts }) => ({ ids: tokens, knockouts })),
      { probs: true },
    )
    await model.close()
    cases.forEach(({ baseProbs, knockouts }, c) => {
      expect(maxDifference(results[c].base.probs!, baseProbs)).toBeLessThanOrEqual(ORACLE_TOLERANCE)
      knockouts.forEach(({ probs }, k) => {
        expect(maxDifference(results[c].knockouts[k].probs!, probs)).toBeLessThanOrEqual(ORACLE_TOLERANCE)
      })
    })
  },
  TIMEOUT_MS,
)
