/**
 * The sessions of a model's layers and head. As many layers as the budget allows stay loaded; the others are loaded
 * when the sweep comes to them and dropped when it leaves, so that only one more than the resident ones is in memory.
 */
import type { LayerKind, ModelSpec } from '../models/architecture.js'
import type { Runtime, Session } from '../runtime/runtime.js'

export class ModelSessions {
  readonly #layers = new Map<string, Session>()
  #head: Session | undefined
  #bytes = 0

  /** @param budget bytes that resident sessions may take */
  constructor(
    private readonly spec: ModelSpec,
    private readonly runtime: Runtime,
    private readonly budget: number,
  ) {}

  /** True when all layers of one kind and the head stay loaded. */
  get resident(): boolean {
    return this.spec.nLayers * this.spec.costs.layerBytes + this.spec.costs.headBytes <= this.budget
  }

  /** Use a layer. Its session must not be used after `use` is done. */
  async withLayer<T>(layer: number, kind: LayerKind, use: (session: Session) => Promise<T>): Promise<T> {
    const key = `${kind} ${layer}`
    const kept = this.#layers.get(key)
    if (kept) return use(kept)
    const { layerBytes, headBytes } = this.spec.costs
    // Sessions of the other kind make room first: a sweep finishes one kind before it begins the next.
    if (this.#bytes + layerBytes + headBytes > this.budget) await this.#dropOther(kind)
    const session = await this.runtime.createSession(await this.spec.layer(layer, kind))
    if (this.#bytes + layerBytes + headBytes <= this.budget) {
      this.#layers.set(key, session)
      this.#bytes += layerBytes
      return use(session)
    }
    try {
      return await use(session)
    } finally {
      await session.release()
    }
  }

  /** Use the head. */
  async withHead<T>(use: (session: Session) => Promise<T>): Promise<T> {
    if (this.#head) return use(this.#head)
    const session = await this.runtime.createSession(await this.spec.head())
    if (this.spec.costs.headBytes <= this.budget) {
      this.#head = session
      return use(session)
    }
    try {
      return await use(session)
    } finally {
      await session.release()
    }
  }

  async #dropOther(kind: LayerKind): Promise<void> {
    for (const [key, session] of this.#layers) {
      if (key.startsWith(`${kind} `)) continue
      await session.release()
      this.#layers.delete(key)
      this.#bytes -= this.spec.costs.layerBytes
    }
  }

  /** Free all sessions. */
  async release(): Promise<void> {
    for (const session of this.#layers.values()) await session.release()
    await this.#head?.release()
    this.#layers.clear()
    this.#head = undefined
    this.#bytes = 0
  }
}
