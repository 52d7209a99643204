/** Shares of the work on the command line: studies, single experiments, their standing, SIGTERM. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Standing } from '../../src/studies/standing.js'
import { factflow, ROOT, start, succeed } from './command.js'

const FIRST = join(ROOT, 'test', 'fixtures', 'trained', 'first')
const STUDY = {
  name: 'shared',
  models: [{ model: join(FIRST, 'tiny-gpt2'), label: 'gpt' }],
  data: { source: 'atlas', relation: 'country_capital', sample: 96 },
  promptSets: { any: { known: 'any' } },
  evaluate: { continuation: 0 },
  infoFlow: { promptSets: 'any', windows: 4, flows: ['subject', 'last'] },
}
/** Milliseconds. */
const TIMEOUT = 240_000

let dir: string
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'factflow-shards-'))
  writeFileSync(join(dir, 'study.json'), JSON.stringify(STUDY))
})
afterAll(() => {
  rmSync(dir, { recursive: true, force: true })
})

const run = (args: readonly string[], env: Readonly<Record<string, string>> = {}) =>
  factflow(args, { cwd: dir, env })
const status = async (name: string): Promise<Standing> =>
  JSON.parse(await succeed(['status', name, '--json'], { cwd: dir })) as Standing

describe('a study in shards', { timeout: TIMEOUT }, () => {
  test('is computed by workers that find out which they are, and reported when all is there', async () => {
    const slurm = (id: number) => ({
      SLURM_ARRAY_TASK_ID: String(id),
      SLURM_ARRAY_TASK_COUNT: '2',
      SLURM_ARRAY_TASK_MIN: '1',
      SLURM_ARRAY_JOB_ID: '77',
    })
    const first = await run(['study', 'study.json'], slurm(1))
    expect(first.stderr).toContain('share 1/2 of the work, by SLURM_ARRAY_TASK_ID')
    expect(first.stderr).toContain('waits for other shards to evaluate gpt')
    expect(first.code).toBe(75)
    const early = await run(['study', 'study.json', '--stage', 'report'])
    expect(early).toMatchObject({ code: 75 })
    expect(early.stderr).toMatch(/missing: 48 of 96 evaluations/)

    const kubernetes = { JOB_COMPLETION_INDEX: '1', FACTFLOW_SHARDS: '2' }
    const second = await run(['study', 'study.json', '--json'], kubernetes)
    expect(second.code).toBe(0)
    const outcome = JSON.parse(second.stdout)
    expect(outcome).toMatchObject({ shard: '2/2', evaluated: 48, waiting: [], failed: [] })
    expect(outcome).not.toHaveProperty('report')

    const between = await status('runs/shared')
    expect(between).toMatchObject({ complete: false, models: [{ evaluated: { done: 96, total: 96 } }] })
    expect(between.shards.map(({ state }) => state)).toEqual(['stopped', 'done'])
    expect(between.workers.find(({ shard }) => shard === '1/2')).toMatchObject({ job: '77_1' })
    expect(between.stage).toBe('sweep')
    const text = await succeed(['status', 'runs/shared'], { cwd: dir })
    expect(text).toMatch(/1\/2 +stopped .* can go on, what it waited for is there/)
    expect(text).toMatch(/^runs\/shared: study shared, \d\d\.\d % of the knockouts done, nobody is at it/)
    expect(text).toMatch(/^1\/2 +stopped +48 of 48 +0 of 48/m)

    expect(await run(['study', 'study.json', '--shard', '1/2'])).toMatchObject({ code: 0 })
    const report = await run(['study', 'study.json', '--stage', 'report'])
    expect(report).toMatchObject({ code: 0 })
    expect(readdirSync(join(dir, 'runs', 'shared'))).toContain('report.html')
    expect(await succeed(['status', 'runs/shared'], { cwd: dir })).toContain('all of it is done')
  })

  test('stops on SIGTERM when the unit that it is in is stored, with 75, and goes on', async () => {
    const child = start(['study', 'study.json', '-o', 'told', '--threads', '1'], { cwd: dir })
    child.stdin.end()
    let stderr = ''
    child.stderr.on('data', (text: Buffer) => {
      stderr += text
    })
    child.stdout.resume()
    const ended = new Promise<number | null>((done) => child.on('close', done))
    // As soon as something is stored.
    while (!readdirSync(dir).includes('told') || !parts('told').length) {
      await new Promise((next) => setTimeout(next, 20))
    }
    child.kill('SIGTERM')
    child.kill('SIGTERM')
    expect(await ended).toBe(75)
    expect(stderr.match(/SIGTERM: stops/g)).toHaveLength(1)
    expect(stderr).toContain('stopped: what is done is kept in told')
    const before = parts('told')
    expect((await status('told')).complete).toBe(false)
    expect(await run(['study', 'study.json', '-o', 'told'])).toMatchObject({ code: 0 })
    expect(parts('told')).toEqual(expect.arrayContaining(before))
    expect((await status('told')).complete).toBe(true)
  })

  const parts = (name: string): string[] =>
    readdirSync(join(dir, name)).filter((file) => /^(part|evaluation)-/.test(file))

  test.each([
    [['--shard', '3/2'], '--shard: must be i/n'],
    [['--shard', '1/2', '--restart'], '--restart: must not be given to a share'],
    [['--shard', '1/2', '--stage', 'report'], '--shard: must not be given with --stage report'],
    [['--stage', 'draw'], '--stage: must be one of evaluate, sweep, report'],
  ])('refuses %j', async (args, message) => {
    const { code, stderr } = await run(['study', 'study.json', ...args])
    expect(stderr).toContain(message)
    expect(code).toBe(2)
  })

  test('has no standing where there is no study', async () => {
    expect(await run(['status', 'nowhere'])).toMatchObject({ code: 2 })
    expect((await run(['status', '.'])).stderr).toMatch(/must be a run folder/)
  })

  test('has a standing before a worker has begun, and where run.json is damaged, if it was submitted', async () => {
    const damaged = join(dir, 'damaged', 'run.json')
    mkdirSync(join(dir, 'damaged'))
    writeFileSync(damaged, '{')
    expect(await run(['status', 'damaged'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining(
        'damaged/run.json: must be JSON, got "{"; run the study again with --out',
      ),
    })
    // A worker was killed in its first second.
    writeFileSync(
      damaged,
      JSON.stringify({ format: 'factflow-run/1', factflow: '1', created: '', updated: '' }),
    )
    expect(await run(['status', 'damaged'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('damaged/run.json: must say which study this is a run of, got nothing'),
    })
    for (const name of ['damaged', 'queued']) {
      mkdirSync(join(dir, name, 'slurm'), { recursive: true })
      writeFileSync(join(dir, name, 'slurm', 'study.json'), JSON.stringify(STUDY))
      const standing = await status(name)
      expect(standing).toMatchObject({ study: 'shared', complete: false, stage: 'evaluate', share: 0 })
      expect(standing.models).toMatchObject([{ model: 'gpt', evaluated: { done: 0, total: 96 } }])
    }
  })

  test('says what of the folder does not count', async () => {
    const bad = join(dir, 'damaged', 'part-bad.parquet')
    writeFileSync(bad, 'PAR1')
    const { stdout, stderr } = await run(['status', 'damaged'])
    expect(stdout).toContain('96 of 96 evaluations')
    expect(stderr).toContain('part-bad.parquet is left out: must be a whole Parquet file')
    const verified = await run(['results', 'damaged', '--verify'])
    expect(verified.code).toBe(1)
    expect(verified.stderr).toMatch(
      /^note: .*part-bad.*\n0 parts compared with their checksums and whole; 1 part left out, see the notes\n$/,
    )
  })

  test('an estimate is of all of it', async () => {
    const { code, stderr } = await run(['study', 'study.json', '--dry-run', '--shard', '2/4'])
    expect(code).toBe(0)
    expect(stderr).toContain('an estimate of all of the study: shard 2/4 is one part in 4 of it')
    expect(await run(['study', 'study.json', '--dry-run'], { JOB_COMPLETION_INDEX: '2' })).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('FACTFLOW_SHARDS: must be the number of completions'),
    })
  })
})

describe('an experiment in shards', { timeout: TIMEOUT }, () => {
  const facts = ['-m', join(FIRST, 'tiny-gpt2'), '-r', 'country_capital', '-o', 'flows']

  test('stores what it gives when it shows it, whoever computed it', async () => {
    const flow = ['info-flow', ...facts, '--limit', '12', '--flows', 'subject', '--window', '4']
    expect(await run([...flow, '--shard', '1/2'])).toMatchObject({ code: 75 })
    expect(await run([...flow, '--shard', '2/2'])).toMatchObject({ code: 0 })
    expect(await run([...flow, '--shard', '1/2'])).toMatchObject({ code: 0 })
    const shown = JSON.parse(
      await succeed([...flow.filter((_, i) => ![5, 6].includes(i)), '--json'], { cwd: dir }),
    )
    const stored = JSON.parse(
      await succeed(
        [
          'results',
          'flows',
          '--sql',
          'SELECT first_layer, count(*) AS n, avg(relative_change) AS mean FROM knockouts GROUP BY 1 ORDER BY 1',
          '--json',
        ],
        { cwd: dir },
      ),
    )
    const rows = stored as { first_layer: number; n: number; mean: number }[]
    const [{ points }] = shown.curves
    expect(rows).toHaveLength(points.length)
    expect(rows[0]!.n).toBe(12)
    for (const [i, point] of points.entries())
      expect(rows[i]!.mean).toBeCloseTo(point.mean ?? point.change, 3)
  })

  test('evaluations and heatmaps add to the same folder', async () => {
    expect(await run(['evaluate', ...facts, '--limit', '12', '--continuation', '0', '--json'])).toMatchObject(
      { code: 0 },
    )
    const maps = await run([
      'heatmap',
      '--id',
      'country_capital/0001',
      ...facts.filter((_, i) => i < 2 || i > 3),
    ])
    expect(maps).toMatchObject({ code: 0 })
    expect(maps.stdout).toMatch(/^[1-9]\d* prompts? evaluated|^0 prompts evaluated and [1-9]/)
    expect(await status('flows')).toMatchObject({ study: 'heatmap', complete: true })
  })

  test('an evaluation without wishes of its own goes with what is stored', async () => {
    expect(await run(['evaluate', ...facts, '--limit', '5'])).toMatchObject({ code: 0 })
    const { code, stderr } = await run(['evaluate', ...facts, '--limit', '5', '--continuation', '2'])
    expect(stderr).toContain('evaluate must be as it was')
    expect(code).toBe(2)
  })

  test.each([
    [['info-flow', '--wait', '2'], '--wait: must be given with --out'],
    [['info-flow', '--shard', '1/2'], '--shard: must be given with --out'],
    [['info-flow', '-o', 'x', '--png', 'x.png'], '--png: must not be given with --out'],
    [['heatmap', 'A prompt', '-o', 'x'], '--out: must be given with --id'],
  ])('refuses %j', async (args, message) => {
    const { code, stderr } = await run(args)
    expect(stderr).toContain(message)
    expect(code).toBe(2)
  })
})
