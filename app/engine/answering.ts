/** How a worker answers: what it is asked goes on side by side, tells its progress, and can be cancelled. */
import { InputError } from '../../src/errors.js'
import type { CallEvent, CallOptions } from '../../src/ui/protocol.js'
import type { FromWorker } from './messages.js'

export class Answering {
  readonly #running = new Map<number, AbortController>()

  /** Do what was asked, and post what comes of it. */
  async answer(id: number, work: (options: CallOptions) => Promise<unknown>): Promise<void> {
    const stop = new AbortController()
    this.#running.set(id, stop)
    const post = (event: CallEvent): void => {
      self.postMessage({ id, ...event } satisfies FromWorker)
    }
    try {
      post({ result: await work({ signal: stop.signal, onProgress: (progress) => post({ progress }) }) })
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error)
      const kind = stop.signal.aborted ? 'aborted' : error instanceof InputError ? 'input' : 'fault'
      if (kind === 'fault') globalThis.reportError(error)
      post({ error: text, kind })
    } finally {
      this.#running.delete(id)
    }
  }

  cancel(id: number): void {
    this.#running.get(id)?.abort()
  }
}
