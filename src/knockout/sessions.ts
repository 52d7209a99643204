/**
 * The sessions of a model's layers and head. As many as the budget allows stay loaded; the others are loaded when the
 * sweep comes to them and dropped when all its batches are through. Batches come one behind the other: several parts of
 * a model are in use at the same time, in different lanes of the runtime, and the next one is loaded ahead.
 */

import { BATCHES_PER_LANE } from '../memory.js'
import type { LayerKind, ModelSpec } from '../models/architecture.js'
import type { HeadOutputs, HeadPart } from '../models/head.js'
import type { OnnxModel, WeightForm } from '../onnx/graph.js'
import { Supply } from '../parallel.js'
import type { GpuSettings, Runtime, Session } from '../runtime/runtime.js'

/** Layers in a row that are loaded at once. */
export interface Span {
  readonly first: number
  readonly count: number
}

/** What is loaded at once. */
interface Part {
  readonly key: string
  readonly bytes: number
  /** Parts of equal sort and different form do the same: layers of a kind, heads with other outputs. */
  readonly sort: 'layers' | 'norm' | 'head'
  readonly form: string
  readonly make: () => Promise<OnnxModel>
  /** Its place in the order of parts. */
  readonly place: number
}

interface Kept {
  readonly part: Part
  readonly session: Session
}

export class ModelSessions {
  readonly #kept = new Map<string, Kept>()
  readonly #passing: Supply
  #bytes = 0
  #loading: Promise<unknown> = Promise.resolve()

  /**
   * @param budget bytes that sessions which stay may take
   * @param passing sessions that do not stay and may be there at the same time, one of them being loaded; 1 or more
   * @param weights how layers and head have theirs
   */
  constructor(
    private readonly spec: ModelSpec,
    private readonly runtime: Runtime,
    private readonly budget: number,
    private readonly passing = 1,
    private readonly weights: WeightForm = 'constants',
  ) {
    this.#passing = new Supply(passing)
  }

  /** Lanes that are used: where there is not a part for each and one that is loaded, sessions have all threads. */
  get #lanes(): number {
    return this.resident || this.passing > this.runtime.lanes ? this.runtime.lanes : 1
  }

  /** True when all layers of one kind and the head stay loaded. */
  get resident(): boolean {
    const { nLayers, costs } = this.spec
    return nLayers * costs.layerBytes + costs.headBytes <= this.budget
  }

  /** What a GPU wants, where there is one. */
  get gpu(): GpuSettings | undefined {
    return this.runtime.gpu
  }

  /** Batches that should be on their way at the same time, so that no lane waits. */
  get atOnce(): number {
    return this.#lanes > 1 ? BATCHES_PER_LANE * this.#lanes : 1
  }

  /**
   * Parts for `users` batches that go through all layers of one kind, the final norm and the head, in this order. One
   * pass must have ended before the next begins.
   */
  pass(kind: LayerKind, outputs: HeadOutputs, users: number): Pass {
    const { spec, weights } = this
    const spans = this.#spans()
    const layers = spans.map(({ first, count }) => ({
      key: `${kind} ${first}`,
      bytes: count * spec.costs.layerBytes,
      sort: 'layers' as const,
      form: kind,
      make: () => spec.layer(first, kind, weights, count),
    }))
    const norm = { key: 'norm', bytes: 0, sort: 'norm' as const, form: '', make: () => spec.finalNorm() }
    const form = `head${outputs.topK ? ' topK' : ''}${outputs.logits ? ' logits' : ''}`
    const head = spec.headParts.map((part: HeadPart) => ({
      key: `${form} ${part.first}`,
      bytes: 4 * part.count * spec.dModel,
      sort: 'head' as const,
      form,
      make: () => spec.unembedding(part, outputs, weights),
    }))
    const parts = [...layers, norm, ...head].map((part, place) => ({ ...part, place }))
    return new Pass(this, parts, spans, users)
  }

  /** All layers, as many in each session as the runtime wants: 1 on a CPU, and where they do not all stay. */
  #spans(): Span[] {
    const { nLayers, costs } = this.spec
    const bytes = this.resident ? (this.runtime.gpu?.sessionBytes ?? 0) : 0
    const most = Math.max(1, Math.floor(bytes / costs.layerBytes))
    const count = Math.max(1, Math.ceil(nLayers / most))
    const size = Math.ceil(nLayers / count)
    return Array.from({ length: Math.ceil(nLayers / size) }, (_, i) => ({
      first: i * size,
      count: Math.min(size, nLayers - i * size),
    }))
  }

  /** The session of a part, and whether it stays. Parts are loaded one after the other. */
  load(part: Part): Promise<{ session: Session; stays: boolean }> {
    const loaded = this.#loading.then(async () => {
      const kept = this.#kept.get(part.key)
      if (kept) return { session: kept.session, stays: true }
      if (!this.#fits(part)) await this.#drop(part)
      const stays = this.#fits(part)
      if (!stays) await this.#passing.take(1)
      try {
        const lane = this.#lanes > 1 ? part.place % this.#lanes : undefined
        const session = await this.runtime.createSession(await part.make(), lane)
        if (stays) {
          this.#kept.set(part.key, { part, session })
          this.#bytes += part.bytes
        }
        return { session, stays }
      } catch (error) {
        if (!stays) this.#passing.giveBack(1)
        throw error
      }
    })
    this.#loading = loaded.catch(() => undefined)
    return loaded
  }

  /** Free a session that does not stay. */
  async drop(session: Session): Promise<void> {
    try {
      await session.release()
    } finally {
      this.#passing.giveBack(1)
    }
  }

  /** Whether a part may stay. Layers leave room for the head, which every pass needs whole. */
  #fits({ sort, bytes }: Part): boolean {
    const head = sort === 'layers' ? Math.max(0, this.spec.costs.headBytes - this.#headBytes) : 0
    return this.#bytes + bytes + head <= this.budget
  }

  /** Bytes of the head that are loaded. */
  get #headBytes(): number {
    return [...this.#kept.values()].reduce(
      (sum, { part }) => sum + (part.sort === 'head' ? part.bytes : 0),
      0,
    )
  }

  /** Make room for `wanted`: free what does the same in another form. */
  async #drop({ sort, form }: Part): Promise<void> {
    for (const [key, { part, session }] of this.#kept) {
      if (part.sort !== sort || part.form === form) continue
      this.#kept.delete(key)
      this.#bytes -= part.bytes
      await session.release()
    }
  }

  /** Free all sessions. No pass may be under way. */
  async release(): Promise<void> {
    const released = await Promise.allSettled(
      [...this.#kept.values()].map(({ session }) => session.release()),
    )
    this.#kept.clear()
    this.#bytes = 0
    for (const result of released) if (result.status === 'rejected') throw result.reason
  }
}

/** Some batches on their way through a model, see `ModelSessions.pass`. */
export class Pass {
  readonly #open = new Map<number, Promise<{ session: Session; stays: boolean }>>()
  readonly #left: number[]
  #failed: { readonly error: unknown } | undefined
  readonly #failing: Promise<never>
  #fail!: (error: unknown) => void

  constructor(
    private readonly sessions: ModelSessions,
    private readonly parts: readonly Part[],
    /** The layers, by session. */
    readonly spans: readonly Span[],
    users: number,
  ) {
    this.#left = parts.map(() => users)
    this.#failing = new Promise((_, reject) => {
      this.#fail = reject
    })
    this.#failing.catch(() => undefined)
  }

  /** Use the layers of span `i`; each batch does once. Their session must not be used after `use` is done. */
  withLayers<T>(i: number, use: (session: Session) => Promise<T>): Promise<T> {
    return this.#with(i, use)
  }

  withFinalNorm<T>(use: (session: Session) => Promise<T>): Promise<T> {
    return this.#with(this.spans.length, use)
  }

  /** Use a part of the unembedding, by its number. */
  withHeadPart<T>(part: number, use: (session: Session) => Promise<T>): Promise<T> {
    return this.#with(this.spans.length + 1 + part, use)
  }

  /** A batch has failed and will come no more: the others fail where they would wait for it. */
  fail(error: unknown): void {
    this.#failed ??= { error }
    this.#fail(error)
  }

  async #with<T>(place: number, use: (session: Session) => Promise<T>): Promise<T> {
    const { session, stays } = await Promise.race([this.#session(place), this.#failing])
    if (place + 1 < this.parts.length) this.#session(place + 1).catch(() => undefined)
    const result = await use(session)
    if (--this.#left[place]! === 0 && !stays) {
      this.#open.delete(place)
      await this.sessions.drop(session)
    }
    return result
  }

  #session(place: number): Promise<{ session: Session; stays: boolean }> {
    if (this.#failed) return Promise.reject(this.#failed.error)
    let opened = this.#open.get(place)
    if (!opened) {
      opened = this.sessions.load(this.parts[place]!)
      this.#open.set(place, opened)
    }
    return opened
  }

  /** Free what does not stay. All batches have ended. */
  async end(): Promise<void> {
    // In order: a later part may wait for an earlier one to go.
    for (const [, opened] of [...this.#open].sort(([a], [b]) => a - b)) {
      const loaded = await opened.catch(() => undefined)
      // A session that cannot be released is gone already: its thread has ended, which its batch has said.
      if (loaded && !loaded.stays) await this.sessions.drop(loaded.session).catch(() => undefined)
    }
    this.#open.clear()
  }
}
