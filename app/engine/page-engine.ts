/** An engine in the page: a worker that runs factflow. */
import { InputError } from '../../src/errors.js'
import type { CallName, CallOptions, Calls, Engine } from '../../src/ui/protocol.js'
import type { DroppedFile, FromWorker, ToWorker } from './messages.js'

interface Waiting {
  readonly resolve: (value: unknown) => void
  readonly reject: (reason: unknown) => void
  readonly options: CallOptions
}

/** An error of factflow, not of what was asked. */
export class Fault extends Error {
  override readonly name = 'Fault'
}

/** The error that an engine answered with. */
export function answeredError(kind: 'input' | 'fault' | 'aborted', text: string): Error {
  if (kind === 'input') return new InputError(text)
  return kind === 'aborted' ? new DOMException(text, 'AbortError') : new Fault(text)
}

export class PageEngine implements Engine {
  readonly #worker: Worker
  readonly #waiting = new Map<number, Waiting>()
  #next = 0
  #broken: Error | undefined

  /** @param first told to the worker before all else */
  constructor(worker: Worker, first?: ToWorker) {
    this.#worker = worker
    this.#worker.onmessage = ({ data }: MessageEvent<FromWorker>) => this.#heard(data)
    this.#worker.onerror = (event) => {
      event.preventDefault()
      this.#break(new Fault(`the worker that computes stopped: ${event.message || 'it could not be loaded'}`))
    }
    if (first) this.#send(first)
  }

  call<Name extends CallName>(
    name: Name,
    input: Calls[Name]['input'],
    options: CallOptions = {},
  ): Promise<Calls[Name]['output']> {
    return this.#ask((id) => ({ kind: 'call', id, name, input }), options) as Promise<Calls[Name]['output']>
  }

  /** Give stored results to the studies. Resolves to the texts of what could not be used. */
  addFiles(files: readonly DroppedFile[], options: CallOptions = {}): Promise<readonly string[]> {
    return this.#ask((id) => ({ kind: 'files', id, files }), options) as Promise<readonly string[]>
  }

  close(): void {
    this.#break(new DOMException('the worker was ended', 'AbortError'))
    this.#worker.terminate()
  }

  #ask(message: (id: number) => ToWorker, options: CallOptions): Promise<unknown> {
    if (this.#broken) return Promise.reject(this.#broken)
    const { signal } = options
    if (signal?.aborted) return Promise.reject(signal.reason)
    const id = this.#next++
    return new Promise((resolve, reject) => {
      const cancel = (): void => {
        this.#waiting.delete(id)
        this.#send({ kind: 'cancel', id })
        reject(signal!.reason)
      }
      const settled =
        <T>(settle: (value: T) => void) =>
        (value: T) => {
          signal?.removeEventListener('abort', cancel)
          settle(value)
        }
      this.#waiting.set(id, { resolve: settled(resolve), reject: settled(reject), options })
      signal?.addEventListener('abort', cancel, { once: true })
      this.#send(message(id))
    })
  }

  #heard(event: FromWorker): void {
    const waiting = this.#waiting.get(event.id)
    if (!waiting) return
    if ('progress' in event) {
      waiting.options.onProgress?.(event.progress)
      return
    }
    this.#waiting.delete(event.id)
    if ('error' in event) waiting.reject(answeredError(event.kind, event.error))
    else waiting.resolve(event.result)
  }

  #break(error: Error): void {
    this.#broken = error
    for (const { reject } of this.#waiting.values()) reject(error)
    this.#waiting.clear()
  }

  #send(message: ToWorker): void {
    this.#worker.postMessage(message)
  }
}
