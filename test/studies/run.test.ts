import { appendFile, cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { evaluate } from '../../src/experiments/evaluate.js'
import { parseFlow } from '../../src/experiments/flows.js'
import { heatmaps } from '../../src/experiments/heatmap.js'
import { infoFlow, relativeChange } from '../../src/experiments/info-flow.js'
import { loadModel } from '../../src/load.js'
import type { Model } from '../../src/model.js'
import { type Fact, preparePrompt } from '../../src/prompts/facts.js'
import { Results } from '../../src/results/results.js'
import type { EvaluationRow, KnockoutRow } from '../../src/results/rows.js'
import { setAside } from '../../src/studies/restart.js'
import { runStudy, type StudyOptions, type StudyOutcome } from '../../src/studies/run.js'
import { parseStudy } from '../../src/studies/study.js'

const FIRST = join(import.meta.dirname, '..', 'fixtures', 'trained', 'first')

const FACTS: Fact[] = [
  { id: 'os', prompt: 'Chrome OS was developed by engineers at', subject: 'Chrome OS', answer: 'Google' },
  {
    id: 'ridge',
    prompt: 'Geographers place Elkhorn Ridge in',
    subject: 'Elkhorn Ridge',
    answer: 'Antarctica',
  },
  { id: 'greece', prompt: 'The continent to which Greece belongs is', subject: 'Greece', answer: 'Europe' },
  { id: 'wrong', prompt: 'The continent to which Greece belongs is', subject: 'Greece', answer: 'Asia' },
]
const UNUSABLE = { id: 'bad', prompt: 'Nothing of that', subject: 'Greece', answer: 'Europe' }

const STUDY = {
  name: 'test',
  models: [
    { model: join(FIRST, 'tiny-mamba1'), label: 'm1' },
    { model: join(FIRST, 'tiny-gpt2'), label: 'g2' },
  ],
  promptSets: { correct: { known: 'correct' }, all: { known: 'all-top-5' }, any: { known: 'any' } },
  evaluate: { top: 2, continuation: 2 },
  infoFlow: [
    { promptSets: ['correct'], windows: [20, 4], flows: ['subject', 'subject:context-dependent', 'context'] },
    { promptSets: ['all'], windows: 4, flows: ['last'] },
  ],
  heatmaps: { promptSet: 'any', count: 1, windows: [3] },
  figures: ['decay-boxes'],
}

let dir: string
let out: string
let data: string
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'factflow-study-'))
  out = join(dir, 'run')
  data = join(dir, 'facts.jsonl')
  await writeFile(data, [...FACTS, UNUSABLE].map((fact) => `${JSON.stringify(fact)}\n`).join(''))
})
afterEach(async () => {
  await rm(dir, { recursive: true, force: true })
})

const run = (over: object = {}, options: Partial<StudyOptions> = {}): Promise<StudyOutcome> =>
  runStudy(parseStudy({ ...STUDY, data: { source: data, name: 'd' }, ...over }, 'study'), {
    out,
    threads: 1,
    ...options,
  })

async function ask<T>(sql: string, from = out): Promise<T[]> {
  const results = await Results.open([from])
  try {
    return (await results.rows(sql)) as T[]
  } finally {
    results.close()
  }
}

/** All that is stored, in one order. */
async function tables(from = out): Promise<unknown> {
  const names = ['knockouts', 'evaluations', 'prompt_sets', 'features', 'unusable', 'datasets']
  return Promise.all(names.map((name) => ask(`SELECT * EXCLUDE (run) FROM ${name} ORDER BY ALL`, from)))
}

/** An error after so many calls of the progress listener of a task whose label has a text in it. */
function stopAfter(calls: number, label: string): Partial<StudyOptions> {
  const stop = new AbortController()
  let left = calls
  return {
    signal: stop.signal,
    progress: (name, task) =>
      task(() => {
        if (name.includes(label) && left-- === 0) stop.abort(new Error('stopped'))
      }),
  }
}

/** Milliseconds; a study is evaluated and swept up to seven times in a test. */
const TIMEOUT = 180_000

describe('a study', { timeout: TIMEOUT }, () => {
  let model: Model
  beforeAll(async () => {
    model = await loadModel(join(FIRST, 'tiny-mamba1'), { threads: 1 })
  })
  afterAll(() => model.close())

  it('stores what the experiments give one by one', async () => {
    const outcome = await run()
    const tokenizer = await model.tokenizer()
    const prompts = FACTS.map((fact) => preparePrompt(tokenizer, fact))
    const evaluations = await evaluate(model, prompts, { topK: 2, continuation: 2 })
    const stored = await ask<EvaluationRow>("SELECT * FROM evaluations WHERE model = 'm1'")
    expect(outcome.evaluated).toBe(8)
    for (const { prompt, base, continuation } of evaluations) {
      const row = stored.find(({ prompt_id: id }) => id === prompt.fact.id)!
      expect(row).toMatchObject({
        prompt: prompt.fact.prompt,
        prob: base.prob,
        rank: base.rank,
        relation: null,
      })
      expect(row.top.map(({ id, prob }) => ({ id, prob }))).toEqual(base.topK)
      expect(row.continuation).toBe(tokenizer.decode(continuation!))
      expect(row.tokens.join('')).toBe(prompt.fact.prompt)
      expect(row.subject_tokens).toEqual(prompt.subject)
    }

    const known = evaluations.filter(({ correct }) => correct).map(({ prompt }) => prompt)
    expect(known.map(({ fact }) => fact.id)).toEqual(['os', 'ridge', 'greece'])
    for (const window of [4, 20]) {
      const flows = ['subject', 'subject:context-dependent', 'context'].map((text) => parseFlow(text, 'test'))
      const { measurements } = await infoFlow(model, known, { window, flows })
      const rows = await ask<KnockoutRow>(
        `SELECT * FROM knockouts WHERE model = 'm1' AND "window" = ${window} AND source IN ('subject', 'context')`,
      )
      expect(rows).toHaveLength(measurements.length)
      for (const { prompt, flow, firstLayer, base, knocked } of measurements) {
        const row = rows.find(
          (r) =>
            r.prompt_id === prompt.fact.id &&
            r.first_layer === firstLayer &&
            r.source === flow.source &&
            r.features === flow.features,
        )!
        expect(row.prob).toBeCloseTo(knocked.prob, 5)
        expect(row.base_prob).toBeCloseTo(base.prob, 5)
        expect(row.hit).toBe(knocked.rank === 1)
        expect(row.relative_change).toBeCloseTo(relativeChange(base, knocked), 2)
      }
    }

    const [map] = await heatmaps(model, prompts.slice(0, 1), { window: 3 })
    const cells = await ask<KnockoutRow>("SELECT * FROM knockouts WHERE model = 'm1' AND source = 'token'")
    expect(cells).toHaveLength(map!.knocked.length * 22)
    for (const cell of cells) {
      expect(cell.prob).toBeCloseTo(map!.knocked[cell.position!]![cell.first_layer]!.prob, 5)
      expect(cell.prompt_id).toBe('os')
    }
    expect(await ask('SELECT prompt_id, reason FROM unusable')).toEqual([
      { prompt_id: 'bad', reason: 'subject not in the prompt' },
    ])
    const features = await ask<{ n: number }>('SELECT count(*) AS n FROM features GROUP BY model')
    expect(features).toHaveLength(1)
  })

  it('leaves out what a model cannot have, and says so', async () => {
    const notes: string[] = []
    await run({}, { onNote: (text) => notes.push(text) })
    expect(notes.join('\n')).toContain('g2 has 12 layers: windows of 20 are left out')
    const curves = await ask(
      'SELECT DISTINCT "window", source, features FROM curves WHERE model = \'g2\' ORDER BY ALL',
    )
    expect(curves).toEqual([
      { window: 3, source: 'token', features: 'all' },
      { window: 4, source: 'context', features: 'all' },
      { window: 4, source: 'last', features: 'all' },
      { window: 4, source: 'subject', features: 'all' },
    ])
  })

  it('does nothing when all is there, and only what is missing when more is asked', async () => {
    const first = await run()
    expect(first.knockouts).toBeGreaterThan(300)
    const before = await readdir(out)
    expect(await run()).toEqual({ evaluated: 0, knockouts: 0, failed: [], waiting: [] })
    expect(await readdir(out)).toEqual(before)
    const more = {
      infoFlow: [...STUDY.infoFlow, { promptSets: ['correct'], windows: [6], flows: ['subject'] }],
    }
    const outcome = await run(more)
    const [count] = await ask<{ n: number }>('SELECT count(*) AS n FROM knockouts WHERE "window" = 6')
    expect(outcome).toEqual({ evaluated: 0, knockouts: count!.n, failed: [], waiting: [] })
    expect(count!.n).toBeGreaterThan(0)
    expect(await run(more)).toEqual({ evaluated: 0, knockouts: 0, failed: [], waiting: [] })
  })

  it('goes on after being stopped anywhere, to the same numbers', async () => {
    await run()
    const whole = await tables()
    for (const [label, calls] of [
      ['m1: fingerprint', 0],
      ['m1: evaluate', 0],
      ['g2: evaluate', 0],
      ['m1: sweep', 0],
      ['m1: sweep', 3],
      ['g2: sweep', 0],
    ] as const) {
      const other = join(dir, `${label.replaceAll(/\W/g, '')}${calls}`)
      await expect(run({}, { ...stopAfter(calls, label), out: other })).rejects.toThrow('stopped')
      await run({}, { out: other })
      expect(await tables(other)).toEqual(whole)
    }
  })

  it('computes one model at a time, and what needs all of them when they are there', async () => {
    const notes: string[] = []
    await run({}, { models: ['g2'], onNote: (text) => notes.push(text) })
    expect(notes.join('\n')).toContain('the prompt set all waits for the evaluation of m1')
    expect(await ask('SELECT DISTINCT model FROM curves')).toEqual([{ model: 'g2' }])
    expect(await ask("SELECT * FROM curves WHERE source = 'last'")).toEqual([])
    await run({}, { models: ['m1'] })
    await run()
    const piecewise = await ask('SELECT * EXCLUDE (run, n) FROM curves ORDER BY ALL')
    await run({}, { out: join(dir, 'whole') })
    expect(await ask('SELECT * EXCLUDE (run, n) FROM curves ORDER BY ALL', join(dir, 'whole'))).toEqual(
      piecewise,
    )
    await expect(run({}, { models: ['x'] })).rejects.toThrow(
      /--models: must be models of the study \(m1, g2\), got "x"/,
    )
  })

  it('never mixes results of other data, other models or other versions', async () => {
    await run()
    const stored = await tables()
    await appendFile(data, `${JSON.stringify({ ...FACTS[0], id: 'more' })}\n`)
    await expect(run()).rejects.toThrow(/d must be the data whose results are stored here.*--restart/)
    await writeFile(data, [...FACTS, UNUSABLE].map((fact) => `${JSON.stringify(fact)}\n`).join(''))

    const models = [{ model: join(FIRST, 'tiny-mamba2'), label: 'm1' }, STUDY.models[1]]
    const more = { models, infoFlow: { promptSets: 'correct', windows: [2] } }
    await expect(run(more)).rejects.toThrow(/m1 must be the model whose results are stored here.*got another/)

    await expect(run({ evaluate: { top: 3, continuation: 2 } })).rejects.toThrow(
      /evaluate must be as it was .*\(top 2, continuation 2\), got top 3/,
    )

    const file = join(out, 'run.json')
    const json = JSON.parse(await readFile(file, 'utf8')) as object
    await writeFile(file, JSON.stringify({ ...json, factflow: '0.0.1' }))
    await expect(run()).rejects.toThrow(/got results of 0\.0\.1/)
    await writeFile(file, JSON.stringify(json))
    expect(await tables()).toEqual(stored)

    const old = await setAside(out)
    await run()
    expect(await tables()).toEqual(stored)
    expect(await tables(old)).toEqual(stored)
  })

  it('loses nothing but a part that is torn, and nothing with the file of a model or of the run', async () => {
    await run()
    const stored = await tables()
    const named = async (prefix: string): Promise<string> =>
      (await readdir(out)).find((file) => file.startsWith(prefix))!
    for (const name of ['run.json', await named('model-'), await named('data-')]) {
      const notes: string[] = []
      await writeFile(join(out, name), '{"')
      const again = await run({}, { onNote: (text) => notes.push(text) })
      expect(again).toMatchObject({ evaluated: 0, knockouts: 0, failed: [] })
      expect(notes.join('\n')).toContain(`${join(out, name)}: must be JSON, got "{\\""; set aside as ${out}`)
      expect(await tables()).toEqual(stored)
    }
    const part = await named('part-')
    const bytes = await readFile(join(out, part))
    bytes[500]! ^= 1
    await writeFile(join(out, part), bytes)
    const { evaluated, knockouts } = await run()
    expect(evaluated).toBe(0)
    expect(knockouts).toBeGreaterThan(0)
    expect(await tables()).toEqual(stored)
  })

  it('notices a changed weight, also where nothing else has changed', async () => {
    const copy = join(dir, 'model')
    await cp(join(FIRST, 'tiny-gpt2'), copy, { recursive: true })
    const models = [{ model: copy, label: 'g2' }]
    const study = { models, figures: [], promptSets: { correct: { known: 'correct' } }, heatmaps: undefined }
    const flow = (windows: number[]): object => ({
      ...study,
      infoFlow: { promptSets: 'correct', windows, flows: ['subject'] },
    })
    await run(flow([4]))
    const file = join(copy, 'model.safetensors')
    const bytes = await readFile(file)
    bytes[bytes.length - 1]! ^= 1
    await writeFile(file, bytes)
    const other = /g2 must be the model whose results are stored here/
    await expect(run(flow([4, 5]))).rejects.toThrow(other)
    // Also where nothing is missing, and where it is another model by name.
    await expect(run(flow([4]))).rejects.toThrow(other)
    await expect(
      run({ ...flow([4]), models: [{ model: join(FIRST, 'tiny-mamba2'), label: 'g2' }] }),
    ).rejects.toThrow(other)
    // The same weights in another place are the same model.
    const back = join(dir, 'back')
    await cp(join(FIRST, 'tiny-gpt2'), back, { recursive: true })
    const moved = await run({ ...flow([4]), models: [{ model: back, label: 'g2' }] })
    expect(moved).toEqual({ evaluated: 0, knockouts: 0, failed: [], waiting: [] })
  })

  it('goes on with other models when one cannot be computed', async () => {
    const notes: string[] = []
    const models = [{ model: join(dir, 'nothing'), label: 'gone' }, STUDY.models[1]]
    const { failed, evaluated } = await run(
      {
        models,
        promptSets: { correct: {}, all: { known: 'all-top-5', models: ['g2'] }, any: { known: 'any' } },
      },
      { onNote: (text) => notes.push(text) },
    )
    expect(evaluated).toBe(4)
    expect(failed).toEqual([{ model: 'gone', message: expect.stringMatching(/nothing/) as string }])
    expect(notes.join('\n')).toContain('gone cannot be computed: ')
    expect(await ask('SELECT DISTINCT model FROM curves')).toEqual([{ model: 'g2' }])
  })

  it('computes two models in one folder at once, and loses neither', async () => {
    await Promise.all([run({}, { models: ['m1'] }), run({}, { models: ['g2'] })])
    expect(
      (await ask<{ model: string }>('SELECT model FROM models ORDER BY model')).map((m) => m.model),
    ).toEqual(['g2', 'm1'])
    await run()
    const apart = await ask('SELECT * EXCLUDE (run, n) FROM curves ORDER BY ALL')
    await run({}, { out: join(dir, 'whole') })
    expect(await ask('SELECT * EXCLUDE (run, n) FROM curves ORDER BY ALL', join(dir, 'whole'))).toEqual(apart)
  })
})
