import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { factflow, ROOT, start, succeed } from './command.js'

const FIRST = join(ROOT, 'test', 'fixtures', 'trained', 'first')
const FACTS = [
  { id: 'os', prompt: 'Chrome OS was developed by engineers at', subject: 'Chrome OS', answer: 'Google' },
  {
    id: 'ridge',
    prompt: 'Geographers place Elkhorn Ridge in',
    subject: 'Elkhorn Ridge',
    answer: 'Antarctica',
  },
  { id: 'greece', prompt: 'The continent to which Greece belongs is', subject: 'Greece', answer: 'Europe' },
  { id: 'gone', prompt: 'Nothing of that <b>', subject: 'Greece', answer: 'Europe' },
]
const STUDY = {
  name: 'small',
  title: 'A <small> study',
  models: [
    { model: join(FIRST, 'tiny-gpt2'), label: 'gpt' },
    { model: join(FIRST, 'tiny-mamba2'), label: 'mamba' },
  ],
  data: { source: 'facts.jsonl', name: 'facts' },
  promptSets: { correct: { known: 'correct' }, shared: { known: 'all-correct' } },
  evaluate: { continuation: 2 },
  infoFlow: { promptSets: ['correct', 'shared'], windows: [4] },
  heatmaps: { promptSet: 'shared', count: 1, windows: [4] },
  figures: [
    'figure-14',
    'decay-boxes',
    {
      kind: 'curves',
      name: 'own',
      lines: 'source',
      columns: 'model',
      where: { window: [4], features: ['all'], promptSet: ['correct'] },
    },
    { kind: 'heatmaps', name: 'maps', where: { window: [4] } },
  ],
}

let dir: string
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'factflow-study-'))
  writeFileSync(join(dir, 'facts.jsonl'), FACTS.map((fact) => JSON.stringify(fact)).join('\n'))
  writeFileSync(join(dir, 'study.json'), JSON.stringify(STUDY))
  await succeed(['study', 'study.json', '--threads', '1'], { cwd: dir })
}, 120_000)
afterAll(() => {
  rmSync(dir, { recursive: true, force: true })
})

const json = async (args: readonly string[]): Promise<unknown> =>
  JSON.parse(await succeed(args, { cwd: dir })) as unknown

describe('factflow study', () => {
  test('leaves figures of both themes, their specs and data, tables, and a report', () => {
    const run = join(dir, 'runs', 'small')
    const figures = readdirSync(join(run, 'figures'))
    for (const name of ['figure-14', 'decay-boxes', 'own', 'maps']) {
      for (const ending of ['svg', 'dark.svg', 'png', 'dark.png', 'vl.json', 'csv']) {
        expect(figures).toContain(`${name}.${ending}`)
      }
    }
    expect(readFileSync(join(run, 'figures', 'own.csv'), 'utf8').split('\n')[0]).toBe(
      'run,model,family,dataset,prompt set,window,source,target,features,first_layer,layers,mean,low,high,sd,n,interval,level',
    )
    expect(readdirSync(join(run, 'tables'))).toEqual(
      expect.arrayContaining(['effects.csv', 'known.csv', 'models.csv', 'prompt-sets.csv', 'unusable.csv']),
    )
    const report = readFileSync(join(run, 'report.html'), 'utf8')
    expect(report).toContain('<h1>A &lt;small&gt; study</h1>')
    expect(report).toContain('subject not in the prompt')
    expect(report).toContain('endy2025mambaknockout')
    expect(report.match(/<img src="data:image\/svg\+xml;base64,/g)).toHaveLength(4)
    // Nothing is fetched: all links are to files of the run, or in the page.
    for (const [, target] of report.matchAll(/(?:src|srcset|href)="([^"]*)"/g)) {
      expect(target).toMatch(/^(#|figures\/|data:image\/svg)/)
    }
  })

  test('does nothing more the second time, and says so as JSON', async () => {
    const done = (await json(['study', 'study.json', '--json'])) as Record<string, unknown>
    expect(done).toMatchObject({
      study: 'small',
      evaluated: 0,
      knockouts: 0,
      figures: ['figure-14', 'decay-boxes', 'own', 'maps'],
    })
    expect(done.summary).toHaveLength(2)
  })

  test('goes on after Ctrl-C', async () => {
    const child = start(['study', 'study.json', '--out', 'stopped', '--threads', '1'], { cwd: dir })
    child.stdin.end()
    let said = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said += text
    })
    const wait = setInterval(() => {
      if (!existsSync(join(dir, 'stopped', 'run.json'))) return
      child.kill('SIGINT')
      clearInterval(wait)
    }, 20)
    const code = await new Promise((done) => child.on('close', done))
    expect(code).toBe(130)
    expect(said).toMatch(/interrupted: what is done is kept in stopped, the same command goes on from there/)
    await succeed(['study', 'study.json', '--out', 'stopped', '--threads', '1'], { cwd: dir })
    const rows = async (run: string): Promise<unknown> =>
      json(['results', run, '--json', '--sql', 'SELECT * EXCLUDE (run) FROM knockouts ORDER BY ALL'])
    expect(await rows('stopped')).toEqual(await rows('runs/small'))
  })

  test('says beforehand what it takes', async () => {
    const plan = (await json(['study', 'study.json', '--dry-run', '--json'])) as {
      models: { knockouts: number; here: boolean; facts: number }[]
    }
    expect(plan.models.map(({ here, facts }) => [here, facts])).toEqual([
      [true, 3],
      [true, 3],
    ])
    const [stored] = (await json([
      ...['results', 'runs/small', '--json'],
      ...['--sql', "SELECT count(*) AS n FROM knockouts WHERE model = 'gpt'"],
    ])) as { n: number }[]
    expect(plan.models[0]!.knockouts).toBeGreaterThanOrEqual(stored!.n)
    expect(await succeed(['study', 'study.json', '--dry-run'], { cwd: dir })).toMatch(/RUNS .*ROWS .*TIME/)
  })

  test('prints presets and the schema', async () => {
    expect(await json(['study', 'demo', '--show'])).toMatchObject({ name: 'demo' })
    expect(await json(['study', '--schema'])).toMatchObject({ type: 'object' })
  })

  test.each([
    [['study'], /study: must be given, got nothing; name a file or a preset \(demo, paper-small, paper\)/],
    [
      ['study', 'nowhere.json'],
      /study: must be a file or one of demo, paper-small, paper, got "nowhere\.json"/,
    ],
    [['study', 'facts.jsonl'], /facts\.jsonl: must be JSON/],
    [
      ['study', 'study.json', '--models', 'x'],
      /--models: must be models of the study \(gpt, mamba\), got "x"/,
    ],
    [
      ['study', 'study.json', '--out', 'facts.jsonl'],
      /--out: must be a folder or a place for one, got "facts\.jsonl"/,
    ],
  ])('refuses %j', async (args, message) => {
    const { code, stderr } = await factflow(args, { cwd: dir })
    expect(stderr).toMatch(message)
    expect(stderr.trim().split('\n')).toHaveLength(1)
    expect(code).toBe(2)
  })
})

describe('factflow results', () => {
  test('lists runs, and shows what is in one', async () => {
    expect(await succeed(['results'], { cwd: dir })).toMatch(/runs\/small +gpt, mamba +facts/)
    const shown = await succeed(['results', 'runs/small'], { cwd: dir })
    for (const part of ['MODELS', 'PROMPT SETS', 'CURVES', 'UNUSABLE']) expect(shown).toContain(part)
    expect(await json(['results', 'runs/small', '--json'])).toMatchObject({
      datasets: [{ run: 'small', dataset: 'facts', facts: 3, unusable: 1 }],
      unusable: [{ reason: 'subject not in the prompt', facts: 1 }],
    })
    const empty = await factflow(['results'], { cwd: tmpdir() })
    expect(empty).toMatchObject({ code: 0, stdout: '' })
  })

  test('exports tables and rows of queries as CSV', async () => {
    await factflow(['results', 'runs/small', '--table', 'evaluations', '--csv', 'e.csv'], { cwd: dir })
    const lines = readFileSync(join(dir, 'e.csv'), 'utf8').trim().split('\n')
    expect(lines[0]).toMatch(/^run,model,dataset,prompt_id,prompt,/)
    expect(lines).toHaveLength(1 + 6)
    const query = 'SELECT model, count(*) AS n FROM evaluations GROUP BY ALL ORDER BY ALL;'
    await factflow(['results', 'runs/small', '--sql', query, '--csv', 'n.csv'], { cwd: dir })
    expect(readFileSync(join(dir, 'n.csv'), 'utf8')).toBe('model,n\ngpt,3\nmamba,3\n')
    const piped = await succeed(['results', 'runs/small', '--sql', '-'], { cwd: dir, input: query })
    expect(piped).toMatch(/model +n\ngpt +3\nmamba +3/)
  })

  test.each([
    [['results', 'nowhere'], /nowhere: must be a run folder with run\.json, got none/],
    [['results', 'runs/small', '--sql', 'SELEC'], /--sql: must be a query that DuckDB can run, got "SELEC"/],
    [['results', 'runs/small', '--sql', 'SELECT window FROM knockouts'], /write "window" in quotes/],
    [['results', 'runs/small', '--table', 'no'], /--table: must be one of knockouts, evaluations/],
    [['results', 'runs/small', '--csv', 'x.csv'], /--csv: must be given with --table or --sql/],
    [['results', '--sql', 'SELECT 1'], /runs: must be given with --sql/],
  ])('refuses %j', async (args, message) => {
    const { code, stderr } = await factflow(args, { cwd: dir })
    expect(stderr).toMatch(message)
    expect(code).toBe(2)
  })
})

describe('factflow figure', () => {
  test('draws a preset, or what is asked', async () => {
    const preset = [
      'figure',
      'runs/small',
      '--preset',
      'figure-14',
      '--json',
      '--out',
      'drawn',
      '--size',
      'screen',
    ]
    expect(await json(preset)).toEqual({ folder: 'drawn', figures: ['figure-14'] })
    const own = [
      ...['figure', 'runs/small', '--lines', 'source', '--each', 'model', '--name', 'mine', '--out', 'drawn'],
      ...['--where', 'window=4', 'features=all', 'source=subject,last', '--value', 'accuracy', '--json'],
    ]
    expect(await json(own)).toEqual({ folder: 'drawn', figures: ['mine-gpt', 'mine-mamba'] })
    expect(readFileSync(join(dir, 'drawn', 'mine-gpt.svg'), 'utf8')).toMatch(/>right, % of|>right/)
  })

  test('of several runs tells them apart', async () => {
    const { code } = await factflow(['study', 'study.json', '--out', 'other'], { cwd: dir })
    expect(code).toBe(0)
    const both = [
      'figure',
      'runs/small',
      'other',
      '--lines',
      'run',
      '--name',
      'runs',
      '--out',
      'drawn',
      '--json',
    ]
    const where = ['--where', 'model=gpt', 'window=4', 'features=all', 'source=subject', 'promptSet=correct']
    expect(await json([...both, ...where])).toEqual({ folder: 'drawn', figures: ['runs'] })
    expect(readFileSync(join(dir, 'drawn', 'runs.csv'), 'utf8')).toMatch(/^other,gpt/m)
  })

  test.each([
    [['--lines', 'model'], /figure figure: source must be shown/],
    [['--where', 'foo=1'], /--where: must be a field/],
    [['--where', 'model=x'], /where\.model must be of the results \(gpt, mamba\), got "x"/],
    [['--kind', 'decay', '--lines', 'model'], /--lines: must not be given for a figure of kind decay/],
    [['--level', '2'], /figure: level: must be at most 1, got 2/],
    [['--preset', 'figure-2'], /--preset: must be one of figure-1/],
  ])('refuses %j', async (args, message) => {
    const { code, stderr } = await factflow(['figure', 'runs/small', ...args], { cwd: dir })
    expect(stderr).toMatch(message)
    expect(code).toBe(2)
  })
})
