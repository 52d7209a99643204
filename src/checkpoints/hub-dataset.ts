/** Data sets on the Hub: which of their files hold the data, and how these come into the cache. */
import { readdir } from 'node:fs/promises'
import { errorCode } from '../errors.js'
import { brought, type HubModel, type HubOptions } from './hub.js'
import { CachedRepo, cachedRepos, type Snapshot } from './hub-cache.js'
import { isHubId } from './hub-id.js'
import { cacheFolder } from './hub-settings.js'
import { unreadable } from './node-file.js'

/** Endings of the files that hold data; of those that a repository has, the first counts. */
export const DATA_ENDINGS = ['parquet', 'jsonl', 'json', 'csv', 'tsv'] as const

/** JSON beside the data that is about them (the `datasets` library). */
const ABOUT = /(?:^|\/)(?:dataset_infos?|state|metadata)\.json$/

/** Comes last, so that where it is, or is known to be missing, all that we downloaded is there. */
const README = 'README.md'

/**
 * The data files among the files of a repository, in order: all of one format, those in `data/` before those at the
 * top. Other folders hold other configurations.
 */
export function dataFiles(paths: Iterable<string>): string[] {
  const all = [...paths].filter((path) => !ABOUT.test(path)).sort()
  for (const ending of DATA_ENDINGS) {
    for (const place of ['data/', '']) {
      const found = all.filter(
        (path) =>
          path.startsWith(place) &&
          path.endsWith(`.${ending}`) &&
          // A plain name: nothing may reach outside its folder.
          /^[^./\\][^/\\]*$/.test(path.slice(place.length)),
      )
      if (found.length > 0) return found
    }
  }
  return []
}

/** `train-00000-of-00002.parquet` is a shard of two of `train`. */
const SHARD = /^(.+)-\d{5}-of-(\d{5}\.\w+)$/
/** Names of splits that a whole file can have. */
const SPLITS = /^(train|validation|valid|dev|test)\.\w+$/

/** The split that a file's name says: `train-00000-of-00001.parquet`, `test.jsonl`. */
export function splitOf(path: string): string | undefined {
  const name = path.replace(/^.*\//, '')
  return (SHARD.exec(name) ?? SPLITS.exec(name))?.[1]
}

/** Whether of what is in shards all are there. */
function whole(files: readonly string[]): boolean {
  return files.every((file) => {
    const [, base, end] = SHARD.exec(file) ?? []
    if (base === undefined) return true
    const shards = files.filter((other) => other.startsWith(`${base}-`) && other.endsWith(`-of-${end}`))
    return shards.length === Number.parseInt(end!, 10)
  })
}

/** A data set whose files are in the cache. */
export interface CachedDataset {
  readonly id: string
  readonly commit: string
  /** The files that factflow reads. */
  readonly files: readonly string[]
  /** Their size on disk in bytes. */
  readonly bytes: number
}

/**
 * Bring a data set into the cache, unless it is there.
 * @throws InputError when there is no such data set or revision, or it has no data file that factflow reads; when it is
 * gated, the Hub cannot be reached, or there is no room; the signal's reason. What has come stays for the next attempt.
 */
export function hubDataset(id: string, options: HubOptions = {}): Promise<HubModel> {
  return brought({ type: 'dataset', id }, options, {
    among: async (snapshot) => (await datasetIn(snapshot))?.files,
    // Python may have downloaded some of the files alone; only the list of all says.
    all: async () => false,
    fetch: async (target) => {
      const wanted = dataFiles(target.files.keys())
      if (wanted.length === 0) {
        throw target.lacks(`data in files that end in .${DATA_ENDINGS.join(', .')}, at its top or in data/`)
      }
      await target.fetch(wanted)
      if (target.files.has(README)) await target.fetch([README])
      else await target.snapshot.rememberNone(README)
      return wanted
    },
  })
}

/** All data sets of the cache whose main revision can be read without a network, by id. */
export function cachedDatasets(): Promise<CachedDataset[]> {
  return cachedRepos('dataset', async (id) => {
    if (!isHubId(id)) return undefined
    const repo = await CachedRepo.of(await cacheFolder(), { type: 'dataset', id })
    const commit = await repo.commitOf('main')
    return commit === undefined ? undefined : datasetIn(repo.snapshot(commit))
  })
}

/** The data set in a snapshot, or undefined when it is not there as a whole, as far as that can be told. */
async function datasetIn(snapshot: Snapshot): Promise<CachedDataset | undefined> {
  const files = dataFiles([
    ...(await namesIn(snapshot.dir)),
    ...(await namesIn(snapshot.path('data'))).map((name) => `data/${name}`),
  ])
  if (files.length === 0 || !whole(files)) return undefined
  if (!(await snapshot.has(README)) && !(await snapshot.lacks(README))) return undefined
  let bytes = 0
  for (const file of files) bytes += (await snapshot.size(file)) ?? 0
  return { id: snapshot.repo.id, commit: snapshot.commit, files, bytes }
}

async function namesIn(dir: string): Promise<string[]> {
  try {
    return await readdir(dir)
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(errorCode(error))) return []
    throw unreadable(dir, error)
  }
}
