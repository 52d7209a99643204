/** The engine behind `factflow ui`: calls go to the local server, answers come as lines of JSON. */
import type { CallEvent, CallName, CallOptions, Calls, Engine } from '../../src/ui/protocol.js'
import { answeredError, Fault } from './page-engine.js'

export class ServerEngine implements Engine {
  /** @param api address of the calls, with a slash at its end */
  constructor(private readonly api: URL) {}

  async call<Name extends CallName>(
    name: Name,
    input: Calls[Name]['input'],
    { signal, onProgress }: CallOptions = {},
  ): Promise<Calls[Name]['output']> {
    const response = await this.#post(name, input, signal)
    if (!response.body || !response.headers.get('content-type')?.startsWith('application/x-ndjson')) {
      const text = (await response.text()).trim().slice(0, 500)
      throw new Fault(`the server answered ${response.status}${text === '' ? '' : `: ${text}`}`)
    }
    let last: Exclude<CallEvent, { readonly progress: unknown }> | undefined
    for await (const event of events(response.body)) {
      if ('progress' in event) onProgress?.(event.progress)
      else last = event
    }
    if (last && 'error' in last) throw answeredError(last.kind, last.error)
    if (last) return last.result as Calls[Name]['output']
    throw new Fault('the server ended its answer early; look at what it says in its terminal')
  }

  async #post(name: string, input: unknown, signal: AbortSignal | undefined): Promise<Response> {
    try {
      return await fetch(new URL(name, this.api), {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify(input),
        signal: signal ?? null,
      })
    } catch (error) {
      if (signal?.aborted) throw signal.reason
      throw new Fault(
        'the server does not answer; start factflow ui again and open the address that it prints',
        {
          cause: error,
        },
      )
    }
  }
}

async function* events(body: ReadableStream<Uint8Array>): AsyncGenerator<CallEvent> {
  const reader = body
    .pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>)
    .getReader()
  let rest = ''
  for (;;) {
    const { done, value } = await reader.read()
    if (done) break
    const lines = (rest + value).split('\n')
    rest = lines.pop()!
    for (const line of lines) if (line !== '') yield JSON.parse(line) as CallEvent
  }
}
