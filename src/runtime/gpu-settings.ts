/** What GPUs want, by what of ONNX Runtime computes on them. */
import type { GpuDevice, GpuSettings } from './runtime.js'

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
