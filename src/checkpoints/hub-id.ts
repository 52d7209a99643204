/** What names a model or a data set on the Hugging Face Hub. */
import { InputError, show } from '../errors.js'

export type RepoType = 'model' | 'dataset'

/** A repository on the Hub. */
export interface HubRepo {
  readonly type: RepoType
  /** `owner/name` */
  readonly id: string
}

/** What messages call a type of repository. */
export const TYPE_NAMES: Readonly<Record<RepoType, string>> = { model: 'model', dataset: 'data set' }

/** Where a repository has its pages and files: models at the root, data sets in a folder of their own. */
export function repoUrl(endpoint: string, { type, id }: HubRepo): string {
  return `${endpoint}/${type === 'model' ? '' : `${type}s/`}${id}`
}

/**
 * Whether `name` can be the id of a model, `owner/name` or an old one without an owner (`gpt2`): the rules of Python's
 * huggingface_hub (utils/_validators.py, `validate_repo_id`).
 */
export function isHubId(name: string): boolean {
  return (
    /^(?:\b[\w\-.]{1,96}\b\/)?\b[\w\-.]{1,96}\b$/.test(name) &&
    !/--|\.\./.test(name) &&
    !name.endsWith('.git')
  )
}

/** A full commit: what a revision names never changes then. */
export function isCommit(revision: string): boolean {
  return /^[0-9a-f]{40}$/.test(revision)
}

/**
 * @param what names it in messages
 * @throws InputError when `revision` cannot be the name of a branch or tag, or a commit
 */
export function checkRevision(revision: string, what = '--revision'): void {
  // It becomes part of a path in the cache: refs/<revision>. Git allows none of these either (git-check-ref-format).
  if (revision === '' || /[\p{C}\p{Z}\\~^:?*[]|\.\.|\/\/|^\/|\/$/u.test(revision)) {
    throw new InputError(
      `${what}: must be a branch, a tag or a commit, got ${show(revision)}; leave it out for main`,
    )
  }
}
