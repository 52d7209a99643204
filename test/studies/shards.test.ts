/** Studies that several workers share: the same tables, whoever computed what. */
import { existsSync } from 'node:fs'
import { cp, mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Results } from '../../src/results/results.js'
import { TABLES } from '../../src/results/tables.js'
import { runStudy, type StudyOptions, type StudyOutcome } from '../../src/studies/run.js'
import { missingText, type Standing, storedStudy, studyStanding } from '../../src/studies/standing.js'
import { parseStudy } from '../../src/studies/study.js'

const FIRST = join(import.meta.dirname, '..', 'fixtures', 'trained', 'first')
const STUDY = parseStudy(
  {
    name: 'shared',
    models: [
      { model: join(FIRST, 'tiny-mamba1'), label: 'm1' },
      { model: join(FIRST, 'tiny-gpt2'), label: 'g2' },
    ],
    data: { source: 'atlas', name: 'atlas', relation: ['country_capital', 'country_continent'], sample: 60 },
    promptSets: { any: { known: 'any', sample: 24 }, correct: { known: 'all-correct' } },
    evaluate: { continuation: 0 },
    infoFlow: { promptSets: ['any', 'correct'], windows: 4, flows: ['subject'] },
    heatmaps: { promptSet: 'any', count: 1, windows: 4 },
    figures: ['decay-boxes'],
  },
  'shared',
)
const COUNT = 3
/** Milliseconds. */
const TIMEOUT = 240_000

let dir: string
let whole: unknown
const run = (name: string, options: Partial<StudyOptions> = {}): Promise<StudyOutcome> =>
  runStudy(STUDY, { out: join(dir, name), threads: 1, ...options })
const shard = (index: number): Pick<StudyOptions, 'shard'> => ({ shard: { index, count: COUNT } })
const standing = (name: string): Promise<Standing> => studyStanding(STUDY, join(dir, name))

async function tables(name: string): Promise<unknown> {
  const results = await Results.open([join(dir, name)])
  try {
    const all = Object.keys(TABLES).map((table) =>
      results.rows(`SELECT * EXCLUDE (run) FROM ${table} ORDER BY ALL`),
    )
    return await Promise.all(all)
  } finally {
    results.close()
  }
}

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'factflow-shards-'))
  await run('whole')
  whole = await tables('whole')
}, TIMEOUT)
afterAll(async () => {
  await rm(dir, { recursive: true, force: true })
})

describe('a study in shards', { timeout: TIMEOUT }, () => {
  it('gives the tables of a single process, to the last bit; a shard that is done changes nothing', async () => {
    for (const index of [3, 1, 2]) {
      const outcome = await run('shards', { ...shard(index), stage: 'evaluate' })
      expect(outcome.evaluated).toBeGreaterThan(0)
      expect(outcome).toMatchObject({ knockouts: 0, waiting: [], failed: [] })
    }
    const between = await standing('shards')
    expect(between.complete).toBe(false)
    expect(between.shards.map(({ evaluated: { done, total } }) => done === total)).toEqual([true, true, true])
    expect(between.shards.map(({ state }) => state)).toEqual(['missing', 'missing', 'missing'])
    for (const index of [2, 3, 1]) {
      const outcome = await run('shards', shard(index))
      expect(outcome.knockouts).toBeGreaterThan(0)
      expect(outcome.evaluated).toBe(0)
    }
    expect(await tables('shards')).toEqual(whole)
    const end = await standing('shards')
    expect(end).toMatchObject({ complete: true, share: 1, rate: 0 })
    expect(end.shards.map(({ state }) => state)).toEqual(['done', 'done', 'done'])
    const files = await listing('shards')
    expect(await run('shards', shard(2))).toEqual({ evaluated: 0, knockouts: 0, failed: [], waiting: [] })
    expect(await listing('shards')).toEqual(files)
    expect(await run('shards')).toMatchObject({ evaluated: 0, knockouts: 0 })
    expect(await tables('shards')).toEqual(whole)
  })

  it('gives them also when all shards run at once and wait for one another', async () => {
    const all = [1, 2, 3].map((index) => run('at-once', { ...shard(index), wait: TIMEOUT }))
    for (const outcome of await Promise.all(all)) expect(outcome).toMatchObject({ waiting: [], failed: [] })
    expect(await tables('at-once')).toEqual(whole)
  })

  it('does not begin knockouts before the others have evaluated, and says for what it waits', async () => {
    const notes: string[] = []
    const outcome = await run('alone', { ...shard(1), onNote: (text) => notes.push(text) })
    expect(outcome.waiting).toEqual(['m1', 'g2'])
    expect(outcome.knockouts).toBe(0)
    const now = await standing('alone')
    expect(missingText(now)).toMatch(/^missing: \d+ of 120 evaluations, the prompt set correct$/)
    expect(now.shards.map(({ state }) => state)).toEqual(['stopped', 'missing', 'missing'])
    expect(now.models.map(({ swept }) => swept)).toEqual([undefined, undefined])
    const at = performance.now()
    await expect(run('alone', { ...shard(1), wait: 50 })).resolves.toMatchObject({ waiting: ['m1', 'g2'] })
    expect(performance.now() - at).toBeGreaterThan(50)
  })

  it('leaves the evaluation of its shard to the worker that was started for it', async () => {
    const only = { index: 1, count: 1 }
    const evaluation = run('apart', { shard: only, stage: 'evaluate' })
    while (!existsSync(join(dir, 'apart', 'worker-1-of-1-evaluate.json'))) {
      await new Promise((next) => setTimeout(next, 5))
    }
    const sweep = await run('apart', { shard: only, wait: TIMEOUT })
    expect([await evaluation, sweep]).toMatchObject([{ evaluated: 120 }, { evaluated: 0, waiting: [] }])
    expect(await tables('apart')).toEqual(whole)
  })

  it('finishes the unit that it is in when it is told to, and goes on', async () => {
    const finish = new AbortController()
    let calls = 0
    const stopped = run('told', {
      finish: finish.signal,
      progress: (label, task) =>
        task(({ done }) => {
          // In the middle of the first unit of knockouts.
          if (label === 'm1: sweep' && done > 0 && calls++ === 0) finish.abort(new Error('told'))
        }),
    })
    await expect(stopped).rejects.toThrow('told')
    const parts = (await readdir(join(dir, 'told'))).filter((file) => file.startsWith('part-'))
    expect(parts).toHaveLength(1)
    expect((await standing('told')).workers).toMatchObject([
      { state: 'stopped', model: 'm1', stage: 'sweep' },
    ])
    await run('told')
    expect(await tables('told')).toEqual(whole)
    const before = new AbortController()
    before.abort(new Error('before'))
    await expect(run('told', { finish: before.signal })).rejects.toThrow('before')
  })

  it('computes what is missing of a shard whose parts are gone, and nothing else', async () => {
    const [from, to] = [join(dir, 'whole'), join(dir, 'torn')]
    await cp(from, to, { recursive: true })
    const parts = (await readdir(to)).filter((file) => file.startsWith('part-'))
    await rename(join(to, parts[0]!), join(dir, parts[0]!))
    const missing = (await studyStanding(STUDY, to, { shards: COUNT })).shards.filter((one) => one.missing)
    expect(missing).toHaveLength(1)
    const others = [1, 2, 3].filter((index) => index !== missing[0]!.index)
    for (const index of others) expect(await run('torn', shard(index))).toMatchObject({ knockouts: 0 })
    const outcome = await run('torn', shard(missing[0]!.index))
    expect(outcome.knockouts).toBeGreaterThan(0)
    expect(await tables('torn')).toEqual(whole)
  })

  it('goes on with other models when one cannot be computed, and tells the others', async () => {
    const broken = parseStudy(
      {
        ...STUDY,
        models: [...STUDY.models, { model: join(dir, 'gone'), label: 'gone' }],
        promptSets: { any: { known: 'any' } },
        infoFlow: { promptSets: 'any', windows: 4, flows: ['subject'] },
      },
      'broken',
    )
    const out = join(dir, 'broken')
    const of = (index: number): Promise<StudyOutcome> =>
      runStudy(broken, { out, threads: 1, shard: { index, count: 2 } })
    expect((await of(2)).failed.map(({ model }) => model)).toEqual(['gone'])
    // Whose share has nothing of that model learns it from the other one, and does not wait.
    expect(await of(1)).toMatchObject({
      failed: [{ model: 'gone', message: expect.stringMatching(/^another worker says: /) }],
      waiting: [],
    })
    await of(2)
    const now = await studyStanding(broken, out)
    expect(now.complete).toBe(false)
    expect(now.models.map(({ failed }) => failed === undefined)).toEqual([true, true, false])
    expect(now.models.slice(0, 2).every(({ swept }) => swept!.done === swept!.total)).toBe(true)
    expect(now.shards.map(({ state }) => state)).toEqual(['done', 'failed'])
    // It is there now: what was said of it before counts no more, with another number of shards neither.
    await cp(join(FIRST, 'tiny-mamba2'), join(dir, 'gone'), { recursive: true })
    const third = (index: number): Promise<StudyOutcome> =>
      runStudy(broken, { out, threads: 1, shard: { index, count: 3 } })
    for (const index of [1, 2, 3]) await third(index)
    for (const index of [1, 2, 3]) expect(await third(index)).toMatchObject({ failed: [], waiting: [] })
    const end = await studyStanding(broken, out)
    expect(end.complete).toBe(true)
    expect(end.models.every(({ failed }) => failed === undefined)).toBe(true)
    await rm(join(dir, 'gone'), { recursive: true })
  })

  it('is told of by its folder alone', async () => {
    expect(await storedStudy(join(dir, 'whole'))).toEqual(STUDY)
    await expect(storedStudy(join(dir, 'nowhere'))).rejects.toThrow(/must be a run folder/)
  })
})

/** Names and times of all that is of results. */
async function listing(name: string): Promise<[string, number][]> {
  const files = (await readdir(join(dir, name))).filter((file) => !file.startsWith('worker-'))
  return Promise.all(
    files.sort().map(async (file) => [file, (await stat(join(dir, name, file))).mtimeMs] as [string, number]),
  )
}
