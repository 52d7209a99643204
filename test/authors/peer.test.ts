/**
 * The authors' real results, in a checkout of their repository that FACTFLOW_PEER names, against what their own code
 * loads from them: tests/src/experiments/baselines/full_pipeline/serialized_results.json there, by h5py and pandas.
 */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { beforeAll, describe, expect, test } from 'vitest'
import { importAuthors } from '../../src/authors/import.js'
import { AUTHORS_MODELS } from '../../src/authors/models.js'
import { Results } from '../../src/results/results.js'
import type { KnockoutRow } from '../../src/results/rows.js'
import { meanInterval } from '../../src/results/statistics.js'
import { type AllRows, eachInFolder, readAll } from './helpers.js'

const PEER = process.env.FACTFLOW_PEER ?? ''
const BASELINE = join(PEER, 'tests/src/experiments/baselines/full_pipeline')
const present = PEER !== '' && existsSync(BASELINE)
const skipped = present ? '' : " (skipped: FACTFLOW_PEER names no checkout of the authors' repository)"

/** [experiment, parameters, input, what their code loads] */
type Loaded = [string, Record<string, string | number>, unknown, unknown]

interface Curve {
  readonly hit: boolean[]
  readonly true_probs: number[]
  readonly diffs: number[]
  readonly original_idx: number[]
}

const CATEGORIES: Record<string, string> = {
  ALL: 'all',
  FAST_DECAY: 'context-dependent',
  SLOW_DECAY: 'context-independent',
}

/** Decimals that pandas' own parser of numbers gets right: 0.00015077147691044956 is 0.0001507714769104 for it. */
const PANDAS_DIGITS = 14

/** Sums of eight numbers in another order. */
const SUMMATION = 1e-12

describe.skipIf(!present)(`the authors' own results${skipped}`, () => {
  const folder = eachInFolder()
  let loaded: Loaded[]
  let rows: AllRows

  beforeAll(async () => {
    const text = readFileSync(join(BASELINE, 'serialized_results.json'), 'utf8')
    loaded = JSON.parse(text.replaceAll(': NaN', ': null')) as Loaded[]
    rows = await readAll(BASELINE)
  })

  const of = (parameters: Record<string, string | number>): KnockoutRow[] =>
    rows.knockouts.filter(
      (row) =>
        row.model === `${parameters.model_arch}-${parameters.model_size}` &&
        row.window === parameters.window_size &&
        row.source === String(parameters.source ?? 'token') &&
        row.target === String(parameters.target ?? 'last') &&
        row.features === CATEGORIES[parameters.feature_category ?? 'ALL'],
    )

  test('are read whole, and nothing else is', () => {
    expect({ notes: rows.notes, failures: rows.failures }).toEqual({ notes: [], failures: [] })
    const [evaluations, curves, heatmaps] = ['evaluate_model', 'info_flow', 'heatmap'].map((name) =>
      loaded.filter(([experiment]) => experiment === name),
    )
    expect([evaluations!.length, curves!.length, heatmaps!.length]).toEqual([6, 46, 6])
    const values = (data: unknown): number =>
      typeof data === 'object' ? Object.values(data!).reduce((sum: number, one) => sum + values(one), 0) : 1
    // A curve has four columns.
    const expected = curves!.reduce((n, [, , , data]) => n + values(data) / 4, 0)
    expect(rows.knockouts.length).toBe(expected + heatmaps!.reduce((n, [, , , data]) => n + values(data), 0))
    expect(rows.evaluations.length).toBe(6 * 11)
  })

  test('have, for every knockout and window, the mean change and accuracy of their files', () => {
    let compared = 0
    for (const [experiment, parameters, , data] of loaded) {
      if (experiment !== 'info_flow') continue
      const curve = of(parameters)
      for (const [window, { hit, diffs, true_probs, original_idx }] of Object.entries(
        data as Record<string, Curve>,
      )) {
        const at = curve.filter((row) => row.first_layer === Number(window))
        const sorted = original_idx.map((id) => at.find(({ prompt_id }) => prompt_id === String(id))!)
        expect(at).toHaveLength(original_idx.length)
        expect(sorted.map((row) => row.relative_change)).toEqual(diffs)
        expect(sorted.map((row) => row.prob)).toEqual(true_probs)
        expect(sorted.map((row) => row.hit)).toEqual(hit)
        const mean = diffs.reduce((sum, diff) => sum + diff, 0) / diffs.length
        const ours = meanInterval(at.map((row) => row.relative_change)).mean
        expect(Math.abs(ours - mean)).toBeLessThanOrEqual(SUMMATION * Math.max(1, Math.abs(mean)))
        compared++
      }
    }
    expect(compared).toBe(9 * 10 + 9 * 2 + 11 * 10 * 2 + 3 * 22 * 2)
  })

  test('give, imported, for subject -> last on mamba1-130M, the means of info_flow.json', async () => {
    const where = 'v=test_baseline/arch=mamba1/size=130M/ds=counter_fact/ws=15/target=last/source=subject'
    const file = join(BASELINE, 'output/info_flow', where, 'feature_category=ALL/outputs/info_flow.json')
    const { data } = JSON.parse(readFileSync(file, 'utf8')) as {
      data: Record<string, Record<string, { diffs: number }>>
    }
    await importAuthors(BASELINE, join(folder.path, 'run'))
    const results = await Results.open([join(folder.path, 'run')])
    const curve = await results.rows<{ n: number; mean: number }>(
      `SELECT count(*) AS n, avg(relative_change) AS mean FROM knockouts
       WHERE model = 'mamba1-130M' AND source = 'subject' AND target = 'last' AND features = 'all'
       GROUP BY first_layer ORDER BY first_layer`,
    )
    results.close()
    expect(curve).toHaveLength(10)
    for (const [window, { n, mean }] of curve.entries()) {
      const diffs = Object.values(data).map((windows) => windows[window]!.diffs)
      const theirs = diffs.reduce((sum, diff) => sum + diff, 0) / diffs.length
      expect(n).toBe(8)
      expect(Math.abs(mean - theirs)).toBeLessThanOrEqual(SUMMATION * Math.abs(theirs))
    }
  })

  test('have the heatmaps that h5py reads', () => {
    for (const [experiment, parameters, , data] of loaded) {
      if (experiment !== 'heatmap') continue
      // [prompt][window][token]
      for (const [prompt, windows] of Object.entries(
        data as Record<string, Record<string, Record<string, number>>>,
      )) {
        const heatmap = of(parameters).filter(({ prompt_id }) => prompt_id === prompt)
        expect(heatmap.length).toBe(Object.keys(windows).length * Object.keys(windows[0]!).length)
        for (const row of heatmap) expect(row.prob).toBe(windows[row.first_layer]![row.position!])
      }
    }
  })

  test('have the evaluations that pandas reads', () => {
    for (const [experiment, { model_arch, model_size }, , data] of loaded) {
      if (experiment !== 'evaluate_model') continue
      const column = data as Record<string, Record<string, unknown>>
      const found = rows.evaluations.filter(({ model }) => model === `${model_arch}-${model_size}`)
      expect(found).toHaveLength(Object.keys(column.prompt!).length)
      for (const [i, row] of found.entries()) {
        expect(row).toMatchObject({
          prompt_id: String(column.original_idx![i]),
          prompt: column.prompt![i],
          subject: column.subject![i],
          answer: column.target_true![i],
          prob: expect.closeTo(column.target_probs![i] as number, PANDAS_DIGITS),
          rank: column.target_rank![i],
          hit: column.model_correct![i],
          continuation: column.model_generation![i],
          answer_tokens: JSON.parse(column.target_tokens![i] as string),
        })
        expect(row.top.map(({ id, text, prob }) => [id, text, prob])).toEqual(
          JSON.parse(column.model_top_outputs![i] as string),
        )
      }
    }
  })

  test('are of the models that consts.py names', () => {
    const text = readFileSync(join(PEER, 'src/core/consts.py'), 'utf8')
    const table = /MODEL_SIZES_PER_ARCH_TO_MODEL_ID.*?\n\}/s.exec(text)![0]
    const types = readFileSync(join(PEER, 'src/core/types.py'), 'utf8')
    const theirs = [...table.matchAll(/MODEL_ARCH\.(\w+): \{(.*?)\n {4}\}/gs)].map(([, name, sizes]) => {
      const arch = new RegExp(`^ {4}${name} = "(.*)"`, 'm').exec(types)![1]!
      const ids = [...sizes!.matchAll(/^ +TModelSize\("(.*)"\): TModelID\("(.*)"\)/gm)]
      return [arch, Object.fromEntries(ids.map(([, size, id]) => [size, id!.toLowerCase()]))]
    })
    const ours = Object.entries(AUTHORS_MODELS).map(([arch, sizes]) => [
      arch,
      Object.fromEntries(Object.entries(sizes).map(([size, id]) => [size, id.toLowerCase()])),
    ])
    expect(Object.fromEntries(theirs)).toEqual(Object.fromEntries(ours))
  })
})
