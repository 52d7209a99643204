/**
 * One file from the Hub into the cache: resumed, checked, put in place whole.
 *
 * This is ours and not `downloadFileToCacheDir` of `@huggingface/hub`, which begins anew after every cut, checks
 * neither size nor hash, tells nothing of its progress, and lets two processes write to the same file. It is plain HTTP:
 * the Hub serves files that it stores with Xet the same way, as a redirect to a signed address elsewhere.
 */
import { createHash, type Hash } from 'node:crypto'
import { errorCode, InputError } from '../errors.js'
import { type HubClient, HubError, type HubStream } from './hub-http.js'
import { PartialFile } from './hub-partial.js'
import type { RepoFile } from './hub-repo.js'

export interface BlobDownload {
  readonly url: string
  readonly file: RepoFile
  /** What messages call the file. */
  readonly name: string
  /** The path that it gets in the cache. */
  readonly blob: string
  readonly signal: AbortSignal
  /** Called when bytes have come; `done` counts from the start of the file and falls when it has to begin anew. */
  onBytes(done: number): void
  /** Called when another process downloads the file: we wait. */
  onWait(): void
}

/** Bytes read at once of what an earlier attempt left. */
const READ_BYTES = 2 ** 20

/**
 * Download a blob, or wait until another process has.
 *
 * What has come when it fails stays, and the next attempt goes on from there, also in another process.
 *
 * @throws HubError when it does not come, InputError when it is wrong or cannot be stored, or the signal's reason
 */
export async function downloadBlob(client: HubClient, download: BlobDownload): Promise<void> {
  const { file, blob, signal, onWait } = download
  const partial = await PartialFile.claim(blob, file.size, { signal, onWait }).catch(storing(blob))
  if (!partial) {
    download.onBytes(file.size)
    return
  }
  const content = new Content(file, partial)
  try {
    await content.readBack()
    download.onBytes(content.position)
    await client.retrying((progress) => fetchRest(client, download, content, progress), undefined, signal)
  } catch (error) {
    await partial.rest()
    throw error
  }
  const wrong = content.check()
  if (wrong !== undefined) {
    await partial.discard()
    throw new InputError(
      `${download.name}: ${wrong}: what was downloaded is deleted; try again, and if it stays so check HF_ENDPOINT and the network`,
    )
  }
  await partial.finish()
}

/** One request for what is missing, and all that comes. @throws HubError when it is cut short */
async function fetchRest(
  client: HubClient,
  download: BlobDownload,
  content: Content,
  progress: () => void,
): Promise<void> {
  const { url, file, blob, signal, onBytes } = download
  if (content.position === file.size) return
  let stream: HubStream
  try {
    stream = await client.stream(url, content.position, signal)
  } catch (error) {
    if (!(error instanceof HubError && error.status === 416 && content.position > 0)) throw error
    // The server's file ends before the place where this one goes on.
    await content.restart()
    onBytes(0)
    return fetchRest(client, download, content, progress)
  }
  try {
    if (startOf(stream, file.size) !== content.position) {
      // The server does not serve parts, or means another file by them: what is there may not go on with this.
      await content.restart()
      onBytes(0)
      if (startOf(stream, file.size) !== 0)
        throw new HubError('server', 'another part of the file', client.host)
    }
    for await (const chunk of stream.chunks()) {
      await content.append(chunk).catch(storing(blob))
      if (content.isFurther()) progress()
      onBytes(content.position)
      if (content.position > file.size) return
    }
  } finally {
    await stream.cancel()
  }
  if (content.position < file.size) throw new HubError('network', 'an end before the file ended', client.host)
}

/** The position in the file at which an answer begins (RFC 9110, section 14.4); undefined when it is of another. */
function startOf({ status, headers }: HubStream, size: number): number | undefined {
  if (status !== 206) return 0
  const range = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(headers.get('content-range') ?? '')
  return range && (range[2] === '*' || Number(range[2]) === size) ? Number(range[1]) : undefined
}

/** What has come of a file, and its hash. */
class Content {
  readonly #file: RepoFile
  readonly #partial: PartialFile
  #hash: Hash
  #furthest = 0
  /** Bytes so far. */
  position = 0

  constructor(file: RepoFile, partial: PartialFile) {
    this.#file = file
    this.#partial = partial
    this.#hash = this.#newHash()
  }

  /** Go through what an earlier attempt left. */
  async readBack(): Promise<void> {
    const { handle } = this.#partial
    if ((await handle.stat()).size > this.#file.size) await this.restart()
    const buffer = Buffer.allocUnsafe(READ_BYTES)
    for (;;) {
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, this.position)
      if (bytesRead === 0) return
      this.#hash.update(buffer.subarray(0, bytesRead))
      this.position += bytesRead
    }
  }

  async append(chunk: Uint8Array): Promise<void> {
    this.#hash.update(chunk)
    for (let done = 0; done < chunk.length; ) {
      const { bytesWritten } = await this.#partial.handle.write(
        chunk,
        done,
        chunk.length - done,
        this.position + done,
      )
      done += bytesWritten
    }
    this.position += chunk.length
  }

  async restart(): Promise<void> {
    await this.#partial.handle.truncate(0)
    this.#hash = this.#newHash()
    this.position = 0
  }

  /** Whether more is there than ever before: a server that always begins anew and stops half way gives no progress. */
  isFurther(): boolean {
    const further = this.position > this.#furthest
    if (further) this.#furthest = this.position
    return further
  }

  /** What is wrong with the whole of it, as `rule, got value`. */
  check(): string | undefined {
    const { size, etag } = this.#file
    if (this.position !== size) return `must have ${size} bytes, got more`
    const got = this.#hash.digest('hex')
    return got === etag
      ? undefined
      : `must have the ${isSha256(etag) ? 'SHA-256' : 'Git SHA-1'} ${etag}, got ${got}`
  }

  #newHash(): Hash {
    const { size, etag } = this.#file
    // Git hashes a header with the content (git hash-object).
    return isSha256(etag) ? createHash('sha256') : createHash('sha1').update(`blob ${size}\0`)
  }
}

function isSha256(etag: string): boolean {
  return etag.length === 64
}

/** What keeps files from being written, as an InputError. */
export function storing(path: string): (error: unknown) => never {
  return (error) => {
    const code = errorCode(error)
    if (['ENOSPC', 'EDQUOT', 'EFBIG'].includes(code)) {
      throw new InputError(
        `${path}: there must be room for it, got ${code}; make room, or name another place with HF_HUB_CACHE: what has come stays, and the next attempt goes on from there`,
      )
    }
    if (['EACCES', 'EPERM', 'EROFS', 'ENOTDIR', 'EEXIST', 'ENOENT'].includes(code)) {
      throw new InputError(
        `${path}: must be in a folder that may be written to, got ${code}; change its permissions, or name another place with HF_HUB_CACHE`,
      )
    }
    throw error
  }
}
