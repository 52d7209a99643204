/**
 * The sessions of a model's layers and head. As many layers as the budget allows stay loaded; the others are loaded
 * when the sweep comes to them and dropped when it leaves, so that only one more than the resident ones is in memory.
 */
import type { LayerKind, ModelSpec } from '../models/architecture.js'
import type { HeadPart } from '../models/head.js'
import type { OnnxModel } from '../onnx/graph.js'
import type { Runtime, Session } from '../runtime/runtime.js'

interface Kept {
  readonly session: Session
  readonly bytes: number
  /** The kind of layer; the head has none. */
  readonly kind?: LayerKind
}

export class ModelSessions {
  readonly #kept = new Map<string, Kept>()
  #finalNorm: Session | undefined
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
    const { layerBytes, headBytes } = this.spec.costs
    // Room for the head stays free. Sessions of the other kind make room first: a sweep finishes one kind before it
    // begins the next.
    const key = `${kind} ${layer}`
    if (!this.#kept.has(key) && this.#bytes + layerBytes + headBytes > this.budget + this.#headBytes) {
      await this.#dropOther(kind)
    }
    const stays = this.#bytes + layerBytes + headBytes <= this.budget + this.#headBytes
    return this.#with(key, { bytes: layerBytes, kind, stays }, () => this.spec.layer(layer, kind), use)
  }

  /** Use the final norm; it always stays. */
  async withFinalNorm<T>(use: (session: Session) => Promise<T>): Promise<T> {
    this.#finalNorm ??= await this.runtime.createSession(await this.spec.finalNorm())
    return use(this.#finalNorm)
  }

  /** Use a part of the unembedding, as a layer. */
  async withHeadPart<T>(part: HeadPart, use: (session: Session) => Promise<T>): Promise<T> {
    const bytes = 4 * part.count * this.spec.dModel
    const stays = this.#bytes + bytes <= this.budget
    return this.#with(`head ${part.first}`, { bytes, stays }, () => this.spec.unembedding(part), use)
  }

  /** Bytes of the head that are loaded. */
  get #headBytes(): number {
    return [...this.#kept.values()].reduce((sum, { kind, bytes }) => sum + (kind ? 0 : bytes), 0)
  }

  async #with<T>(
    key: string,
    { bytes, kind, stays }: { bytes: number; kind?: LayerKind; stays: boolean },
    make: () => Promise<OnnxModel>,
    use: (session: Session) => Promise<T>,
  ): Promise<T> {
    const kept = this.#kept.get(key)
    if (kept) return use(kept.session)
    const session = await this.runtime.createSession(await make())
    if (stays) {
      this.#kept.set(key, { session, bytes, ...(kind && { kind }) })
      this.#bytes += bytes
      return use(session)
    }
    try {
      return await use(session)
    } finally {
      await session.release()
    }
  }

  async #dropOther(kind: LayerKind): Promise<void> {
    for (const [key, kept] of this.#kept) {
      if (kept.kind === undefined || kept.kind === kind) continue
      await kept.session.release()
      this.#kept.delete(key)
      this.#bytes -= kept.bytes
    }
  }

  /** Free all sessions. */
  async release(): Promise<void> {
    for (const { session } of this.#kept.values()) await session.release()
    await this.#finalNorm?.release()
    this.#kept.clear()
    this.#finalNorm = undefined
    this.#bytes = 0
  }
}
