import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  readWorkers,
  type Worker,
  WorkerFile,
  workerShard,
  workerState,
} from '../../src/studies/worker-file.js'

let dir: string
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'factflow-worker-'))
})
afterEach(async () => {
  await rm(dir, { recursive: true, force: true })
})

const OTHER: Worker = {
  format: 'factflow-worker/1',
  host: 'elsewhere',
  pid: 1,
  shard: '2/3',
  state: 'running',
  done: 3,
  total: 9,
  flops: 1e12,
  seconds: 10,
  began: '2026-01-01T00:00:00.000Z',
  updated: '2026-01-01T00:10:00.000Z',
  failed: [],
}
const put = (name: string, value: unknown): Promise<void> =>
  writeFile(join(dir, name), typeof value === 'string' ? value : JSON.stringify(value))
const at = (minutes: number): number => Date.parse(OTHER.updated) + 60_000 * minutes

describe('the file of a worker', () => {
  it('says what it is at, and how it ended', async () => {
    const file = await WorkerFile.begin(dir, { index: 1, count: 3 })
    const [first] = await readWorkers(dir)
    expect(first).toMatchObject({ state: 'running', shard: '1/3', pid: process.pid, done: 0 })
    expect(workerShard(first!)).toEqual({ index: 1, count: 3 })
    expect(workerState(first!)).toBe('running')
    file.set({ stage: 'sweep', model: 'm', done: 5, total: 8 })
    file.add(100, 2)
    file.add(50, 1)
    await file.end('failed', 'no room')
    expect(await readWorkers(dir)).toMatchObject([
      { state: 'failed', error: 'no room', model: 'm', done: 5, total: 8, flops: 150, seconds: 3 },
    ])
  })

  it('is one for a shard, whoever computes it', async () => {
    for (let i = 0; i < 2; i++) await (await WorkerFile.begin(dir, { index: 1, count: 3 })).end('done')
    expect(await readdir(dir)).toEqual(['worker-1-of-3.json'])
  })

  it('of who has no shard is removed when its process is gone; those of other machines stay', async () => {
    const { shard: _, ...unsharded } = OTHER
    await put('worker-a.json', unsharded)
    const mine = await WorkerFile.begin(dir, undefined)
    await mine.end('running')
    const name = (await readdir(dir)).find((file) => file !== 'worker-a.json')!
    const dead = { ...JSON.parse(await readFile(join(dir, name), 'utf8')), pid: 2 ** 22 + 1 }
    await put('worker-dead.json', dead)
    await (await WorkerFile.begin(dir, undefined)).end('done')
    expect((await readdir(dir)).sort()).toEqual(['worker-a.json', name].sort())
  })

  it('that is torn or of another form is passed over', async () => {
    await put('worker-a.json', OTHER)
    await put('worker-b.json', '{"format": "factflow-wor')
    await put('worker-c.json', { ...OTHER, shard: '4/3' })
    await put('worker-d.json', { ...OTHER, format: 'other' })
    await put('work.json', OTHER)
    expect(await readWorkers(dir)).toEqual([OTHER])
  })
})

describe('a worker', () => {
  it('is lost when it is silent for minutes, unless it had ended', () => {
    expect(workerState(OTHER, at(1))).toBe('running')
    expect(workerState(OTHER, at(3))).toBe('lost')
    // Clocks differ.
    expect(workerState(OTHER, at(-30))).toBe('running')
    expect(workerState({ ...OTHER, state: 'waiting' }, at(3))).toBe('lost')
    for (const state of ['done', 'stopped', 'failed'] as const) {
      expect(workerState({ ...OTHER, state }, at(300))).toBe(state)
    }
  })
})
