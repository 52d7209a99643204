/** factflow in a browser: models computed in the page. Call it in a worker, so that the page stays free. */
import { openWebCheckpoint, type WebModelSource, type WebOpenOptions } from './checkpoints/web.js'
import { Model } from './model.js'
import { openWebRuntime, type WebRuntimeOptions } from './runtime/web.js'

export type { Checkpoint } from './checkpoints/checkpoint.js'
export { cachedWebModels, removeWebModel } from './checkpoints/hub-web.js'
export { openWebCheckpoint, type WebModelSource, type WebOpenOptions } from './checkpoints/web.js'
export type { WebProgress } from './checkpoints/web-folder.js'
export { InputError } from './errors.js'
export type { Trace, TraceOptions } from './experiments/trace.js'
export { Model } from './model.js'
export type { Runtime } from './runtime/runtime.js'
export { openWebRuntime, type WebRuntimeOptions } from './runtime/web.js'

export interface WebLoadOptions extends WebRuntimeOptions, WebOpenOptions {
  /** Bytes that weights and rows may take; default half of what a page may have. */
  readonly memory?: number
}

/**
 * Open a model: `await openWebModel({ hub: 'state-spaces/mamba-130m-hf' }, { assets: '/ort/' })`. Close it when done.
 * @throws InputError when it is not there, it cannot be used, or the memory is too small; the signal's reason
 */
export async function openWebModel(source: WebModelSource, options: WebLoadOptions): Promise<Model> {
  const { memory, device, threads, assets, ...opening } = options
  // Both are downloads.
  const [runtime, checkpoint] = await Promise.all([
    openWebRuntime({ device, threads, assets, onNote: options.onNote }),
    openWebCheckpoint({ ...source, ...opening }),
  ])
  try {
    return Model.open(checkpoint, runtime, memory, true)
  } catch (error) {
    await runtime.close?.()
    await checkpoint.close()
    throw error
  }
}
