/** A thread that has sessions and runs them for thread-pool.ts: the requests come one by one and are answered in turn. */
import { parentPort } from 'node:worker_threads'
import { CpuSessions } from './cpu-session.js'
import type { Session } from './runtime.js'
import { buffersOf, type Reply, type Request, receive, send } from './thread-messages.js'

interface Held {
  readonly session: Session
  /** Memory that was lent and that it uses. */
  readonly lent?: ArrayBuffer
}

const port = parentPort!
const cpu = new CpuSessions()
const sessions = new Map<number, Held>()

async function answer(request: Request): Promise<Omit<Reply, 'number'>> {
  switch (request.call) {
    case 'create': {
      const { model, threads, lent } = request
      try {
        const session = await cpu.createSession(model, threads)
        // Weights that are inputs are used until the session is released; constants it has copied.
        sessions.set(request.session, model.weights ? { session, lent } : { session })
        return model.weights ? {} : { lent }
      } catch (error) {
        return { lent, failure: { error } }
      }
    }
    case 'run': {
      const { session } = sessions.get(request.session)!
      return { outputs: send(await session.run(receive(request.feeds), request.fetches)) }
    }
    case 'release': {
      const { session, lent } = sessions.get(request.session)!
      sessions.delete(request.session)
      await session.release()
      return { lent }
    }
  }
}

/** Outputs and memory are handed over, not copied. */
function reply(message: Reply): void {
  const { outputs = {}, lent } = message
  port.postMessage(message, [...buffersOf(Object.values(outputs)), ...(lent ? [lent] : [])])
}

let last: Promise<void> = Promise.resolve()
port.on('message', ({ number, request }: { number: number; request: Request }) => {
  last = last.then(async () => {
    try {
      reply({ number, ...(await answer(request)) })
    } catch (error) {
      reply({ number, failure: { error } })
    }
  })
})
