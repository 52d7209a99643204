import { spawn } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Database, literal } from '../../src/results/database.js'
import { temporaryName } from '../../src/results/leftovers.js'
import { Results } from '../../src/results/results.js'
import type { EvaluationRow, KnockoutRow } from '../../src/results/rows.js'
import { readRunFile } from '../../src/results/run-file.js'
import { RunFolder, RunFolderError } from '../../src/results/run-folder.js'

let dir: string
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'factflow-run-'))
})
afterEach(async () => {
  await rm(dir, { recursive: true, force: true })
})

const row = (over: Partial<KnockoutRow> = {}): KnockoutRow => ({
  model: 'm',
  dataset: 'd',
  prompt_id: 'p',
  first_layer: 0,
  window: 3,
  source: 'subject',
  position: null,
  target: 'last',
  features: 'all',
  base_prob: 0.5,
  prob: 0.25,
  rank: 1,
  top_token: 7,
  hit: true,
  relative_change: -50,
  ...over,
})

const evaluation: EvaluationRow = {
  model: 'm',
  dataset: 'd',
  prompt_id: 'it\'s "p"\n',
  prompt: 'The capital of Zürich, 東京',
  subject: 'Zürich',
  answer: ' Bern',
  relation: null,
  split: 'held-out',
  tokens: ['The', ' capital', ''],
  subject_tokens: [2, 3],
  answer_tokens: [' Bern'],
  prob: 0.125,
  rank: 3,
  hit: false,
  top: [
    { id: 1, text: ' a', prob: 0.5 },
    { id: 2, text: "'", prob: 0.25 },
  ],
  continuation: null,
}

async function stored<T>(sql: string, ...dirs: string[]): Promise<T[]> {
  const results = await Results.open(dirs.length > 0 ? dirs : [dir])
  try {
    return (await results.rows(sql)) as T[]
  } finally {
    results.close()
  }
}

describe('a run folder', () => {
  it('gives back what was written, of every type', async () => {
    const folder = await RunFolder.at(dir, '1.0.0')
    await folder.write('knockouts', 'a', [
      row(),
      row({ first_layer: 1, rank: null, position: 4, source: 'token' }),
    ])
    await folder.write('evaluations', 'a', [evaluation])
    folder.close()
    const strip = 'EXCLUDE (run)'
    expect(await stored(`SELECT * ${strip} FROM knockouts ORDER BY first_layer`)).toEqual([
      row(),
      row({ first_layer: 1, rank: null, position: 4, source: 'token' }),
    ])
    expect(await stored(`SELECT * ${strip} FROM evaluations`)).toEqual([evaluation])
  })

  it('gives back any numbers to the last bit', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.double({ noNaN: true }), { minLength: 1, maxLength: 5000 }),
        async (values) => {
          const folder = await RunFolder.at(dir, '1.0.0')
          await folder.write(
            'knockouts',
            'a',
            values.map((prob, first_layer) => row({ prob, first_layer })),
          )
          folder.close()
          const back = await stored<{ prob: number }>('SELECT prob FROM knockouts ORDER BY first_layer')
          expect(back.map(({ prob }) => prob)).toEqual(values)
        },
      ),
      { numRuns: 10 },
    )
  })

  it('says from the beginning which study it is of', async () => {
    const study = { name: 's', models: [], evaluate: { top: 1, continuation: 2 } }
    ;(await RunFolder.at(dir, '1.0.0', { study })).close()
    expect(await readRunFile(dir)).toMatchObject({ study })
    // What is there stays until the study is known to fit it.
    const folder = await RunFolder.at(dir, '1.0.0', { study: { ...study, name: 'other' } })
    expect(folder.file.study).toEqual(study)
    await folder.write('evaluations', 'a', [evaluation])
    folder.close()
    await rm(join(dir, 'run.json'))
    const asked = { ...study, evaluate: { top: 9, continuation: 9 } }
    const again = await RunFolder.at(dir, '1.0.0', { study: asked })
    expect(again.file.study).toEqual(study)
    again.close()
  })

  it('replaces a part that is written again', async () => {
    const folder = await RunFolder.at(dir, '1.0.0')
    await folder.write('knockouts', 'a', [row(), row({ first_layer: 1 })])
    await folder.write('knockouts', 'a', [row({ prob: 0.75 })])
    folder.close()
    expect(await stored('SELECT prob FROM knockouts')).toEqual([{ prob: 0.75 }])
  })

  it('counts what two processes both wrote once, whole', async () => {
    const folder = await RunFolder.at(dir, '1.0.0')
    await folder.write('knockouts', 'b', [row({ prob: 0.3 }), row({ first_layer: 1, prob: 0.3 })])
    await folder.write('knockouts', 'a', [
      row({ prob: 0.2 }),
      row({ first_layer: 1, prob: 0.2 }),
      row({ prompt_id: 'q' }),
    ])
    await folder.write('knockouts', 'c', [row({ window: 5 })])
    await folder.write('evaluations', 'a', [evaluation])
    await folder.write('evaluations', 'b', [evaluation])
    folder.close()
    const back = await stored('SELECT prompt_id, "window", first_layer, prob FROM knockouts ORDER BY ALL')
    expect(back).toEqual([
      { prompt_id: 'p', window: 3, first_layer: 0, prob: 0.2 },
      { prompt_id: 'p', window: 3, first_layer: 1, prob: 0.2 },
      { prompt_id: 'p', window: 5, first_layer: 0, prob: 0.25 },
      { prompt_id: 'q', window: 3, first_layer: 0, prob: 0.25 },
    ])
    expect(await stored('SELECT sum(n) AS n FROM curves')).toEqual([{ n: 4 }])
    expect(await stored('SELECT prompt_id FROM evaluations')).toHaveLength(1)
  })

  it('has every table where nothing is stored yet', async () => {
    ;(await RunFolder.at(dir, '1.0.0')).close()
    for (const table of [
      'knockouts',
      'evaluations',
      'features',
      'prompt_sets',
      'unusable',
      'curves',
      'models',
    ]) {
      expect(await stored(`SELECT * FROM ${table}`)).toEqual([])
    }
  })

  it('tells runs apart by their folders', async () => {
    for (const name of ['one', 'two']) {
      const folder = await RunFolder.at(join(dir, name), '1.0.0')
      await folder.write('knockouts', 'a', [row()])
      folder.close()
    }
    const rows = await stored('SELECT run FROM knockouts ORDER BY run', join(dir, 'one'), join(dir, 'two'))
    expect(rows).toEqual([{ run: 'one' }, { run: 'two' }])
    await expect(stored('SELECT 1', join(dir, 'one'), join(dir, 'one'))).rejects.toThrow(
      /differ in their folders/,
    )
  })

  it('takes a folder for its name, whatever is in it', async () => {
    const odd = join(dir, "model=x[y]*?'", 'run')
    const folder = await RunFolder.at(odd, '1.0.0')
    await folder.write('knockouts', 'a', [row()])
    await folder.write('knockouts', 'b', [row({ window: 4 })])
    folder.close()
    expect(await stored('SELECT model, "window" FROM knockouts ORDER BY ALL', odd)).toEqual([
      { model: 'm', window: 3 },
      { model: 'm', window: 4 },
    ])
  })

  it('removes what processes left that have ended, and what is old; keeps the rest', async () => {
    ;(await RunFolder.at(dir, '1.0.0')).close()
    const child = spawn(process.execPath, ['-e', ''])
    await new Promise((done) => child.on('exit', done))
    const leftover = temporaryName('part-a.parquet', child.pid)
    const own = temporaryName('part-b.parquet')
    // Another machine of the same name, as containers are: its processes are not ours.
    const elsewhere = temporaryName('part-c.parquet', child.pid).replace(/[0-9a-f]{8}(?=\.\d+\.)/, '01234567')
    const old = temporaryName('part-d.parquet').replace(/[0-9a-f]{8}(?=\.\d+\.)/, '01234567')
    // Of a container's first process before us.
    const before = temporaryName('part-e.parquet')
    for (const file of [leftover, own, elsewhere, old, before]) await writeFile(join(dir, file), 'PAR1')
    const ourBegin = Date.now() / 1000 - process.uptime()
    await utimes(join(dir, before), ourBegin - 10, ourBegin - 10)
    const yesterday = Date.now() / 1000 - 86_400
    await utimes(join(dir, old), yesterday, yesterday)
    ;(await RunFolder.at(dir, '1.0.0')).close()
    const left = await readdir(dir)
    expect(left).not.toContain(leftover)
    expect(left).not.toContain(old)
    expect(left).not.toContain(before)
    expect(left).toEqual(expect.arrayContaining([own, elsewhere]))
    expect(await stored('SELECT * FROM knockouts')).toEqual([])
  })

  it('refuses a run.json of another form, and parts that nothing is known of', async () => {
    await writeFile(join(dir, 'run.json'), '{"format": "other"}')
    await expect(RunFolder.at(dir, '1.0.0')).rejects.toThrow(/must be a run of factflow/)
    await rm(join(dir, 'run.json'))
    await writeFile(join(dir, 'part-a.parquet'), '')
    await expect(RunFolder.at(dir, '1.0.0')).rejects.toThrow(/got parts without one/)
    await expect(stored('SELECT 1', join(dir, 'nowhere'))).rejects.toThrow(/must be a run folder/)
  })

  it('says when it has been removed, and leaves nothing behind', async () => {
    const folder = await RunFolder.at(dir, '1.0.0')
    await rm(dir, { recursive: true })
    const error = await folder.write('knockouts', 'a', [row()]).catch((e: unknown) => e)
    expect(error).toBeInstanceOf(RunFolderError)
    expect((error as Error).message).toMatch(/must stay while results are added to it.*; put it back, or run/)
    folder.close()
    await expect(stored('SELECT 1')).rejects.toThrow(/must be a run folder/)
  })

  it('is plain Parquet for others', async () => {
    const folder = await RunFolder.at(dir, '1.0.0')
    await folder.write('knockouts', 'a', [row()])
    folder.close()
    const bytes = await readFile(join(dir, 'part-a.parquet'))
    expect(bytes.subarray(0, 4).toString()).toBe('PAR1')
    const database = await Database.open()
    const columns = await database.rows<{ column_name: string; column_type: string }>(
      `DESCRIBE FROM ${literal(join(dir, 'part-a.parquet'))}`,
    )
    database.close()
    expect(columns.map(({ column_name: name, column_type: type }) => `${name} ${type}`)).toEqual([
      'model VARCHAR',
      'dataset VARCHAR',
      'prompt_id VARCHAR',
      'first_layer INTEGER',
      'window INTEGER',
      'source VARCHAR',
      'position INTEGER',
      'target VARCHAR',
      'features VARCHAR',
      'base_prob DOUBLE',
      'prob DOUBLE',
      'rank INTEGER',
      'top_token INTEGER',
      'hit BOOLEAN',
      'relative_change DOUBLE',
    ])
  })
})
