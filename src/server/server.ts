/** The local server of the web app: its files, and answers to its calls. */
import { createHash } from 'node:crypto'
import { open } from 'node:fs/promises'
import {
  createServer,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  type Server,
  type ServerResponse,
} from 'node:http'
import type { AddressInfo } from 'node:net'
import { pipeline } from 'node:stream/promises'
import { errorCode, InputError } from '../errors.js'
import type { Engine } from '../ui/protocol.js'
import { Answers, refuse } from './answer.js'
import { appFiles, contentType, neverChanges, PAGE, servedPage } from './app-files.js'
import { Gate, guardHeaders } from './gate.js'

const HOST = '127.0.0.1'
/** Tried first where no port is asked for: an address that stays the same can be kept. */
const USUAL_PORT = 7411
/** Milliseconds in which a request must have come whole. */
const REQUEST_TIME = 30_000
const API = '/api/'

export interface ServerOptions {
  readonly engine: Engine
  /** Where the built app is. */
  readonly app: string
  /** URL of the Hub, from which the page may fetch models. */
  readonly hub: string
  /** Default: 7411 where it is free, else any. */
  readonly port?: number
  /** Told what is a fault of factflow; the server goes on. */
  readonly onFault: (error: unknown) => void
}

export interface RunningServer {
  readonly port: number
  readonly token: string
  /** The address to open, with the token in it. */
  readonly url: string
  /** Stop what is under way and close all connections. */
  close(): Promise<void>
}

/**
 * Serve the app on 127.0.0.1.
 * @throws InputError when the app was not built or the port cannot be had
 */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const { engine, onFault } = options
  const files = await appFiles(options.app)
  const page = await servedPage(files.get(PAGE)!)
  const server = createServer({ requestTimeout: REQUEST_TIME })
  const port = await listen(server, options.port)
  const gate = new Gate(port)
  const answers = new Answers(engine, onFault)
  const site = new Site(gate, answers, files, page, guardHeaders(options.hub))
  server.on('request', (request, response) => {
    site.handle(request, response).catch((error: unknown) => {
      // Whoever asked has gone, with half of a file.
      if (!response.destroyed) onFault(error)
      response.destroy()
    })
  })
  return {
    port,
    token: gate.token,
    url: `http://${HOST}:${port}/?token=${gate.token}`,
    close: () =>
      new Promise((done) => {
        server.close(() => done())
        answers.stop()
        server.closeAllConnections()
      }),
  }
}

async function listen(server: Server, asked: number | undefined): Promise<number> {
  try {
    return await listenOn(server, asked ?? USUAL_PORT)
  } catch (error) {
    if (asked === undefined) return listenOn(server, 0)
    throw new InputError(
      `--port: must be one that is free on ${HOST}, got ${asked} (${errorCode(error)}); leave it out for any`,
    )
  }
}

function listenOn(server: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, HOST, () => {
      server.off('error', reject)
      resolve((server.address() as AddressInfo).port)
    })
  })
}

class Site {
  readonly #pageTag: string

  constructor(
    private readonly gate: Gate,
    private readonly answers: Answers,
    /** By their addresses. */
    private readonly files: ReadonlyMap<string, string>,
    private readonly page: string,
    private readonly headers: OutgoingHttpHeaders,
  ) {
    this.#pageTag = `"${createHash('sha256').update(page).digest('base64url')}"`
  }

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { headers, gate } = { headers: request.headers, gate: this.gate }
    const { url = '', method = '' } = request
    // Never resolved or decoded: an address is one of the list, to the letter, or it is not there.
    const path = url.replace(/\?.*/s, '')
    const query = new URLSearchParams(url.slice(path.length))
    if (!gate.hasHost(headers)) {
      this.#words(response, 403, 'This server answers to 127.0.0.1 and localhost alone.')
    } else if (path.startsWith(API)) await this.#api(path.slice(API.length), request, response)
    else if (method !== 'GET' && method !== 'HEAD') {
      this.#words(response, 405, 'Files can be read, nothing else.', { Allow: 'GET, HEAD' })
    } else if (path === '/' && gate.isToken(query.get('token') ?? '')) {
      query.delete('token')
      const more = { Location: query.size > 0 ? `/?${query}` : '/', 'Set-Cookie': gate.setCookie }
      this.#words(response, 303, 'The page is at /.', more)
    } else if (!gate.hasToken(headers)) this.#words(response, 401, NO_TOKEN)
    else if (path === '/' || path === `/${PAGE}`) this.#page(request, response)
    else await this.#file(path.slice(1), request, response)
  }

  async #api(name: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { gate, headers } = this
    if (request.method !== 'POST') {
      refuse(response, 405, `api: calls must be POST, got ${request.method}; send one`, {
        ...headers,
        Allow: 'POST',
      })
    } else if (!gate.isOwn(request.headers)) {
      const text = 'origin: calls must come from the page of this server, got another; open its address'
      refuse(response, 403, text, headers)
    } else if (!gate.hasToken(request.headers)) refuse(response, 401, `token: ${NO_TOKEN}`, headers)
    else await this.answers.answer(name, request, response, headers)
  }

  #page(request: IncomingMessage, response: ServerResponse): void {
    const more = { ETag: this.#pageTag, 'Cache-Control': 'no-cache' }
    if (request.headers['if-none-match'] === this.#pageTag) {
      response.writeHead(304, { ...this.headers, ...more }).end()
      return
    }
    const body = Buffer.from(this.page)
    const type = contentType(PAGE)
    response.writeHead(200, {
      ...this.headers,
      ...more,
      'Content-Type': type,
      'Content-Length': body.length,
    })
    response.end(request.method === 'HEAD' ? undefined : body)
  }

  async #file(address: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = this.files.get(address)
    const file = path === undefined ? undefined : await open(path).catch(() => undefined)
    if (!file) {
      this.#words(response, 404, 'There is no such file.')
      return
    }
    try {
      const { size, mtimeMs } = await file.stat()
      const tag = `"${size.toString(36)}-${Math.round(mtimeMs).toString(36)}"`
      const headers = {
        ...this.headers,
        ETag: tag,
        'Cache-Control': neverChanges(address) ? 'max-age=31536000, immutable' : 'no-cache',
      }
      if (request.headers['if-none-match'] === tag) {
        response.writeHead(304, headers).end()
        return
      }
      const type = contentType(address)
      response.writeHead(200, { ...headers, 'Content-Type': type, 'Content-Length': size })
      if (request.method === 'HEAD') response.end()
      else await pipeline(file.createReadStream(), response)
    } finally {
      await file.close()
    }
  }

  #words(response: ServerResponse, status: number, text: string, more: OutgoingHttpHeaders = {}): void {
    response.writeHead(status, {
      ...this.headers,
      'Content-Type': 'text/plain; charset=utf-8',
      'Cache-Control': 'no-store',
      ...more,
    })
    response.end(`${text}\n`)
  }
}

const NO_TOKEN =
  'This page needs the token that factflow ui made: open the address that it printed in the terminal.'
