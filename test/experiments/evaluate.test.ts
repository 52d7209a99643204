import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { accuracies, type Evaluation, evaluate } from '../../src/experiments/evaluate.js'
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

describe('accuracies', () => {
  /** An evaluation of a fact of a relation: what the answer's rank and probability are. */
  function evaluation(relation: string | undefined, rank: number, prob: number): Evaluation {
    const fact = { id: '', prompt: '', subject: '', answer: '', ...(relation && { relation }) }
    return {
      prompt: { fact, tokens: [], ids: [], subject: [], answer: 0, answerIds: [0] },
      base: { logProb: Math.log(prob), prob, rank, top: rank - 1 },
      correct: rank === 1,
    }
  }

  it('counts what is right and means the probabilities, in all and by relation in the order of the alphabet', () => {
    // Probabilities whose sums are exact.
    const found = accuracies([
      evaluation('sea', 1, 0.75),
      evaluation('city', 2, 0.25),
      evaluation('sea', 3, 0.125),
      evaluation('city', 1, 0.5),
      evaluation(undefined, 1, 1),
      evaluation('city', 7, 0),
    ])
    expect(found).toEqual({
      all: { n: 6, right: 3, prob: 2.625 / 6 },
      relations: [
        ['city', { n: 3, right: 1, prob: 0.25 }],
        ['sea', { n: 2, right: 1, prob: 0.4375 }],
      ],
    })
  })

  it('has no relations where no fact has one', () => {
    expect(accuracies([evaluation(undefined, 2, 0.5)])).toEqual({
      all: { n: 1, right: 0, prob: 0.5 },
      relations: [],
    })
  })

  it('of what the model says: three of the four answers are right', async () => {
    const evaluations = await evaluate(model, prompts)
    const { all, relations } = accuracies(evaluations)
    expect(all).toMatchObject({ n: 4, right: 3 })
    expect(all.prob).toBeCloseTo(
      evaluations.reduce((sum, { base }) => sum + base.prob / 4, 0),
      12,
    )
    expect(relations).toEqual([])
  })
})
