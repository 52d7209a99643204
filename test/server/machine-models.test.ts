/** Which models the server opens, from where, in which memory. */
import { cpSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { afterEach, describe, expect, it } from 'vitest'
import { nodeRuntime } from '../../src/runtime/node.js'
import { MachineModels } from '../../src/server/machine-models.js'
import { ModelPool } from '../../src/ui/model-pool.js'
import type { CallProgress, ModelRef } from '../../src/ui/protocol.js'
import { testHub } from '../hub-server/environment.js'
import { mamba } from '../hub-server/models.js'
import { temporaryFolder } from './helpers.js'

const RANDOM = join(process.cwd(), 'test/fixtures/oracle/mamba1-hf')
const hub = testHub()
const runtime = nodeRuntime({ threads: 1 })

const pools: ModelPool[] = []
afterEach(async () => {
  process.chdir(START)
  for (const pool of pools.splice(0)) await pool.close()
})
const START = process.cwd()

async function poolOf(names: readonly string[], memory = 4e9, options = {}): Promise<ModelPool> {
  const pool = new ModelPool(await MachineModels.of(names, runtime, memory, options))
  pools.push(pool)
  return pool
}

/** Bytes that an open model has. */
const memoryOf = (pool: ModelPool, name: string): Promise<number> =>
  pool.use({ name }, {}, async ({ model }) => model.memory)
const open = (pool: ModelPool, ref: ModelRef): Promise<string> =>
  pool.use(ref, {}, async ({ model }) => model.checkpoint.configFile)

describe('names', () => {
  it('are of embedded models, given folders and the Hub; never of another path', async () => {
    const folder = temporaryFolder()
    cpSync(RANDOM, join(folder, 'given'), { recursive: true })
    mkdirSync(join(folder, 'owner'))
    cpSync(RANDOM, join(folder, 'owner', 'model'), { recursive: true })
    cpSync(RANDOM, join(folder, 'plain'), { recursive: true })
    process.chdir(folder)
    const pool = await poolOf(['./given', 'tiny-gpt2'])
    expect(await open(pool, { name: './given' })).toBe('given/config.json')
    expect(await open(pool, { name: 'tiny-gpt2' })).toMatch(/models\/tiny-gpt2\/config\.json$/)
    const listed = (await pool.list()).filter(({ source }) => source === 'folder')
    expect(listed).toMatchObject([{ name: './given', modelType: 'mamba', layers: 5 }])
    for (const name of [
      './plain',
      join(folder, 'plain'),
      RANDOM,
      '..',
      '.',
      '/',
      '~',
      'given/',
      '../given',
      'a/b/c',
      '',
    ]) {
      await expect(open(pool, { name })).rejects.toThrow(
        /^model: must be an embedded model, one that factflow ui was given, or an id on the Hub, got /,
      )
    }
    // They look like ids: the Hub is asked, the folders are not looked at.
    for (const name of ['owner/model', 'plain', 'given']) {
      await expect(open(pool, { name })).rejects.toThrow(
        `${name}: must be a model on ${hub.server.endpoint}, got no such model`,
      )
    }
    expect(hub.server.asked.length).toBeGreaterThan(0)
  })

  it('of the Hub are downloaded, with progress in bytes, and are in the cache then', async () => {
    hub.server.add('owner/model', mamba())
    const pool = await poolOf([])
    const progress: CallProgress[] = []
    const name = await pool.use(
      { name: 'owner/model' },
      { onProgress: (one) => progress.push(one) },
      async ({ model }) => model.name,
    )
    expect(name).toBe('owner/model')
    expect(progress.at(-1)).toEqual({
      what: 'downloading owner/model',
      done: progress[0]!.total,
      total: progress[0]!.total,
      unit: 'bytes',
    })
    expect(progress[0]!.total).toBeGreaterThan(10_000)
    expect((await pool.list()).filter(({ source }) => source === 'cache')).toMatchObject([
      { name: 'owner/model', cached: true },
    ])
  })

  it('of the Hub that the user gave are downloaded at once; offline they must be there', async () => {
    hub.server.add('owner/model', mamba())
    await expect(poolOf(['owner/model'], 4e9, { offline: true })).rejects.toThrow(/--offline/)
    await poolOf(['owner/model'])
    const asked = hub.server.asked.length
    const pool = await poolOf(['owner/model'], 4e9, { offline: true })
    await open(pool, { name: 'owner/model' })
    expect(hub.server.asked.length).toBe(asked)
    await expect(poolOf(['./none'])).rejects.toThrow(/there is no such folder/)
  })

  it('with a revision are of the Hub', async () => {
    const pool = await poolOf([])
    await expect(open(pool, { name: 'tiny-gpt2', revision: 'v1' })).rejects.toThrow(
      /--revision: must not be given/,
    )
    await expect(open(pool, { name: 'owner/model', revision: '../../x' })).rejects.toThrow(
      /--revision: must be a branch/,
    )
  })
})

describe('memory', () => {
  it('small models have what they need, and there is room for others', async () => {
    const pool = await poolOf([], 8e9)
    const each = []
    for (const name of ['tiny-mamba1', 'tiny-mamba2', 'tiny-gpt2']) each.push(await memoryOf(pool, name))
    for (const memory of each) {
      expect(memory).toBeGreaterThan(1e9)
      expect(memory).toBeLessThan(8e9 / 3)
    }
  })

  it('what is not needed any more makes room; what is used keeps it', async () => {
    const most = 120e6
    const pool = await poolOf([], most)
    const first = await memoryOf(pool, 'tiny-mamba1')
    expect(first).toBeGreaterThan(50e6)
    // Closed for the next, as both do not fit.
    const second = await memoryOf(pool, 'tiny-mamba2')
    const third = await pool.use({ name: 'tiny-mamba2' }, {}, async () => memoryOf(pool, 'tiny-gpt2'))
    expect(second + third).toBeLessThanOrEqual(most)
    expect(await memoryOf(pool, 'tiny-mamba1')).toBe(first)
  })

  it('too little of it is an error in words', async () => {
    const pool = await poolOf([], 1e6)
    await expect(memoryOf(pool, 'tiny-mamba1')).rejects.toThrow(
      /^--memory: to load tiny-mamba1, at least .* got 1 MB/,
    )
  })
})

it('loading that nobody waits for stops, and the model is not kept', async () => {
  const pool = await poolOf([])
  const stop = new AbortController()
  const asked = pool.use({ name: 'tiny-mamba1' }, { signal: stop.signal }, async () => 'opened')
  stop.abort(new Error('enough'))
  await expect(asked).rejects.toThrow('enough')
  expect(await memoryOf(pool, 'tiny-mamba1')).toBeGreaterThan(0)
})
