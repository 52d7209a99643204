/**
 * Models of the Hugging Face Hub in a browser: found in its cache, or downloaded into it, and only the files that are
 * needed. As in Node (hub.ts), one small request asks which commit a branch names; when its files are in the cache
 * nothing else is asked, and without a network what the branch named before will do.
 *
 * Files come in pieces, each a request for a range of bytes, and each is kept when it is there: a download that was cut
 * off goes on with the piece that was under way. Sizes are checked; hashes are not, as browsers hash only what is in
 * memory whole: what comes is as trustworthy as the connection, https, and the Hub.
 */
import { InputError, show } from '../errors.js'
import { inParallel } from '../parallel.js'
import type { Checkpoint, CheckpointFiles } from './checkpoint.js'
import { explained } from './hub-errors.js'
import { CONFIG, TOKENIZER, weightFiles } from './hub-files.js'
import {
  HUB_ENDPOINT,
  HUB_TIMEOUT_S,
  type HubAdvice,
  HubClient,
  type HubConnection,
  HubError,
} from './hub-http.js'
import { checkRevision, type HubRepo, isCommit, isHubId, repoUrl } from './hub-id.js'
import { commitOf, filesOf, type RepoFile } from './hub-repo.js'
import { decodeText, isObject, parseConfig } from './json.js'
import type { ByteSource } from './source.js'
import { checkRoom, PIECE_BYTES, piecesOf, WebCache, type WebCopy } from './web-cache.js'
import type { WebListener } from './web-folder.js'
import { readBlob } from './web-sources.js'

export interface WebHubOptions extends WebListener {
  /** A branch, tag or commit; default `main`. */
  readonly revision?: string
  /** Access token, for gated and private models. It is sent to the Hub alone and not stored. */
  readonly token?: string
  /** The Hub; default https://huggingface.co. */
  readonly endpoint?: string
  /** Told of waits, and when the network is not there and the cache is used. */
  readonly onNote?: (note: string) => void
}

/** What users of a page can change. */
const ADVICE: HubAdvice = {
  revision: 'the revision',
  endpoint: 'the address of the Hub',
  giveToken: 'give a token',
  giveOwnToken: 'give a token of your account',
  timeout: 'check the network and try again',
  network: () =>
    navigator.onLine ? 'check the network, and that nothing blocks requests to it' : 'the browser is offline',
}

/** Pieces that are downloaded at the same time. */
const AT_ONCE = 3

/** Files of a model that are in the cache whole. */
export interface WebHubModel extends CheckpointFiles {
  readonly hasTokenizer: boolean
}

/**
 * Bring a model into the browser's cache, unless it is there: config.json, the weights in one format, and tokenizer.json
 * where there is one.
 *
 * @param checkConfig looks at config.json before the weights are downloaded; what it throws ends the download
 * @throws InputError when there is no such model or revision, when it is gated, or lacks a file, when the Hub cannot be
 * reached, or there is no room; the signal's reason. What has come stays for the next attempt.
 */
export async function webHubModel(
  id: string,
  options: WebHubOptions,
  checkConfig: (model: Pick<Checkpoint, 'config' | 'configFile'>) => void,
): Promise<WebHubModel> {
  const found = await brought(id, options, 'model', async (commit) => {
    const { files } = commit
    if (!files.has(CONFIG)) throw lacks(id, CONFIG, files)
    await commit.fetch([CONFIG])
    const configFile = commit.path(CONFIG)
    const config = parseConfig(await commit.text(CONFIG), configFile)
    if (isObject(config)) checkConfig({ config, configFile })
    const weights = await weightFiles(
      (file) => files.has(file),
      async (index) => {
        await commit.fetch([index])
        return commit.text(index)
      },
      (index) => commit.path(index),
    )
    if (!weights) {
      throw lacks(id, 'model.safetensors or pytorch_model.bin (or an index and all its shards)', files)
    }
    return [CONFIG, ...(files.has(TOKENIZER) ? [TOKENIZER] : []), ...weights]
  })
  return {
    name: found.path(''),
    path: (file) => found.path(file),
    open: async (file) => found.source(file),
    hasTokenizer: found.files.has(TOKENIZER),
  }
}

/** The text of one file of a model, tokenizer.json for instance. @throws InputError as `webHubModel` does */
export async function webHubText(id: string, file: string, options: WebHubOptions): Promise<string> {
  const found = await brought(id, options, file, async ({ files }) => {
    if (!files.has(file)) throw lacks(id, file, files)
    return [file]
  })
  return found.text(file)
}

/** Models of the Hub that are in the browser's cache. */
export async function cachedWebModels(): Promise<(Omit<WebCopy, 'files'> & { readonly bytes: number })[]> {
  const copies = await (await WebCache.open()).copies('model')
  return copies.map(({ files, ...copy }) => ({ ...copy, bytes: bytesOf(files) }))
}

/** Delete all that is in the browser's cache of a model. */
export async function removeWebModel(id: string, endpoint = HUB_ENDPOINT): Promise<void> {
  await (await WebCache.open()).remove(endpoint, { type: 'model', id })
}

function bytesOf(files: readonly RepoFile[]): number {
  return files.reduce((sum, { size }) => sum + size, 0)
}

/**
 * Bring files into the cache, unless they are there.
 * @param what the kind of files
 * @param choose says which files of a commit are wanted
 */
async function brought(
  id: string,
  options: WebHubOptions,
  what: string,
  choose: (commit: Commit) => Promise<readonly string[]>,
): Promise<Commit> {
  const { revision = 'main', token, signal, onNote } = options
  if (!isHubId(id)) {
    throw new InputError(
      `model: must be the id of a model on the Hub (owner/name), got ${show(id)}; check it`,
    )
  }
  checkRevision(revision, 'revision')
  const repo: HubRepo = { type: 'model', id }
  const settings: HubConnection = {
    endpoint: (options.endpoint ?? HUB_ENDPOINT).replace(/\/+$/, ''),
    ...(token?.trim() && { token: token.trim() }),
    tokenSource: 'the token',
    requestTimeout: HUB_TIMEOUT_S * 1000,
    downloadTimeout: HUB_TIMEOUT_S * 1000,
    fileCache: 'no-store',
    advice: ADVICE,
  }
  const { endpoint } = settings
  const cache = await WebCache.open()
  const client = new HubClient(settings, { signal, onNote: (note) => onNote?.(`${id}: ${note}`) })
  if (!cache.lasts) {
    onNote?.(
      `${id}: this page may not store files in the browser; the model must be downloaded again next time`,
    )
  }
  const known = await cache.copy(endpoint, repo, revision, what)
  const inCache = async (copy: WebCopy): Promise<Commit | undefined> => {
    const commit = new Commit(client, cache, repo, copy.commit, copy.files)
    return (await commit.isWhole()) ? commit : undefined
  }
  const usable = known && (await inCache(known))
  // What a commit holds never changes.
  if (usable && isCommit(revision)) return usable
  try {
    const patient = !usable
    const asking = patient ? client : new HubClient(settings, { signal, patient })
    const commit = isCommit(revision) ? revision : await commitOf(asking, repo, revision)
    if (usable?.commit === commit) return usable
    const listed = await filesOf(client, repo, commit)
    const whole = new Commit(client, cache, repo, commit, [...listed.values()])
    const wanted = (await choose(whole)).map((file) => listed.get(file)!)
    const chosen = new Commit(client, cache, repo, commit, wanted)
    await chosen.fetch(
      wanted.map(({ path }) => path),
      options.onProgress,
    )
    // Not before: without a network the commit of before is better than half of this one.
    await cache.remember(repo, what, { endpoint, id, revision, commit, files: wanted })
    return chosen
  } catch (error) {
    signal?.throwIfAborted()
    if (!(error instanceof HubError)) throw error
    if (!usable || error.kind === 'no-revision') throw explained(error, { repo, revision, settings })
    onNote?.(
      `${id}: ${error.host} gives ${error.what}; using what is in the browser, commit ${usable.commit}`,
    )
    return usable
  }
}

/** Names that an error lists. */
const MOST_NAMES = 12

function lacks(id: string, wanted: string, files: ReadonlyMap<string, RepoFile>): InputError {
  const names = show([...files.keys()].slice(0, MOST_NAMES), 400)
  return new InputError(
    `${id}: must hold ${wanted}, got ${names}; name a repository in the layout of transformers or mamba_ssm`,
  )
}

/** Files of a commit, in the cache or on the Hub. */
class Commit {
  readonly files: ReadonlyMap<string, RepoFile>

  constructor(
    private readonly client: HubClient,
    private readonly cache: WebCache,
    private readonly repo: HubRepo,
    readonly commit: string,
    files: readonly RepoFile[],
  ) {
    this.files = new Map(files.map((file) => [file.path, file]))
  }

  /** What messages call a file. */
  path(file: string): string {
    return `${this.repo.id}/${file}`
  }

  /** Whether all files are in the cache. */
  async isWhole(): Promise<boolean> {
    const missing = await Promise.all([...this.files.values()].map((file) => this.#missing(file)))
    return missing.every((pieces) => pieces.length === 0)
  }

  /** A file that is in the cache; undefined when the commit has none. */
  source(file: string): ByteSource | undefined {
    const found = this.files.get(file)
    return found && new PiecesSource(this.path(file), found.size, (from) => this.#piece(found, from))
  }

  /** The text of a file that is in the cache. */
  async text(file: string): Promise<string> {
    const source = this.source(file)!
    return decodeText(await source.read(0, source.size), source.name)
  }

  /** Download what is missing of some files. */
  async fetch(wanted: readonly string[], onProgress?: WebListener['onProgress']): Promise<void> {
    const files = wanted.map((file) => this.files.get(file)!)
    const missing = (await Promise.all(files.map((file) => this.#missing(file)))).flat()
    const bytes = missing.reduce((sum, { length }) => sum + length, 0)
    if (bytes > 0 && this.cache.lasts) await checkRoom(this.repo.id, bytes)
    const total = bytesOf(files)
    let done = total - bytes
    onProgress?.({ file: wanted[0]!, done, total })
    const stop = new AbortController()
    const { signal: asked } = this.client
    const signal = asked ? AbortSignal.any([asked, stop.signal]) : stop.signal
    await inParallel(
      missing,
      AT_ONCE,
      (piece) =>
        this.#download(piece, signal, (more) => {
          done += more
          onProgress?.({ file: piece.file.path, done, total })
        }),
      (error) => stop.abort(error),
    )
  }

  /** The pieces of a file that are not in the cache. */
  async #missing(file: RepoFile): Promise<Piece[]> {
    const pieces = piecesOf(file.size)
    const found = await Promise.all(pieces.map(({ from }) => this.#cached(file, from)))
    return pieces.flatMap((piece, i) => (found[i]?.size === piece.length ? [] : [{ file, ...piece }]))
  }

  #cached(file: RepoFile, from: number): Promise<Blob | undefined> {
    return this.cache.piece(this.client.settings.endpoint, this.repo, file, from)
  }

  async #piece(file: RepoFile, from: number): Promise<Blob> {
    const blob = await this.#cached(file, from)
    if (blob) return blob
    throw new InputError(
      `${this.path(file.path)}: must stay in the browser's cache while it is open, got it without bytes ${from} and on; open the model again`,
    )
  }

  async #download(piece: Piece, signal: AbortSignal, onBytes: (more: number) => void): Promise<void> {
    const { client, repo, cache } = this
    const { endpoint } = client.settings
    const { file, from, length } = piece
    const path = file.path.split('/').map(encodeURIComponent).join('/')
    const url = `${repoUrl(endpoint, repo)}/resolve/${this.commit}/${path}`
    const bytes = new Uint8Array(length)
    let done = 0
    await client.retrying(
      async (progress) => {
        const stream = await client.stream(url, from + done, signal, from + length)
        // Servers may send the whole file all the same.
        let skip = stream.status === 206 ? 0 : from + done
        try {
          for await (const chunk of stream.chunks()) {
            const skipped = Math.min(skip, chunk.length)
            skip -= skipped
            const part = chunk.subarray(skipped, skipped + length - done)
            bytes.set(part, done)
            done += part.length
            if (part.length > 0) progress()
            onBytes(part.length)
            if (done === length) break
          }
        } finally {
          await stream.cancel()
        }
        if (done < length) throw new HubError('network', 'an end before the file ended', client.host)
      },
      undefined,
      signal,
    )
    await cache.putPiece(endpoint, repo, file, from, bytes)
  }
}

interface Piece {
  readonly file: RepoFile
  readonly from: number
  readonly length: number
}

/** A file in pieces. */
class PiecesSource implements ByteSource {
  readonly #pieces = new Map<number, Promise<Blob>>()

  constructor(
    readonly name: string,
    readonly size: number,
    private readonly piece: (from: number) => Promise<Blob>,
  ) {}

  async read(offset: number, length: number, into = new Uint8Array(length)): Promise<Uint8Array> {
    for (let done = 0; done < length; ) {
      const at = offset + done
      const inPiece = at % PIECE_BYTES
      const count = Math.min(length - done, PIECE_BYTES - inPiece)
      const bytes = await readBlob(await this.#blob(at - inPiece), this.name, inPiece, count)
      into.set(bytes, done)
      done += count
    }
    return into
  }

  async close(): Promise<void> {
    this.#pieces.clear()
  }

  /** A handle: its bytes are read when they are asked for. */
  #blob(from: number): Promise<Blob> {
    let blob = this.#pieces.get(from)
    if (!blob) {
      blob = this.piece(from)
      this.#pieces.set(from, blob)
    }
    return blob
  }
}
