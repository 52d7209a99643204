/** The test page: hands what the test asks to its worker. */
import type { Answer, Asked } from './worker.js'

declare global {
  interface Window {
    /** Ask the worker; rejects with an error whose name and message are the worker's. */
    ask(call: string, args: unknown): Promise<unknown>
    /** The files that were chosen in the page's input. */
    chosen(): File[]
  }
}

const worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' })
const waiting = new Map<number, (answer: Answer) => void>()
let count = 0

worker.onmessage = ({ data }: MessageEvent<Answer>) => {
  waiting.get(data.number)?.(data)
  waiting.delete(data.number)
}
worker.onerror = ({ message }) => {
  throw new Error(`the worker failed: ${message}`)
}

window.chosen = () => [...(document.querySelector<HTMLInputElement>('#files')!.files ?? [])]
window.ask = (call, args) =>
  new Promise((resolve, reject) => {
    const number = count++
    waiting.set(number, ({ value, failure }) => {
      if (failure) reject(Object.assign(new Error(failure.message), { name: failure.name }))
      else resolve(value)
    })
    worker.postMessage({ number, call, args } satisfies Asked)
  })
