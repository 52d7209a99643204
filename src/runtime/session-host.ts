/** What a thread does that has sessions and runs them for thread-pool.ts: requests come one by one and are answered in turn. */
import { InputError } from '../errors.js'
import type { OnnxModel } from '../onnx/graph.js'
import type { Session } from './runtime.js'
import { buffersOf, type Reply, type Request, receive, send } from './thread-messages.js'

interface Held {
  readonly session: Session
  /** Memory that was lent and that it uses. */
  readonly lent?: ArrayBuffer
}

export class SessionHost {
  readonly #sessions = new Map<number, Held>()
  #last: Promise<void> = Promise.resolve()

  /**
   * @param create makes a session that computes on so many threads
   * @param post sends a reply, and hands over the memory that is named
   */
  constructor(
    private readonly create: (model: OnnxModel, threads: number) => Promise<Session>,
    private readonly post: (reply: Reply, transfer: ArrayBuffer[]) => void,
  ) {}

  /** A request has come. */
  receive({ number, request }: { readonly number: number; readonly request: Request }): void {
    this.#last = this.#last.then(async () => {
      try {
        this.#reply({ number, ...(await this.#answer(request)) })
      } catch (error) {
        this.#reply({ number, failure: failureOf(error) })
      }
    })
  }

  async #answer(request: Request): Promise<Omit<Reply, 'number'>> {
    switch (request.call) {
      case 'create': {
        const { model, threads, lent } = request
        try {
          const session = await this.create(model, threads)
          // Weights that are inputs are used until the session is released; constants it has copied.
          this.#sessions.set(request.session, model.weights ? { session, lent } : { session })
          return model.weights ? {} : { lent }
        } catch (error) {
          return { lent, failure: failureOf(error) }
        }
      }
      case 'run': {
        const { session } = this.#sessions.get(request.session)!
        return { outputs: send(await session.run(receive(request.feeds), request.fetches)) }
      }
      case 'release': {
        const { session, lent } = this.#sessions.get(request.session)!
        this.#sessions.delete(request.session)
        await session.release()
        return { lent }
      }
    }
  }

  /** Outputs and memory are handed over, not copied. */
  #reply(message: Reply): void {
    const { outputs = {}, lent } = message
    this.post(message, [...buffersOf(Object.values(outputs)), ...(lent ? [lent] : [])])
  }
}

function failureOf(error: unknown): Reply['failure'] {
  return error instanceof InputError ? { error, input: error.message } : { error }
}
