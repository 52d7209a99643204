import { afterAll, beforeAll, expect, test } from 'vitest'
import { infoFlow } from '../../src/experiments/info-flow.js'
import type { Model } from '../../src/model.js'
import { ModelPool } from '../../src/ui/model-pool.js'
import { type FlowRef, type FlowsRequest, SCHEMAS } from '../../src/ui/protocol.js'
import { Workbench } from '../../src/ui/workbench.js'
import { N_LAYERS, openTiny, prepareFacts } from '../experiments/helpers.js'

const FLOWS: readonly FlowRef[] = [
  { source: 'subject', target: 'last', features: 'all' },
  { source: 'context', target: 'last', features: 'context-dependent' },
]
const WINDOW = 9

let model: Model
let bench: Workbench
let request: FlowsRequest

beforeAll(async () => {
  model = await openTiny()
  bench = new Workbench(new ModelPool({ list: async () => [], load: async () => model }))
  request = {
    model: { name: 'tiny-mamba1' },
    prompts: (await prepareFacts(model)).map(({ fact: { prompt, subject, answer } }) => {
      const start = prompt.indexOf(subject)
      return { prompt, subject: { start, end: start + subject.length }, answer }
    }),
    window: WINDOW,
    flows: [...FLOWS],
  }
})
afterAll(() => model.close())

test('flows of several prompts are those of infoFlow, prompt by prompt', async () => {
  const result = await bench.flows(SCHEMAS.flows.parse(request), {})
  const prompts = await prepareFacts(model)
  const expected = await infoFlow(model, prompts, { window: WINDOW, flows: FLOWS })

  expect(result.curves.map(({ label }) => label)).toEqual([
    'subject → last',
    'context → last (context-dependent)',
  ])
  for (const [c, { flow, points }] of expected.curves.entries()) {
    const { changes, ...rest } = result.curves[c]!
    expect(rest).toMatchObject(flow)
    const filled = changes.filter((row) => row.length > 0)
    for (const { firstLayer, mean, n } of points) {
      expect(filled).toHaveLength(n)
      const own = filled.reduce((sum, row) => sum + row[firstLayer]!, 0) / n
      expect(Math.abs(own - mean)).toBeLessThan(1e-3 * (1 + Math.abs(mean)))
    }
  }
  // The first prompt begins with its subject: no context.
  expect(result.curves[1]!.changes.map((row) => row.length)).toEqual([
    0,
    ...Array(3).fill(N_LAYERS - WINDOW + 1),
  ])
  expect(result.knockouts).toBe(7 * (N_LAYERS - WINDOW + 1))
})

test('every prompt says its answer and how the model ranks it', async () => {
  const { prompts } = await bench.flows(request, {})
  expect(prompts.map(({ answer }) => answer.text)).toEqual([' Google', ' Antarctica', ' Europe', ' Asia'])
  expect(prompts[2]!.rank).toBe(1)
  expect(prompts[3]!.rank).toBeGreaterThan(1)
  expect(prompts[3]!.prob).toBeLessThan(prompts[2]!.prob)
})

test('a prompt in which no flow has tokens is answered all the same', async () => {
  const { prompts, curves } = await bench.flows(
    { ...request, prompts: request.prompts.slice(0, 1), flows: [FLOWS[1]!] },
    {},
  )
  expect(prompts[0]!.prob).toBeGreaterThan(0)
  expect(curves[0]!.changes).toEqual([[]])
})

test('a window that the model does not have is refused, as is an empty list', async () => {
  await expect(bench.flows({ ...request, window: N_LAYERS + 1 }, {})).rejects.toThrow('window')
  expect(SCHEMAS.flows.safeParse({ ...request, prompts: [] }).success).toBe(false)
  expect(SCHEMAS.flows.safeParse({ ...request, flows: [] }).success).toBe(false)
})

test('progress is told and a signal stops it', async () => {
  const told: number[] = []
  await bench.flows(request, { onProgress: ({ done, total }) => told.push(done / total) })
  expect(told.at(-1)).toBe(1)
  await expect(bench.flows(request, { signal: AbortSignal.abort() })).rejects.toThrow()
})
