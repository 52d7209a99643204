/**
 * The Hub's cache on disk, in the layout of Python's `huggingface_hub` (guides/manage-cache of its documentation), so
 * that either finds what the other downloaded:
 *
 *     models--owner--name/            datasets--owner--name of a data set
 *       blobs/<etag>                  contents, named by hash
 *       snapshots/<commit>/<file>     symbolic links to them
 *       refs/<revision>               the commit that a branch or tag last named
 *       .no_exist/<commit>/<file>     empty: the commit has no such file
 *
 * The folders' names are `@huggingface/hub`'s. Its scan of the cache (`scanCachedRepo`) fails on a model without refs,
 * which is what downloading a commit leaves, and does not tell which models are whole; its links go through a moment
 * without any file in the place; so the rest is ours.
 */
import { randomBytes } from 'node:crypto'
import { copyFile, readdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { errorCode, InputError } from '../errors.js'
import { CONFIG, TOKENIZER, weightFiles } from './hub-files.js'
import { type HubRepo, isCommit, isHubId, type RepoType } from './hub-id.js'
import { cacheFolder } from './hub-settings.js'
import { makeFolder } from './make-folder.js'
import { unreadable } from './node-file.js'

/** One model or data set in the cache. */
export class CachedRepo implements HubRepo {
  private constructor(
    /** Its folder, which need not be there. */
    readonly dir: string,
    readonly type: RepoType,
    readonly id: string,
  ) {}

  static async of(cache: string, { type, id }: HubRepo): Promise<CachedRepo> {
    const { getRepoFolderName } = await import('@huggingface/hub')
    return new CachedRepo(join(cache, getRepoFolderName({ type, name: id })), type, id)
  }

  /** The commit that a revision named when it was last asked for. */
  async commitOf(revision: string): Promise<string | undefined> {
    if (isCommit(revision)) return revision
    const commit = (await readIfPresent(join(this.dir, 'refs', revision)))?.trim()
    return commit !== undefined && isCommit(commit) ? commit : undefined
  }

  /** Remember which commit a revision names. A cache that only others may write to stays as it is. */
  async remember(revision: string, commit: string): Promise<void> {
    if (revision === commit || (await this.commitOf(revision)) === commit) return
    await ifWritable(() => writeBeside(join(this.dir, 'refs', revision), commit))
  }

  snapshot(commit: string): Snapshot {
    return new Snapshot(this, commit)
  }

  blob(etag: string): string {
    return join(this.dir, 'blobs', etag)
  }
}

/** The files of one commit that are in the cache. */
export class Snapshot {
  readonly dir: string

  constructor(
    readonly repo: CachedRepo,
    readonly commit: string,
  ) {
    this.dir = join(repo.dir, 'snapshots', commit)
  }

  path(file: string): string {
    return join(this.dir, file)
  }

  /** The size of a file in bytes; undefined when the cache does not have it. */
  size(file: string): Promise<number | undefined> {
    return fileSize(this.path(file))
  }

  async has(file: string): Promise<boolean> {
    return (await this.size(file)) !== undefined
  }

  read(file: string): Promise<string> {
    return readFile(this.path(file), 'utf8')
  }

  /** Put a blob into the snapshot, by a link; where that cannot be, the file itself, as huggingface_hub does. */
  async link(file: string, etag: string, { symlinks, fresh }: LinkOptions): Promise<void> {
    const path = this.path(file)
    const blob = this.repo.blob(etag)
    await makeFolder(dirname(path))
    const temporary = beside(path)
    if (!symlinks || !(await linked(relative(dirname(path), blob), temporary))) {
      // Others may need a blob that was there before.
      if (fresh) await rename(blob, temporary)
      else await copyFile(blob, temporary)
    }
    await rename(temporary, path)
  }

  /** Whether it is known that the commit has no such file. */
  async lacks(file: string): Promise<boolean> {
    return (await fileSize(this.#noExist(file))) !== undefined
  }

  /** Remember that the commit has no such file. */
  async rememberNone(file: string): Promise<void> {
    if (!(await this.lacks(file))) await ifWritable(() => writeBeside(this.#noExist(file), ''))
  }

  #noExist(file: string): string {
    return join(this.repo.dir, '.no_exist', this.commit, file)
  }
}

export interface LinkOptions {
  /** The place allows symbolic links, as far as is known. */
  readonly symlinks: boolean
  /** The blob was just downloaded: nothing else refers to it. */
  readonly fresh: boolean
}

/** A model whose files are all in the cache. */
export interface CachedModel {
  readonly id: string
  readonly commit: string
  /** The files that factflow reads: configuration, weights, tokenizer. */
  readonly files: readonly string[]
  /** Their size on disk in bytes. */
  readonly bytes: number
}

/**
 * Whether a model can be loaded without a network: all of its files are in the cache. Makes no request.
 * @param revision a branch, tag or commit
 */
export async function cachedModel(id: string, revision = 'main'): Promise<CachedModel | undefined> {
  if (!isHubId(id)) return undefined
  const repo = await CachedRepo.of(await cacheFolder(), { type: 'model', id })
  const commit = await repo.commitOf(revision)
  return commit === undefined ? undefined : modelIn(repo.snapshot(commit))
}

/** All models of the cache whose main revision can be loaded without a network, by id; not those that are damaged. */
export function cachedModels(): Promise<CachedModel[]> {
  return cachedRepos('model', (id) => cachedModel(id))
}

/** What `whole` finds in the folders of one type, by id; not what is damaged. */
export async function cachedRepos<T extends { readonly id: string }>(
  type: RepoType,
  whole: (id: string) => Promise<T | undefined>,
): Promise<T[]> {
  const found: T[] = []
  for (const name of await namesIn(await cacheFolder())) {
    if (!name.startsWith(`${type}s--`)) continue
    const repo = await whole(name.slice(`${type}s--`.length).replace('--', '/')).catch(undefinedIfUnusable)
    if (repo) found.push(repo)
  }
  return found.sort((a, b) => a.id.localeCompare(b.id, 'en', { numeric: true }))
}

/** The model in a snapshot, or undefined when a file that it needs is not there. */
export async function modelIn(snapshot: Snapshot): Promise<CachedModel | undefined> {
  if (!(await snapshot.has(CONFIG))) return undefined
  const weights = await weightFiles(
    (file) => snapshot.has(file),
    (index) => snapshot.read(index),
    (index) => snapshot.path(index),
  )
  if (!weights) return undefined
  const files = [CONFIG, ...weights, ...((await snapshot.has(TOKENIZER)) ? [TOKENIZER] : [])]
  let bytes = 0
  for (const file of files) bytes += (await snapshot.size(file)) ?? 0
  return { id: snapshot.repo.id, commit: snapshot.commit, files, bytes }
}

/** The size of a file, through links; undefined when there is none. */
export async function fileSize(path: string): Promise<number | undefined> {
  try {
    const stats = await stat(path)
    return stats.isFile() ? stats.size : undefined
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(errorCode(error))) return undefined
    throw unreadable(path, error)
  }
}

function undefinedIfUnusable(error: unknown): undefined {
  if (!(error instanceof InputError)) throw error
}

async function namesIn(dir: string): Promise<string[]> {
  try {
    return await readdir(dir)
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return []
    throw unreadable(dir, error)
  }
}

async function readIfPresent(path: string): Promise<string | undefined> {
  return (await fileSize(path)) === undefined ? undefined : readFile(path, 'utf8')
}

/** Make a symbolic link; false where the system does not let us (Windows without developer mode, some disks). */
async function linked(target: string, path: string): Promise<boolean> {
  try {
    await symlink(target, path)
    return true
  } catch (error) {
    if (['EPERM', 'EACCES', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP', 'EINVAL'].includes(errorCode(error)))
      return false
    throw error
  }
}

/** Write a small file that readers see whole or not at all. */
async function writeBeside(path: string, text: string): Promise<void> {
  await makeFolder(dirname(path))
  const temporary = beside(path)
  await writeFile(temporary, text)
  await rename(temporary, path).catch(async (error: unknown) => {
    await rm(temporary, { force: true })
    throw error
  })
}

/** A name that nobody else uses, as huggingface_hub names its own. */
function beside(path: string): string {
  return `${path}.${randomBytes(4).toString('hex')}.tmp`
}

/** Do what only spares a later request, if the cache may be written to. */
async function ifWritable(write: () => Promise<void>): Promise<void> {
  try {
    await write()
  } catch (error) {
    if (!['EACCES', 'EPERM', 'EROFS', 'ENOSPC', 'EDQUOT'].includes(errorCode(error))) throw error
  }
}
