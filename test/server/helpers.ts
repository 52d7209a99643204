/** A local server with a small app of its own, and requests to it as a program can send them, byte for byte. */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { type IncomingHttpHeaders, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'
import { type RunningServer, startServer } from '../../src/server/server.js'
import type { CallEvent, CallOptions, Engine } from '../../src/ui/protocol.js'

export const PAGE = '<!doctype html><html><head lang="en"><title>app</title></head><body></body></html>'
export const SCRIPT = 'assets/main-a1B2_c3-.js'

/** A folder that is gone after the tests of this file. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'factflow-server-'))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** What a build leaves, and beside it a file that is none of it. */
export function smallApp(): string {
  const folder = temporaryFolder()
  const app = join(folder, 'app')
  mkdirSync(join(app, 'assets'), { recursive: true })
  writeFileSync(join(app, 'index.html'), PAGE)
  writeFileSync(join(app, SCRIPT), 'export {}')
  writeFileSync(join(app, 'icon.svg'), '<svg xmlns="http://www.w3.org/2000/svg"/>')
  writeFileSync(join(folder, 'secret.txt'), 'secret')
  return app
}

export interface Served extends RunningServer {
  readonly faults: unknown[]
  ask(path: string, options?: AskOptions): Promise<Answer>
  /** Call the API as the page does. */
  call(name: string, input: unknown, options?: AskOptions): Promise<CallEvent[]>
}

export interface AskOptions {
  readonly method?: string
  /** Of these, undefined ones are not sent. */
  readonly headers?: Readonly<Record<string, string | undefined>>
  readonly body?: string | Uint8Array
  readonly signal?: AbortSignal
}

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** A server that is closed after the tests of this file. */
export async function serve(
  call: (name: string, input: unknown, options: CallOptions) => Promise<unknown>,
): Promise<Served> {
  const faults: unknown[] = []
  const engine = { call: (name, input, options = {}) => call(name, input, options) } as Engine
  const server = await startServer({
    engine,
    app: smallApp(),
    hub: 'https://huggingface.co',
    onFault: (error) => faults.push(error),
  })
  afterAll(() => server.close())
  const served: Served = {
    ...server,
    faults,
    ask: (path, options) => ask(server, path, options),
    call: async (name, input, options) => {
      const body = JSON.stringify(input)
      const answer = await ask(server, `/api/${name}`, { method: 'POST', body, ...options })
      return events(answer.body)
    },
  }
  return served
}

export function events(body: string): CallEvent[] {
  return body
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as CallEvent)
}

/** The path goes out as it is, whatever is in it. Without further headers it has the token. */
function ask(
  { port, token }: RunningServer,
  path: string,
  { method = 'GET', headers = {}, body, signal }: AskOptions = {},
): Promise<Answer> {
  const all: Record<string, string | undefined> = {
    authorization: `Bearer ${token}`,
    'content-type': 'application/json',
    ...headers,
  }
  const given = Object.entries(all).filter((one): one is [string, string] => one[1] !== undefined)
  return new Promise((resolve, reject) => {
    const sent = request(
      { host: '127.0.0.1', port, path, method, headers: Object.fromEntries(given), signal, agent: false },
      (response) => {
        let text = ''
        response.setEncoding('utf8')
        response.on('data', (chunk: string) => {
          text += chunk
        })
        response.on('error', reject)
        response.on('end', () =>
          resolve({ status: response.statusCode!, headers: response.headers, body: text }),
        )
      },
    )
    sent.on('error', reject)
    sent.end(body)
  })
}
