/** Models of the Hub in a page: downloaded in pieces, kept in the browser, resumed. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { writeRandomModel } from '../../bench/random-model.js'
import { PIECE_BYTES } from '../../src/checkpoints/web-cache.js'
import type { WebProgress } from '../../src/checkpoints/web-folder.js'
import { mamba, oracleFiles, sharded, TOKENIZER, WEIGHT_BYTES, weights } from '../hub-server/models.js'
import { folderFiles, HubServer } from '../hub-server/server.js'
import { core, withPage } from './core.js'
import { ask, inChromium } from './harness.js'

const ID = 'owner/mamba'
const TIMEOUT_MS = 60_000

/** A model whose weights are several pieces: an embedding of 50 MB. */
const LARGE = { model_type: 'mamba', hidden_size: 64, num_hidden_layers: 1, vocab_size: 200_000 }

const page = core()
let hub: HubServer

beforeEach(async () => {
  hub = await HubServer.start()
})

afterEach(() => hub.close())

/** A page whose worker has a runtime. */
function onPage<T>(use: (one: Page) => Promise<T>): Promise<T> {
  return withPage(page, page.isolated, async (one) => {
    await ready(one)
    return use(one)
  })
}

function ready(one: Page): Promise<unknown> {
  return ask(one, 'runtime', { device: 'wasm', assets: page.assets(page.isolated) })
}

function open(one: Page, options: object = {}): Promise<unknown> {
  return ask(one, 'open', { hub: ID, endpoint: hub.endpoint, ...options })
}

/** The message of the InputError that opening must end with. */
async function message(one: Page, options: object = {}): Promise<string> {
  const error: unknown = await open(one, options).then(
    () => undefined,
    (reason: unknown) => reason,
  )
  const [, text] = /InputError: ([^\n]*)/.exec(String(error)) ?? []
  expect(text, String(error)).toMatch(/^.+: .+, got .+; .+$/)
  return text!.replaceAll(hub.endpoint, 'https://hub').replaceAll(new URL(hub.endpoint).host, 'hub')
}

/** The ranges of bytes that were asked for of a file that lies elsewhere. */
function ranges(): string[] {
  return hub.downloads.filter(({ method }) => method === 'GET').map(({ headers }) => headers.range ?? 'all')
}

describe.skipIf(!inChromium)('a model of the Hub', { timeout: TIMEOUT_MS }, () => {
  it('is downloaded once, and only what is needed of it; what is in the browser does without the Hub', () =>
    onPage(async (one) => {
      hub.add(ID, mamba())
      expect(await open(one)).toMatchObject({ name: ID, nLayers: 5 })
      expect(hub.files()).toEqual(['config.json', 'model.safetensors', 'tokenizer.json'])
      const progress = await ask<WebProgress[]>(one, 'progress')
      const { done, total } = progress.at(-1)!
      expect(done).toBe(total)
      expect(total).toBeGreaterThan(WEIGHT_BYTES + TOKENIZER.length)
      progress.forEach((state, i) => {
        expect(state.done).toBeGreaterThanOrEqual(i > 0 ? progress[i - 1]!.done : 0)
      })
      hub.asked.length = 0
      await one.reload()
      await ready(one)
      await open(one)
      // One question: which commit it is now.
      expect(hub.asked.map(({ path }) => path)).toEqual([`/api/models/${ID}/revision/main`])
      await hub.close()
      await one.reload()
      await ready(one)
      await open(one)
      const { notes } = await ask<{ notes: string[] }>(one, 'runtime', {
        device: 'wasm',
        assets: page.assets(page.isolated),
      })
      expect(notes.join()).toMatch(/using what is in the browser, commit [0-9a-f]{40}/)
    }))

  it('in shards; of another commit; by its commit', () =>
    onPage(async (one) => {
      const before = hub.add(ID, sharded())
      await open(one)
      hub.add(ID, mamba())
      expect(await open(one)).toMatchObject({ nLayers: 5 })
      hub.asked.length = 0
      await open(one, { revision: before })
      // It was downloaded under another name; its files are known by their hashes.
      expect(ranges()).toEqual([])
    }))

  it('goes on with the byte at which a connection broke', () =>
    onPage(async (one) => {
      hub.add(ID, mamba())
      hub.fault({ path: /^\/[0-9a-f]{64}$/, method: 'GET', cut: 100_000, pause: 500 })
      await open(one)
      const asked = ranges()
      expect(asked).toHaveLength(2)
      expect(asked[0]).toBe(`bytes=0-${WEIGHT_BYTES - 1}`)
      const from = Number(/^bytes=(\d+)-/.exec(asked[1]!)![1])
      expect(from).toBeGreaterThan(0)
      expect(from).toBeLessThanOrEqual(100_000)
    }))

  it('of a server that sends whole files, and one that sends them cut', () =>
    onPage(async (one) => {
      hub.add(ID, mamba())
      const blob = { path: /^\/[0-9a-f]{64}$/, method: 'GET' }
      hub.fault({ ...blob, cut: 50_000 })
      hub.fault({ ...blob, whole: true })
      await open(one)
      const got = await ask<number[]>(one, 'weights')
      const whole = weights()
      expect(got).toEqual([whole.length, whole.reduce((sum, byte) => (sum * 31 + byte) % 1_000_003, 0)])
    }))

  it('whose download was stopped goes on with what had not come', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'factflow-large-'))
    try {
      await writeRandomModel(dir, { config: LARGE, dtype: 'F32' })
      await onPage(async (one) => {
        hub.add(ID, folderFiles(dir))
        const { length } = folderFiles(dir)['model.safetensors']!
        const count = Math.ceil(length / PIECE_BYTES)
        expect(count).toBeGreaterThan(3)
        // The third and fourth piece stand still.
        const blob = { path: /^\/[0-9a-f]{64}$/, method: 'GET' }
        hub.fault({ ...blob, times: 2, slow: 0, pieceBytes: 2 ** 22 })
        hub.fault({ ...blob, times: 2, stall: 1000 })
        const opening = open(one).then(
          () => 'opened',
          (error: unknown) => String(error),
        )
        await expect
          .poll(async () => (await ask<WebProgress[]>(one, 'progress')).at(-1)?.done ?? 0, {
            timeout: 20_000,
          })
          .toBeGreaterThan(2 * PIECE_BYTES)
        await ask(one, 'abort')
        expect(await opening).toContain('AbortError')
        hub.asked.length = 0
        await one.reload()
        await ready(one)
        expect(await open(one)).toMatchObject({ nLayers: 1 })
        const asked = ranges()
        expect(asked.length).toBe(count - 2)
        expect(new Set(asked).size).toBe(asked.length)
        const first = (await ask<WebProgress[]>(one, 'progress')).find(({ done }) => done > 0)!
        expect(first.done).toBeGreaterThanOrEqual(2 * PIECE_BYTES)
      })
    } finally {
      rmSync(dir, { recursive: true, force: true })
    }
  })

  it('without a tokenizer, in the layout of mamba_ssm, has the one that it was trained with', () =>
    onPage(async (one) => {
      hub.add(ID, oracleFiles('mamba1-original'))
      hub.add('EleutherAI/gpt-neox-20b', { 'config.json': '{}', 'tokenizer.json': TOKENIZER })
      await open(one)
      expect(hub.files()).not.toContain('tokenizer.json')
      expect(await ask(one, 'encode', 'Paris')).not.toEqual([])
      expect(hub.files()).toContain('tokenizer.json')
    }))

  it('is not downloaded when its config is of no model that factflow computes', () =>
    onPage(async (one) => {
      hub.add(ID, { ...mamba(), 'config.json': '{"model_type":"bert"}' })
      expect(await message(one)).toContain('model_type must be one of')
      expect(hub.downloads).toEqual([])
    }))
})

describe.skipIf(!inChromium)('errors of the Hub in words', { timeout: TIMEOUT_MS }, () => {
  it('a gated model', () =>
    onPage(async (one) => {
      hub.add(ID, mamba(), { gatedFor: ['hf_ok'] })
      expect(await message(one)).toBe(
        'owner/mamba: its licence must be accepted (it is a gated model), got HTTP 401; accept the licence at https://hub/owner/mamba and give a token of your account',
      )
      expect(await open(one, { token: 'hf_ok' })).toMatchObject({ name: ID })
      // The token is for the Hub alone.
      expect(hub.downloads.length).toBeGreaterThan(0)
      for (const { headers } of hub.downloads) expect(headers.authorization).toBeUndefined()
    }))

  it('no such model, revision or name', () =>
    onPage(async (one) => {
      expect(await message(one)).toBe(
        'owner/mamba: must be a model on https://hub, got no such model, or a private one (HTTP 401); check the spelling, and give a token if it is private',
      )
      hub.add(ID, mamba())
      expect(await message(one, { revision: 'v2' })).toContain(
        'the revision must be a branch, a tag or a commit of it, got "v2"',
      )
      expect(await message(one, { hub: '../x' })).toContain('must be the id of a model on the Hub')
    }))

  it('no connection', () =>
    onPage(async (one) => {
      await hub.close()
      expect(await message(one)).toBe(
        'owner/mamba: hub must be reachable, got Failed to fetch; check the network, and that nothing blocks requests to it',
      )
      await one.context().setOffline(true)
      expect(await message(one)).toContain('the browser is offline')
    }))

  it('no weights', () =>
    onPage(async (one) => {
      const { 'model.safetensors': _, 'pytorch_model.bin': __, ...rest } = mamba()
      hub.add(ID, rest)
      expect(await message(one)).toContain('must hold model.safetensors or pytorch_model.bin')
    }))

  it('no room in the browser', () =>
    onPage(async (one) => {
      hub.add(ID, mamba())
      const session = await one.context().newCDPSession(one)
      const { origin } = new URL(page.isolated.url)
      await session.send('Storage.overrideQuotaForOrigin', { origin, quotaSize: 100_000 })
      expect(await message(one)).toContain('must fit the storage that the browser gives this site')
    }))
})
