/** A thread of Node that computes, see session-host.ts. */
import { parentPort } from 'node:worker_threads'
import { CpuSessions } from './cpu-session.js'
import { SessionHost } from './session-host.js'

const port = parentPort!
const cpu = new CpuSessions()
const host = new SessionHost(
  (model, threads) => cpu.createSession(model, threads),
  (reply, transfer) => port.postMessage(reply, transfer),
)
port.on('message', (message) => host.receive(message))
