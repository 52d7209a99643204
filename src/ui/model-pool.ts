/** Open models, shared by all who ask for them; those that nobody asked for lately are closed. */
import type { Model } from '../model.js'
import type { CallOptions, CallProgress, ModelEntry, ModelRef } from './protocol.js'

export interface SourceOptions extends CallOptions {
  /** To make room: close the open model that was used least lately of those that nobody uses; false if there is none. */
  readonly closeIdle: () => Promise<boolean>
}

/** Where models come from: what the page can fetch, what the server's machine has. */
export interface ModelSource {
  /** Models that can be named, without asking a network. */
  list(): Promise<readonly ModelEntry[]>
  /** @throws InputError when there is no such model or it cannot be used; the signal's reason */
  load(model: ModelRef, options: SourceOptions): Promise<Model>
}

/** A model, and how long opening it took. */
export interface OpenModel {
  readonly model: Model
  /** Milliseconds. */
  readonly took: number
}

interface Entry {
  readonly opened: Promise<OpenModel>
  readonly stop: AbortController
  readonly listeners: Set<(progress: CallProgress) => void>
  waiting: number
  /** Calls that compute with it. */
  users: number
  ready: boolean
}

export class ModelPool {
  /** What was used last comes last. */
  readonly #entries = new Map<string, Entry>()

  /** @param most models that stay open, those in use beside */
  constructor(
    private readonly source: ModelSource,
    private readonly most = 3,
  ) {}

  list(): Promise<readonly ModelEntry[]> {
    return this.source.list()
  }

  /**
   * Use a model, opening it unless it is open. Several who wait for the same one share its loading, which goes on as
   * long as one of them waits.
   * @throws as the source's `load` does
   */
  async use<T>(ref: ModelRef, options: CallOptions, work: (open: OpenModel) => Promise<T>): Promise<T> {
    options.signal?.throwIfAborted()
    const key = JSON.stringify([ref.name, ref.revision ?? null])
    const entry = this.#entries.get(key) ?? this.#load(ref, key)
    this.#entries.delete(key)
    this.#entries.set(key, entry)
    entry.users++
    try {
      const open = await this.#wait(entry, options)
      await this.#tidy()
      return await work(open)
    } finally {
      entry.users--
    }
  }

  async close(): Promise<void> {
    const entries = [...this.#entries.values()]
    this.#entries.clear()
    for (const { opened, stop } of entries) {
      stop.abort()
      await opened.then(({ model }) => model.close()).catch(() => undefined)
    }
  }

  #load(ref: ModelRef, key: string): Entry {
    const stop = new AbortController()
    const listeners = new Set<(progress: CallProgress) => void>()
    const began = performance.now()
    const opened = this.source
      .load(ref, {
        signal: stop.signal,
        closeIdle: () => this.#closeIdle(),
        onProgress: (progress) => {
          for (const listener of listeners) listener(progress)
        },
      })
      .then((model) => ({ model, took: performance.now() - began }))
    const entry: Entry = { opened, stop, listeners, waiting: 0, users: 0, ready: false }
    opened.then(
      () => {
        entry.ready = true
      },
      // The next who asks tries again.
      () => {
        if (this.#entries.get(key) === entry) this.#entries.delete(key)
      },
    )
    return entry
  }

  async #wait(entry: Entry, { signal, onProgress }: CallOptions): Promise<OpenModel> {
    if (entry.ready) return entry.opened
    entry.waiting++
    if (onProgress) entry.listeners.add(onProgress)
    let abort: (() => void) | undefined
    const aborted = new Promise<never>((_, reject) => {
      abort = () => reject(signal!.reason)
      signal?.addEventListener('abort', abort)
    })
    try {
      return await Promise.race([entry.opened, aborted])
    } finally {
      if (abort) signal?.removeEventListener('abort', abort)
      if (onProgress) entry.listeners.delete(onProgress)
      entry.waiting--
      if (entry.waiting === 0 && !entry.ready) this.#abandon(entry)
    }
  }

  /** Nobody waits for it any more. */
  #abandon(entry: Entry): void {
    for (const [key, other] of this.#entries) if (other === entry) this.#entries.delete(key)
    entry.stop.abort()
    // One that came all the same is not kept.
    entry.opened.then(({ model }) => model.close()).catch(() => undefined)
  }

  async #tidy(): Promise<void> {
    while (this.#entries.size > this.most) if (!(await this.#closeIdle())) return
  }

  async #closeIdle(): Promise<boolean> {
    for (const [key, { opened, users, ready }] of this.#entries) {
      if (users > 0 || !ready) continue
      // At once: whoever asks for it while it closes has another opened.
      this.#entries.delete(key)
      await (await opened).model.close()
      return true
    }
    return false
  }
}
