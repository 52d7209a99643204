/** What the server says of a model equals the library and the plain definition. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { loadModel } from '../../src/load.js'
import type { Model } from '../../src/model.js'
import { nodeRuntime } from '../../src/runtime/node.js'
import { serverEngine } from '../../src/server/engine.js'
import { MachineModels } from '../../src/server/machine-models.js'
import { Studies } from '../../src/server/studies.js'
import { ModelPool } from '../../src/ui/model-pool.js'
import type { CallName, Calls, CutResult, Exploration, KnockedOutcome } from '../../src/ui/protocol.js'
import { Workbench } from '../../src/ui/workbench.js'
import { referenceProbs } from '../reference/engine.js'
import { readFixture } from '../reference/safetensors.js'
import { type Served, serve } from './helpers.js'

/** The first embedded model: see test/experiments/helpers.ts. */
const FOLDER = 'test/fixtures/trained/first/tiny-mamba1'
const MODEL = { name: FOLDER }
const PROMPT = 'The continent to which Greece belongs is'
const SUBJECT = { start: 23, end: 29 }
/** Relative, on probabilities: float32 sums in another order. */
const SAME = 1e-4

let model: Model
let server: Served
let pool: ModelPool
beforeAll(async () => {
  model = await loadModel(FOLDER, { threads: 1 })
  const runtime = nodeRuntime({ threads: 2 })
  pool = new ModelPool(await MachineModels.of([FOLDER], runtime, 4e9, { offline: true }))
  const engine = serverEngine(new Workbench(pool), new Studies([], () => {}))
  server = await serve((name, input, options) => engine.call(name as CallName, input as never, options))
  return async () => {
    await pool.close()
    await runtime.close?.()
  }
})
afterAll(() => model.close())

async function call<Name extends CallName>(name: Name, input: Calls[Name]['input']) {
  const lines = await server.call(name, input)
  const last = lines.at(-1)!
  if (!('result' in last)) throw new Error(JSON.stringify(last))
  return last.result as Calls[Name]['output']
}

function near(got: number, wanted: number, tolerance = SAME): void {
  expect(Math.abs(got / wanted - 1)).toBeLessThan(tolerance)
}

it('explore is trace of the library', async () => {
  const flows = [
    { source: 'subject', target: 'last', features: 'all' },
    { source: 'subject', target: 'last', features: 'context-dependent' },
    { source: 'context', target: 'subject', features: 'all' },
  ] as const
  const asked = { window: 5, target: 'last', features: 'context-independent', flows: [...flows] } as const
  const got: Exploration = await call('explore', {
    ...{ model: MODEL, prompt: PROMPT, subject: SUBJECT, answer: 'Asia' },
    ...{ ...asked, flows: [...flows] },
  })
  const wanted = await model.trace(PROMPT, { subject: 'Greece', answer: 'Asia', ...asked })
  const tokenizer = await model.tokenizer()
  expect(got.tokens).toEqual(
    tokenizer.encode(PROMPT).map(({ id, text, start, end }) => ({ id, text, start, end })),
  )
  expect(got).toMatchObject({
    subject: wanted.prompt.subject,
    answer: { id: wanted.prompt.answer, text: ' Asia' },
    answerIsOwn: false,
    window: 5,
    model: { name: FOLDER, family: 'Mamba-1', nLayers: 24, defaultWindow: 9 },
    base: { rank: wanted.base.rank },
  })
  near(got.base.prob, wanted.base.prob)
  const same = (mine: readonly KnockedOutcome[], theirs: readonly { prob: number; rank: number }[]): void => {
    expect(mine.map(({ rank }) => rank)).toEqual(theirs.map(({ rank }) => rank))
    mine.forEach(({ prob, change, top }, i) => {
      near(prob, theirs[i]!.prob)
      expect(change).toBeCloseTo(100 * (prob / got.base.prob - 1), 6)
      expect(top).toHaveLength(5)
      expect(top.map((one) => one.prob)).toEqual(top.map((one) => one.prob).sort((a, b) => b - a))
    })
  }
  expect(got.heatmap).toHaveLength(got.tokens.length)
  got.heatmap.forEach((row, t) => {
    same(row, wanted.heatmap.knocked[t]!)
  })
  expect(got.curves.map(({ source, target, features }) => ({ source, target, features }))).toEqual(flows)
  for (const [i, curve] of got.curves.entries()) {
    const flow = wanted.infoFlow.curves[i]!.flow
    const points = wanted.infoFlow.measurements.filter((one) => one.flow === flow)
    expect(points).toHaveLength(20)
    same(
      curve.points,
      points.map(({ knocked }) => knocked),
    )
  }
})

it('cut is the plain definition: one whole run in float64 for each knockout', async () => {
  const layers = [6, 7, 8, 9, 10, 11, 12, 13]
  const knockouts: Calls['cut']['input']['knockouts'] = [
    { layers, sources: [4], targets: [6], features: 'all' },
    { layers: [20], sources: [0, 1, 2], targets: [3, 5, 6], features: 'context-dependent' },
    { layers: [0, 3, 17], sources: [5], targets: [5, 6], features: 'context-independent' },
  ]
  const got: CutResult = await call('cut', {
    ...{ model: MODEL, prompt: PROMPT, subject: SUBJECT, answer: 'Asia', knockouts },
  })
  const reference = readFixture(FOLDER)
  const ids = got.tokens.map(({ id }) => id)
  const base = referenceProbs(reference, ids)
  near(got.base.prob, base[got.answer.id]!, 2e-4)
  expect(got.knocked).toHaveLength(3)
  got.knocked.forEach(({ prob, change, rank, top }, i) => {
    const probs = referenceProbs(reference, ids, [knockouts[i]!])
    const wanted = probs[got.answer.id]!
    near(prob, wanted, 2e-4)
    expect(Math.abs(change - 100 * (wanted / base[got.answer.id]! - 1))).toBeLessThan(0.05)
    expect(rank).toBe(1 + probs.filter((other) => other > wanted).length)
    const order = [...probs.keys()].sort((a, b) => probs[b]! - probs[a]!).slice(0, 5)
    expect(top.map(({ id }) => id)).toEqual(order)
    for (const one of top) near(one.prob, probs[one.id]!, 2e-4)
  })
}, 120_000)

it('a prompt that is too long, a role without the model’s features, an unknown model: errors in words', async () => {
  const explore = { prompt: PROMPT, window: 4, target: 'last', features: 'all', flows: [] }
  const said = async (input: object): Promise<unknown> => (await server.call('explore', input)).at(-1)
  expect(await said({ ...explore, model: { name: 'tiny-gpt2' }, prompt: 'a '.repeat(3000) })).toEqual({
    error: expect.stringMatching(/^prompt: a prompt must have at most \d+ tokens/),
    kind: 'input',
  })
  expect(await said({ ...explore, model: { name: 'tiny-gpt2' }, features: 'context-dependent' })).toEqual({
    error: expect.stringContaining('context-dependent'),
    kind: 'input',
  })
  expect(await said({ ...explore, model: MODEL, window: 25 })).toEqual({
    error: expect.stringMatching(/^window: a window must have from 1 to 24 layers/),
    kind: 'input',
  })
  expect(await said({ ...explore, model: { name: 'no/such-model' } })).toMatchObject({ kind: 'input' })
  expect(server.faults).toEqual([])
})

it('lists what can be named', async () => {
  const entries = await call('models', {})
  expect(entries.filter(({ source }) => source === 'embedded').map(({ name }) => name)).toContain(
    'tiny-mamba1',
  )
  expect(entries.filter(({ source }) => source === 'folder')).toMatchObject([
    { name: FOLDER, family: 'Mamba-1', layers: 24, cached: true },
  ])
  expect(entries.map(({ name }) => name)).toContain('state-spaces/mamba-130m-hf')
})
