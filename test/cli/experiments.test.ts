/** `info-flow`, `heatmap` and `demo` on a trained model: what they print is what the library computes. */
import { readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { evaluate } from '../../src/experiments/evaluate.js'
import { parseFlow } from '../../src/experiments/flows.js'
import { heatmaps } from '../../src/experiments/heatmap.js'
import { infoFlow } from '../../src/experiments/info-flow.js'
import { summary } from '../../src/experiments/summary.js'
import { loadModel } from '../../src/load.js'
import type { Model } from '../../src/model.js'
import { type Fact, type PreparedPrompt, parseFacts, preparePrompt } from '../../src/prompts/facts.js'
import { shuffled, spread } from '../../src/prompts/sample.js'
import { factflow, pngSize, succeed, temporaryFolder } from './command.js'

/** Percent. The same computation in other batches and threads: float32 sums in another order. */
const SAME = 1e-3

const folder = temporaryFolder()
/** The first embedded model: today's knows all facts, and here some must be unknown. */
const MODEL = './first'
const atlas = parseFacts(readFileSync('data/atlas.jsonl', 'utf8'), 'atlas')
/** A data set of two relations: eight facts of each in all of their wordings, `few` of which are held out. */
const FEW = 'few.jsonl'
const ON_FEW = ['--model', MODEL, '--data', FEW]
const facts: Fact[] = ['country_capital', 'landmark_country'].flatMap((relation) =>
  atlas.filter((fact) => fact.relation === relation).slice(0, 8 * 6),
)
const few = facts.filter(({ split }) => split === 'held-out')
let model: Model
let known: PreparedPrompt[]

beforeAll(async () => {
  symlinkSync(resolve('test/fixtures/trained/first/tiny-mamba1'), join(folder, MODEL))
  writeFileSync(join(folder, FEW), facts.map((fact) => JSON.stringify(fact)).join('\n'))
  model = await loadModel(join(folder, MODEL))
  const tokenizer = await model.tokenizer()
  const evaluations = await evaluate(
    model,
    few.map((fact) => preparePrompt(tokenizer, fact)),
  )
  known = evaluations.filter(({ correct }) => correct).map(({ prompt }) => prompt)
  // Both kinds must be there, or the filter is not tested.
  expect(known.length).toBeGreaterThan(4)
  expect(known.length).toBeLessThan(few.length)
})

afterAll(() => model.close())

describe('factflow info-flow', () => {
  interface Json {
    facts: number
    evaluated: number
    curves: {
      source: string
      features: string
      withoutRole: number
      points: { firstLayer: number; mean: number; low: number; high: number; accuracy: number; n: number }[]
    }[]
  }
  const flows = ['subject', 'context>last:context-dependent']

  test('--json has the curves of the known facts', async () => {
    const { code, stdout, stderr } = await factflow(
      ['info-flow', ...ON_FEW, '--json', '--window', '8', '--png', 'flow.png', '--flows', ...flows],
      { cwd: folder },
    )
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr: `only ${known.length} facts are known to the model\nwrote flow.png\n`,
    })
    const json = JSON.parse(stdout) as Json
    expect(json).toMatchObject({
      data: FEW,
      facts: known.length,
      evaluated: few.length,
      nLayers: 24,
      window: 8,
    })
    const { curves } = await infoFlow(model, known, {
      window: 8,
      flows: flows.map((flow) => parseFlow(flow, 'flow')),
    })
    expect(json.curves.map(({ source, features }) => [source, features])).toEqual([
      ['subject', 'all'],
      ['context', 'context-dependent'],
    ])
    // The order of the facts is drawn by seed: it may change sums, not means.
    json.curves.forEach(({ points, withoutRole }, c) => {
      expect(withoutRole).toBe(curves[c]!.withoutRole)
      expect(points.map(({ firstLayer, n, accuracy }) => [firstLayer, n, accuracy])).toEqual(
        curves[c]!.points.map(({ firstLayer, n, accuracy }) => [firstLayer, n, accuracy]),
      )
      for (const key of ['mean', 'low', 'high'] as const) {
        const off = points.map((point, i) => Math.abs(point[key] - curves[c]!.points[i]![key]))
        expect(Math.max(...off)).toBeLessThan(SAME)
      }
    })
    expect(pngSize(join(folder, 'flow.png'))[0]).toBeGreaterThan(500)
    expect(readdirSync(folder).filter((file) => file.includes('.part'))).toEqual([])
  })

  test('draws what was drawn by the seed, of the wanted relations, known or not', async () => {
    const args = ['info-flow', ...ON_FEW, '--relation', 'landmark_country', '--limit', '5', '--seed', '3']
    const flow = ['--unknown', '--flows', 'subject', '--window', '24', '--threads', '1']
    const [text, json] = await Promise.all(
      [[], ['--json']].map((more) => succeed([...args, ...flow, ...more], { cwd: folder })),
    )
    expect(text).toMatch(/^Information flow in .\/first\n5 facts of few.jsonl, window of 24 layers, /)
    expect(text).toContain('subject → last')
    const tokenizer = await model.tokenizer()
    const drawn = shuffled(
      few.filter(({ relation }) => relation === 'landmark_country'),
      3,
    ).slice(0, 5)
    const expected = await infoFlow(
      model,
      drawn.map((fact) => preparePrompt(tokenizer, fact)),
      { window: 24, flows: [parseFlow('subject', 'flow')] },
    )
    const got = JSON.parse(json!) as Json
    expect(got).toMatchObject({ facts: 5, evaluated: 0 })
    expect(got.curves[0]!.points).toHaveLength(1)
    expect(Math.abs(got.curves[0]!.points[0]!.mean - expected.curves[0]!.points[0]!.mean)).toBeLessThan(SAME)
  })
})

test('factflow heatmap has the cells of the facts that are named', async () => {
  const ids = [few[9]!.id, few[2]!.id]
  // A fact is named with or without its wording.
  const named = [ids[0]!.replace(/\/\d$/, ''), ids[1]!]
  const cut = ['--window', '23', '--features', 'context-independent']
  const args = ['heatmap', ...ON_FEW, '--id', ...named, ...cut]
  const [{ code, stdout, stderr }, text] = await Promise.all([
    factflow([...args, '--json', '--svg', 'maps.svg'], { cwd: folder }),
    succeed(args, { cwd: folder, env: { COLUMNS: '72' } }),
  ])
  expect({ code, stderr }).toEqual({ code: 0, stderr: 'wrote maps.svg\n' })
  const tokenizer = await model.tokenizer()
  const prompts = [few[9]!, few[2]!].map((fact) => preparePrompt(tokenizer, fact))
  const expected = await heatmaps(model, prompts, { window: 23, features: 'context-independent' })
  const got = JSON.parse(stdout) as { id: string; tokens: string[]; prob: number[][] }[]
  expect(got.map(({ id }) => id)).toEqual(ids)
  const svg = readFileSync(join(folder, 'maps.svg'), 'utf8')
  expect(svg).toMatch(/^<svg[\s\S]*<\/svg>\s*$/)
  got.forEach(({ tokens, prob }, i) => {
    const { fact } = prompts[i]!
    expect(tokens.join('')).toBe(fact.prompt)
    expect(prob.map((row) => row.length)).toEqual(tokens.map(() => 2))
    const off = prob.flatMap((row, t) => row.map((p, s) => Math.abs(p - expected[i]!.knocked[t]![s]!.prob)))
    expect(Math.max(...off)).toBeLessThan(SAME / 100)
    expect(text.replace(/\s+/g, ' ')).toContain(`"${fact.prompt}" → "${fact.answer.trim()}"`)
    expect(svg).toContain(fact.prompt.split(' ')[0])
  })
  // Lines may end after a hyphen.
  const said = text.replace(/-\n\s*/g, '-').replace(/\s+/g, ' ')
  expect(said).toContain('; each token cut from the last, context-independent features ')
  expect(Math.max(...text.split('\n').map((line) => line.length))).toBeLessThanOrEqual(72)
})

test('factflow demo evaluates, sweeps, draws and says what it found', async () => {
  const { code, stdout, stderr } = await factflow(['demo', ...ON_FEW, '--limit', '4', '--out', 'new/out'], {
    cwd: folder,
  })
  const files = ['info-flow.svg', 'info-flow.png', 'heatmap.svg', 'heatmap.png'].map((file) =>
    join('new/out', file),
  )
  expect({ code, stderr }).toEqual({ code: 0, stderr: files.map((file) => `wrote ${file}\n`).join('') })
  expect(readdirSync(join(folder, 'new/out')).sort()).toEqual([
    'heatmap.png',
    'heatmap.svg',
    'info-flow.png',
    'info-flow.svg',
  ])
  const said = stdout.replace(/\s+/g, ' ')
  expect(said).toContain(`1. Evaluated ${few.length} facts. ${known.length} are known (`)
  expect(said).toContain('2. Ran 448 knockouts on 4 known facts: 7 flows in every window of 9 layers.')
  const swept = spread(known, ({ fact }) => fact.relation, 4, 0)
  const flow = await infoFlow(model, swept, { window: 9 })
  expect(said).toContain(summary(flow))
  // The next step that it names works.
  const next = /Next: npx factflow trace "(.+)" --subject "(.+)" --model ".\/first"/
  const [, prompt, subject] = next.exec(stdout)!
  expect(known.map(({ fact }) => [fact.prompt, fact.subject])).toContainEqual([prompt, subject])
})
