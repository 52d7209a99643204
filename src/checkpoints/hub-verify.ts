/** Damaged files of the Hub's cache: found by the hashes that they are named after, and made way for whole ones. */
import { readdir, realpath, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { errorCode, InputError } from '../errors.js'
import { damageOfBlob } from './blob-hash.js'
import type { HubOptions } from './hub.js'
import { CachedRepo, fileSize } from './hub-cache.js'
import { checkRevision } from './hub-id.js'
import { hubSettings } from './hub-settings.js'
import { unreadable } from './node-file.js'

/**
 * Read all files of a model that are in the cache, and remove those that are not what they were, so that the next
 * download brings them.
 * @returns how many files were looked at
 * @throws InputError when one is damaged and no request may be made, or cannot be read; the signal's reason
 */
export async function removeDamaged(id: string, options: HubOptions = {}): Promise<number> {
  const { revision = 'main', signal, onNote } = options
  checkRevision(revision)
  const settings = await hubSettings(options)
  const repo = await CachedRepo.of(settings.cache, { type: 'model', id })
  const commit = await repo.commitOf(revision)
  if (commit === undefined) return 0
  const { dir } = repo.snapshot(commit)
  const files = await filesIn(dir)
  for (const file of files) {
    const wrong = await damageOfBlob(file, { signal }).catch((error: unknown) => {
      signal?.throwIfAborted()
      throw unreadable(file, error)
    })
    if (wrong === undefined) continue
    if (settings.offline) {
      throw new InputError(
        `${file}: ${wrong}; run the same without ${settings.offlineSource}, it is downloaded anew`,
      )
    }
    onNote?.(`${file}: ${wrong}; it is downloaded anew`)
    await rm(await realpath(file))
    await rm(file, { force: true })
  }
  return files.length
}

/** Paths of the files in a folder and those in it. */
async function filesIn(dir: string): Promise<string[]> {
  try {
    const paths = (await readdir(dir, { recursive: true })).map((name) => join(dir, name))
    const sizes = await Promise.all(paths.map(fileSize))
    return paths.filter((_, i) => sizes[i] !== undefined)
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return []
    throw unreadable(dir, error)
  }
}
