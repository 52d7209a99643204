import { afterAll, beforeAll, expect, it } from 'vitest'
import { ask, type Question } from '../../src/experiments/question.js'
import type { Knockout } from '../../src/knockout/knockout.js'
import { type KnockoutResult, Model, type Progress } from '../../src/model.js'
import type { PreparedPrompt } from '../../src/prompts/facts.js'
import { referenceCheckpoint } from '../helpers/checkpoint.js'
import { runtime } from '../knockout/sweep-helpers.js'
import { randomMamba } from '../reference/random.js'

const SHAPE = { nLayers: 2, dModel: 8, dState: 2, dtRank: 1, convKernel: 2, vocabSize: 16 }

let model: Model
beforeAll(() => {
  model = Model.open(referenceCheckpoint(randomMamba(1, SHAPE)), runtime)
})
afterAll(() => model.close())

function prompt(answer: number, ...ids: number[]): PreparedPrompt {
  return {
    fact: { id: String(answer), prompt: '', subject: '', answer: '' },
    tokens: [],
    ids,
    subject: [0],
    answer,
    answerIds: [answer],
  }
}
const PROMPTS = [prompt(1, 3, 5, 7), prompt(2, 9, 4)]

function cut(...sources: number[]): Knockout {
  return { layers: [0], sources, targets: [1], features: 'all' }
}

/** A question whose result is what it is given to read. */
function question(...knockouts: Knockout[][]): Question<KnockoutResult[]> {
  return { knockouts, read: (answers) => [...answers] }
}

it('gives every question the answers to its own knockouts, in its own order', async () => {
  const first = question([cut(0), cut(0, 1)], [])
  const second = question([], [cut(1)])
  const third = question([cut(1), cut(0)], [cut(0), cut(1)])
  const settings = { probs: true }
  const found = await ask(model, PROMPTS, [first, second, third], settings)
  const direct = await model.knockout(
    PROMPTS.map(({ ids, answer }) => ({ ids, answer, knockouts: [cut(0), cut(0, 1), cut(1)] })),
    settings,
  )
  const from = (p: number, ...numbers: number[]) => ({
    base: direct[p].base,
    knockouts: numbers.map((i) => direct[p].knockouts[i]),
  })
  expect(found[0].map(({ knockouts }) => knockouts.length)).toEqual([2, 0])
  const expected = [
    [from(0, 0, 1), from(1)],
    [from(0), from(1, 2)],
    [from(0, 2, 0), from(1, 0, 2)],
  ]
  found.forEach((results, q) => {
    results.forEach(({ base, knockouts }, p) => {
      const wanted = expected[q][p]
      expect(base.top).toBe(wanted.base.top)
      expect(base.prob).toBeCloseTo(wanted.base.prob, 6)
      expect(knockouts.map(({ rank }) => rank)).toEqual(wanted.knockouts.map(({ rank }) => rank))
      knockouts.forEach(({ prob }, k) => {
        expect(prob).toBeCloseTo(wanted.knockouts[k].prob, 6)
      })
    })
  })
  // The three cuts differ, so an answer in the wrong place would show.
  expect(new Set(direct[0].knockouts.map(({ prob }) => prob.toFixed(6))).size).toBe(3)
})

it('computes what questions share once', async () => {
  const work = async (...questions: Question<KnockoutResult[]>[]): Promise<number> => {
    let last: Progress | undefined
    await ask(model, PROMPTS, questions, {
      onProgress: (progress) => {
        last = progress
      },
    })
    return last!.total
  }
  const one = question([cut(0)], [cut(1)])
  const more = question([cut(0), cut(1)], [])
  expect(await work(one, one, one)).toBe(await work(one))
  // One run of 2 tokens through 2 layers, and the prompt's baseline is already there.
  expect(await work(one, more)).toBe((await work(one)) + 4)
})
