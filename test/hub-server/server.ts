/**
 * A local server that speaks the Hub's HTTP: the questions about a model or data set, its files, which redirect to another origin
 * when they are large ("the CDN"), errors with their codes; and things that go wrong, by rules. It keeps what was asked.
 */
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'

export interface Asked {
  readonly origin: 'hub' | 'cdn'
  readonly method: string
  /** Path without query. */
  readonly path: string
  readonly headers: IncomingMessage['headers']
}

/** Something that goes wrong with the requests whose path matches. */
export interface Fault {
  readonly path: RegExp
  /** How often; default once. */
  readonly times?: number
  readonly method?: string
  /** Answer with this status and nothing else. */
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  /** Break the connection after so many bytes of the answer. */
  readonly cut?: number
  /** Milliseconds between those bytes and the break; default none. */
  readonly pause?: number
  /** Send nothing more after so many bytes of the answer. */
  readonly stall?: number
  /** Milliseconds between two pieces of `pieceBytes`. */
  readonly slow?: number
  readonly pieceBytes?: number
  /** Send the whole file though a part was asked for. */
  readonly whole?: boolean
  /** Send another content of the same length, or of another. */
  readonly content?: Uint8Array
}

export interface RepoOptions {
  /** Names of branches and tags besides `main`, to what they hold. */
  readonly revisions?: Readonly<Record<string, Files>>
  /** Whoever has no `Bearer <token>` of these may not read the files. */
  readonly gatedFor?: readonly string[]
  /** Whoever has no token of these does not see it. */
  readonly privateTo?: readonly string[]
  /** Sizes that the list of files claims, where they are not true. */
  readonly sizes?: Readonly<Record<string, number>>
}

export type Files = Readonly<Record<string, string | Uint8Array>>

interface Entry {
  readonly content: Uint8Array
  readonly oid: string
  readonly sha256?: string
}

interface Repo extends RepoOptions {
  readonly commits: Map<string, Map<string, Entry>>
  readonly refs: Map<string, string>
}

/** As the Hub has it: pages of any site may ask, with a token, and see what tells errors apart. */
const CORS: Readonly<Record<string, string>> = {
  'access-control-allow-origin': '*',
  'access-control-allow-headers': 'authorization, range',
  'access-control-expose-headers':
    'x-repo-commit, x-error-code, x-error-message, etag, link, accept-ranges, content-range, x-linked-size, x-linked-etag',
}

const LARGE = /\.(?:safetensors|bin|gguf|msgpack|h5|parquet)$/

/** All files at the top of a folder. */
export function folderFiles(dir: string): Record<string, Uint8Array> {
  const names = readdirSync(dir).filter((name) => statSync(join(dir, name)).isFile())
  return Object.fromEntries(names.map((name) => [name, readFileSync(join(dir, name))]))
}

export function sha(algorithm: 'sha1' | 'sha256', ...parts: (string | Uint8Array)[]): string {
  const hash = createHash(algorithm)
  for (const part of parts) hash.update(part)
  return hash.digest('hex')
}

export class HubServer {
  readonly asked: Asked[] = []
  /** The most answers that the CDN was giving at the same time. */
  mostAtOnce = 0
  #atOnce = 0
  /** Entries of a list of files in one answer. */
  pageSize = 1000
  /** Where the next page of a list is said to be, if not here. */
  nextPageAt?: string
  readonly #repos = new Map<string, Repo>()
  readonly #aliases = new Map<string, string>()
  readonly #faults: { fault: Fault; left: number }[] = []
  readonly #blobs = new Map<string, Uint8Array>()

  private constructor(
    readonly hub: Server,
    readonly cdn: Server,
    /** The URL of the Hub. */
    readonly endpoint: string,
    readonly cdnEndpoint: string,
  ) {}

  static async start(): Promise<HubServer> {
    const [hub, cdn] = [createServer(), createServer()]
    const server = new HubServer(hub, cdn, await listening(hub), await listening(cdn))
    hub.on('request', (request, response) => server.#answer('hub', request, response))
    cdn.on('request', (request, response) => server.#answer('cdn', request, response))
    return server
  }

  /** Stop; a second time does nothing. */
  async close(): Promise<void> {
    for (const one of [this.hub, this.cdn]) {
      one.closeAllConnections()
      await new Promise((done) => one.close(done))
    }
  }

  /**
   * Serve a model, or a new commit of one; returns its main commit.
   * @param id of a data set with `datasets/` in front
   */
  add(id: string, files: Files, options: RepoOptions = {}): string {
    const { commits, refs } = this.#repos.get(id) ?? { commits: new Map(), refs: new Map() }
    this.#repos.set(id, { ...options, commits, refs })
    for (const [revision, content] of Object.entries({ main: files, ...options.revisions })) {
      const entries = new Map(Object.entries(content).map(([path, data]) => [path, this.#entry(path, data)]))
      const commit = sha('sha1', id, ...[...entries].flatMap(([path, { oid }]) => [path, oid]))
      commits.set(commit, entries)
      refs.set(revision, commit)
    }
    return refs.get('main')!
  }

  /** The old name of a model, which redirects. */
  alias(old: string, id: string): void {
    this.#aliases.set(old, id)
  }

  fault(fault: Fault): void {
    this.#faults.push({ fault, left: fault.times ?? 1 })
  }

  /** Requests to the CDN. */
  get downloads(): Asked[] {
    return this.asked.filter(({ origin }) => origin === 'cdn')
  }

  /** The names of the files that were asked for, each once, in order of the alphabet. */
  files(): string[] {
    const names = this.asked.flatMap(({ path }) => /\/resolve\/[^/]+\/(.+)$/.exec(path)?.[1] ?? [])
    return [...new Set(names.map(decodeURIComponent))].sort()
  }

  #entry(path: string, data: string | Uint8Array): Entry {
    const content = typeof data === 'string' ? new TextEncoder().encode(data) : data
    const sha256 = LARGE.test(path) ? sha('sha256', content) : undefined
    if (sha256) this.#blobs.set(sha256, content)
    const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${sha256}\nsize ${content.length}\n`
    const inGit = sha256 ? new TextEncoder().encode(pointer) : content
    return { content, oid: sha('sha1', `blob ${inGit.length}\0`, inGit), sha256 }
  }

  #answer(origin: 'hub' | 'cdn', request: IncomingMessage, response: ServerResponse): void {
    for (const [name, value] of Object.entries(CORS)) response.setHeader(name, value)
    if (request.method === 'OPTIONS') {
      response.writeHead(204).end()
      return
    }
    const { pathname } = new URL(request.url!, 'http://any')
    const path = decodeURI(pathname)
    if (origin === 'cdn') {
      this.mostAtOnce = Math.max(this.mostAtOnce, ++this.#atOnce)
      response.on('close', () => this.#atOnce--)
    }
    this.asked.push({ origin, method: request.method!, path: pathname, headers: request.headers })
    const active = this.#faults.find(
      ({ fault, left }) =>
        left > 0 && fault.path.test(path) && (!fault.method || fault.method === request.method),
    )
    if (active) active.left--
    const fault = active?.fault
    if (fault?.status) {
      response.writeHead(fault.status, fault.headers).end()
      return
    }
    if (origin === 'cdn') this.#fromCdn(path, request, response, fault)
    else this.#fromHub(path, request, response, fault)
  }

  #fromCdn(path: string, request: IncomingMessage, response: ServerResponse, fault?: Fault): void {
    const content = this.#blobs.get(path.slice(1))
    if (!content || !request.url!.endsWith('?signature=valid')) {
      response.writeHead(403).end()
      return
    }
    send(request, response, content, { etag: `"${sha('sha1', content)}"` }, fault)
  }

  #fromHub(path: string, request: IncomingMessage, response: ServerResponse, fault?: Fault): void {
    const { what, id, revision, file } = meaning(path)
    const named = this.#aliases.get(id)
    const token = request.headers.authorization?.replace(/^Bearer /, '')
    const repo = this.#repos.get(id)
    const commit = repo?.refs.get(revision) ?? revision
    const entries = repo?.commits.get(commit)
    const entry = entries?.get(file)
    if (named !== undefined) {
      response.writeHead(307, { location: request.url!.replace(`/${id}/`, `/${named}/`) }).end()
    } else if (token === 'hf_wrong') {
      fail(response, 401, undefined, 'Invalid credentials in Authorization header')
    } else if (!repo || (repo.privateTo && !repo.privateTo.includes(token ?? ''))) {
      fail(response, token ? 404 : 401, 'RepoNotFound', 'Repository not found')
    } else if (!entries) {
      fail(response, 404, 'RevisionNotFound', `Invalid rev id: ${revision}`)
    } else if (what === 'revision') {
      json(response, modelInfo(id, commit, entries, repo))
    } else if (what === 'tree') {
      this.#list(entries, repo.sizes ?? {}, request, response)
    } else if (repo.gatedFor && !repo.gatedFor.includes(token ?? '')) {
      fail(response, token ? 403 : 401, 'GatedRepo', `Access to ${id} is restricted`)
    } else if (!entry) {
      fail(response, 404, 'EntryNotFound', 'Entry not found', { 'x-repo-commit': commit })
    } else {
      this.#file(entry, `${id}/${commit}/${file}`, what === 'resolve-cache', request, response, fault)
    }
  }

  /** Large files are elsewhere; small ones have an address of their own, by commit. */
  #file(
    { content, oid, sha256 }: Entry,
    place: string,
    here: boolean,
    request: IncomingMessage,
    response: ServerResponse,
    fault?: Fault,
  ): void {
    const common = { 'x-repo-commit': place.split('/').at(-2)!, 'accept-ranges': 'bytes' }
    if (sha256) {
      response.writeHead(302, {
        ...common,
        location: `${this.cdnEndpoint}/${sha256}?signature=valid`,
        'x-linked-etag': `"${sha256}"`,
        'x-linked-size': content.length,
        'x-xet-hash': sha256,
      })
      response.end()
    } else if (here) {
      send(request, response, content, { ...common, etag: `"${oid}"` }, fault)
    } else {
      response.writeHead(307, {
        ...common,
        location: `/api/resolve-cache/${place.startsWith('datasets/') ? '' : 'models/'}${place}`,
        'x-linked-etag': `"${oid}"`,
        'x-linked-size': content.length,
      })
      response.end()
    }
  }

  #list(
    entries: ReadonlyMap<string, Entry>,
    sizes: Readonly<Record<string, number>>,
    request: IncomingMessage,
    response: ServerResponse,
  ): void {
    const url = new URL(request.url!, this.nextPageAt ?? this.endpoint)
    const from = Number(url.searchParams.get('cursor') ?? 0)
    const listed = [...entries].filter(
      ([path]) => url.searchParams.get('recursive') === 'true' || !path.includes('/'),
    )
    const all = listed.map(([path, { content, oid, sha256 }]) => {
      const size = sizes[path] ?? content.length
      const lfs = sha256 && { lfs: { oid: sha256, size, pointerSize: 130 }, xetHash: sha256 }
      return { type: 'file', oid, size, path, ...lfs }
    })
    const next = from + this.pageSize
    url.searchParams.set('cursor', String(next))
    json(response, all.slice(from, next), next < all.length ? { link: `<${url}>; rel="next"` } : {})
  }
}

/** The URL of a server, which listens from now on. */
async function listening(server: Server): Promise<string> {
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** What a path of the Hub asks for. */
function meaning(path: string): { what: string; id: string; revision: string; file: string } {
  const name = '((?:datasets/)?(?:[^/]+/)?[^/]+)'
  const api = new RegExp(`^/api/(?:models/)?${name}/(revision|tree)/(.+)$`).exec(path)
  if (api) return { id: api[1]!, what: api[2]!, revision: decodeURIComponent(api[3]!), file: '' }
  const cached = new RegExp(`^/api/resolve-cache/(?:models/)?${name}/([0-9a-f]{40})/(.+)$`).exec(path)
  const file = cached ?? new RegExp(`^/${name}/resolve/([^/]+)/(.+)$`).exec(path)
  const [, id = '', revision = '', rest = ''] = file ?? []
  return {
    what: cached ? 'resolve-cache' : 'resolve',
    id,
    revision: decodeURIComponent(revision),
    file: rest,
  }
}

function modelInfo(id: string, sha: string, entries: ReadonlyMap<string, Entry>, repo: Repo): object {
  return {
    _id: '0',
    id,
    sha,
    private: repo.privateTo !== undefined,
    gated: repo.gatedFor ? 'auto' : false,
    downloads: 0,
    likes: 0,
    lastModified: '2024-01-01T00:00:00.000Z',
    siblings: [...entries.keys()].map((rfilename) => ({ rfilename })),
  }
}

function json(response: ServerResponse, value: unknown, headers: Record<string, string> = {}): void {
  response.writeHead(200, { 'content-type': 'application/json; charset=utf-8', ...headers })
  response.end(JSON.stringify(value))
}

function fail(
  response: ServerResponse,
  status: number,
  code: string | undefined,
  message: string,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, {
    ...(code && { 'x-error-code': code }),
    'x-error-message': message,
    'content-type': 'application/json; charset=utf-8',
    ...headers,
  })
  response.end(JSON.stringify({ error: message }))
}

/** A file or the part of it that was asked for (RFC 9110, section 14), as a fault has it. */
function send(
  request: IncomingMessage,
  response: ServerResponse,
  whole: Uint8Array,
  headers: Record<string, string>,
  fault: Fault | undefined,
): void {
  const content = fault?.content ?? whole
  const range = fault?.whole ? null : /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '')
  const from = Number(range?.[1] ?? 0)
  if (range && from >= content.length) {
    response.writeHead(416, { 'content-range': `bytes */${content.length}` }).end()
    return
  }
  const part = content.subarray(from, range?.[2] ? Number(range[2]) + 1 : undefined)
  const place = range && {
    'content-range': `bytes ${from}-${from + part.length - 1}/${content.length}`,
  }
  response.writeHead(range ? 206 : 200, { ...headers, ...place, 'content-length': part.length })
  if (request.method === 'HEAD') response.end()
  else if (fault?.cut !== undefined) breakAfter(response, part.subarray(0, fault.cut), fault.pause)
  else if (fault?.stall !== undefined) response.write(part.subarray(0, fault.stall))
  else if (fault?.slow !== undefined) drip(response, part, fault.slow, fault.pieceBytes ?? 4096)
  else response.end(part)
}

/** Send a part and break the connection. */
function breakAfter(response: ServerResponse, part: Uint8Array, pause: number | undefined): void {
  response.write(part, () => {
    if (pause === undefined) response.destroy()
    else setTimeout(() => response.destroy(), pause)
  })
}

/** Send piece after piece, each after a pause. */
function drip(response: ServerResponse, rest: Uint8Array, pause: number, bytes: number): void {
  if (response.destroyed) return
  response.write(rest.subarray(0, bytes))
  if (rest.length <= bytes) response.end()
  else setTimeout(() => drip(response, rest.subarray(bytes), pause, bytes), pause)
}
