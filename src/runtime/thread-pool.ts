/** Sessions in threads of their own. A thread begins with its first session and does not keep the process alive. */
import { Worker } from 'node:worker_threads'
import type { Loan, OnnxModel } from '../onnx/graph.js'
import type { Session, Tensors } from './runtime.js'
import { buffersOf, type Reply, type Request, receive, send } from './thread-messages.js'

/** thread.js beside this file; in the source tree thread.ts, for which tsx (a development dependency) is registered. */
function startThread(): Worker {
  if (!import.meta.url.endsWith('.ts')) return new Worker(new URL('./thread.js', import.meta.url))
  const source = new URL('./thread.ts', import.meta.url).href
  return new Worker(
    `import('tsx/esm/api').then(({ register }) => { register(); return import(${JSON.stringify(source)}) })`,
    { eval: true },
  )
}

interface Waiting {
  readonly resolve: (reply: Reply) => void
  readonly reject: (error: unknown) => void
}

class Thread {
  readonly #worker = startThread()
  readonly #waiting = new Map<number, Waiting>()
  #count = 0
  #failed: Error | undefined

  constructor() {
    this.#worker.unref()
    this.#worker.on('message', (message: Reply) => {
      const waiting = this.#waiting.get(message.number)!
      this.#waiting.delete(message.number)
      if (this.#waiting.size === 0) this.#worker.unref()
      waiting.resolve(message)
    })
    this.#worker.on('error', (error: Error) => this.#fail(error))
    this.#worker.on('messageerror', (error: Error) => this.#fail(error))
    this.#worker.on('exit', (code) => this.#fail(new Error(`a computing thread ended with code ${code}`)))
  }

  /** Hands the memory of `transfer` over. Rejects when the thread is no more; other failures are in the reply. */
  ask(request: Request, transfer: ArrayBuffer[] = []): Promise<Reply> {
    if (this.#failed) return Promise.reject(this.#failed)
    const number = this.#count++
    return new Promise((resolve, reject) => {
      this.#worker.postMessage({ number, request }, transfer)
      this.#waiting.set(number, { resolve, reject })
      this.#worker.ref()
    })
  }

  /** Whether it has ended, by itself or because it was told to. */
  get ended(): boolean {
    return this.#failed !== undefined
  }

  async end(): Promise<void> {
    this.#failed ??= new Error('the computing thread was ended')
    await this.#worker.terminate()
  }

  #fail(error: Error): void {
    this.#failed ??= error
    for (const { reject } of this.#waiting.values()) reject(this.#failed)
    this.#waiting.clear()
  }
}

/** The reply, unless it is a failure, which is thrown. */
function succeeded(reply: Reply): Reply {
  if (reply.failure) throw reply.failure.error
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

  constructor(size: number) {
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
    const thread = known && !known.ended ? known : new Thread()
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
