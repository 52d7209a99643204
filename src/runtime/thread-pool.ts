/** Sessions in threads of their own, of Node or of a browser. A thread begins with its first session. */
import { InputError } from '../errors.js'
import type { Loan, OnnxModel } from '../onnx/graph.js'
import type { Session, Tensors } from './runtime.js'
import { buffersOf, type Reply, type Request, receive, send } from './thread-messages.js'

/** A thread, from outside. */
export interface ThreadLink {
  /** Send a message, and hand over the memory that is named. */
  post(message: { readonly number: number; readonly request: Request }, transfer: ArrayBuffer[]): void
  /** Told when somebody waits for a reply, and when nobody does any more. */
  wait?(waiting: boolean): void
  end(): Promise<void>
}

export interface ThreadListener {
  readonly onReply: (reply: Reply) => void
  /** The thread is no more. */
  readonly onEnd: (error: Error) => void
}

/** Starts the thread of a lane, which answers as session-host.ts does. */
export type StartThread = (listener: ThreadListener, lane: number) => ThreadLink

interface Waiting {
  readonly resolve: (reply: Reply) => void
  readonly reject: (error: unknown) => void
}

class Thread {
  readonly #link: ThreadLink
  readonly #waiting = new Map<number, Waiting>()
  #count = 0
  #failed: Error | undefined

  constructor(start: StartThread, lane: number) {
    const onReply = (message: Reply): void => {
      const waiting = this.#waiting.get(message.number)!
      this.#waiting.delete(message.number)
      if (this.#waiting.size === 0) this.#link.wait?.(false)
      waiting.resolve(message)
    }
    this.#link = start({ onReply, onEnd: (error) => this.#fail(error) }, lane)
  }

  /** Hands the memory of `transfer` over. Rejects when the thread is no more; other failures are in the reply. */
  ask(request: Request, transfer: ArrayBuffer[] = []): Promise<Reply> {
    if (this.#failed) return Promise.reject(this.#failed)
    const number = this.#count++
    return new Promise((resolve, reject) => {
      this.#link.post({ number, request }, transfer)
      this.#waiting.set(number, { resolve, reject })
      this.#link.wait?.(true)
    })
  }

  /** Whether it has ended, by itself or because it was told to. */
  get ended(): boolean {
    return this.#failed !== undefined
  }

  async end(): Promise<void> {
    this.#failed ??= new Error('the computing thread was ended')
    await this.#link.end()
  }

  #fail(error: Error): void {
    this.#failed ??= error
    for (const { reject } of this.#waiting.values()) reject(this.#failed)
    this.#waiting.clear()
  }
}

/** The reply, unless it is a failure, which is thrown. */
function succeeded(reply: Reply): Reply {
  if (reply.failure) {
    const { error, input } = reply.failure
    throw input === undefined ? error : new InputError(input)
  }
  return reply
}

class ThreadSession implements Session {
  constructor(
    private readonly thread: Thread,
    private readonly number: number,
    /** Of memory that is used until the release. */
    private readonly loan: Loan | undefined,
  ) {}

  async run(feeds: Tensors, fetches: readonly string[], spent: readonly string[] = []): Promise<Tensors> {
    const request = { call: 'run', session: this.number, feeds: send(feeds), fetches } as const
    const reply = await this.thread.ask(request, buffersOf(spent.map((name) => feeds[name]!)))
    return receive(succeeded(reply).outputs!)
  }

  async release(): Promise<void> {
    const reply = await this.thread.ask({ call: 'release', session: this.number })
    if (reply.lent) this.loan?.giveBack(reply.lent)
    succeeded(reply)
  }
}

export class ThreadPool {
  readonly #threads: (Thread | undefined)[]
  #sessions = 0

  constructor(
    size: number,
    private readonly start: StartThread,
  ) {
    this.#threads = new Array(size)
  }

  /** End all threads. */
  async end(): Promise<void> {
    await Promise.all(this.#threads.map((thread) => thread?.end()))
    this.#threads.fill(undefined)
  }

  /**
   * A session in thread `lane`, which computes on `threads` threads. Memory that is lent to the model is handed to the
   * thread; the model's other constants are copied.
   */
  async createSession(lane: number, { loan, ...model }: OnnxModel, threads: number): Promise<Session> {
    const known = this.#threads[lane]
    // A thread that has died is replaced; its sessions are lost.
    const thread = known && !known.ended ? known : new Thread(this.start, lane)
    this.#threads[lane] = thread
    const session = this.#sessions++
    const lent = loan?.memory
    const request = { call: 'create', session, model, threads, lent } as const
    const reply = await thread.ask(request, lent ? [lent] : [])
    if (reply.lent) loan?.giveBack(reply.lent)
    succeeded(reply)
    return new ThreadSession(thread, session, loan)
  }
}
