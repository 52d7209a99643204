import { afterAll, beforeAll, expect, it } from 'vitest'
import { evaluate } from '../../src/experiments/evaluate.js'
import type { Model, Progress } from '../../src/model.js'
import type { PreparedPrompt } from '../../src/prompts/facts.js'
import { N_LAYERS, openTiny, prepareFacts } from './helpers.js'

let model: Model
let prompts: PreparedPrompt[]
beforeAll(async () => {
  model = await openTiny()
  prompts = await prepareFacts(model)
})
afterAll(() => model.close())

it('gives the untouched prediction of every prompt, in order; known is what has rank 1', async () => {
  const found = await evaluate(model, prompts)
  const direct = await model.knockout(prompts.map(({ ids, answer }) => ({ ids, answer, knockouts: [] })))
  expect(found).toEqual(
    direct.map(({ base }, p) => ({ prompt: prompts[p], base, correct: p !== prompts.length - 1 })),
  )
  for (const { prompt, base, correct } of found) {
    expect(correct).toBe(base.top === prompt.answer)
    expect(correct).toBe(base.rank === 1)
  }
})

it('of no prompts is nothing', async () => {
  expect(await evaluate(model, [])).toEqual([])
})

it('hands its settings to the sweep', async () => {
  const seen: Progress[] = []
  const [{ base }] = await evaluate(model, prompts.slice(0, 1), {
    probs: true,
    onProgress: (progress) => seen.push(progress),
  })
  expect(base.probs).toHaveLength(model.spec.vocabSize)
  expect(seen.at(-1)).toEqual({ done: 9 * N_LAYERS, total: 9 * N_LAYERS })
  const signal = AbortSignal.abort(new Error('enough'))
  await expect(evaluate(model, prompts, { signal })).rejects.toThrow('enough')
})
