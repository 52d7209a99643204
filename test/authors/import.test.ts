import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { importAuthors } from '../../src/authors/import.js'
import { InputError } from '../../src/errors.js'
import type { Row } from '../../src/results/database.js'
import { Results } from '../../src/results/results.js'
import { readRunFile, writeNamed, writeRunFile } from '../../src/results/run-file.js'
import {
  allWindows,
  csv,
  EVALUATION,
  eachInFolder,
  HEATMAPS,
  infoFlow,
  infoFlowPath,
  line,
  MODEL,
  put,
  putHeatmaps,
} from './helpers.js'

const folder = eachInFolder()
const output = () => join(folder.path, 'output')
const run = () => join(folder.path, 'run')
const imported = () => importAuthors(output(), run())

async function query(sql: string): Promise<Row[]> {
  const results = await Results.open([run()])
  try {
    return await results.rows(sql)
  } finally {
    results.close()
  }
}

const counts = () =>
  query(`SELECT (SELECT count(*) FROM all_knockouts) AS knockouts, (SELECT count(*) FROM all_evaluations) AS evaluations,
    (SELECT count(*) FROM unusable) AS unusable, (SELECT count(*) FROM prompt_sets) AS known`)

async function message(promise: Promise<unknown>): Promise<string> {
  const error = await promise.catch((reason: unknown) => reason)
  expect(error).toBeInstanceOf(InputError)
  expect((error as Error).message).toMatch(/^[^\n]+: [^\n]+, got [^\n]+; [^\n]+$/)
  return (error as Error).message
}

async function fill(): Promise<void> {
  put(output(), EVALUATION, csv([line(1, 0.5), line(2, 0.25, { target_rank: 3 }), line(3, 0.5)]))
  put(output(), infoFlowPath(), infoFlow({ 1: allWindows(0.25, 0.5), 3: allWindows(0.4, 0.5) }, { 9: 'no' }))
  await putHeatmaps(output(), HEATMAPS, { 1: [[0.1, 0.2, 0.3, 0.4]] })
}

describe('importAuthors', () => {
  test('stores everything where queries find it', async () => {
    await fill()
    expect(await imported()).toEqual({
      version: '1',
      models: [
        {
          model: 'mamba1-130M',
          id: 'state-spaces/mamba-130m-hf',
          layers: 24,
          results: {
            evaluation: { files: 1, prompts: 3, rows: 3 },
            'info-flow': { files: 1, prompts: 2, rows: 8 },
            heatmap: { files: 1, prompts: 1, rows: 4 },
          },
          banned: 1,
        },
      ],
    })
    expect(await counts()).toEqual([{ knockouts: 12, evaluations: 3, unusable: 1, known: 2 }])
    expect(
      await query(`SELECT family, layers, first_layer, knockouts.source, round(avg(relative_change), 9) AS change,
          100.0 * avg(hit::INTEGER) AS accuracy
        FROM knockouts JOIN models USING (run, model) JOIN prompt_sets USING (run, model, dataset, prompt_id)
        WHERE prompt_set = 'correct' AND first_layer = 3 GROUP BY ALL ORDER BY ALL`),
    ).toEqual([
      { family: 'Mamba-1', layers: 24, first_layer: 3, source: 'subject', change: -35, accuracy: 0 },
      { family: 'Mamba-1', layers: 24, first_layer: 3, source: 'token', change: -20, accuracy: null },
    ])
    const file = await readRunFile(run())
    expect(file!.models['mamba1-130M']).toEqual({
      source: 'state-spaces/mamba-130m-hf',
      modelType: 'mamba',
      family: 'Mamba-1',
      layers: 24,
      width: 768,
      parameters: 129_135_360,
      featureCategories: ['all', 'context-dependent', 'context-independent'],
      origin: "the authors' code, version 1",
    })
    expect(file!.datasets).toEqual({
      counter_fact: { source: 'NeelNanda/counterfact-tracing', facts: 3, unusable: 1 },
    })
  })

  test('does not double what is imported twice, and replaces what has changed', async () => {
    await fill()
    await imported()
    const before = await counts()
    const files = readdirSync(run()).sort()
    await imported()
    expect(await counts()).toEqual(before)
    expect(readdirSync(run()).sort()).toEqual(files)
    put(output(), infoFlowPath(), infoFlow({ 1: allWindows(0.1, 0.5) }))
    await imported()
    expect(await counts()).toEqual([{ knockouts: 8, evaluations: 3, unusable: 0, known: 2 }])
  })

  test('keeps what was imported of other files, and of those that are damaged now', async () => {
    await fill()
    await imported()
    const before = await counts()
    put(output(), infoFlowPath(), '{')
    const failures: string[] = []
    const outcome = await importAuthors(output(), run(), {
      onFailure: (error) => failures.push(error.message),
    })
    expect(failures).toEqual([expect.stringMatching(/info_flow\.json: must be a JSON object that is whole/)])
    expect(Object.keys(outcome.models[0]!.results)).toEqual(['evaluation', 'heatmap'])
    expect(await counts()).toEqual(before)
    expect(await message(imported())).toBe(failures[0])
  })

  test('adds models to those that are there', async () => {
    await fill()
    await importAuthors(join(output(), 'heatmap'), run())
    const gpt2 = 'v=1/arch=gpt2/size=124M/ds=counter_fact'
    put(join(folder.path, 'more'), `evaluate_model/${gpt2}/outputs/outputs.csv`, csv([line(7, 0.5)]))
    await importAuthors(join(folder.path, 'more'), run())
    expect(await query('SELECT model FROM models ORDER BY model')).toEqual([
      { model: 'gpt2-124M' },
      { model: 'mamba1-130M' },
    ])
    expect(await counts()).toEqual([{ knockouts: 4, evaluations: 4, unusable: 0, known: 3 }])
  })

  test('makes nothing where there is nothing to import', async () => {
    put(output(), infoFlowPath(), infoFlow({}))
    expect(await message(imported())).toMatch(/must hold results that can be used, got none; /)
    expect(existsSync(run())).toBe(false)
  })

  test.each([
    [
      'models',
      {
        'mamba1-130M': { source: 'mine', modelType: 'mamba', family: 'f', layers: 2, featureCategories: [] },
      },
      /the label mamba1-130M must be free, got results of mine; /,
    ],
    [
      'datasets',
      { counter_fact: { source: 'facts.jsonl', fingerprint: 'abc', facts: 1, unusable: 0 } },
      /the data set name counter_fact must be free, got results on facts\.jsonl; /,
    ],
  ] as const)('refuses a run that has other %s of that name', async (field, value, expected) => {
    await fill()
    put(run(), 'empty', '')
    const file = { factflow: '0', created: '', updated: '', models: {}, datasets: {} }
    await writeRunFile(run(), { format: 'factflow-run/1', ...file })
    for (const [name, one] of Object.entries(value)) await writeNamed(run(), field, name, one)
    const files = (): [string, string][] =>
      readdirSync(run()).map((name) => [name, readFileSync(join(run(), name), 'utf8')])
    const before = files()
    expect(before).toHaveLength(3)
    expect(await message(imported())).toMatch(expected)
    expect(files()).toEqual(before)
  })

  test('refuses another version of the same models', async () => {
    await fill()
    await imported()
    const other = join(folder.path, 'other')
    put(
      other,
      infoFlowPath('subject', 'last', 'ALL', MODEL.replace('v=1', 'v=2')),
      infoFlow({ 1: allWindows(0.1, 0.5) }),
    )
    expect(await message(importAuthors(other, run()))).toMatch(
      /got results of the authors' code, version 1; /,
    )
  })

  test("takes models that are not the paper's as far as their layers are known", async () => {
    const [a, b] = ['v=1/arch=mamba3/size=1B/ds=own', 'v=1/arch=mamba3/size=2B/ds=own']
    put(output(), infoFlowPath('subject', 'last', 'ALL', a), infoFlow({ 1: allWindows(0.1, 0.5) }))
    put(output(), `evaluate_model/${b}/outputs/outputs.csv`, csv([line(1, 0.5)]))
    const failures: string[] = []
    await importAuthors(output(), run(), { onFailure: (error) => failures.push(error.message) })
    expect(failures).toEqual([expect.stringMatching(/^mamba3-2B: its layers must be known, got/)])
    expect(await query('SELECT model, opened_from, family, layers FROM models')).toEqual([
      { model: 'mamba3-1B', opened_from: 'mamba3-1B', family: 'mamba3', layers: 24 },
    ])
  })

  test('reports how far it is', async () => {
    await fill()
    const seen: [number, number][] = []
    await importAuthors(output(), run(), { onProgress: ({ done, total }) => seen.push([done, total]) })
    expect(seen).toEqual([
      [0, 3],
      [1, 3],
      [2, 3],
    ])
  })

  test('damaged parts of the store are no matter of the import', async () => {
    await fill()
    await imported()
    const part = readdirSync(run()).find((file) => file.startsWith('part-'))!
    writeFileSync(join(run(), part), 'half')
    await imported()
    expect(await counts()).toEqual([{ knockouts: 12, evaluations: 3, unusable: 1, known: 2 }])
  })
})
