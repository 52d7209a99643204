/** Starts threads of Node for thread-pool.ts. A thread does not keep the process alive while nobody waits for it. */
import { Worker } from 'node:worker_threads'
import { outOfMemory } from '../errors.js'
import type { ThreadLink, ThreadListener } from './thread-pool.js'

/** thread.js beside this file; in the source tree thread.ts, for which tsx (a development dependency) is registered. */
function startWorker(): Worker {
  if (!import.meta.url.endsWith('.ts')) return new Worker(new URL('./thread.js', import.meta.url))
  const source = new URL('./thread.ts', import.meta.url).href
  return new Worker(
    `import('tsx/esm/api').then(({ register }) => { register(); return import(${JSON.stringify(source)}) })`,
    { eval: true },
  )
}

export function startNodeThread(listener: ThreadListener): ThreadLink {
  return linkTo(startWorker(), listener)
}

/** A worker of Node as a thread that computes. */
export function linkTo(worker: Worker, { onReply, onEnd }: ThreadListener): ThreadLink {
  worker.unref()
  worker.on('message', onReply)
  worker.on('error', (error) => onEnd(outOfMemory(error, 'a computing thread') ?? error))
  worker.on('messageerror', onEnd)
  worker.on('exit', (code) => onEnd(new Error(`a computing thread ended with code ${code}`)))
  return {
    post: (message, transfer) => worker.postMessage(message, transfer),
    wait: (waiting) => (waiting ? worker.ref() : worker.unref()),
    async end() {
      await worker.terminate()
    },
  }
}
