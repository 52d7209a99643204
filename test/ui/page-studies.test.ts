import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Results } from '../../src/results/results.js'
import type { KnockoutRow } from '../../src/results/rows.js'
import { RunFolder } from '../../src/results/run-folder.js'
import { interval, percentile } from '../../src/results/statistics.js'
import { studyEffects } from '../../src/studies/study-query.js'
import { PageStudies, type StudyFile } from '../../src/ui/page-studies.js'
import {
  type CurvesRequest,
  type EffectsRequest,
  MOST_CHANGES,
  type StudyCurve,
} from '../../src/ui/study-protocol.js'
import { EVALUATIONS, PROMPTS, storeSample } from '../studies/stored.js'

/** A cut whose rows lack what others have: an answer without probability, a rank and a hit that nobody recorded. */
const gaps: KnockoutRow[] = PROMPTS.map((prompt_id, i) => ({
  ...{ model: 'flat', dataset: 'd', prompt_id, first_layer: 0, window: 6, source: 'first', position: null },
  ...{ target: 'last', features: 'all', base_prob: i === 0 ? 0 : 0.5, prob: 0.25 },
  ...{ rank: i === 1 ? null : 2, top_token: 1, hit: i === 2 ? null : i === 3 },
  relative_change: i === 0 ? Number.NaN : -50 - i,
}))

let dir: string
let results: Results
let page: PageStudies

async function filesOf(
  folder: string,
  prefix: string,
  wanted = (_name: string): boolean => true,
): Promise<StudyFile[]> {
  const names = (await readdir(folder)).filter(wanted)
  return Promise.all(
    names.map(async (name) => ({
      path: `${prefix}${name}`,
      file: new Blob([new Uint8Array(await readFile(join(folder, name)))]),
    })),
  )
}

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'factflow-page-'))
  const run = join(dir, 'run')
  await storeSample(run)
  const folder = await RunFolder.at(run, '1.0.0')
  folder.file.study = { name: 'sample', title: 'A sample' }
  await folder.save()
  await folder.write('evaluations', 'a', EVALUATIONS)
  await folder.write('knockouts', 'gaps', gaps)
  // What two processes have both computed: the file whose name comes first counts, here `gaps`.
  const others = gaps.map((row) => ({ ...row, relative_change: 1 }))
  await folder.write('knockouts', 'later', others)
  folder.close()
  results = await Results.open([run])
  page = new PageStudies()
  expect(await page.add(await filesOf(run, 'runs/sample/'))).toEqual([])
})
afterAll(async () => {
  results?.close()
  await rm(dir, { recursive: true, force: true })
})

/** The curves of the rows that `where` chooses, by DuckDB. */
async function stored(where: string): Promise<StudyCurve[]> {
  const rows = await results.rows<Record<string, number | null>>(`
    SELECT model, dataset, "window" AS width, source, target, features, layers, first_layer,
      count(*) FILTER (isfinite(relative_change)) AS n,
      avg(relative_change) FILTER (isfinite(relative_change)) AS mean,
      stddev_samp(relative_change) FILTER (isfinite(relative_change)) AS sd,
      count(hit) AS told, 100.0 * avg(hit::INTEGER) AS share, stddev_samp(100.0 * hit::INTEGER) AS spread
    FROM knockouts JOIN models USING (run, model) JOIN main_windows USING (run, model)
      LEFT JOIN (SELECT run, model, dataset, prompt_id, relation, hit AS knows FROM evaluations)
        USING (run, model, dataset, prompt_id)
    WHERE source <> 'token' ${where} GROUP BY ALL HAVING n > 0 ORDER BY ALL`)
  const curves = new Map<
    string,
    { at: StudyCurve['at']; layers: number; points: StudyCurve['points'][0][] }
  >()
  const finite = (x = Number.NaN): number | null => (Number.isNaN(x) ? null : x)
  for (const row of rows) {
    const { model, dataset, width: window, source, target, features, layers } = row
    const at = { model, dataset, window, source, target, features } as unknown as StudyCurve['at']
    const key = JSON.stringify(at)
    const curve = curves.get(key) ?? { at, layers: layers!, points: [] }
    curves.set(key, curve)
    const change = interval({ n: row.n!, mean: row.mean!, sd: row.sd ?? Number.NaN })
    const right = row.told
      ? interval({ n: row.told, mean: row.share!, sd: row.spread ?? Number.NaN })
      : undefined
    curve.points.push({
      ...{ firstLayer: row.first_layer!, n: row.n!, mean: change.mean },
      ...{ low: finite(change.low), high: finite(change.high), accuracy: finite(right?.mean) },
      ...{ accuracyLow: finite(right?.low), accuracyHigh: finite(right?.high) },
    })
  }
  return [...curves.values()]
}

function expectSame(found: readonly StudyCurve[], expected: readonly StudyCurve[]): void {
  const sorted = (curves: readonly StudyCurve[]): StudyCurve[] => {
    const key = ({ at }: StudyCurve): string => JSON.stringify(Object.entries(at).sort())
    return [...curves].sort((a, b) => (key(a) < key(b) ? -1 : 1))
  }
  const [ours, theirs] = [sorted(found), sorted(expected)]
  const heads = (curves: StudyCurve[]): object[] => curves.map(({ at, layers }) => ({ at, layers }))
  expect(heads(ours)).toEqual(heads(theirs))
  for (const [c, { points }] of ours.entries()) {
    expect(points).toHaveLength(theirs[c]!.points.length)
    for (const [i, point] of points.entries()) {
      const other = theirs[c]!.points[i]!
      for (const name of Object.keys(other) as (keyof typeof other)[]) {
        const [value, reference] = [point[name], other[name]]
        if (value === null || reference === null) expect(value, name).toBe(reference)
        else expect(Math.abs(value - reference), `${name} of point ${i}`).toBeLessThan(1e-9)
      }
    }
  }
}

const curves = (over: Partial<CurvesRequest> = {}): Promise<readonly StudyCurve[]> =>
  page.curves({ study: 'runs/sample', known: 'any', ...over })
const DEEP: EffectsRequest = {
  ...{ study: 'runs/sample', known: 'any', model: 'deep', dataset: 'd', window: 9, source: 'subject' },
  ...{ target: 'last', features: 'all', firstLayer: 3, outliers: 1 },
}

describe('a run folder that was dropped', () => {
  it('is listed and described', async () => {
    const entry = { study: 'runs/sample', title: 'A sample', models: ['deep', 'flat'], datasets: ['d'] }
    expect(await page.studies()).toEqual([{ ...entry, updated: results.runs[0]!.file.updated }])
    const overview = await page.study({ study: 'runs/sample' })
    expect(overview).toMatchObject({
      ...entry,
      modelsInfo: [
        { model: 'deep', openedFrom: 'x/deep', family: 'Mamba-1', layers: 24, mainWindow: 9 },
        { model: 'flat', openedFrom: 'x/flat', family: 'GPT-2', layers: 6, mainWindow: 2 },
      ],
      relations: ['capital', 'currency'],
      promptSets: ['all-correct', 'correct'],
      evaluated: true,
      byPrompt: true,
      prompts: 4,
    })
    const [counts] = await results.rows<{ cuts: number; n: number }>(
      `SELECT count(DISTINCT (model, dataset, "window", source, target, features)) AS cuts, count(*) AS n
       FROM knockouts WHERE source <> 'token'`,
    )
    expect([overview.cuts.length, overview.knockouts]).toEqual([counts!.cuts, counts!.n])
  })

  const OF_SET = `AND (model, dataset, prompt_id) IN
    (SELECT (model, dataset, prompt_id) FROM prompt_sets WHERE prompt_set = 'all-correct')`
  it.each<[string, Partial<CurvesRequest>, string]>([
    ['everything', {}, ''],
    ['a model', { model: ['deep'] }, "AND model = 'deep'"],
    ['windows', { window: [1, 6] }, 'AND "window" IN (1, 6)'],
    ['default windows', { window: ['default'] }, 'AND "window" = main_window'],
    ['a source', { source: ['subject'], features: ['all'] }, "AND source = 'subject' AND features = 'all'"],
    ['a relation', { relation: ['capital'] }, "AND relation = 'capital'"],
    ['relations', { relation: ['capital', 'currency'] }, "AND relation IN ('capital', 'currency')"],
    ['known facts', { known: 'known' }, 'AND knows'],
    ['unknown facts', { known: 'unknown' }, 'AND NOT knows'],
    ['known capitals', { known: 'known', relation: ['capital'] }, "AND knows AND relation = 'capital'"],
    ['a prompt set', { promptSet: 'all-correct' }, OF_SET],
    ['unknown ones of a set', { promptSet: 'all-correct', known: 'unknown' }, `AND NOT knows ${OF_SET}`],
  ])('gives the curves of %s that DuckDB gives', async (_, over, where) => {
    const expected = await stored(where)
    expect(expected.length).toBeGreaterThan(0)
    expectSame(await curves(over), expected)
  })

  it('has no curve of what is not there', async () => {
    expect(await curves({ model: ['deep'], window: [5] })).toEqual([])
    expect(await curves({ dataset: ['other'] })).toEqual([])
    expect(await curves({ promptSet: 'no such set' })).toEqual([])
  })

  it('gives the effects on single prompts', async () => {
    const rows = await results.rows<{ relative_change: number; prob: number }>(
      `SELECT relative_change, prob FROM knockouts WHERE model = 'deep' AND "window" = 9
         AND source = 'subject' AND features = 'all' AND first_layer = 3 ORDER BY relative_change`,
    )
    const changes = rows.map((row) => row.relative_change)
    const found = await page.effects(DEEP)
    expect(found.n).toBe(4)
    expect(found.changes).toEqual(changes)
    expect(found.quartiles).toEqual([0.25, 0.5, 0.75].map((p) => percentile(changes, p)))
    expect(found.lowest).toEqual([
      {
        ...{ promptId: 'a', prompt: 'Tell me of a: it is', subject: 'a', answer: ' ax' },
        relation: 'capital',
        ...{ baseProb: 0.5, prob: rows[0]!.prob, change: changes[0], rank: 1 },
      },
    ])
    const ids = (effects: typeof found.lowest): string[] => effects.map(({ promptId }) => promptId)
    expect(ids(found.highest)).toEqual(['d'])
    // Each prompt stands in one list.
    const all = await page.effects({ ...DEEP, outliers: 3 })
    expect([ids(all.lowest), ids(all.highest)]).toEqual([['a', 'b', 'c'], ['d']])
    const some = await page.effects({ ...DEEP, relation: ['currency'], outliers: 10 })
    expect([ids(some.lowest), ids(some.highest)]).toEqual([['c'], []])
    expect(some.quartiles).toEqual([changes[2], changes[2], changes[2]])
  })

  it.each<[Partial<EffectsRequest>]>([
    [{ outliers: 0 }],
    [{ outliers: 3 }],
    [{ outliers: 50, known: 'known' }],
    [{ model: 'flat', window: 2, source: 'last', outliers: 1, relation: ['capital'], known: 'unknown' }],
    [{ model: 'flat', window: 6, source: 'first', firstLayer: 0, outliers: 2, promptSet: 'correct' }],
  ])('has the effects that the server has: %j', async (over) => {
    const request = { ...DEEP, ...over }
    expect(await page.effects(request)).toEqual(await studyEffects(results, request))
  })

  it('leaves out answers without probability; of what two files have, the first counts', async () => {
    const request = { model: 'flat', window: 6, source: 'first', firstLayer: 0 } as const
    const found = await page.effects({ ...DEEP, ...request })
    expect(found.changes).toEqual([-53, -52, -51])
    expect(found.lowest[0]!.rank).toBe(2)
    expect(found.highest[0]!.rank).toBeNull()
  })

  it.each([
    [{ study: 'other' }, /study: must be one that was dropped .*got "other"/],
    [{ firstLayer: 20 }, /must be of a knockout that is stored, got subject → last \(all\) from layer 20/],
    [{ model: 'flat' }, /must be of a knockout that is stored/],
    [{ outliers: -1 }, /^outliers: Too small.* got -1; correct it/],
  ])('says what is not there: %j', async (over, message) => {
    await expect(page.effects({ ...DEEP, ...over })).rejects.toThrow(message)
  })

  it('may lack files, and is replaced when it is dropped again', async () => {
    const again = new PageStudies()
    const parts = await filesOf(join(dir, 'run'), '', (name) => name === 'part-a.parquet')
    expect(await again.add(parts)).toEqual([])
    expect(await again.add(parts)).toEqual([])
    expect((await again.studies()).map(({ study }) => study)).toEqual(['dropped files', 'dropped files 2'])
    const { modelsInfo, evaluated } = await again.study({ study: 'dropped files' })
    // Layers follow from where the last windows end.
    const unnamed = { openedFrom: null, family: '' }
    expect(modelsInfo).toEqual([
      { model: 'deep', layers: 24, mainWindow: 9, ...unnamed },
      { model: 'flat', layers: 6, mainWindow: 2, ...unnamed },
    ])
    expect(evaluated).toBe(false)
    expect(await again.curves({ study: 'dropped files', known: 'known' })).toEqual([])
    await again.add(await filesOf(join(dir, 'run'), 'x/'))
    expect((await again.study({ study: 'x' })).evaluated).toBe(true)
    await again.add(await filesOf(join(dir, 'run'), 'x/', (name) => !name.startsWith('evaluation-')))
    expect((await again.study({ study: 'x' })).evaluated).toBe(false)
    expect(await again.studies()).toHaveLength(3)
  })

  it('is not looked at beyond its own files', async () => {
    const studies = new PageStudies()
    const files = await filesOf(join(dir, 'run'), 'x/')
    const beside = ['x/figures/a.vl.json', 'x/before-1/part-a.parquet', 'x/notes.json', 'x/.part-b.parquet']
    const none = new Blob(['{}'])
    expect(await studies.add([...files, ...beside.map((path) => ({ path, file: none }))])).toEqual([])
    expect((await studies.studies()).map(({ study }) => study)).toEqual(['x'])
  })

  it('is read until it is told to stop; nothing is added then', async () => {
    const stop = new AbortController()
    const again = new PageStudies()
    const files = await filesOf(join(dir, 'run'), 'x/')
    const added = again.add(files, { signal: stop.signal, onProgress: () => stop.abort() })
    await expect(added).rejects.toThrow(/abort/)
    expect(await again.studies()).toEqual([])
  })

  it('says how far reading is, up to the end', async () => {
    const seen: [number, number][] = []
    const files = await filesOf(join(dir, 'run'), 'x/')
    await new PageStudies().add(files, { onProgress: ({ done, total }) => seen.push([done, total]) })
    const bytes = files.reduce((sum, { file }) => sum + file.size, 0)
    expect(seen).toHaveLength(files.length)
    expect(seen.at(-1)).toEqual([bytes, bytes])
  })
})

describe('more prompts than are shown', () => {
  it('are drawn evenly', async () => {
    const folder = await RunFolder.at(join(dir, 'many'), '1.0.0')
    const n = 2 * MOST_CHANGES + 1
    const rows = Array.from({ length: n }, (_, i) => {
      return { ...gaps[3]!, prompt_id: `p${i}`, relative_change: ((i * 7919) % n) - n }
    })
    await folder.write('knockouts', 'a', rows)
    folder.close()
    const many = new PageStudies()
    await many.add(await filesOf(join(dir, 'many'), ''))
    const request = { study: 'dropped files', model: 'flat', window: 6, source: 'first' } as const
    const found = await many.effects({ ...DEEP, ...request, firstLayer: 0, outliers: 0 })
    expect(found.n).toBe(n)
    expect(found.changes).toHaveLength(MOST_CHANGES)
    expect([found.changes[0], found.changes.at(-1)]).toEqual([-n, -1])
    expect(found.changes[1000]).toBe(-n + Math.round((1000 * (n - 1)) / (MOST_CHANGES - 1)))
    expect(found.quartiles[1]).toBe(-n + (n - 1) / 2)
    expect([found.lowest, found.highest]).toEqual([[], []])
  })
})

const json = (path: string, value: unknown): StudyFile => ({ path, file: new Blob([JSON.stringify(value)]) })

const FLOW = {
  ...{ model: 'tiny', data: 'atlas', facts: 3, evaluated: 3, nLayers: 4, window: 2 },
  curves: [
    {
      ...{ source: 'subject', target: 'last', features: 'all', withoutRole: 0 },
      points: [0, 1, 2].map((firstLayer) => {
        return { firstLayer, mean: -10 * firstLayer, low: -30, high: 5, accuracy: 50, n: 4 }
      }),
    },
    { source: 'context', target: 'last', features: 'all', withoutRole: 3, points: [] },
  ],
}
const TRACE = {
  ...{ model: 'tiny', prompt: 'The capital of France is', subject: 'France', nLayers: 3, window: 2 },
  tokens: [{ subject: false }, { subject: true }, { subject: true }, { subject: false }],
  answer: { id: 5, text: ' Paris' },
  base: { prob: 0.5, rank: 1, top: { id: 5, text: ' Paris' } },
  heatmap: { target: 'last', features: 'all', prob: [], relativeChange: [] },
  curves: [
    {
      ...{ label: 'x', source: 'subject', target: 'last', features: 'all' },
      ...{ prob: [0.1, 0.4], relativeChange: [-80, -20] },
    },
  ],
}
const TINY = { ...DEEP, model: 'tiny', window: 2, firstLayer: 1 }

describe('what commands print as JSON', () => {
  it('of info-flow is a study of means', async () => {
    const studies = new PageStudies()
    expect(await studies.add([json('flow.json', FLOW)])).toEqual([])
    const entry = { models: ['tiny'], datasets: ['atlas'], title: 'flow.json' }
    const overview = await studies.study({ study: 'flow.json' })
    expect(overview).toMatchObject({ ...entry, byPrompt: false, evaluated: false, prompts: 4 })
    const [curve, ...more] = await studies.curves({ study: 'flow.json', known: 'any' })
    expect(more).toEqual([])
    const point = { firstLayer: 2, mean: -20, low: -30, high: 5, n: 4, accuracy: 50 }
    expect(curve!.points[2]).toMatchObject(point)
    // Two of four: what 0, 0, 100, 100 have.
    const { high } = interval({ n: 4, mean: 50, sd: Math.sqrt((4 * 50 * 50) / 3) })
    expect(curve!.points[2]!.accuracyHigh).toBeCloseTo(high, 9)
    expect(await studies.curves({ study: 'flow.json', known: 'known' })).toEqual([])
    await expect(studies.effects({ ...TINY, study: 'flow.json', dataset: 'atlas' })).rejects.toThrow(
      /must hold effects by prompt, got "flow.json" with means alone/,
    )
  })

  it('of traces is one study of all of them', async () => {
    const studies = new PageStudies()
    const other = { ...TRACE, curves: [{ ...TRACE.curves[0]!, relativeChange: [null, -40] }] }
    expect(await studies.add([json('out/paris.json', TRACE), json('out/other.json', other)])).toEqual([])
    const [curve] = await studies.curves({ study: 'out/traces', known: 'known' })
    expect(curve!.points).toMatchObject([
      { firstLayer: 0, n: 1, mean: -80, low: null, accuracy: null },
      { firstLayer: 1, n: 2, mean: -30 },
    ])
    const effects = await studies.effects({ ...TINY, study: 'out/traces', dataset: 'traces' })
    expect(effects.lowest[0]).toMatchObject({ promptId: 'other', prompt: TRACE.prompt })
  })

  it('of the findings in docs is a study', async () => {
    const studies = new PageStudies()
    const text = await readFile(join('docs', 'findings', 'results', 'tiny-gpt2.json'), 'utf8')
    expect(await studies.add([{ path: 'tiny-gpt2.json', file: new Blob([text]) }])).toEqual([])
    const known = JSON.parse(text) as { curves: { points: { mean: number }[] }[] }
    const found = await studies.curves({ study: 'tiny-gpt2.json', known: 'any' })
    const means = (all: readonly { points: readonly { mean: number }[] }[]): number[][] =>
      all.map(({ points }) => points.map(({ mean }) => mean))
    expect(means(found)).toEqual(means(known.curves))
  })
})

describe('files that cannot be used', () => {
  const flowWith = (over: object): object => ({ ...FLOW, curves: [{ ...FLOW.curves[0]!, ...over }] })
  const beyond = [{ ...FLOW.curves[0]!.points[0], firstLayer: 3 }]
  const run = { format: 'factflow-run/1', factflow: '1', created: '', updated: '' }
  it.each<[string, StudyFile[], RegExp]>([
    ['no JSON', [{ path: 'a.json', file: new Blob(['{']) }], /^a\.json: must be JSON/],
    ['other JSON', [json('a.json', { x: 1 })], /^a\.json: must be results of factflow, got \{"x":1\}; drop/],
    ['an evaluation', [json('e.json', { prompts: [], relations: {} })], /^e\.json: must have effects of/],
    ['heatmaps', [json('h.json', [{ tokens: [], relativeChange: [] }])], /^h\.json: must have curves over/],
    [
      'an unknown role',
      [json('a.json', flowWith({ source: 'verb' }))],
      /^a\.json: must be what factflow info/,
    ],
    ['a wide window', [json('a.json', flowWith({ window: 9 }))], /curves\[0\]: window must be .* got 9/],
    [
      'a point beyond',
      [json('a.json', flowWith({ points: beyond }))],
      /firstLayer must be from 0 to 2, got 3/,
    ],
    ['twins', [json('a.json', { ...FLOW, curves: [FLOW.curves[0], FLOW.curves[0]] })], /must be there once/],
    [
      'a short trace',
      [json('t.json', { ...TRACE, nLayers: 5 })],
      /a value for each of 4 windows, got 2 and 2/,
    ],
    ['other files', [json('a.txt', {})], /^a\.txt: must be of a run folder or JSON/],
    ['an empty folder', [], /^dropped: must be a run folder.*got nothing/],
    ['a folder of others', [json('x/a.txt', {})], /^dropped: must be a run folder.*got "x\/a\.txt"/],
    ['a run of nothing', [json('x/run.json', run)], /^x: must have effects of knockouts .* got run\.json/],
    [
      'a later format',
      [json('x/run.json', { ...run, format: 'y' })],
      /^x\/run\.json: must be a run of factf/,
    ],
    [
      'no Parquet',
      [{ path: 'part-a.parquet', file: new Blob(['PAR1 no']) }],
      /^part-a\.parquet: must be a whole/,
    ],
    ['an empty file', [{ path: 'part-a.parquet', file: new Blob([]) }], /^part-a\.parquet: must be a whole/],
  ])('are told: %s', async (_, files, message) => {
    const studies = new PageStudies()
    const errors = await studies.add(files)
    expect(errors).toHaveLength(1)
    expect(errors[0]).toMatch(message)
    expect(await studies.studies()).toEqual([])
  })

  it('do not keep the good ones beside them out', async () => {
    const files = await filesOf(join(dir, 'run'), 'x/')
    const part = files.find(({ path }) => path === 'x/part-gaps.parquet')!
    const half = part.file.slice(0, Math.floor(part.file.size / 2))
    // A whole file whose pages are damaged.
    const bytes = new Uint8Array(await part.file.arrayBuffer())
    const broken = new Blob([bytes.fill(255, 4, Math.floor(bytes.length / 2))])
    for (const bad of [half, broken]) {
      const studies = new PageStudies()
      const errors = await studies.add(files.map((one) => (one === part ? { ...one, file: bad } : one)))
      expect(errors).toHaveLength(1)
      expect(errors[0]).toMatch(/^x\/part-gaps\.parquet: must be a whole Parquet file/)
      const found = await studies.curves({ study: 'x', known: 'any', source: ['subject'] })
      expectSame(found, await stored("AND source = 'subject'"))
    }
  })

  it('are tables of other columns, or with values that mean nothing', async () => {
    const folder = await RunFolder.at(join(dir, 'bad'), '1.0.0')
    await folder.write('prompt_sets', 'a', [{ prompt_set: 's', model: 'm', dataset: 'd', prompt_id: 'p' }])
    await folder.write('knockouts', 'role', [gaps[1]!, { ...gaps[2]!, source: 'verb' as 'subject' }])
    await folder.write('knockouts', 'layer', [{ ...gaps[2]!, first_layer: -1 }])
    await folder.write('knockouts', 'null', [gaps[1]!, { ...gaps[2]!, target: null as unknown as 'last' }])
    folder.close()
    const parts = await filesOf(join(dir, 'bad'), '', (name) => name.startsWith('part-'))
    const [sets] = await filesOf(join(dir, 'bad'), '', (name) => name.startsWith('prompt-sets-'))
    const studies = new PageStudies()
    const errors = await studies.add([...parts, { path: 'part-sets.parquet', file: sets!.file }])
    expect(errors).toEqual([
      expect.stringMatching(/^part-layer\.parquet: row 0: first_layer must be from 0 to 9999, got -1;/),
      expect.stringMatching(/^part-null\.parquet: target must have a value, got null in row 1;/),
      expect.stringMatching(/^part-role\.parquet: row 1: source must be one of first, .*, got "verb";/),
      expect.stringMatching(/^part-sets\.parquet: must have a column first_layer of type INT32, got none;/),
    ])
    expect(await studies.studies()).toEqual([])
  })
})
