/**
 * What a repository on the Hub holds. The questions are `@huggingface/hub`'s (`modelInfo`, `datasetInfo`, `listFiles`,
 * which follows the pages of long lists); they go through our client for time limits, retries and errors.
 */
import { InputError, show } from '../errors.js'
import type { HubClient } from './hub-http.js'
import { type HubRepo, isCommit } from './hub-id.js'

export interface RepoFile {
  readonly path: string
  /** In bytes. */
  readonly size: number
  /** The name of its content in the cache: the SHA-256 of an LFS file, Git's SHA-1 of any other. */
  readonly etag: string
}

/**
 * The commit that a revision names now.
 * @throws HubError
 */
export async function commitOf(client: HubClient, { type, id }: HubRepo, revision: string): Promise<string> {
  const { datasetInfo, modelInfo } = await import('@huggingface/hub')
  const question = {
    name: id,
    revision,
    additionalFields: ['sha' as const],
    hubUrl: client.settings.endpoint,
    fetch: client.fetchWhole,
  }
  const info = type === 'model' ? modelInfo(question) : datasetInfo(question)
  const { sha } = await info.catch(notJson(client))
  // It names a folder of the cache.
  if (typeof sha !== 'string' || !isCommit(sha)) throw notHub(client, `a commit ${show(sha)}`)
  return sha
}

/**
 * The files of a repository, by path: those at the top of a model's, all of a data set's.
 * @throws HubError
 */
export async function filesOf(
  client: HubClient,
  { type, id }: HubRepo,
  commit: string,
): Promise<ReadonlyMap<string, RepoFile>> {
  const { listFiles } = await import('@huggingface/hub')
  const files = new Map<string, RepoFile>()
  const list = listFiles({
    repo: { type, name: id },
    recursive: type === 'dataset',
    revision: commit,
    hubUrl: client.settings.endpoint,
    fetch: client.fetchWhole,
  })
  try {
    for await (const { type, path, size, oid, lfs } of list) {
      if (type === 'file') files.set(path, { path, size: lfs?.size ?? size, etag: lfs?.oid ?? oid ?? '' })
    }
  } catch (error) {
    throw notJson(client)(error)
  }
  for (const { path, size, etag } of files.values()) {
    if (typeof path !== 'string') throw notHub(client, `a file with the path ${show(path)}`)
    // The etag names a file of the cache.
    const isHash = typeof etag === 'string' && /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(etag)
    if (!isHash || !Number.isSafeInteger(size) || size < 0) {
      throw notHub(client, `a file ${show(path)} of ${show(size)} bytes with the hash ${show(etag)}`)
    }
  }
  return files
}

/** For what is thrown when an answer is not what the Hub answers: a login page of the network, for instance. */
function notJson(client: HubClient): (error: unknown) => never {
  return (error) => {
    if (error instanceof SyntaxError || error instanceof TypeError) {
      throw notHub(client, 'an answer in another form')
    }
    throw error
  }
}

function notHub({ settings }: HubClient, got: string): InputError {
  return new InputError(
    `${settings.endpoint}: must answer as the Hugging Face Hub does, got ${got}; check ${settings.advice.endpoint} and the network`,
  )
}
