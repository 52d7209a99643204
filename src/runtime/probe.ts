/**
 * A program that open-runtime.ts runs apart, as a broken driver can end the process: is there a device that multiplies
 * matrices, and how fast? `probe.js DEVICE DTYPE` prints `{"flopsPerSecond": ...}`, or `{"error": ...}`.
 */
import process from 'node:process'
import { nodeRuntime } from './node.js'
import type { GpuDevice } from './runtime.js'
import { speedOf } from './speed.js'

const [device, dtype] = process.argv.slice(2) as [GpuDevice, 'float32' | 'float16']
try {
  const flopsPerSecond = await speedOf(nodeRuntime({ device, products: dtype }))
  process.stdout.write(JSON.stringify({ flopsPerSecond }))
} catch (error) {
  process.stdout.write(JSON.stringify({ error: error instanceof Error ? error.message : String(error) }))
}
// A device's threads may keep the process.
process.exit()
