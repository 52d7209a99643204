/** Answers one call of the web app as a stream of lines: progress, then the result or an error. */
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http'
import type { z } from 'zod'
import { InputError, show } from '../errors.js'
import { issueError } from '../studies/study.js'
import { type CallEvent, type CallName, type CallProgress, type Engine, SCHEMAS } from '../ui/protocol.js'
import { STUDY_SCHEMAS } from '../ui/study-protocol.js'

const ALL_SCHEMAS: Readonly<Record<CallName, z.ZodType>> = { ...SCHEMAS, ...STUDY_SCHEMAS }

/** Bytes of a question. */
const MOST_BYTES = 1_000_000
/** Calls that are answered at the same time; a browser makes six at most. */
const MOST_CALLS = 16
/** Milliseconds between two lines of progress. */
const PROGRESS_INTERVAL = 100
const TYPE = 'application/x-ndjson'

export class Answers {
  readonly #running = new Set<AbortController>()

  /** @param onFault told what is a fault of factflow */
  constructor(
    private readonly engine: Engine,
    private readonly onFault: (error: unknown) => void,
  ) {}

  /** @param headers of every answer */
  async answer(
    name: string,
    request: IncomingMessage,
    response: ServerResponse,
    headers: OutgoingHttpHeaders,
  ): Promise<void> {
    if (!isCall(name)) {
      const names = Object.keys(ALL_SCHEMAS).join(', ')
      refuse(response, 404, `api: must be one of ${names}, got ${show(name)}; call one of them`, headers)
      return
    }
    const type = request.headers['content-type']
    if (type === undefined || !/^application\/json *(;|$)/i.test(type)) {
      const got = show(type ?? 'nothing')
      refuse(response, 415, `content-type: must be application/json, got ${got}; set it`, headers)
      return
    }
    if (this.#running.size >= MOST_CALLS) {
      const got = `got ${MOST_CALLS} under way; wait until one is done`
      refuse(response, 429, `${name}: at most ${MOST_CALLS} calls are answered at once, ${got}`, headers)
      return
    }
    const stop = new AbortController()
    this.#running.add(stop)
    // Whoever asked has gone.
    response.on('close', () => stop.abort())
    try {
      const body = await bodyOf(request)
      if (body === undefined) {
        const text = `${name}: a question must have at most ${MOST_BYTES} bytes, got more; shorten it`
        refuse(response, 413, text, { ...headers, Connection: 'close' })
        return
      }
      const input = parsed(name, body)
      if (input instanceof InputError) refuse(response, 400, input.message, headers)
      else await this.#call(name, input, response, headers, stop.signal)
    } finally {
      this.#running.delete(stop)
    }
  }

  /** Stop all that is under way. */
  stop(): void {
    for (const stop of this.#running) stop.abort()
  }

  async #call(
    name: CallName,
    input: never,
    response: ServerResponse,
    headers: OutgoingHttpHeaders,
    signal: AbortSignal,
  ): Promise<void> {
    response.writeHead(200, { ...headers, 'Content-Type': TYPE, 'Cache-Control': 'no-store' })
    const progress = new Paced((latest: CallProgress) => response.write(line({ progress: latest })))
    let last: CallEvent
    try {
      const result = await this.engine.call(name, input, { signal, onProgress: (p) => progress.give(p) })
      last = { result }
    } catch (error) {
      last = this.#failure(name, error, signal)
    } finally {
      progress.stop()
    }
    response.end(line(last))
  }

  #failure(name: string, error: unknown, signal: AbortSignal): CallEvent {
    if (error instanceof InputError) return { error: error.message, kind: 'input' }
    if (signal.aborted) return { error: `${name}: was stopped`, kind: 'aborted' }
    this.onFault(error)
    const text = error instanceof Error ? error.message : String(error)
    return { error: `this is a fault of factflow, please report it: ${text}`, kind: 'fault' }
  }
}

/** Refuse a question to the API, in the form of its answers. */
export function refuse(
  response: ServerResponse,
  status: number,
  error: string,
  headers: OutgoingHttpHeaders,
): void {
  response.writeHead(status, { ...headers, 'Content-Type': TYPE, 'Cache-Control': 'no-store' })
  response.end(line({ error, kind: 'input' }))
}

function line(event: CallEvent): string {
  return `${JSON.stringify(event)}\n`
}

function isCall(name: string): name is CallName {
  return Object.hasOwn(ALL_SCHEMAS, name)
}

/** The bytes of a request; undefined when there are too many, which are then read and thrown away. */
function bodyOf(request: IncomingMessage): Promise<Uint8Array | undefined> {
  return new Promise((resolve, reject) => {
    const chunks: Uint8Array[] = []
    let bytes = 0
    request.on('data', (chunk: Uint8Array) => {
      bytes += chunk.length
      if (bytes <= MOST_BYTES) chunks.push(chunk)
      else {
        chunks.length = 0
        resolve(undefined)
      }
    })
    request.on('end', () => resolve(Buffer.concat(chunks)))
    request.on('error', reject)
  })
}

/** A question, checked; or what is wrong with it. */
function parsed(name: CallName, body: Uint8Array): never | InputError {
  let json: unknown
  try {
    json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body))
  } catch {
    const got = show(Buffer.from(body).toString('utf8'))
    return new InputError(`${name}: a question must be JSON in UTF-8, got ${got}; correct it`)
  }
  const checked = ALL_SCHEMAS[name].safeParse(json, { reportInput: true })
  if (checked.success) return checked.data as never
  return issueError(checked.error.issues[0]!, name, 'a question', 'correct it')
}

/** Passes what comes fast on at a pace: what came last counts. */
class Paced<T> {
  #timer: NodeJS.Timeout | undefined
  #latest: T | undefined

  constructor(private readonly pass: (latest: T) => void) {}

  give(value: T): void {
    if (this.#timer) {
      this.#latest = value
      return
    }
    this.pass(value)
    this.#timer = setTimeout(() => {
      const latest = this.#latest
      this.stop()
      if (latest !== undefined) this.give(latest)
    }, PROGRESS_INTERVAL)
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#latest = undefined
  }
}
