/**
 * A study that is killed a hundred times, at random moments and in the middle of writing, and resumed each time; and
 * studies of several processes on one folder. The tables are always those of one process that nobody stopped: to the last
 * bit, but where a process that is told to compute some of the models sweeps the prompts of one set before those of
 * another are known, and so multiplies other matrices.
 */
import type { ChildProcess } from 'node:child_process'
import { watch } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { seededRandom, shuffled } from '../../src/prompts/sample.js'
import { Results } from '../../src/results/results.js'
import { TABLES } from '../../src/results/tables.js'
import { factflow, ROOT, start } from '../cli/command.js'

const KILLS = 100
/** Folders that are filled at the same time, so that two processors have something to do. */
const FOLDERS = 2
const FACTS = 12
/** Of the kills, this share comes when a file is being written; the others at random moments. */
const WHILE_WRITING = 0.6
/** About as many files as a run writes whose models are all computed: it gets to the end, but seldom. */
const MOST_FILES = 45
/** How far apart the same number may be from other matrices: probabilities, and percentages of them. */
const [NEAR, NEAR_PERCENT] = [1e-6, 1e-3]
/** Milliseconds. */
const TIMEOUT = 3_600_000

const FIRST = join(ROOT, 'test', 'fixtures', 'trained', 'first')
const LABELS = ['mamba1', 'gpt2', 'first']
const STUDY = {
  name: 'killed',
  models: [
    { model: 'tiny-mamba1', label: 'mamba1' },
    { model: 'tiny-gpt2', label: 'gpt2' },
    { model: join(FIRST, 'tiny-gpt2'), label: 'first' },
  ],
  data: 'facts.jsonl',
  promptSets: { correct: { known: 'correct' }, shared: { known: 'all-top-5' } },
  evaluate: { continuation: 1 },
  infoFlow: [
    { promptSets: 'correct', windows: [3], flows: ['subject', 'last'] },
    { promptSets: 'shared', windows: [1], flows: ['last'] },
  ],
  heatmaps: { promptSet: 'shared', count: 1, windows: [3] },
  figures: [
    {
      kind: 'curves',
      name: 'curves',
      lines: 'source',
      columns: 'model',
      where: { window: [3], features: ['all'], promptSet: ['correct'] },
    },
    { kind: 'heatmaps', name: 'maps', where: { window: [3] } },
    { kind: 'decay', name: 'decay', plot: 'boxes' },
  ],
}

let dir: string
let whole: string
let expected: unknown[][]
/** Of a run that nobody stops, in milliseconds. */
let duration: number
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'factflow-kill-'))
  const facts = (await readFile(join(ROOT, 'data', 'atlas.jsonl'), 'utf8')).split('\n')
  const some = facts.filter((line) => line.includes('"capital_of"') && line.includes('"held-out"'))
  await writeFile(join(dir, 'facts.jsonl'), shuffled(some, 3).slice(0, FACTS).join('\n'))
  await writeFile(
    join(dir, 'study.json'),
    JSON.stringify({ ...STUDY, data: { source: join(dir, STUDY.data), name: 'facts' } }),
  )
  whole = join(dir, 'whole')
  const began = performance.now()
  expect(await factflow(study(whole))).toMatchObject({ code: 0 })
  duration = performance.now() - began
  expected = await tables(whole)
  expect(expected[0]!.length).toBeGreaterThan(1000)
}, TIMEOUT)
afterAll(async () => {
  await rm(dir, { recursive: true, force: true })
})

const study = (out: string, ...more: string[]): string[] => [
  ...['study', join(dir, 'study.json'), '--threads', '1', '--out', out],
  ...more,
]

async function tables(run: string): Promise<unknown[][]> {
  const results = await Results.open([run], { verify: true })
  try {
    expect(results.leftOut).toEqual([])
    const names = Object.keys(TABLES)
    return await Promise.all(
      names.map((name) => results.rows(`SELECT * EXCLUDE (run) FROM ${name} ORDER BY ALL`)),
    )
  } finally {
    results.close()
  }
}

/** What a run ends in that was neither killed nor stopped: all of its tables, nothing half, nothing set aside. */
async function expectWhole(run: string, { nearly = false } = {}): Promise<void> {
  const got = await tables(run)
  expect(got).toEqual(nearly ? withNearest(expected, got) : expected)
  const files = await readdir(run)
  expect(files.filter((file) => file.startsWith('.'))).toEqual([])
  expect(files).not.toContain('set-aside')
}

/** `tables` with those numbers of `others` in their places that are as good as equal. */
function withNearest(tables: unknown[][], others: readonly (readonly unknown[])[]): unknown[][] {
  const near = (key: string, a: unknown, b: unknown): boolean =>
    typeof a === 'number' &&
    typeof b === 'number' &&
    Math.abs(a - b) <= (key === 'relative_change' ? NEAR_PERCENT : NEAR)
  return tables.map((rows, t) =>
    rows.map((row, r) => {
      const other = (others[t]?.[r] ?? {}) as Record<string, unknown>
      const entries = Object.entries(row as Record<string, unknown>)
      return Object.fromEntries(
        entries.map(([key, value]) => [key, near(key, value, other[key]) ? other[key] : value]),
      )
    }),
  )
}

function running(args: readonly string[]): ChildProcess {
  const child = start(args)
  child.stdin.end()
  child.stdout.resume()
  child.stderr.resume()
  return child
}

/** Whether it ended by itself. */
function ended(child: ChildProcess): Promise<boolean> {
  return new Promise((done) => child.on('close', (_, signal) => done(signal !== 'SIGKILL')))
}

/** Run for a while and kill it; whether it ended by itself before. */
async function killedAfter(milliseconds: number, args: readonly string[]): Promise<boolean> {
  const child = running(args)
  const timer = setTimeout(() => child.kill('SIGKILL'), milliseconds)
  try {
    return await ended(child)
  } finally {
    clearTimeout(timer)
  }
}

/** Run until so many files have been begun, and kill it while the last one is written or soon after. */
async function killedWriting(
  run: string,
  { files, after }: { readonly files: number; readonly after: number },
  args: readonly string[],
): Promise<boolean> {
  await mkdir(run, { recursive: true })
  const child = running(args)
  const begun = new Set<string>()
  const watcher = watch(run, { recursive: true }, (_, file) => {
    if (!file?.endsWith('.tmp') || begun.size >= files) return
    if (begun.add(file).size < files) return
    if (after === 0) child.kill('SIGKILL')
    else setTimeout(() => child.kill('SIGKILL'), after)
  })
  try {
    return await ended(child)
  } finally {
    watcher.close()
  }
}

/** What a run that was stopped was about to do, by what it has and a whole run would have. */
async function phase(run: string): Promise<string> {
  const [has, all] = [new Set(await readdir(run).catch(() => [])), await readdir(whole)]
  const lacks = (prefix: string): boolean => all.some((file) => file.startsWith(prefix) && !has.has(file))
  if (lacks('run.json')) return 'starting'
  if (lacks('model-') || lacks('evaluation-')) return 'evaluating'
  if (lacks('prompt-sets-') || lacks('part-') || lacks('features-')) return 'sweeping'
  return has.has('report.html') ? 'finishing' : 'drawing'
}

const phases = new Map<string, number>()
let [kills, through, halves] = [0, 0, 0]

/** Kill and resume a study, and see it through at last. */
async function killAndResume(run: string, times: number, random: () => number): Promise<void> {
  const drawn = (below: number): number => Math.floor(random() * below)
  for (let killed = 0; killed < times; ) {
    const finished =
      random() < WHILE_WRITING
        ? await killedWriting(run, { files: drawn(MOST_FILES), after: drawn(2) * drawn(400) }, study(run))
        : await killedAfter(200 + random() * 0.5 * duration, study(run))
    if (finished) {
      through++
      await expectWhole(run)
      // There is nothing left to kill: begin anew.
      await rm(run, { recursive: true })
    } else {
      killed++
      kills++
      const at = await phase(run)
      phases.set(at, (phases.get(at) ?? 0) + 1)
      if ((await readdir(run).catch(() => [])).some((file) => file.endsWith('.tmp'))) halves++
    }
  }
  expect(await factflow(study(run))).toMatchObject({ code: 0 })
  await expectWhole(run)
}

it(
  'a study that is killed a hundred times gives the same numbers to the last bit',
  async () => {
    const folders = Array.from({ length: FOLDERS }, (_, i) => join(dir, `killed-${i}`))
    await Promise.all(folders.map((run, i) => killAndResume(run, KILLS / FOLDERS, seededRandom(i))))
    const where = [...phases].map(([name, n]) => `${n} ${name}`).join(', ')
    process.stdout.write(
      `${kills} kills (${where}; ${halves} left half a file), ${through} times through; a whole run takes ${(duration / 1000).toFixed(0)} s\n`,
    )
    for (const name of ['evaluating', 'sweeping', 'drawing']) expect(phases.get(name)).toBeGreaterThan(0)
    expect(halves).toBeGreaterThan(0)
  },
  TIMEOUT,
)

it(
  'processes that compute the same study in one folder at once do not disturb each other',
  async () => {
    const run = join(dir, 'same')
    const random = seededRandom(7)
    // A third is killed on the way.
    const all = [running(study(run)), running(study(run)), running(study(run))]
    const timer = setTimeout(() => all[2]!.kill('SIGKILL'), random() * duration)
    const codes = await Promise.all(all.map(ended))
    clearTimeout(timer)
    expect(codes.slice(0, 2)).toEqual([true, true])
    expect(all.slice(0, 2).map(({ exitCode }) => exitCode)).toEqual([0, 0])
    expect(await factflow(study(run))).toMatchObject({ code: 0 })
    await expectWhole(run)
  },
  TIMEOUT,
)

it(
  'processes that compute some of the models each, and are killed, fill one folder together',
  async () => {
    const run = join(dir, 'apart')
    const random = seededRandom(8)
    const shares = [LABELS.slice(0, 2), [LABELS[1]!], [LABELS[2]!], LABELS.slice(1)]
    for (let round = 0; round < 3; round++) {
      await Promise.all(
        shares.map((labels) => killedAfter(1000 + random() * duration, study(run, '--models', ...labels))),
      )
    }
    expect(await factflow(study(run))).toMatchObject({ code: 0 })
    await expectWhole(run, { nearly: true })
  },
  TIMEOUT,
)
