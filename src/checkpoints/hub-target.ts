/** One commit of a repository on the Hub, and its snapshot in the cache: files go from the one to the other. */
import { statfs } from 'node:fs/promises'
import { dirname } from 'node:path'
import { InputError, show } from '../errors.js'
import { fileSize, type Snapshot } from './hub-cache.js'
import { downloadBlob, storing } from './hub-download.js'
import type { HubClient } from './hub-http.js'
import { type RepoType, repoUrl } from './hub-id.js'
import { restingBytes } from './hub-partial.js'
import type { RepoFile } from './hub-repo.js'
import type { HubSettings } from './hub-settings.js'
import { makeFolder } from './make-folder.js'

/** How far a download is: the files of a model or data set that were missing, taken together. */
export interface DownloadProgress {
  /** The id of the model or data set. */
  readonly model: string
  /** The folder that the files get. */
  readonly folder: string
  /** The file of which something came last. */
  readonly file: string
  /** Bytes that are there, what earlier attempts left included. */
  readonly done: number
  /** Bytes in all. */
  readonly total: number
}

export interface DownloadListener {
  readonly onProgress?: (progress: DownloadProgress) => void
  /** Called with a sentence that the user should read. */
  readonly onNote?: (note: string) => void
}

/** Files that are downloaded at the same time. */
const AT_ONCE = 3
/** Names that an error lists. */
const MOST_NAMES = 12
/** What to do when a repository lacks what is needed. */
const OTHERS: Readonly<Record<RepoType, string>> = {
  model: 'name a repository in the layout of transformers or mamba_ssm',
  dataset: 'name one that has them, or download a file of it and name that',
}

export class HubTarget {
  constructor(
    readonly client: HubClient<HubSettings>,
    readonly snapshot: Snapshot,
    /** What the commit holds, by path. */
    readonly files: ReadonlyMap<string, RepoFile>,
    readonly listener: DownloadListener,
  ) {}

  /** The error for a commit without the file or files `wanted`. */
  lacks(wanted: string): InputError {
    const names = [...this.files.keys()]
    const more = names.length > MOST_NAMES ? ` and ${names.length - MOST_NAMES} more` : ''
    const got = names.length === 0 ? 'no files' : `${show(names.slice(0, MOST_NAMES), 400)}${more}`
    return new InputError(
      `${this.snapshot.repo.id}: must hold ${wanted}, got ${got}; ${OTHERS[this.snapshot.repo.type]}`,
    )
  }

  /** The text of a small file that the commit holds. Throws as `fetch`. */
  async text(file: string): Promise<string> {
    await this.#inTurn([file], this.client.signal, () => {})
    return this.snapshot.read(file)
  }

  /**
   * Bring files that the commit holds into the snapshot, those that are missing.
   * @throws HubError, InputError, or the signal's reason; the other downloads are stopped, and what has come stays
   */
  async fetch(files: readonly string[]): Promise<void> {
    const missing: RepoFile[] = []
    for (const file of files) {
      const wanted = this.files.get(file)!
      if ((await this.snapshot.size(file)) !== wanted.size) missing.push(wanted)
    }
    if (missing.length === 0) return
    const done = await this.#present(missing)
    const total = sum(missing.map(({ size }) => size))
    const report = (file: string, bytes: number): void => {
      done.set(file, bytes)
      this.listener.onProgress?.({
        model: this.snapshot.repo.id,
        folder: this.snapshot.dir,
        file,
        done: sum(done.values()),
        total,
      })
    }
    await this.#checkRoom(total - sum(done.values()))
    const [{ path }] = missing as [RepoFile]
    report(path, done.get(path)!)
    await this.#inTurn(
      missing.map((file) => file.path),
      this.client.signal,
      report,
    )
  }

  /** Download files, a few at a time; when one fails the others stop. */
  async #inTurn(
    files: readonly string[],
    signal: AbortSignal | undefined,
    onBytes: (file: string, done: number) => void,
  ): Promise<void> {
    const stop = new AbortController()
    const abort = (): void => stop.abort(signal?.reason)
    signal?.throwIfAborted()
    signal?.addEventListener('abort', abort)
    const rest = [...files]
    const failures: unknown[] = []
    const worker = async (): Promise<void> => {
      for (let file = rest.shift(); file !== undefined && !stop.signal.aborted; file = rest.shift()) {
        const path = file
        try {
          await this.#bring(this.files.get(path)!, stop.signal, (done) => onBytes(path, done))
        } catch (error) {
          failures.push(error)
          stop.abort(error)
        }
      }
    }
    try {
      await Promise.all(Array.from({ length: Math.min(AT_ONCE, files.length) }, worker))
    } finally {
      signal?.removeEventListener('abort', abort)
    }
    // The first is the reason of the others.
    if (failures.length > 0) throw failures[0]
  }

  async #bring(file: RepoFile, signal: AbortSignal, onBytes: (done: number) => void): Promise<void> {
    const { path, size, etag } = file
    const { snapshot, client, listener } = this
    if ((await snapshot.size(path)) === size) return
    const { repo, commit } = snapshot
    const blob = repo.blob(etag)
    const fresh = (await fileSize(blob)) !== size
    if (fresh) {
      const onWait = (): void =>
        listener.onNote?.(`${repo.id}: ${path} is being downloaded already; waiting for it`)
      const inRepo = path.split('/').map(encodeURIComponent).join('/')
      const url = `${repoUrl(client.settings.endpoint, repo)}/resolve/${commit}/${inRepo}`
      const name = `${repo.id}/${path}`
      await downloadBlob(client, { url, file, name, blob, signal, onBytes, onWait })
    }
    onBytes(size)
    await snapshot
      .link(path, etag, { symlinks: client.settings.symlinks, fresh })
      .catch(storing(snapshot.dir))
  }

  /** The bytes of each file that are in the cache, from other commits or earlier attempts. */
  async #present(files: readonly RepoFile[]): Promise<Map<string, number>> {
    const present = new Map<string, number>()
    for (const { path, etag, size } of files) {
      const blob = this.snapshot.repo.blob(etag)
      const whole = (await fileSize(blob)) === size
      present.set(path, whole ? size : Math.min(size, await restingBytes(blob)))
    }
    return present
  }

  /** @throws InputError when the disk has no room for so many bytes */
  async #checkRoom(bytes: number): Promise<void> {
    const folder = dirname(this.snapshot.repo.blob('any'))
    await makeFolder(folder).catch(storing(folder))
    const { bavail, bsize, blocks } = await statfs(folder)
    // Some network disks do not say how large they are.
    if (blocks > 0 && bytes > bavail * bsize) {
      throw new InputError(
        `${this.snapshot.repo.id}: ${folder} must have room for ${megabytes(bytes)}, got ${megabytes(bavail * bsize)}; make room, or name another place with HF_HUB_CACHE`,
      )
    }
  }
}

function sum(values: Iterable<number>): number {
  let total = 0
  for (const value of values) total += value
  return total
}

function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1e6).toLocaleString('en')} MB`
}
