/** The variables of huggingface_hub, compared with what Python makes of them. */
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { describe, expect, test } from 'vitest'
import { hubSettings } from '../../src/checkpoints/hub-settings.js'
import { PYTHON, python, testHub } from '../hub-server/environment.js'
import { inputError } from './helpers.js'

const hub = testHub()

/** Only these of the Hub's variables. */
function only(variables: Record<string, string>): void {
  for (const name of ['HF_HOME', 'HF_ENDPOINT']) delete process.env[name]
  Object.assign(process.env, variables)
}

const PLACES: [variables: Record<string, string>, cache: string][] = [
  [{}, join(os.homedir(), '.cache/huggingface/hub')],
  [{ XDG_CACHE_HOME: '/xdg' }, '/xdg/huggingface/hub'],
  [{ HF_HOME: '/home' }, '/home/hub'],
  [{ HF_HOME: '/home', XDG_CACHE_HOME: '/xdg' }, '/home/hub'],
  [{ HUGGINGFACE_HUB_CACHE: '/old', HF_HOME: '/home' }, '/old'],
  [{ HF_HUB_CACHE: '/new', HUGGINGFACE_HUB_CACHE: '/old', HF_HOME: '/home' }, '/new'],
  [{ HF_HOME: '~/hf' }, join(os.homedir(), 'hf/hub')],
  // biome-ignore lint/suspicious/noTemplateCurlyInString: what a shell left as it is
  [{ HF_HUB_CACHE: '$SCRATCH_DIR/a/${SCRATCH_DIR}/$NOT_SET' }, 's/c/a/s/c/$NOT_SET'],
]

describe('the place of the cache', () => {
  test.each(PLACES)('%j', async (variables, cache) => {
    only({ ...variables, SCRATCH_DIR: 's/c' })
    expect((await hubSettings()).cache).toBe(cache)
  })

  test.skipIf(!PYTHON)('is Python’s (skipped where there is none with huggingface_hub)', async () => {
    for (const [variables] of PLACES) {
      only({ ...variables, SCRATCH_DIR: 's/c' })
      const env = { ...variables, SCRATCH_DIR: 's/c', HOME: os.homedir() }
      const theirs = python('from huggingface_hub.constants import *; print(HF_HUB_CACHE)', env)
      expect((await hubSettings()).cache).toBe(await theirs)
      for (const name of Object.keys(variables)) delete process.env[name]
    }
  })
})

describe('the token', () => {
  /** A stored token. */
  function store(file: string, token: string): string {
    const path = join(hub.home, file)
    mkdirSync(join(path, '..'), { recursive: true })
    writeFileSync(path, token)
    return path
  }

  test('is that of a variable, else of a file', async () => {
    expect((await hubSettings()).token).toBeUndefined()
    const path = store('token', 'hf_file\n')
    expect(await hubSettings()).toMatchObject({ token: 'hf_file', tokenSource: path })
    process.env.HF_TOKEN_PATH = store('elsewhere/token', 'hf_elsewhere')
    expect((await hubSettings()).token).toBe('hf_elsewhere')
    process.env.HUGGING_FACE_HUB_TOKEN = 'hf_old'
    expect((await hubSettings()).token).toBe('hf_old')
    process.env.HF_TOKEN = ' hf_new\r\n'
    expect(await hubSettings()).toMatchObject({ token: 'hf_new', tokenSource: 'HF_TOKEN' })
    expect(await hubSettings({ token: 'hf_given' })).toMatchObject({ token: 'hf_given' })
    expect((await hubSettings({ token: false })).token).toBeUndefined()
  })

  test('is not sent unasked where HF_HUB_DISABLE_IMPLICIT_TOKEN says so', async () => {
    Object.assign(process.env, { HF_TOKEN: 'hf_new', HF_HUB_DISABLE_IMPLICIT_TOKEN: '1' })
    expect((await hubSettings()).token).toBeUndefined()
    expect((await hubSettings({ token: 'hf_given' })).token).toBe('hf_given')
  })

  test.each(['hf_a\nhf_b', 'hf_a b', 'hf_ä'])(
    'that cannot be one is refused and not shown',
    async (token) => {
      const message = await inputError(hubSettings({ token }))
      expect(message).toMatch(/^token: must be a token of letters, digits and signs, got other characters; /)
      expect(message).not.toContain('hf_')
    },
  )

  test.skipIf(process.getuid?.() === 0)('in a file that may not be read is an error', async () => {
    chmodSync(store('token', 'hf_file'), 0)
    expect(await inputError(hubSettings())).toMatch(/token: must be readable, got permission denied/)
  })
})

describe('other variables', () => {
  test('have the defaults of huggingface_hub', async () => {
    only({})
    expect(await hubSettings()).toMatchObject({
      endpoint: 'https://huggingface.co',
      offline: false,
      symlinks: true,
      requestTimeout: 10_000,
      downloadTimeout: 10_000,
    })
  })

  test('are read at each call', async () => {
    only({
      HF_ENDPOINT: 'https://mirror.example/',
      HF_HUB_OFFLINE: 'yes',
      HF_HUB_DISABLE_SYMLINKS: 'True',
      HF_HUB_ETAG_TIMEOUT: '3',
      HF_HUB_DOWNLOAD_TIMEOUT: '60',
    })
    expect(await hubSettings()).toMatchObject({
      endpoint: 'https://mirror.example',
      offline: true,
      symlinks: false,
      requestTimeout: 3000,
      downloadTimeout: 60_000,
    })
  })

  test.each(['', '0', 'off', 'no', 'false'])('HF_HUB_OFFLINE=%s is online', async (value) => {
    process.env.HF_HUB_OFFLINE = value
    expect((await hubSettings()).offline).toBe(false)
  })

  test('an option goes before HF_HUB_OFFLINE', async () => {
    process.env.HF_HUB_OFFLINE = '1'
    expect((await hubSettings({ offline: false })).offline).toBe(false)
  })

  test.each(['x', '-1', '1.5'])('HF_HUB_ETAG_TIMEOUT=%s is refused', async (value) => {
    process.env.HF_HUB_ETAG_TIMEOUT = value
    expect(await inputError(hubSettings())).toBe(
      `HF_HUB_ETAG_TIMEOUT: must be a whole number of seconds, got "${value}"; correct it`,
    )
  })
})
