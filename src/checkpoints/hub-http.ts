/**
 * Requests to the Hub: the token for its own origin alone, time limits, errors by kind, retries with back-off.
 *
 * `@huggingface/hub` makes a request once, waits for ever, and refuses tokens that do not begin with `hf_`, which
 * mirrors may give out; it takes a `fetch`, and `HubClient.fetchWhole` is one that does better.
 */
import { errorCode } from '../errors.js'
import { sleep } from '../sleep.js'

export const HUB_ENDPOINT = 'https://huggingface.co'
/** huggingface_hub's DEFAULT_ETAG_TIMEOUT and DEFAULT_DOWNLOAD_TIMEOUT. */
export const HUB_TIMEOUT_S = 10

/** How to reach a Hub. */
export interface HubConnection {
  /** Without a slash at its end. */
  readonly endpoint: string
  readonly token?: string
  /** Where the token came from, for messages. */
  readonly tokenSource: string
  /** Milliseconds that a question to the Hub may take. */
  readonly requestTimeout: number
  /** Milliseconds that a download may stand still. */
  readonly downloadTimeout: number
  /** The header User-Agent; browsers have one of their own. */
  readonly userAgent?: string
  /**
   * How a browser's HTTP cache is used for files: `no-store` where they are kept elsewhere. It would also let only one
   * request at a time have parts of the same file.
   */
  readonly fileCache?: 'no-store'
  readonly advice: HubAdvice
}

/** What messages call what the user can change. */
export interface HubAdvice {
  /** What names the revision: `--revision`. */
  readonly revision: string
  /** What names the Hub: `HF_ENDPOINT`. */
  readonly endpoint: string
  /** How to give a token: `set HF_TOKEN`. */
  readonly giveToken: string
  /** `set HF_TOKEN to a token of your account` */
  readonly giveOwnToken: string
  /** What to do when there is no answer in time. */
  readonly timeout: string
  /** What to do when there is no connection, by the system's name for what went wrong. */
  network(code: string): string
}

export type HubErrorKind =
  | 'gated'
  | 'no-repository'
  | 'bad-token'
  | 'no-revision'
  | 'no-file'
  | 'too-many-requests'
  | 'server'
  | 'network'
  | 'timeout'
  | 'other'

/** What went wrong between us and the Hub. `explained` (hub-errors.ts) makes an InputError of it. */
export class HubError extends Error {
  override name = 'HubError'

  constructor(
    readonly kind: HubErrorKind,
    /** One part of a sentence: `HTTP 503`, `ECONNREFUSED`. */
    readonly what: string,
    readonly host: string,
    /** Milliseconds that the server asks us to wait. */
    readonly retryAfter?: number,
    readonly status?: number,
  ) {
    super(`${host}: ${what}`)
  }

  /** Whether the same request may succeed a little later. */
  get passing(): boolean {
    return ['too-many-requests', 'server', 'network', 'timeout'].includes(this.kind)
  }
}

/** Milliseconds before the second, third... attempt: as huggingface_hub's http_backoff, but for a quick first. */
const WAITS = [100, 1000, 4000, 8000, 8000]
/** The longest wait that a server may ask for: the Hub counts requests in windows of five minutes. */
const LONGEST_WAIT = 300_000

/** Connections that were there and broke. Of others (no such host, nobody listens) none will come however often we ask. */
const BROKEN = ['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET']

/** A file from the Hub, as it comes. */
export interface HubStream {
  readonly status: number
  readonly headers: Headers
  /** @throws HubError when the connection breaks or stands still */
  chunks(): AsyncGenerator<Uint8Array>
  /** Close the connection; the chunks are not wanted. */
  cancel(): Promise<void>
}

export interface ClientOptions {
  readonly signal?: AbortSignal
  /** Ask again where that may help; default true. */
  readonly patient?: boolean
  /** Called before a wait that a user would notice. */
  readonly onNote?: (note: string) => void
}

export class HubClient<S extends HubConnection = HubConnection> {
  readonly signal?: AbortSignal
  readonly #patient: boolean
  readonly #onNote: ClientOptions['onNote']

  constructor(
    readonly settings: S,
    { signal, patient = true, onNote }: ClientOptions = {},
  ) {
    this.signal = signal
    this.#patient = patient
    this.#onNote = onNote
  }

  /** The Hub's, for messages. */
  get host(): string {
    return new URL(this.settings.endpoint).host
  }

  /**
   * A `fetch` that retries, and gives a response that has arrived whole.
   * @throws HubError when it does not come, or is not a success
   */
  readonly fetchWhole: typeof fetch = (input, init) => {
    const attempt = async (): Promise<Response> => {
      const { response, stop } = await this.#fetch(String(input), this.settings.requestTimeout, init)
      try {
        const body = await response.arrayBuffer()
        return new Response(body, { status: response.status, headers: response.headers })
      } catch (error) {
        throw this.#networkError(error, String(input))
      } finally {
        stop()
      }
    }
    // Nor is a question asked again that was not answered in all its time: nobody should wait for minutes.
    const again = ({ kind, what }: HubError): boolean =>
      this.#patient && kind !== 'timeout' && (kind !== 'network' || BROKEN.includes(what))
    return this.retrying(attempt, again)
  }

  /**
   * One request for a file from byte `from` on, or for those before byte `to`. The server may send others.
   * @throws HubError when there is no answer, or not a success
   */
  async stream(url: string, from: number, signal?: AbortSignal, to?: number): Promise<HubStream> {
    const { downloadTimeout, fileCache } = this.settings
    const part = from > 0 || to !== undefined
    // Compressed, the positions of the bytes would be others.
    const range = part && { range: `bytes=${from}-${to === undefined ? '' : to - 1}` }
    const headers = { 'accept-encoding': 'identity', ...range }
    const { response, stop, alive } = await this.#fetch(url, downloadTimeout, {
      headers,
      signal,
      cache: fileCache,
    })
    const networkError = (error: unknown): unknown => this.#networkError(error, url)
    return {
      status: response.status,
      headers: response.headers,
      async *chunks() {
        try {
          // Not `for await`: some browsers' streams lack it.
          for (const reader = response.body?.getReader(); reader; ) {
            const { value } = await reader.read()
            if (!value) break
            alive()
            yield value
          }
        } catch (error) {
          throw networkError(error)
        } finally {
          stop()
        }
      },
      async cancel() {
        stop()
        // A connection that broke is closed already.
        await response.body?.cancel().catch(() => {})
      },
    }
  }

  /**
   * Repeat what fails in passing, at most five times in a row without progress.
   * @param attempt may call its argument to say that it has come further
   * @throws what the last attempt threw, or the signal's reason
   */
  async retrying<T>(
    attempt: (progress: () => void) => Promise<T>,
    again = (_: HubError): boolean => true,
    signal = this.signal,
  ): Promise<T> {
    for (let failures = 0; ; ) {
      try {
        return await attempt(() => {
          failures = 0
        })
      } catch (error) {
        signal?.throwIfAborted()
        if (!(error instanceof HubError && error.passing && again(error)) || failures === WAITS.length) {
          throw error
        }
        const wait = error.retryAfter ?? WAITS[failures]!
        if (wait >= 1000) {
          this.#onNote?.(`${error.host} gives ${error.what}; asking again in ${Math.round(wait / 1000)} s`)
        }
        await sleep(wait, signal)
        failures++
      }
    }
  }

  /** @throws HubError when there is no answer in time, or not a success */
  async #fetch(
    url: string,
    timeout: number,
    init: RequestInit = {},
  ): Promise<{ response: Response; stop(): void; alive(): void }> {
    const { endpoint, token, userAgent } = this.settings
    const headers = new Headers(init.headers)
    if (userAgent !== undefined) headers.set('user-agent', userAgent)
    // `fetch` itself drops the token where a redirect leaves the origin.
    if (token !== undefined && new URL(url).origin === new URL(endpoint).origin) {
      headers.set('authorization', `Bearer ${token}`)
    }
    const control = new AbortController()
    const late = (): void =>
      control.abort(new HubError('timeout', `nothing for ${timeout / 1000} s`, new URL(url).host))
    let timer = setTimeout(late, timeout)
    const alive = (): void => {
      clearTimeout(timer)
      timer = setTimeout(late, timeout)
    }
    const signals = [this.signal, init.signal].filter((signal) => signal !== null && signal !== undefined)
    const abort = (): void => control.abort(signals.find(({ aborted }) => aborted)?.reason)
    for (const signal of signals) signal.addEventListener('abort', abort)
    const stop = (): void => {
      clearTimeout(timer)
      for (const signal of signals) signal.removeEventListener('abort', abort)
    }
    try {
      for (const signal of signals) signal.throwIfAborted()
      const response = await fetch(url, { ...init, headers, signal: control.signal })
      if (!response.ok) throw await httpError(response, url)
      return { response, stop, alive }
    } catch (error) {
      stop()
      throw this.#networkError(error, url)
    }
  }

  /** What `fetch` and its bodies throw, as a HubError, unless it is the user who stopped. */
  #networkError(error: unknown, url: string): unknown {
    if (error instanceof HubError || (error instanceof DOMException && error.name === 'AbortError'))
      return error
    // `fetch failed`, `terminated`: the reason is in the cause, for several addresses of a host in the first of many.
    if (!(error instanceof TypeError)) return error
    const cause = error.cause instanceof AggregateError ? error.cause.errors[0] : (error.cause ?? error)
    const code = errorCode(cause)
    const text = cause instanceof Error ? cause.message : error.message
    const what = /^[A-Z0-9_]+$/.test(code) ? code : text.replace(/\s+/g, ' ')
    return new HubError(/TIMEOUT|ETIMEDOUT/.test(code) ? 'timeout' : 'network', what, new URL(url).host)
  }
}

async function httpError(response: Response, url: string): Promise<HubError> {
  await response.body?.cancel().catch(() => {})
  const { status, headers } = response
  return new HubError(
    kindOf(status, headers),
    `HTTP ${status}`,
    new URL(url).host,
    retryAfter(headers),
    status,
  )
}

/** As huggingface_hub tells them apart (utils/_http.py, `hf_raise_for_status`). */
function kindOf(status: number, headers: Headers): HubErrorKind {
  switch (headers.get('x-error-code')) {
    case 'GatedRepo':
      return 'gated'
    case 'RepoNotFound':
      return 'no-repository'
    case 'RevisionNotFound':
      return 'no-revision'
    case 'EntryNotFound':
      return 'no-file'
  }
  if (headers.get('x-error-message') === 'Invalid credentials in Authorization header') return 'bad-token'
  // Without a token the Hub does not tell a private model from none.
  if (status === 401 || status === 404) return 'no-repository'
  if (status === 429) return 'too-many-requests'
  return status >= 500 || status === 408 ? 'server' : 'other'
}

/** The header Retry-After, seconds or a date (RFC 9110, section 10.2.3), in milliseconds. */
function retryAfter(headers: Headers): number | undefined {
  const text = headers.get('retry-after')
  if (text === null) return undefined
  const wait = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - Date.now()
  return Number.isNaN(wait) ? undefined : Math.min(LONGEST_WAIT, Math.max(0, wait))
}
