/** Stored results that the server gives: equal to what the statistics make of the rows. */
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { EvaluationRow, KnockoutRow } from '../../src/results/rows.js'
import { RunFolder } from '../../src/results/run-folder.js'
import { meanInterval, percentile } from '../../src/results/statistics.js'
import { Studies } from '../../src/server/studies.js'
import { PageStudies } from '../../src/ui/page-studies.js'
import {
  type CurvesRequest,
  type EffectsRequest,
  MOST_CHANGES,
  type StudyCut,
  type StudyPoint,
} from '../../src/ui/study-protocol.js'
import { change, MODELS, PROMPTS, storeSample } from '../studies/stored.js'
import { temporaryFolder } from './helpers.js'

const CURVES = { known: 'any' } as const
const EFFECTS: Omit<EffectsRequest, 'study'> = {
  ...{
    known: 'any',
    model: 'deep',
    dataset: 'd',
    window: 9,
    source: 'subject',
    target: 'last',
    features: 'all',
  },
  ...{ firstLayer: 3, outliers: 10 },
}

/** Prompts a and b are known, c is not, d was not evaluated. Quotes must not matter. */
const RELATIONS = { a: "x's", b: 'y', c: "x's" }

function evaluation(model: string, prompt_id: keyof typeof RELATIONS): EvaluationRow {
  const hit = prompt_id !== 'c'
  return {
    ...{
      model,
      dataset: 'd',
      prompt_id,
      prompt: `prompt ${prompt_id}`,
      subject: 's',
      answer: ` ${prompt_id}`,
    },
    ...{
      relation: RELATIONS[prompt_id],
      split: null,
      tokens: ['t'],
      subject_tokens: [0],
      answer_tokens: ['a'],
    },
    ...{ prob: 0.5, rank: hit ? 1 : 3, hit, top: [], continuation: null },
  }
}

let runs: string
let studies: Studies
const notes: string[] = []
beforeAll(async () => {
  runs = temporaryFolder()
  await storeSample(join(runs, 'bare'))
  await storeSample(join(runs, 'full'))
  const folder = await RunFolder.at(join(runs, 'full'), '1.0.0')
  ;(folder.file as { study?: unknown }).study = { name: 'A study' }
  folder.file.models.deep = { ...folder.file.models.deep!, place: 0 }
  folder.file.models.flat = { ...folder.file.models.flat!, place: 1, origin: 'the authors' }
  await folder.save()
  const rows = Object.keys(MODELS).flatMap((model) =>
    (['a', 'b', 'c'] as const).map((id) => evaluation(model, id)),
  )
  await folder.write('evaluations', 'all', rows)
  folder.close()
  studies = new Studies([runs], (text) => notes.push(text))
})
afterAll(() => studies.close())

const curves = (over: Partial<CurvesRequest>) => studies.curves({ ...CURVES, study: 'full', ...over })
const effects = (over: Partial<EffectsRequest>) => studies.effects({ ...EFFECTS, study: 'full', ...over })

describe('which studies', () => {
  it('are those of run folders, by their names', async () => {
    const listed = await studies.studies()
    expect(listed.map(({ study, title }) => [study, title]).sort()).toEqual([
      ['bare', 'bare'],
      ['full', 'A study'],
    ])
    expect(listed[0]).toMatchObject({ models: ['deep', 'flat'], datasets: ['d'] })
    expect(JSON.stringify(listed)).not.toContain(runs)
  })

  it('are named by no path', async () => {
    for (const study of [join(runs, 'full'), './full', '../full', 'full/', '', 'none', '__proto__']) {
      await expect(studies.study({ study })).rejects.toThrow(
        /^study: must be one that factflow ui serves, got /,
      )
    }
  })

  it('of one name are told apart; new ones are found; what is no run is left out', async () => {
    const places = temporaryFolder()
    for (const place of ['one', 'two']) {
      mkdirSync(join(places, place))
      cpSync(join(runs, 'bare'), join(places, place, 'bare'), { recursive: true })
    }
    const said: string[] = []
    const own = new Studies(
      [join(places, 'one'), join(places, 'two', 'bare'), join(places, 'later')],
      (text) => said.push(text),
    )
    const names = async () => (await own.studies()).map(({ study }) => study).sort()
    expect(await names()).toEqual(['bare', 'bare-2'])
    mkdirSync(join(places, 'one', 'other'))
    writeFileSync(join(places, 'one', 'run.txt'), '')
    symlinkSync(join(runs, 'full'), join(places, 'one', 'linked'))
    mkdirSync(join(places, 'one', 'broken'))
    writeFileSync(join(places, 'one', 'broken', 'run.json'), '{')
    cpSync(join(runs, 'bare'), join(places, 'later', 'aaa'), { recursive: true })
    expect(await names()).toEqual(['aaa', 'bare', 'bare-2'])
    expect(said).toEqual([expect.stringMatching(/broken\/run\.json: must be JSON/)])
    rmSync(join(places, 'one', 'bare'), { recursive: true })
    expect(await names()).toEqual(['aaa', 'bare-2'])
    await expect(own.study({ study: 'bare' })).rejects.toThrow(/must be one that factflow ui serves/)
    expect((await own.study({ study: 'bare-2' })).prompts).toBe(4)
    await own.close()
  })

  it('a place that holds none is an error in words', async () => {
    const empty = temporaryFolder()
    const check = (...places: string[]) => new Studies(places, () => {}).check()
    await check(runs, join(runs, 'bare'))
    await expect(check(runs, empty)).rejects.toThrow(
      `${empty}: must be a run folder (run.json and Parquet files, as factflow study writes them) or hold some, got none`,
    )
    await expect(check(join(runs, 'none'))).rejects.toThrow(/none: must be a run folder/)
    await expect(check(join(runs, 'bare', 'part-a.parquet'))).rejects.toThrow(/must be/)
  })
})

describe('a study', () => {
  it('says what is in it', async () => {
    const overview = await studies.study({ study: 'full' })
    const { cuts, modelsInfo, ...rest } = overview
    const rows = Object.entries(MODELS).reduce((sum, [model, layers]) => {
      const kinds = model === 'deep' ? 4 : 2
      const wide = model === 'deep' ? 9 : 2
      return sum + kinds * 4 * (layers + layers - wide + 1)
    }, 0)
    expect(rest).toEqual({
      ...{ study: 'full', title: 'A study', models: ['deep', 'flat'], datasets: ['d'] },
      ...{
        updated: expect.stringMatching(/^\d{4}-/),
        relations: ["x's", 'y'],
        promptSets: ['all-correct', 'correct'],
      },
      ...{ evaluated: true, byPrompt: true, prompts: 4, knockouts: rows },
    })
    expect(modelsInfo).toEqual([
      { model: 'deep', openedFrom: 'x/deep', family: 'Mamba-1', layers: 24, mainWindow: 9 },
      { model: 'flat', openedFrom: null, family: 'GPT-2', layers: 6, mainWindow: 2 },
    ])
    expect(cuts).toHaveLength(2 * 4 + 2 * 2)
    expect(cuts).toContainEqual({
      ...{ model: 'flat', dataset: 'd', window: 2, source: 'last', target: 'last', features: 'all' },
    })
    expect(await studies.study({ study: 'bare' })).toMatchObject({ relations: [], evaluated: false })
  })

  it('is opened anew when parts have come', async () => {
    const dir = join(runs, 'growing')
    await storeSample(dir)
    expect((await studies.study({ study: 'growing' })).prompts).toBe(4)
    const folder = await RunFolder.at(dir, '1.0.0')
    await folder.write('knockouts', 'b', [row('e', -50)])
    folder.close()
    expect((await studies.study({ study: 'growing' })).prompts).toBe(5)
    rmSync(dir, { recursive: true })
  })
})

function row(prompt_id: string, relative_change: number, over: Partial<KnockoutRow> = {}): KnockoutRow {
  return {
    ...{
      model: 'deep',
      dataset: 'd',
      prompt_id,
      first_layer: 3,
      window: 9,
      source: 'subject',
      position: null,
    },
    ...{ target: 'last', features: 'all', base_prob: 0.5, prob: 0.5 * (1 + relative_change / 100), rank: 2 },
    ...{ top_token: 1, hit: false, relative_change },
    ...over,
  }
}

describe('curves', () => {
  it('are means over prompts with t intervals, one curve for each cut', async () => {
    const found = await curves({})
    expect(found.map(({ at }) => at).sort(byJson)).toEqual(
      [...(await studies.study({ study: 'full' })).cuts].sort(byJson),
    )
    for (const { at, layers, points } of found) {
      const { model, source, features, window } = at
      expect(layers).toBe(MODELS[model as keyof typeof MODELS])
      expect(points.map(({ firstLayer }) => firstLayer)).toEqual(
        Array.from({ length: layers - window + 1 }, (_, i) => i),
      )
      for (const point of points) {
        const wanted = meanInterval(PROMPTS.map((p) => change(model, source, features, point.firstLayer, p)))
        const right = meanInterval([100, 100, 100, 0])
        expect(point.n).toBe(4)
        expect(point.mean).toBeCloseTo(wanted.mean, 10)
        expect(point.low).toBeCloseTo(wanted.low, 10)
        expect(point.high).toBeCloseTo(wanted.high, 10)
        expect(point.accuracy).toBe(75)
        expect(point.accuracyLow).toBeCloseTo(right.low, 10)
        expect(point.accuracyHigh).toBeCloseTo(right.high, 10)
      }
    }
  })

  it('are those that the filters choose', async () => {
    expect(await curves({ model: ['flat'], window: ['default'], source: ['subject'] })).toMatchObject([
      { at: { model: 'flat', window: 2, source: 'subject' }, layers: 6 },
    ])
    expect(await curves({ window: ['default', 1], features: ['context-dependent'] })).toHaveLength(2)
    expect(await curves({ dataset: ['d'], target: ['last'] })).toHaveLength(12)
    for (const none of [
      { model: ["' OR true --"] },
      { dataset: ['e'] },
      { window: [7] },
      { target: ['first' as const] },
    ]) {
      expect(await curves(none)).toEqual([])
    }
  })

  it.each<[string, Partial<CurvesRequest>, string[]]>([
    ['that are known', { known: 'known' }, ['a', 'b']],
    ['that are not', { known: 'unknown' }, ['c']],
    ['of a relation', { relation: ["x's"] }, ['a', 'c']],
    ['of several, known', { relation: ["x's", 'y'], known: 'known' }, ['a', 'b']],
    ['of a set', { promptSet: 'all-correct' }, ['a', 'b']],
    ['of a set, not known', { promptSet: 'correct', known: 'unknown' }, ['c']],
    ['of no relation', { relation: ["' OR true --"] }, []],
    ['of no set', { promptSet: "'; DROP TABLE curves; --" }, []],
  ])('are of prompts %s', async (_, filter, prompts) => {
    const found = await curves({ ...filter, model: ['deep'], window: [9], source: ['last'] })
    expect(found).toHaveLength(prompts.length > 0 ? 1 : 0)
    for (const { firstLayer, n, mean, low } of found.flatMap(({ points }) => points)) {
      const wanted = meanInterval(prompts.map((p) => change('deep', 'last', 'all', firstLayer, p)))
      expect(n).toBe(prompts.length)
      expect(mean).toBeCloseTo(wanted.mean, 10)
      if (n === 1) expect(low).toBeNull()
      else expect(low).toBeCloseTo(wanted.low, 10)
    }
  })

  it('of a run without evaluations have no known prompts', async () => {
    expect(await curves({ study: 'bare', known: 'known' })).toEqual([])
    expect(await curves({ study: 'bare', relation: ['y'] })).toEqual([])
  })

  it('leave out what has no finite change, and say nothing of what was not recorded', async () => {
    const dir = join(runs, 'odd')
    const folder = await RunFolder.at(dir, '1.0.0')
    folder.file.models.deep = {
      source: 's',
      modelType: 'mamba',
      family: 'F',
      layers: 24,
      featureCategories: ['all'],
    }
    const unknown = { hit: null, rank: null, top_token: null }
    await folder.write('knockouts', 'a', [
      row('a', -20, { hit: true }),
      row('b', Number.NaN, { base_prob: 0, hit: false }),
      row('c', Number.POSITIVE_INFINITY, { base_prob: 0, hit: false }),
      row('a', -30, { first_layer: 4, ...unknown }),
      row('b', -40, { first_layer: 4, ...unknown }),
      row('a', Number.NaN, { first_layer: 5 }),
    ])
    await folder.save()
    folder.close()
    const [curve, ...rest] = await curves({ study: 'odd' })
    expect(rest).toEqual([])
    const third = meanInterval([100, 0, 0])
    expect(curve!.points).toEqual([
      {
        ...{ firstLayer: 3, n: 1, mean: -20, low: null, high: null },
        accuracy: expect.closeTo(100 / 3, 10),
        accuracyLow: expect.closeTo(third.low, 10),
        accuracyHigh: expect.closeTo(third.high, 10),
      },
      {
        ...{ firstLayer: 4, n: 2, mean: -35 },
        low: expect.closeTo(meanInterval([-30, -40]).low, 10),
        high: expect.closeTo(meanInterval([-30, -40]).high, 10),
        ...{ accuracy: null, accuracyLow: null, accuracyHigh: null },
      },
    ])
    expect(await effects({ study: 'odd' })).toEqual({
      ...{ n: 1, changes: [-20], quartiles: [-20, -20, -20], highest: [] },
      lowest: [
        {
          ...{ promptId: 'a', prompt: null, subject: null, answer: null, relation: null },
          ...{ baseProb: 0.5, prob: 0.4, change: -20, rank: 2 },
        },
      ],
    })
    rmSync(dir, { recursive: true })
  })
})

describe('effects', () => {
  it('are those of each prompt, with its words where there are some', async () => {
    const all = PROMPTS.map((p) => change('deep', 'subject', 'all', 3, p)).sort((a, b) => a - b)
    const found = await effects({ outliers: 3 })
    expect(found).toMatchObject({ n: 4, changes: all })
    expect(found.quartiles).toEqual([0.25, 0.5, 0.75].map((p) => percentile(all, p)))
    expect(found.lowest.map(({ promptId }) => promptId)).toEqual(['a', 'b', 'c'])
    expect(found.highest.map(({ promptId }) => promptId)).toEqual(['d'])
    expect(found.lowest[0]).toEqual({
      ...{ promptId: 'a', prompt: 'prompt a', subject: 's', answer: ' a', relation: "x's" },
      ...{ baseProb: 0.5, prob: 0.5 * (1 + all[0]! / 100), change: all[0], rank: 1 },
    })
    expect(found.highest[0]).toMatchObject({ prompt: null, subject: null, answer: null, relation: null })
    expect(await effects({ outliers: 0 })).toMatchObject({ n: 4, lowest: [], highest: [] })
    expect(await effects({ known: 'unknown' })).toMatchObject({
      n: 1,
      lowest: [{ promptId: 'c' }],
      highest: [],
    })
  })

  it('that are equal come by prompt id, and none twice', async () => {
    const dir = join(runs, 'equal')
    const folder = await RunFolder.at(dir, '1.0.0')
    folder.file.models.deep = {
      source: 's',
      modelType: 'mamba',
      family: 'F',
      layers: 24,
      featureCategories: ['all'],
    }
    await folder.save()
    await folder.write(
      'knockouts',
      'a',
      ['e', 'd', 'c', 'b', 'a'].map((id) => row(id, -10)),
    )
    folder.close()
    const found = await effects({ study: 'equal', outliers: 2 })
    expect(found.lowest.map(({ promptId }) => promptId)).toEqual(['a', 'b'])
    expect(found.highest.map(({ promptId }) => promptId)).toEqual(['d', 'e'])
    rmSync(dir, { recursive: true })
  })

  it('of many prompts are drawn evenly', async () => {
    const dir = join(runs, 'many')
    const folder = await RunFolder.at(dir, '1.0.0')
    folder.file.models.deep = {
      source: 's',
      modelType: 'mamba',
      family: 'F',
      layers: 24,
      featureCategories: ['all'],
    }
    await folder.save()
    const n = 5001
    await folder.write(
      'knockouts',
      'a',
      Array.from({ length: n }, (_, i) => row(String((i * 7) % n), -(1 + ((i * 11) % n)) / 100)),
    )
    folder.close()
    const found = await effects({ study: 'many' })
    expect(found.n).toBe(n)
    const all = Array.from({ length: n }, (_, i) => -(n - i) / 100)
    expect(found.changes).toEqual(
      Array.from({ length: MOST_CHANGES }, (_, i) => all[Math.round((i * (n - 1)) / (MOST_CHANGES - 1))]),
    )
    expect(found.quartiles).toEqual([0.25, 0.5, 0.75].map((p) => percentile(all, p)))
    expect(found.highest.map((one) => one.change)).toEqual(all.slice(-10).reverse())
    rmSync(dir, { recursive: true })
  })

  it('of what is not stored are an error in words', async () => {
    for (const none of [
      { firstLayer: 16 },
      { model: 'none' },
      { dataset: 'e' },
      { source: 'first' as const },
    ]) {
      await expect(effects(none)).rejects.toThrow(
        /^effects: must be of a knockout that is stored, got .*; choose/,
      )
    }
  })
})

it('the server answers as the page does of the same files', async () => {
  const dir = join(runs, 'full')
  const page = new PageStudies()
  const files = readdirSync(dir).map((name) => ({
    path: `full/${name}`,
    file: new Blob([readFileSync(join(dir, name))]),
  }))
  expect(await page.add(files)).toEqual([])
  const sorted = <T>(list: readonly T[], key: (one: T) => unknown): T[] =>
    [...list].sort((a, b) => byJson(key(a), key(b)))
  const overviews = [await studies.study({ study: 'full' }), await page.study({ study: 'full' })]
  const [ours, theirs] = overviews.map((one) => ({ ...one, cuts: sorted(one.cuts, cutKey) }))
  // Where results were imported the page does not know it.
  expect(ours).toEqual({
    ...theirs,
    modelsInfo: theirs!.modelsInfo.map((one) => (one.model === 'flat' ? { ...one, openedFrom: null } : one)),
  })
  for (const filter of [
    {},
    { known: 'known' },
    { relation: ["x's"], window: ['default'] },
    { promptSet: 'all-correct' },
  ]) {
    const asked = { ...CURVES, study: 'full', ...filter } as CurvesRequest
    const [own, other] = [await studies.curves(asked), await page.curves(asked)]
    expect(sorted(own, ({ at }) => cutKey(at))).toEqual(
      sorted(other, ({ at }) => cutKey(at)).map((curve) => ({ ...curve, points: curve.points.map(nearly) })),
    )
    const effect = { ...EFFECTS, study: 'full', ...filter, window: 9 } as EffectsRequest
    expect(await studies.effects(effect)).toEqual(await page.effects(effect))
  }
})

const cutKey = ({ model, dataset, window, source, target, features }: StudyCut): unknown => [
  ...[model, dataset, window, source, target, features],
]

/** The same numbers but for the order in which sums were made. */
const nearly = (point: StudyPoint): unknown =>
  Object.fromEntries(
    Object.entries(point).map(([name, value]) => [name, value === null ? null : expect.closeTo(value, 9)]),
  )

it('several ask at once, and who goes away is not answered', async () => {
  const stop = new AbortController()
  const asked = [
    curves({}),
    studies.curves({ ...CURVES, study: 'full' }, { signal: stop.signal }),
    curves({ known: 'known' }),
    studies.curves({ ...CURVES, study: 'bare' }),
  ]
  stop.abort(new Error('gone'))
  const done = await Promise.allSettled(asked)
  expect(done.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'fulfilled'])
  expect(notes).toEqual([])
})

const byJson = (a: unknown, b: unknown): number => JSON.stringify(a).localeCompare(JSON.stringify(b), 'en')
