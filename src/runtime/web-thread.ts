/** A worker of a page that computes on WebAssembly, see session-host.ts. */
import { SessionHost } from './session-host.js'
import type { Request } from './thread-messages.js'
import type { WebThreadStart } from './web-messages.js'
import { WasmSessions } from './web-session.js'
import { loadOrt } from './web-start.js'

let sessions: Promise<WasmSessions>
const host = new SessionHost(
  async (model) => (await sessions).createSession(model),
  (reply, transfer) => self.postMessage(reply, { transfer }),
)

self.onmessage = ({ data }: MessageEvent<WebThreadStart | { number: number; request: Request }>) => {
  if ('request' in data) host.receive(data)
  else sessions = loadOrt('wasm', data.threads, data.assets).then((ort) => new WasmSessions(ort))
}
