/** What a failure between us and the Hub means for the user. */
import { InputError, show } from '../errors.js'
import { type HubConnection, HubError } from './hub-http.js'
import { type HubRepo, repoUrl, TYPE_NAMES } from './hub-id.js'

export interface Asked {
  readonly repo: HubRepo
  readonly revision: string
  readonly settings: HubConnection
}

/** A HubError as an InputError; anything else as it is. */
export function explained(error: unknown, asked: Asked): unknown {
  return error instanceof HubError ? new InputError(message(error, asked)) : error
}

function message({ kind, what, host }: HubError, { repo, revision, settings }: Asked): string {
  const { id } = repo
  const type = TYPE_NAMES[repo.type]
  const { endpoint, token, tokenSource, advice } = settings
  const page = repoUrl(endpoint, repo)
  switch (kind) {
    case 'gated': {
      const how = token
        ? `with the account that the token (${tokenSource}) belongs to`
        : `and ${advice.giveOwnToken}`
      return `${id}: its licence must be accepted (it is a gated ${type}), got ${what}; accept the licence at ${page} ${how}`
    }
    case 'no-repository': {
      const next = token
        ? `check the spelling, and that the token (${tokenSource}) may read it`
        : `check the spelling, and ${advice.giveToken} if it is private`
      return `${id}: must be a ${type} on ${endpoint}, got no such ${type}, or a private one (${what}); ${next}`
    }
    case 'bad-token':
      return `${tokenSource}: must be a valid token of ${endpoint}, got one that it refuses (${what}); make a new one at ${endpoint}/settings/tokens`
    case 'no-revision':
      return `${id}: ${advice.revision} must be a branch, a tag or a commit of it, got ${show(revision)} (${what}); see ${page}/commits/main`
    case 'no-file':
      return `${id}: must have the files that it lists, got ${what} for one of them; try again later`
    case 'too-many-requests': {
      const next = token ? 'wait a few minutes' : `wait a few minutes, or ${advice.giveToken}: it allows more`
      return `${id}: ${host} must accept the request, got ${what} (too many requests); ${next}`
    }
    case 'server':
      return `${id}: ${host} must answer, got ${what}; try again later`
    case 'timeout':
      return `${id}: ${host} must answer, got ${what}; ${advice.timeout}`
    case 'network':
      return `${id}: ${host} must be reachable, got ${what}; ${advice.network(what)}`
    case 'other':
      return `${id}: ${host} must accept the request, got ${what}; see ${page}`
  }
}
