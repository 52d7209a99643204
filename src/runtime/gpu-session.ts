/** Sessions on a GPU through ONNX Runtime's WebGPU and CUDA providers. */
import { execFileSync } from 'node:child_process'
import type * as ort from 'onnxruntime-node'
import type { OnnxModel } from '../onnx/graph.js'
import { createOrtSession } from './ort-session.js'
import type { GpuDevice, GpuSettings, Session } from './runtime.js'

/**
 * A tensor of WebGPU has at most the 128 MiB that every adapter can bind. ONNX Runtime keeps buffers of up to 160 MiB
 * for reuse and allocates larger ones anew each time, which takes ten times as long as to fill them. (With
 * `storageBufferCacheMode: 'simple'` it keeps all, one for every size that it has seen, until the device's memory is full.)
 */
export const GPU_SETTINGS: Readonly<Record<GpuDevice, Omit<GpuSettings, 'target'>>> = {
  webgpu: { batchRows: 2048, headRows: 512, sessionBytes: 2 ** 30, tensorBytes: 2 ** 27 },
  // Outputs on a CUDA device cannot stay there between sessions: onnxruntime-node brings them back.
  cuda: { batchRows: 4096, headRows: 512, sessionBytes: 2 ** 34, tensorBytes: Number.POSITIVE_INFINITY },
}

/** What the provider lacks is computed on the CPU. */
function optionsFor(device: GpuDevice, model: OnnxModel): ort.InferenceSession.SessionOptions {
  if (device === 'cuda') return { executionProviders: ['cuda'] }
  return {
    executionProviders: ['webgpu'],
    preferredOutputLocation: Object.fromEntries(
      (model.staying ?? []).map((name) => [name, 'gpu-buffer'] as const),
    ),
  }
}

export async function createGpuSession(
  model: OnnxModel,
  device: GpuDevice,
  threads: number,
): Promise<Session> {
  try {
    return await createOrtSession(model, { intraOpNumThreads: threads, ...optionsFor(device, model) })
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
