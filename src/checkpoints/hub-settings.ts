/**
 * How to reach the Hugging Face Hub and where its cache lies: the environment variables of Python's `huggingface_hub`
 * (src/huggingface_hub/constants.py, utils/_auth.py), read anew at each call.
 *
 * The path of the cache is `@huggingface/hub`'s, which knows the four variables that can name it but leaves `~` and
 * `$VAR` in them as they are.
 */
import { readFile } from 'node:fs/promises'
import os from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { errorCode, InputError, show } from '../errors.js'
import { HUB_ENDPOINT, HUB_TIMEOUT_S, type HubAdvice, type HubConnection } from './hub-http.js'
import { unreadable } from './node-file.js'

export interface HubSettings extends HubConnection {
  /** The folder of `models--owner--name` folders. */
  readonly cache: string
  /** No request may be made. */
  readonly offline: boolean
  /** What to call the reason of `offline` in messages. */
  readonly offlineSource: string
  /** Snapshots may hold symbolic links. */
  readonly symlinks: boolean
}

export interface HubAccess {
  /** Access token of the Hub; default HF_TOKEN or the one that `hf auth login` stored; false for none. */
  readonly token?: string | false
  /** Use the cache alone; default what HF_HUB_OFFLINE says. */
  readonly offline?: boolean
}

/** What users of Node can change. */
const ADVICE: HubAdvice = {
  revision: '--revision',
  endpoint: 'HF_ENDPOINT',
  giveToken: 'set HF_TOKEN',
  giveOwnToken: 'set HF_TOKEN to a token of your account',
  timeout: 'check the network, or give it more seconds with HF_HUB_DOWNLOAD_TIMEOUT and HF_HUB_ETAG_TIMEOUT',
  network: (code) =>
    /CERT|SELF_SIGNED|ISSUER/.test(code)
      ? 'name the certificates of your network with NODE_EXTRA_CA_CERTS'
      : 'check the network and HF_ENDPOINT, or name a folder',
}

/** @throws InputError when a variable or the token cannot be used */
export async function hubSettings({ token, offline }: HubAccess = {}): Promise<HubSettings> {
  const { env } = process
  const endpoint = (env.HF_ENDPOINT || HUB_ENDPOINT).replace(/\/+$/, '')
  if (!/^https?:$/.test(protocolOf(endpoint))) {
    throw new InputError(`HF_ENDPOINT: must be a URL of http or https, got ${show(endpoint)}; correct it`)
  }
  const found = await accessToken(token)
  if (found.token !== undefined && !/^[\x21-\x7e]+$/.test(found.token)) {
    // The token itself is never shown.
    throw new InputError(
      `${found.tokenSource}: must be a token of letters, digits and signs, got other characters; set it again`,
    )
  }
  return {
    endpoint,
    cache: await cacheFolder(),
    ...found,
    offline: offline ?? (isTrue(env.HF_HUB_OFFLINE) || isTrue(env.TRANSFORMERS_OFFLINE)),
    offlineSource: offline
      ? '--offline'
      : isTrue(env.HF_HUB_OFFLINE)
        ? 'HF_HUB_OFFLINE'
        : 'TRANSFORMERS_OFFLINE',
    symlinks: !isTrue(env.HF_HUB_DISABLE_SYMLINKS),
    requestTimeout: seconds('HF_HUB_ETAG_TIMEOUT'),
    downloadTimeout: seconds('HF_HUB_DOWNLOAD_TIMEOUT'),
    userAgent: `factflow; node/${process.versions.node}`,
    advice: ADVICE,
  }
}

/** The folder of the Hub's cache. */
export async function cacheFolder(): Promise<string> {
  const { getHFHubCachePath } = await import('@huggingface/hub')
  return expanded(getHFHubCachePath())
}

async function accessToken(
  given: string | false | undefined,
): Promise<Pick<HubSettings, 'token' | 'tokenSource'>> {
  const { env } = process
  if (given === false) return { tokenSource: 'token' }
  if (given !== undefined) return { token: given.trim(), tokenSource: 'token' }
  if (isTrue(env.HF_HUB_DISABLE_IMPLICIT_TOKEN)) return { tokenSource: 'HF_TOKEN' }
  for (const tokenSource of ['HF_TOKEN', 'HUGGING_FACE_HUB_TOKEN']) {
    const token = env[tokenSource]?.trim()
    if (token) return { token, tokenSource }
  }
  const home = env.HF_HOME ?? join(env.XDG_CACHE_HOME ?? join(os.homedir(), '.cache'), 'huggingface')
  const file = expanded(env.HF_TOKEN_PATH ?? join(home, 'token'))
  try {
    const token = (await readFile(file, 'utf8')).trim()
    return token ? { token, tokenSource: file } : { tokenSource: 'HF_TOKEN' }
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(errorCode(error))) return { tokenSource: 'HF_TOKEN' }
    throw unreadable(file, error)
  }
}

/** huggingface_hub's ENV_VARS_TRUE_VALUES. */
function isTrue(value: string | undefined): boolean {
  return ['1', 'ON', 'YES', 'TRUE'].includes((value ?? '').toUpperCase())
}

/** A variable of whole seconds, in milliseconds. */
function seconds(variable: string): number {
  const text = process.env[variable]
  if (!text) return HUB_TIMEOUT_S * 1000
  const value = Number(text)
  if (!Number.isInteger(value) || value < 0) {
    throw new InputError(`${variable}: must be a whole number of seconds, got ${show(text)}; correct it`)
  }
  return (value || HUB_TIMEOUT_S) * 1000
}

/** As Python's expanduser and expandvars: `~` at the start, `$VAR` and `${VAR}` anywhere where they are set. */
function expanded(path: string): string {
  const inHome = /^~(?=[\\/]|$)/.test(path) ? os.homedir() + path.slice(1) : path
  return inHome.replace(
    /\$(?:(\w+)|\{([^}]*)\})/g,
    (whole, plain?: string, braced?: string) => process.env[plain ?? braced ?? ''] ?? whole,
  )
}

function protocolOf(url: string): string {
  try {
    return new URL(url).protocol
  } catch {
    return ''
  }
}
