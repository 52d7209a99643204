/**
 * Models and data sets by their id on the Hugging Face Hub: found in the cache that Python's `huggingface_hub` uses, or downloaded
 * into it, and only the files that are needed.
 *
 * As there, one small request asks which commit a branch names. When that commit is in the cache nothing else is asked,
 * and when the Hub cannot be asked, the commit that the branch named before will do.
 */
import { join } from 'node:path'
import { InputError, show } from '../errors.js'
import { type Checkpoint, openCheckpoint, viewOf } from './checkpoint.js'
import { CachedRepo, modelIn, type Snapshot } from './hub-cache.js'
import { explained } from './hub-errors.js'
import { CONFIG, TOKENIZER, weightFiles } from './hub-files.js'
import { HubClient, HubError } from './hub-http.js'
import { checkRevision, type HubRepo, isCommit } from './hub-id.js'
import { commitOf, filesOf } from './hub-repo.js'
import { type HubAccess, type HubSettings, hubSettings } from './hub-settings.js'
import { type DownloadListener, HubTarget } from './hub-target.js'
import { isObject, parseConfig } from './json.js'
import { openFileIfPresent } from './node-file.js'

export interface HubOptions extends HubAccess, DownloadListener {
  /** A branch, tag or commit; default `main`. */
  readonly revision?: string
  /** Stops a download; what has come stays for the next. */
  readonly signal?: AbortSignal
}

export interface HubModelOptions extends HubOptions {
  /** Looks at config.json before the weights are downloaded; what it throws ends the download. */
  readonly checkConfig?: (model: Pick<Checkpoint, 'config' | 'configFile'>) => void
}

/** A model or data set whose files are in the cache. */
export interface HubModel {
  readonly id: string
  /** The folder of its files: the snapshot of a commit. */
  readonly folder: string
  readonly files: readonly string[]
}

/**
 * Bring a model into the cache, unless it is there: config.json, the weights in one format, and tokenizer.json where
 * there is one.
 *
 * @param id as `isHubId` has it
 * @throws InputError when there is no such model or revision, when it is gated, or lacks a file, when the Hub cannot be
 * reached, or there is no room; the signal's reason. What has come stays for the next attempt.
 */
export function hubModel(id: string, options: HubModelOptions = {}): Promise<HubModel> {
  return brought({ type: 'model', id }, options, {
    among: async (snapshot) => (await modelIn(snapshot).catch(perhapsDamaged(id)))?.files,
    all: knowsTokenizer,
    fetch: async (target) => {
      const { files, snapshot } = target
      if (!files.has(CONFIG)) throw target.lacks(CONFIG)
      const configFile = snapshot.path(CONFIG)
      const config = parseConfig(await target.text(CONFIG), configFile)
      if (isObject(config)) options.checkConfig?.({ config, configFile })
      // Whole weights of another format, which Python may have left, are as good.
      const here = (await modelIn(snapshot))?.files.filter((file) => file !== CONFIG && file !== TOKENIZER)
      const weights =
        here ??
        (await weightFiles(
          (file) => files.has(file),
          (index) => target.text(index),
          (index) => snapshot.path(index),
        ))
      if (!weights)
        throw target.lacks('model.safetensors or pytorch_model.bin (or an index and all its shards)')
      const wanted = [CONFIG, ...(files.has(TOKENIZER) ? [TOKENIZER] : []), ...weights]
      await target.fetch(wanted)
      if (!files.has(TOKENIZER)) await snapshot.rememberNone(TOKENIZER)
      return wanted
    },
  })
}

/**
 * Bring what says how a model reads text into the cache, unless it is there: config.json, and tokenizer.json where there
 * is one. No weights.
 * @throws InputError as `hubModel` does
 */
export function hubText(id: string, options: HubOptions = {}): Promise<HubModel> {
  return brought({ type: 'model', id }, options, {
    among: async (snapshot) => {
      if (!(await snapshot.has(CONFIG))) return undefined
      return (await snapshot.has(TOKENIZER)) ? [CONFIG, TOKENIZER] : [CONFIG]
    },
    all: knowsTokenizer,
    fetch: async (target) => {
      if (!target.files.has(CONFIG)) throw target.lacks(CONFIG)
      const wanted = [CONFIG, TOKENIZER].filter((file) => target.files.has(file))
      await target.fetch(wanted)
      if (!wanted.includes(TOKENIZER)) await target.snapshot.rememberNone(TOKENIZER)
      return wanted
    },
  })
}

async function knowsTokenizer(snapshot: Snapshot): Promise<boolean> {
  return (await snapshot.has(TOKENIZER)) || (await snapshot.lacks(TOKENIZER))
}

/**
 * Bring one file of a model into the cache, unless it is there.
 * @returns its path
 * @throws InputError as `hubModel` does
 */
export async function hubFile(id: string, file: string, options: HubOptions = {}): Promise<string> {
  const { folder } = await brought({ type: 'model', id }, options, {
    among: async (snapshot) => ((await snapshot.has(file)) ? [file] : undefined),
    all: async () => true,
    fetch: async (target) => {
      if (!target.files.has(file)) throw target.lacks(file)
      await target.fetch([file])
      return [file]
    },
  })
  return join(folder, file)
}

/** Open a model of the cache. @throws InputError as `openCheckpoint` does */
export async function openHubModel({ id, folder, files }: HubModel): Promise<Checkpoint> {
  const checkpoint = await openCheckpoint(id, {
    name: folder,
    path: (file) => join(folder, file),
    // A snapshot may hold more, and weights of another format in part.
    open: async (file) => (files.includes(file) ? openFileIfPresent(join(folder, file)) : undefined),
  }).catch(perhapsDamaged(id))
  return viewOf(checkpoint, { tokenizerJson: () => checkpoint.tokenizerJson().catch(perhapsDamaged(id)) })
}

/** What cannot be read may have been damaged since it came: what to do then is added to the error. */
function perhapsDamaged(id: string): (error: unknown) => never {
  return (error) => {
    if (!(error instanceof InputError)) throw error
    const cure = `or if the cache is damaged, bring it anew with factflow download ${id} --verify`
    throw new InputError(`${error.message}, ${cure}`, { cause: error })
  }
}

/** What is wanted of a repository. */
export interface Wanted {
  /** Its files in a snapshot; undefined when one is missing that must be there. */
  among(snapshot: Snapshot): Promise<readonly string[] | undefined>
  /** Whether a snapshot has also what need not be there, or is known to be without. */
  all(snapshot: Snapshot): Promise<boolean>
  /** Download them. */
  fetch(target: HubTarget): Promise<readonly string[]>
}

/** Bring what is wanted into the cache, unless it is there. @throws InputError as `hubModel` does */
export async function brought(asked: HubRepo, options: HubOptions, wanted: Wanted): Promise<HubModel> {
  const { id } = asked
  const { revision = 'main', signal, onNote } = options
  checkRevision(revision)
  const settings = await hubSettings(options)
  const repo = await CachedRepo.of(settings.cache, asked)
  const inCache = async (commit: string): Promise<Found | undefined> => {
    const snapshot = repo.snapshot(commit)
    const files = await wanted.among(snapshot)
    return files && { id, commit, folder: snapshot.dir, files, all: await wanted.all(snapshot) }
  }
  const known = await repo.commitOf(revision)
  let usable = known === undefined ? undefined : await inCache(known)
  // What a commit holds never changes.
  if (usable && (settings.offline || (usable.all && isCommit(revision)))) return usable
  if (settings.offline) throw notInCache(id, revision, repo, settings)
  const client = new HubClient(settings, { signal, onNote: (note) => onNote?.(`${id}: ${note}`) })
  try {
    // With something in the cache there is no need to wait for a Hub that does not answer.
    const commit = isCommit(revision)
      ? revision
      : await commitOf(usable ? new HubClient(settings, { signal, patient: false }) : client, repo, revision)
    usable = commit === known ? usable : await inCache(commit)
    if (usable?.all) {
      await repo.remember(revision, commit)
      return usable
    }
    const snapshot = repo.snapshot(commit)
    const target = new HubTarget(client, snapshot, await filesOf(client, repo, commit), options)
    const files = await wanted.fetch(target)
    // Not before: without a network the commit of before is better than half of this one.
    await repo.remember(revision, commit)
    return { id, folder: snapshot.dir, files }
  } catch (error) {
    if (!(error instanceof HubError)) throw error
    if (!usable || error.kind === 'no-revision') throw explained(error, { repo, revision, settings })
    onNote?.(`${id}: ${error.host} gives ${error.what}; using what is in the cache, commit ${usable.commit}`)
    return usable
  }
}

interface Found extends HubModel {
  readonly commit: string
  readonly all: boolean
}

function notInCache(
  id: string,
  revision: string,
  repo: CachedRepo,
  { offlineSource }: HubSettings,
): InputError {
  return new InputError(
    `${id}: must be in the cache while ${offlineSource} is set, got no whole copy of revision ${show(revision)} in ${repo.dir}; download it without ${offlineSource}, or check HF_HOME`,
  )
}
