/** Starts workers for thread-pool.ts. They share nothing, so pages that are not cross-origin isolated have them too. */
import type { StartThread } from './thread-pool.js'
import type { WebThreadStart } from './web-messages.js'

/** @param settings of the worker of a lane */
export function startWebThread(settings: (lane: number) => WebThreadStart): StartThread {
  return ({ onReply, onEnd }, lane) => {
    const worker = new Worker(new URL('./web-thread.js', import.meta.url), { type: 'module' })
    worker.onmessage = ({ data }) => onReply(data)
    worker.onerror = ({ message }) => onEnd(new Error(`a computing worker failed: ${message}`))
    worker.onmessageerror = () => onEnd(new Error('a computing worker sent what cannot be read'))
    worker.postMessage(settings(lane))
    return {
      post: (message, transfer) => worker.postMessage(message, transfer),
      async end() {
        worker.terminate()
      },
    }
  }
}
