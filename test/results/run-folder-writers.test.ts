/**
 * Several writers and readers of one run folder, on a disk as a network gives it: calls take their time, listings are
 * of before, files that were replaced are stale, folders cannot be synced. Some parts are torn or swapped meanwhile.
 */
import { spawnSync } from 'node:child_process'
import { copyFile, mkdtemp, readdir, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, it, vi } from 'vitest'
import { InputError } from '../../src/errors.js'
import { seededRandom } from '../../src/prompts/sample.js'
import { temporaryName } from '../../src/results/leftovers.js'
import { Results } from '../../src/results/results.js'
import type { KnockoutRow } from '../../src/results/rows.js'
import { RunFolder } from '../../src/results/run-folder.js'
import type { RunModel } from '../../src/results/run-schema.js'

/** Draws what the disk does; without it the disk is a plain one. */
const disk = vi.hoisted(() => ({ random: undefined as (() => number) | undefined, faults: 0 }))

vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof import('node:fs/promises')>()
  const listings = new Map<string, string[]>()
  const stale = new Set<string>()
  const wait = async (): Promise<void> => {
    const random = disk.random
    if (random) await new Promise((done) => setTimeout(done, 3 * random()))
  }
  const fault = (code: string): Error => {
    disk.faults++
    return Object.assign(new Error(`${code}: as on a network disk`), { code })
  }
  /** A file that was replaced fails once; opened again it is there. */
  const mayBeStale = (path: unknown): void => {
    const text = String(path)
    if (!disk.random || !/\.(parquet|json)$/.test(text)) return
    if (stale.delete(text) || disk.random() > 0.05) return
    stale.add(text)
    throw fault('ESTALE')
  }
  return {
    ...real,
    async readdir(path: string, ...rest: []) {
      await wait()
      const before = listings.get(path)
      if (disk.random && before && rest.length === 0 && disk.random() < 0.2) return before
      const names = await real.readdir(path, ...rest)
      if (rest.length === 0) listings.set(path, names)
      return names
    },
    async open(path: string, flags?: string) {
      await wait()
      if (flags === 'r') mayBeStale(path)
      const handle = await real.open(path, flags)
      if (disk.random && (await handle.stat()).isDirectory()) {
        handle.sync = async () => {
          if (disk.random) throw fault('EINVAL')
        }
      }
      return handle
    },
    async readFile(path: string, ...rest: []) {
      await wait()
      mayBeStale(path)
      return real.readFile(path, ...rest)
    },
    async rename(from: string, to: string) {
      await wait()
      await real.rename(from, to)
      await wait()
    },
    async link(from: string, to: string) {
      await wait()
      await real.link(from, to)
    },
  }
})

const MODEL: RunModel = {
  ...{ source: 'x/m', fingerprint: 'a'.repeat(64), modelType: 'gpt2', family: 'GPT-2', layers: 6 },
  featureCategories: ['all'],
}
const DATA = { source: 'd.jsonl', fingerprint: 'd'.repeat(64), facts: 8, unusable: 0 }
const IDS = ['0', '1', '2', '3', '4', '5', '6', '7']
const STARTS = 50

/** What is computed for a prompt: the same by whoever computes it. */
const rowsOf = (id: string, sign = 1): KnockoutRow[] =>
  Array.from({ length: STARTS }, (_, first_layer) => ({
    ...{ model: 'm', dataset: 'd', prompt_id: id, first_layer, window: 3, source: 'subject', position: null },
    ...{ target: 'last', features: 'all', base_prob: 0.5, prob: Number(id) + first_layer / STARTS, rank: 1 },
    ...{ top_token: 7, hit: true, relative_change: sign * (Number(id) + Math.sin(first_layer)) },
  })) as KnockoutRow[]

async function writer(dir: string, random: () => number, rounds: number, model = MODEL): Promise<void> {
  const folder = await RunFolder.at(dir, '1.0.0', { labels: ['m'] })
  try {
    folder.file.models.m = model
    folder.file.datasets.d = DATA
    await folder.save()
    for (let i = 0; i < rounds; i++) {
      const id = IDS[Math.floor(random() * IDS.length)]!
      if (!(await folder.parts('knockouts')).has(id)) await folder.write('knockouts', id, rowsOf(id))
    }
  } finally {
    folder.close()
  }
}

/** All that is shown is whole. */
async function reader(dir: string, rounds: number): Promise<void> {
  for (let i = 0; i < rounds; i++) {
    try {
      await shown(dir)
    } catch (error) {
      // A part may be torn while it is read: then it is named.
      if (!(error instanceof InputError)) throw error
      expect(error.message).toMatch(/must be a run folder|run the study again|ask again/)
    }
  }
}

/** The prompts that are stored, each of which must have all its rows. */
async function shown(dir: string, verify = false): Promise<string[]> {
  const results = await Results.open([dir], { verify })
  try {
    if (verify) expect(results.leftOut).toEqual([])
    const rows = await results.rows('SELECT * EXCLUDE (run) FROM knockouts ORDER BY prompt_id, first_layer')
    const ids = [...new Set(rows.map((row) => row.prompt_id as string))]
    expect(rows).toEqual(ids.flatMap((id) => rowsOf(id)))
    return ids
  } finally {
    results.close()
  }
}

/** Tears parts, puts in others of another model, leaves what dead processes leave. */
async function vandal(dir: string, foreign: string, dead: number, random: () => number): Promise<void> {
  // Before there is a run there is nothing to tear.
  while (!(await readdir(dir)).includes('run.json')) await new Promise((done) => setTimeout(done, 2))
  for (let i = 0; i < 6; i++) {
    await new Promise((done) => setTimeout(done, 40 * random()))
    const part = `part-${IDS[Math.floor(random() * IDS.length)]}.parquet`
    const kind = random()
    if (kind < 0.4) await truncate(join(dir, part), Math.floor(3000 * random())).catch(() => undefined)
    else if (kind < 0.7) {
      // As a file is copied that is not there yet: whole, or not at all.
      await copyFile(join(foreign, 'part-0.parquet'), join(dir, part), 1).catch(() => undefined)
    } else await writeFile(join(dir, temporaryName(part, dead)), 'PAR1')
  }
}

it('writers, readers and deaths in any order leave what one writer alone would', {
  timeout: 120_000,
}, async () => {
  const dead = spawnSync(process.execPath, ['-e', '']).pid
  const foreign = await mkdtemp(join(tmpdir(), 'factflow-foreign-'))
  const other = await RunFolder.at(foreign, '1.0.0')
  other.file.models.m = { ...MODEL, fingerprint: 'b'.repeat(64) }
  other.file.datasets.d = DATA
  await other.write('knockouts', '0', rowsOf('0', -1))
  other.close()
  let torn = 0
  await fc.assert(
    fc.asyncProperty(fc.nat(), async (seed) => {
      const dir = await mkdtemp(join(tmpdir(), 'factflow-writers-'))
      try {
        const random = seededRandom(seed)
        disk.random = random
        await Promise.all([
          ...[4, 6, 8].map((rounds) => writer(dir, random, rounds)),
          ...[1, 2].map(() => reader(dir, 3)),
          vandal(dir, foreign, dead, random),
        ])
        disk.random = undefined
        // The next run: what cannot be used is set aside, what is missing is computed.
        const folder = await RunFolder.at(dir, '1.0.0', { labels: ['m'] })
        const has = await folder.parts('knockouts')
        expect(await shown(dir, true)).toEqual([...has].sort())
        for (const id of IDS) if (!has.has(id)) await folder.write('knockouts', id, rowsOf(id))
        folder.close()
        expect(await shown(dir, true)).toEqual(IDS)
        const files = await readdir(dir)
        expect(files.filter((file) => file.startsWith('.'))).toEqual([])
        if (files.includes('set-aside')) torn++
      } finally {
        disk.random = undefined
        await rm(dir, { recursive: true, force: true })
      }
    }),
    { numRuns: 20 },
  )
  await rm(foreign, { recursive: true, force: true })
  expect(torn).toBeGreaterThan(0)
  expect(disk.faults).toBeGreaterThan(50)
})
