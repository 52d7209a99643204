/**
 * Sessions of graphs whose weights are given at every run: graphs of the same bytes, such as those of a model's layers,
 * share one, and making another takes no time and no memory.
 */
import { Tensor } from 'onnxruntime-common'
import type { OnnxModel } from '../onnx/graph.js'
import type { Session, Tensors } from './runtime.js'

/** Sessions that nobody uses and that are kept for those to come. They hold no weights. */
const UNUSED = 4

interface Shared {
  readonly bytes: Uint8Array
  readonly session: Promise<Session>
  users: number
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i])
}

/** A graph with its own weights on a session that it shares. */
class WeightedSession implements Session {
  readonly #weights: Tensors

  constructor(
    private readonly session: Session,
    model: OnnxModel,
    private readonly free: () => Promise<void>,
  ) {
    const weights = model.weights ?? []
    this.#weights = Object.fromEntries(
      weights.map(({ name, data, shape }) => [name, new Tensor('float32', data, shape)]),
    )
  }

  run(feeds: Tensors, fetches: readonly string[]): Promise<Tensors> {
    return this.session.run({ ...feeds, ...this.#weights }, fetches)
  }

  release(): Promise<void> {
    return this.free()
  }
}

export class SharedGraphs {
  /** Those that were used last come last. */
  readonly #shared: Shared[] = []

  /** @param create makes a session of a graph that is not known yet */
  constructor(private readonly create: (model: OnnxModel) => Promise<Session>) {}

  /** A session of `model`, whose weights are its inputs. Its release frees them. Throws what `create` throws. */
  async session(model: OnnxModel): Promise<Session> {
    const shared = this.#find(model)
    shared.users++
    try {
      const free = async (): Promise<void> => {
        model.loan?.giveBack(model.loan.memory)
        shared.users--
        await this.#tidy()
      }
      return new WeightedSession(await shared.session, model, free)
    } catch (error) {
      model.loan?.giveBack(model.loan.memory)
      const at = this.#shared.indexOf(shared)
      if (at >= 0) this.#shared.splice(at, 1)
      throw error
    }
  }

  #find(model: OnnxModel): Shared {
    const at = this.#shared.findIndex(({ bytes }) => equal(bytes, model.bytes))
    const shared =
      at < 0 ? { bytes: model.bytes, session: this.create(model), users: 0 } : this.#shared.splice(at, 1)[0]!
    this.#shared.push(shared)
    return shared
  }

  /** Free what has not been used for long. */
  async #tidy(): Promise<void> {
    const unused = this.#shared.filter(({ users }) => users === 0)
    for (const shared of unused.slice(0, Math.max(0, unused.length - UNUSED))) {
      this.#shared.splice(this.#shared.indexOf(shared), 1)
      await (await shared.session).release()
    }
  }
}
