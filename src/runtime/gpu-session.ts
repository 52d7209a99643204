/** Sessions on a GPU through ONNX Runtime's WebGPU and CUDA providers. */
import { execFileSync } from 'node:child_process'
import * as ort from 'onnxruntime-node'
import type { OnnxModel } from '../onnx/graph.js'
import { createOrtSession, webgpuOptions } from './ort-session.js'
import type { GpuDevice, Session } from './runtime.js'

export async function createGpuSession(
  model: OnnxModel,
  device: GpuDevice,
  threads: number,
): Promise<Session> {
  try {
    const options = device === 'cuda' ? { executionProviders: ['cuda'] } : webgpuOptions(model)
    return await createOrtSession(ort, model, { intraOpNumThreads: threads, ...options })
  } finally {
    model.loan?.giveBack(model.loan.memory)
  }
}

/** A driver that does not answer says nothing. */
const DRIVER_MILLISECONDS = 10_000

/** Bytes of free memory of the first NVIDIA card, as its driver's tool says; undefined without one. */
export function nvidiaMemory(): number | undefined {
  try {
    const query = ['--query-gpu=memory.free', '--format=csv,noheader,nounits', '--id=0']
    const mebibytes = Number(
      execFileSync('nvidia-smi', query, {
        encoding: 'utf8',
        stdio: 'pipe',
        timeout: DRIVER_MILLISECONDS,
      }).trim(),
    )
    return mebibytes > 0 ? mebibytes * 2 ** 20 : undefined
  } catch {
    return undefined
  }
}
