/**
 * What has come from the Hub, in the browser's Cache API: files in pieces, by their hash, and which files make a model.
 * Browsers keep it as long as they keep the site's data. Pages without a secure context have no such cache; there it
 * lasts as long as the worker.
 */
import { InputError, show } from '../errors.js'
import { type HubRepo, repoUrl } from './hub-id.js'
import type { RepoFile } from './hub-repo.js'

/** A model or file of the Hub that is there whole. */
export interface WebCopy {
  readonly endpoint: string
  readonly id: string
  readonly revision: string
  /** What the revision named. */
  readonly commit: string
  readonly files: readonly RepoFile[]
}

const CACHE = 'factflow-hub-1'

/** A file in the cache is in pieces of so many bytes: what is lost at most when a download is cut off. */
export const PIECE_BYTES = 2 ** 24

/** What stores responses by URL: a `Cache`, or memory. */
interface Store {
  match(url: string): Promise<Response | undefined>
  put(url: string, response: Response): Promise<void>
  urls(): Promise<string[]>
  delete(url: string): Promise<unknown>
}

/** Copies lie below it, by repository. */
const COPIES = '/factflow-copies/'
const PIECES = '/factflow-pieces/'

export class WebCache {
  private constructor(private readonly store: Store) {}

  static async open(): Promise<WebCache> {
    return new WebCache(await openStore())
  }

  /** Whether what is stored is there when the page is opened again. */
  get lasts(): boolean {
    return !(this.store instanceof MemoryStore)
  }

  /** The copy of what a revision named when it was downloaded last. @param what the kind of files, `model` */
  async copy(endpoint: string, repo: HubRepo, revision: string, what: string): Promise<WebCopy | undefined> {
    const response = await this.store.match(copyUrl(endpoint, repo, revision, what))
    return response && ((await response.json()) as WebCopy)
  }

  /** Remember that the files of a revision are there whole. */
  async remember(repo: HubRepo, what: string, copy: WebCopy): Promise<void> {
    await this.store.put(copyUrl(copy.endpoint, repo, copy.revision, what), Response.json(copy))
  }

  /** Copies of models. */
  async copies(what: string): Promise<WebCopy[]> {
    const urls = (await this.store.urls()).filter((url) => url.includes(COPIES) && url.endsWith(`?${what}`))
    const found = await Promise.all(urls.map((url) => this.store.match(url)))
    return Promise.all(found.flatMap((response) => (response ? [response.json() as Promise<WebCopy>] : [])))
  }

  /** Forget all that is there of a repository. */
  async remove(endpoint: string, repo: HubRepo): Promise<void> {
    const base = repoUrl(endpoint, repo)
    for (const url of await this.store.urls()) {
      if (url.startsWith(base + COPIES) || url.startsWith(base + PIECES)) await this.store.delete(url)
    }
  }

  /** The piece of a file that begins at byte `from`. */
  async piece(endpoint: string, repo: HubRepo, file: RepoFile, from: number): Promise<Blob | undefined> {
    const response = await this.store.match(pieceUrl(endpoint, repo, file, from))
    return response?.blob()
  }

  /** @throws InputError when there is no room for it */
  async putPiece(
    endpoint: string,
    repo: HubRepo,
    file: RepoFile,
    from: number,
    bytes: Uint8Array<ArrayBuffer>,
  ): Promise<void> {
    try {
      await this.store.put(pieceUrl(endpoint, repo, file, from), new Response(bytes))
    } catch (error) {
      if (!(error instanceof Error && error.name === 'QuotaExceededError')) throw error
      throw new InputError(
        `${repo.id}: must fit the storage that the browser gives this site, got no more room; free disk space, or delete other models of this site`,
      )
    }
  }
}

function copyUrl(endpoint: string, repo: HubRepo, revision: string, what: string): string {
  return `${repoUrl(endpoint, repo)}${COPIES}${encodeURIComponent(revision)}?${what}`
}

function pieceUrl(endpoint: string, repo: HubRepo, { etag }: RepoFile, from: number): string {
  return `${repoUrl(endpoint, repo)}${PIECES}${etag}/${from}`
}

/** Where the pieces of a file begin, and how long each is. */
export function piecesOf(size: number): { from: number; length: number }[] {
  return Array.from({ length: Math.ceil(size / PIECE_BYTES) }, (_, i) => ({
    from: i * PIECE_BYTES,
    length: Math.min(PIECE_BYTES, size - i * PIECE_BYTES),
  }))
}

/**
 * @param bytes that are about to be stored
 * @throws InputError when the browser says that there is no room for them
 */
export async function checkRoom(id: string, bytes: number): Promise<void> {
  const { quota, usage = 0 } = (await navigator.storage?.estimate?.()) ?? {}
  if (quota === undefined || bytes <= quota - usage) return
  const megabytes = (size: number): string => `${Math.round(size / 1e6)} MB`
  throw new InputError(
    `${id}: ${megabytes(bytes)} must fit the storage that the browser gives this site, got room for ${show(megabytes(Math.max(0, quota - usage)))}; free disk space, or delete other models of this site`,
  )
}

async function openStore(): Promise<Store> {
  if (!globalThis.caches) return memory
  try {
    return new CacheStore(await caches.open(CACHE))
  } catch {
    // Browsers that are told to store nothing have it and refuse it.
    return memory
  }
}

class CacheStore implements Store {
  constructor(private readonly cache: Cache) {}

  match(url: string): Promise<Response | undefined> {
    return this.cache.match(url)
  }

  put(url: string, response: Response): Promise<void> {
    return this.cache.put(url, response)
  }

  async urls(): Promise<string[]> {
    return (await this.cache.keys()).map(({ url }) => url)
  }

  delete(url: string): Promise<boolean> {
    return this.cache.delete(url)
  }
}

class MemoryStore implements Store {
  readonly #stored = new Map<string, Blob>()

  async match(url: string): Promise<Response | undefined> {
    const blob = this.#stored.get(url)
    return blob && new Response(blob)
  }

  async put(url: string, response: Response): Promise<void> {
    this.#stored.set(url, await response.blob())
  }

  async urls(): Promise<string[]> {
    return [...this.#stored.keys()]
  }

  async delete(url: string): Promise<void> {
    this.#stored.delete(url)
  }
}

const memory = new MemoryStore()
