/** What a test can ask of the core in a worker. */
import { openWebCheckpoint } from '../../../src/checkpoints/web.js'
import type { Trace, TraceOptions } from '../../../src/experiments/trace.js'
import { type KnockoutPrompt, Model } from '../../../src/model.js'
import type { Runtime } from '../../../src/runtime/runtime.js'
import { openWebRuntime, type WebRuntimeOptions } from '../../../src/runtime/web.js'

export interface Asked {
  readonly number: number
  readonly call: string
  readonly args: unknown
}

export interface Answer {
  readonly number: number
  readonly value?: unknown
  readonly failure?: { readonly name: string; readonly message: string }
}

let runtime: Runtime | undefined
let model: Model | undefined
let abort = new AbortController()
const notes: string[] = []
const progress: unknown[] = []

const calls = {
  async runtime(options: WebRuntimeOptions): Promise<{ description: string; notes: string[] }> {
    await runtime?.close?.()
    runtime = await openWebRuntime({ ...options, onNote: (note) => notes.push(note) })
    return { description: runtime.description, notes }
  },

  /** Open a checkpoint on the runtime; the one before is closed. */
  async open(source: Parameters<typeof openWebCheckpoint>[0]): Promise<unknown> {
    await model?.close()
    model = undefined
    abort = new AbortController()
    const checkpoint = await openWebCheckpoint({
      ...source,
      signal: abort.signal,
      onProgress: (state) => progress.push(state),
      onNote: (note) => notes.push(note),
    })
    model = Model.open(checkpoint, runtime!)
    return { name: model.name, nLayers: model.spec.nLayers, resident: model.resident }
  },

  /** Whole distributions, as plain arrays. */
  async knockout(prompts: KnockoutPrompt[]): Promise<unknown> {
    const results = await model!.knockout(prompts, { probs: true })
    return results.map(({ base, knockouts }) => ({
      base: Array.from(base.probs!),
      knockouts: knockouts.map(({ probs }) => Array.from(probs!)),
    }))
  },

  async trace({ prompt, ...options }: TraceOptions & { prompt: string }): Promise<Timed> {
    const begin = performance.now()
    const trace = await model!.trace(prompt, options)
    return { trace, milliseconds: performance.now() - begin }
  },

  /** From now on the browser is one without WebGPU. */
  async withoutWebGpu(): Promise<void> {
    Object.defineProperty(navigator, 'gpu', { value: undefined })
  },

  async encode(text: string): Promise<number[]> {
    const tokenizer = await model!.tokenizer()
    return tokenizer.encode(text).map(({ id }) => id)
  },

  /** The length of the weights and a checksum, read anew from where they are kept. */
  async weights(): Promise<number[]> {
    const cache = await caches.open((await caches.keys())[0]!)
    const urls = (await cache.keys()).map(({ url }) => url).filter((url) => /\/[0-9a-f]{64}\/0$/.test(url))
    const bytes = new Uint8Array(await (await cache.match(urls[0]!))!.arrayBuffer())
    return [bytes.length, bytes.reduce((sum, byte) => (sum * 31 + byte) % 1_000_003, 0)]
  },

  async progress(): Promise<unknown> {
    return progress
  },

  async abort(): Promise<void> {
    abort.abort()
  },
}

export interface Timed {
  readonly trace: Trace
  readonly milliseconds: number
}

self.onmessage = async ({ data: { number, call, args } }: MessageEvent<Asked>) => {
  try {
    const value = await (calls as Record<string, (args: never) => Promise<unknown>>)[call]!(args as never)
    self.postMessage({ number, value } satisfies Answer)
  } catch (error) {
    const failure =
      error instanceof Error
        ? { name: error.name, message: error.message }
        : { name: 'Error', message: String(error) }
    self.postMessage({ number, failure } satisfies Answer)
  }
}
