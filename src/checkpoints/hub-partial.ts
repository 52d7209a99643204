/**
 * Files that are being downloaded, in the `blobs` folder of a model: which process writes which.
 *
 * A partial file at rest is `<etag>.incomplete`. To go on with one, a process renames it to a name of its own,
 * `<etag>.<time>-<process>-<number>@<host>.incomplete`; since a rename succeeds for one process alone, no two write to
 * the same file, and since a whole file is only ever renamed into place, readers see all of it or nothing. A process
 * that finds somebody else at work waits for them; of one that has died it takes the file over. That two never
 * download the same is likely, not certain (two may begin at the same instant), and nothing depends on it.
 *
 * (Python's huggingface_hub locks with flock(2), which Node does not have, and also relies on names alone: see
 * `_download_to_tmp_and_move`.)
 */
import { randomBytes } from 'node:crypto'
import { access, constants, type FileHandle, open, readdir, rename, rm, stat, utimes } from 'node:fs/promises'
import os from 'node:os'
import { basename, dirname, join } from 'node:path'
import process from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'
import { errorCode } from '../errors.js'
import { isRunning } from './alive.js'
import { fileSize } from './hub-cache.js'
import { makeFolder } from './make-folder.js'

/** Milliseconds between two looks at what another process is downloading. */
const POLL = 200
/** A file of another machine that was not touched for as long, in milliseconds, has no owner any more. */
const STALE = 60_000
/** How often the owner touches its file, in milliseconds, so that it is not taken for dead while it waits. */
const TOUCH = 15_000

const HOST = os.hostname().replace(/[^\w.-]/g, '_')
const OWNED = /\.[0-9a-z]+-(\d+)-[0-9a-f]+@([\w.-]*)\.incomplete$/

/** The paths of the partial files of this process. */
const active = new Set<string>()

export interface ClaimOptions {
  readonly signal?: AbortSignal
  /** Called once when somebody else is downloading it: we wait. */
  onWait(): void
}

/** A partial file that is ours. */
export class PartialFile {
  readonly #blob: string
  readonly #path: string
  readonly #touching: NodeJS.Timeout
  readonly handle: FileHandle

  private constructor(blob: string, path: string, handle: FileHandle) {
    this.#blob = blob
    this.#path = path
    this.handle = handle
    this.#touching = setInterval(() => {
      const now = new Date()
      utimes(path, now, now).catch(() => {})
    }, TOUCH).unref()
  }

  /**
   * Take the partial file of a blob, with what others left in it, or begin one.
   * @returns undefined when the blob was there, or came while we waited for somebody else
   */
  static async claim(blob: string, size: number, options: ClaimOptions): Promise<PartialFile | undefined> {
    const dir = dirname(blob)
    await makeFolder(dir)
    for (let waited = false; ; waited = true) {
      if ((await fileSize(blob)) === size) return undefined
      const mine = await tryClaim(dir, basename(blob))
      if (mine !== undefined) return new PartialFile(blob, mine, await open(mine, 'r+'))
      if (!waited) options.onWait()
      await sleep(POLL, undefined, { signal: options.signal })
    }
  }

  /** What was written is the whole blob: put it in its place. */
  async finish(): Promise<void> {
    await this.handle.datasync()
    await this.#close()
    await rename(this.#path, this.#blob)
  }

  /** Leave what was written to whoever goes on. */
  async rest(): Promise<void> {
    const { size } = await this.handle.stat()
    await this.#close()
    await putToRest(this.#path, size, this.#blob)
  }

  /** Leave nothing: it is wrong. */
  async discard(): Promise<void> {
    await this.#close()
    await rm(this.#path, { force: true })
  }

  async #close(): Promise<void> {
    clearInterval(this.#touching)
    active.delete(this.#path)
    await this.handle.close()
  }
}

/** The bytes that a next download of a blob need not fetch. */
export async function restingBytes(blob: string): Promise<number> {
  const { free } = await partialsOf(dirname(blob), basename(blob))
  return Math.max(0, ...free.map(({ size }) => size))
}

/** The path of a file of our own with the most that is there; undefined while somebody else has one. */
async function tryClaim(dir: string, etag: string): Promise<string | undefined> {
  const { taken, free } = await partialsOf(dir, etag)
  if (taken.length > 0 || [...active].some((path) => path.startsWith(join(dir, `${etag}.`)))) return undefined
  const id = `${Date.now().toString(36)}-${process.pid}-${randomBytes(4).toString('hex')}@${HOST}`
  const mine = join(dir, `${etag}.${id}.incomplete`)
  active.add(mine)
  try {
    const most = free.reduce((a, b) => (b.size > a.size ? b : a), { name: '', size: -1 })
    if (most.name === '') await (await open(mine, 'wx')).close()
    else await rename(join(dir, most.name), mine)
  } catch (error) {
    active.delete(mine)
    // Somebody else was faster.
    if (errorCode(error) === 'ENOENT') return undefined
    throw error
  }
  // Two processes may have come to the same empty place: who was first goes on.
  const others = (await partialsOf(dir, etag)).taken
  if (!others.some((name) => name < basename(mine))) return mine
  active.delete(mine)
  await putToRest(mine, (await fileSize(mine)) ?? 0, join(dir, etag))
  return undefined
}

/** The partial files of a blob: those that a live process writes, and those that are free. */
async function partialsOf(
  dir: string,
  etag: string,
): Promise<{ taken: string[]; free: { name: string; size: number }[] }> {
  const taken: string[] = []
  const free: { name: string; size: number }[] = []
  const names = await readdir(dir).catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return []
    throw error
  })
  for (const name of names) {
    const owner = OWNED.exec(name)
    // Others with a name of their own (Python's) do not share.
    if (name !== `${etag}.incomplete` && !(owner && name.startsWith(`${etag}.`))) continue
    const stats = await stat(join(dir, name)).catch(() => undefined)
    if (!stats) continue
    if (owner && isAlive(join(dir, name), Number(owner[1]), owner[2]!, stats.mtimeMs)) taken.push(name)
    else if (await isWritable(join(dir, name))) free.push({ name, size: stats.size })
  }
  return { taken, free }
}

/** Not where another user of the same cache began. */
async function isWritable(path: string): Promise<boolean> {
  return access(path, constants.W_OK).then(
    () => true,
    () => false,
  )
}

function isAlive(path: string, pid: number, host: string, mtime: number): boolean {
  if (host !== HOST) return Date.now() - mtime < STALE
  if (pid === process.pid) return active.has(path)
  return isRunning(pid)
}

/** Rename a partial file to the name at rest, unless there is one with more in it. */
async function putToRest(path: string, size: number, blob: string): Promise<void> {
  const rest = `${blob}.incomplete`
  if (size > ((await fileSize(rest)) ?? 0)) await rename(path, rest)
  else await rm(path, { force: true })
}
