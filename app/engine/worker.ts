/** Computes in the page: models fetched from beside the app or from the Hub, on WebGPU or WebAssembly. */
import { cachedWebModels } from '../../src/checkpoints/hub-web.js'
import { openWebCheckpoint, type WebModelSource } from '../../src/checkpoints/web.js'
import { InputError } from '../../src/errors.js'
import { Model } from '../../src/model.js'
import { KNOWN_MODELS, knownNeeds } from '../../src/models/known.js'
import type { Runtime } from '../../src/runtime/runtime.js'
import { openWebRuntime } from '../../src/runtime/web.js'
import { ModelPool, type ModelSource } from '../../src/ui/model-pool.js'
import type { CallOptions, ModelEntry, ModelRef } from '../../src/ui/protocol.js'
import { Workbench } from '../../src/ui/workbench.js'
import { Answering } from './answering.js'
import type { ToWorker } from './messages.js'

class PageModels implements ModelSource {
  #runtime: Promise<Runtime> | undefined
  #embedded: Promise<readonly ModelEntry[]> | undefined

  constructor(
    private readonly device: 'auto' | 'webgpu' | 'wasm',
    private readonly base: string,
  ) {}

  async list(): Promise<readonly ModelEntry[]> {
    const kept = new Set((await cachedWebModels()).map(({ id }) => id))
    const paper = KNOWN_MODELS.map((model): ModelEntry => {
      const { id, family, gated = false } = model
      return { name: id, source: 'paper', family, cached: kept.has(id), gated, ...knownNeeds(model) }
    })
    return [...(await this.#listEmbedded()), ...paper]
  }

  async load({ name, revision }: ModelRef, { signal, onProgress }: CallOptions): Promise<Model> {
    const embedded = (await this.#listEmbedded()).some((model) => model.name === name)
    const source: WebModelSource = embedded
      ? { embedded: name, base: new URL('models/', this.base) }
      : { hub: name, revision }
    const [runtime, checkpoint] = await Promise.all([
      this.runtime(),
      openWebCheckpoint({
        ...source,
        signal,
        onProgress: ({ done, total }) =>
          onProgress?.({ what: `fetching ${name}`, done, total, unit: 'bytes' }),
      }),
    ])
    try {
      return Model.open(checkpoint, runtime)
    } catch (error) {
      await checkpoint.close()
      throw error
    }
  }

  /** Made when first needed; made again after a failure. */
  runtime(): Promise<Runtime> {
    this.#runtime ??= openWebRuntime({ device: this.device, assets: new URL('ort/', this.base) }).catch(
      (error) => {
        this.#runtime = undefined
        throw error
      },
    )
    return this.#runtime
  }

  #listEmbedded(): Promise<readonly ModelEntry[]> {
    this.#embedded ??= fetch(new URL('models.json', this.base)).then(async (response) => {
      if (response.ok) return (await response.json()) as ModelEntry[]
      this.#embedded = undefined
      throw new InputError(
        `models.json: must be beside the page, got HTTP status ${response.status}; put all files of the app in place`,
      )
    })
    return this.#embedded
  }
}

let models: PageModels
let workbench: Workbench
const answering = new Answering()

self.onmessage = ({ data }: MessageEvent<ToWorker>) => {
  switch (data.kind) {
    case 'start':
      models = new PageModels(data.device, data.base)
      workbench = new Workbench(new ModelPool(models))
      // The first call will need it.
      models.runtime().catch(() => undefined)
      break
    case 'cancel':
      answering.cancel(data.id)
      break
    case 'call':
      void answering.answer(data.id, (options) => call(data.name, data.input, options))
      break
  }
}

function call(name: string, input: unknown, options: CallOptions): Promise<unknown> {
  const calls = workbench as unknown as Record<
    string,
    (input: unknown, options: CallOptions) => Promise<unknown>
  >
  return calls[name]!(input, options)
}
