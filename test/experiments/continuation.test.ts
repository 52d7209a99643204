/** Greedy continuations: against the plain way in float64 and against transformers; many prompts. */
import fc from 'fast-check'
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest'
import {
  type EvaluateSettings,
  evaluate,
  evaluationTexts,
  PROMPTS_AT_ONCE,
} from '../../src/experiments/evaluate.js'
import { loadModel } from '../../src/load.js'
import { Model, type Progress } from '../../src/model.js'
import { type PreparedPrompt, preparePrompt } from '../../src/prompts/facts.js'
import { referenceCheckpoint } from '../helpers/checkpoint.js'
import { anyScenario, draws, FAMILY_NAMES } from '../knockout/arbitraries.js'
import { recordingRuntime, runtime } from '../knockout/sweep-helpers.js'
import { readJson } from '../prompts/helpers.js'
import { referenceProbs } from '../reference/engine.js'
import type { ReferenceModel } from '../reference/model.js'
import { randomGpt2, randomMamba } from '../reference/random.js'

/** On probabilities: of tokens that are closer float32 may take either for the more probable one. */
const NEAR = 1e-5
/** Relative, on probabilities down to 1e-8: two float32 computations of 16 to 24 layers. */
const TRAINED_TOLERANCE = 1e-3

function prompt(ids: readonly number[], answer = 0): PreparedPrompt {
  const fact = { id: `${ids}`, prompt: '', subject: '', answer: '' }
  return { fact, tokens: [], ids: [...ids], subject: [0], answer, answerIds: [answer] }
}

/** The plain way: the most probable token, appended, again; as long as one is clearly the most probable. */
function plainly(reference: ReferenceModel, ids: readonly number[], count: number): number[] {
  const written: number[] = []
  while (written.length < count) {
    const probs = referenceProbs(reference, [...ids, ...written])
    const [first, second] = Float64Array.from(probs).sort().reverse()
    if (first - (second ?? 0) < NEAR) break
    written.push(probs.indexOf(first))
  }
  return written
}

afterEach(() => {
  vi.restoreAllMocks()
})

describe.each(FAMILY_NAMES)('%s', (family) => {
  it('writes what appending the most probable token again and again does', async () => {
    const anyAsk = fc.record({ scenario: anyScenario(family, 0), count: fc.integer({ min: 1, max: 9 }) })
    const seen = { tokens: 0, wanted: 0, short: 0 }
    await fc.assert(
      fc.asyncProperty(anyAsk, async ({ scenario: { model: random, prompts }, count }) => {
        const reference = random.make()
        const model = Model.open(referenceCheckpoint(reference), runtime)
        const settings = { continuation: count, topK: 2 }
        const found = await evaluate(
          model,
          prompts.map(({ ids, answer }) => prompt(ids, answer)),
          settings,
        )
        await model.close()
        found.forEach(({ base, continuation }, p) => {
          const { ids } = prompts[p]
          const most =
            'nPositions' in reference.config ? reference.config.nPositions : Number.POSITIVE_INFINITY
          const length = Math.min(count, most - ids.length + 1)
          expect(continuation).toHaveLength(length)
          expect([base.top, base.topK![0].id]).toEqual([continuation![0], continuation![0]])
          const plain = plainly(reference, ids, length)
          expect(continuation!.slice(0, plain.length)).toEqual(plain)
          seen.tokens += plain.length
          seen.wanted += length
          if (length < count) seen.short++
        })
      }),
      draws(8),
    )
    expect(seen.tokens).toBeGreaterThan(0.8 * seen.wanted)
    expect(seen.short > 0).toBe(family === 'gpt2')
  })
})

interface Case {
  readonly id: string
  readonly prompt: string
  readonly subject: string
  readonly answer: string
  readonly tokens: number[]
  readonly answerTokens: number[]
  readonly top: [id: number, prob: number][]
  readonly continuation: number[]
  readonly text: string
}

describe.each(['tiny-mamba1', 'tiny-mamba2', 'tiny-gpt2'])('%s, against transformers', (name) => {
  it('writes the same, ends of texts and what comes after them included; the top is the same', async () => {
    const cases = readJson(`test/fixtures/trained/continuations/${name}.json`) as unknown as Case[]
    expect(cases.length).toBe(12)
    const model = await loadModel(name, { threads: 1 })
    const tokenizer = await model.tokenizer()
    const prompts = cases.map((fact) => preparePrompt(tokenizer, fact))
    const evaluations = await evaluate(model, prompts, { topK: 5, continuation: 8 })
    await model.close()
    evaluations.forEach((evaluation, i) => {
      const { prompt: own, base, continuation } = evaluation
      const wanted = cases[i]
      expect([own.ids, own.answerIds, own.answer]).toEqual([
        wanted.tokens,
        wanted.answerTokens,
        wanted.answerTokens[0],
      ])
      expect(continuation).toEqual(wanted.continuation)
      expect(base.topK!.map(({ id }) => id)).toEqual(wanted.top.map(([id]) => id))
      base.topK!.forEach(({ prob }, k) => {
        const [, right] = wanted.top[k]
        expect(Math.abs(prob - right)).toBeLessThanOrEqual(TRAINED_TOLERANCE * right)
      })
      const texts = evaluationTexts(evaluation, tokenizer)
      expect(texts.continuation).toBe(wanted.text)
      expect(texts.answerTokens.join('')).toBe(wanted.answer)
      expect(texts.top).toEqual(
        base.topK!.map(({ id, prob }) => ({ id, text: tokenizer.tokenText(id), prob })),
      )
    })
    // Some answers have several tokens, and some continuations go on behind the end of a text.
    expect(cases.some(({ answerTokens }) => answerTokens.length > 3)).toBe(true)
    expect(cases.some(({ text }) => text.includes('<|endoftext|>.'))).toBe(true)
  })
})

const SMALL = randomMamba(7, {
  nLayers: 2,
  dModel: 8,
  dState: 2,
  dtRank: 1,
  convKernel: 2,
  vocabSize: 20,
  tied: false,
})

describe('settings', () => {
  const model = Model.open(referenceCheckpoint(SMALL), runtime)
  afterAll(() => model.close())
  const some = [prompt([1, 2, 3]), prompt([4]), prompt([5, 6])]

  it('without a continuation there is none', async () => {
    for (const settings of [{}, { continuation: 0 }]) {
      for (const evaluation of await evaluate(model, some, settings)) {
        expect(evaluation).not.toHaveProperty('continuation')
        expect(evaluation.base).not.toHaveProperty('topK')
      }
    }
  })

  it('one token is the top, at no further cost', async () => {
    const knockout = vi.spyOn(model, 'knockout')
    const found = await evaluate(model, some, { continuation: 1 })
    expect(knockout).toHaveBeenCalledTimes(1)
    expect(found.map(({ continuation }) => continuation)).toEqual(found.map(({ base }) => [base.top]))
  })

  it('a sweep for each token more, of base rows alone; what is asked of prompts is asked once', async () => {
    const knockout = vi.spyOn(model, 'knockout')
    const found = await evaluate(model, some, { continuation: 4, topK: 3, probs: true })
    expect(knockout.mock.calls.map(([asked]) => asked.map(({ ids }) => ids.length))).toEqual(
      [0, 1, 2, 3].map((more) => some.map(({ ids }) => ids.length + more)),
    )
    knockout.mock.calls.forEach(([asked, settings], i) => {
      for (const { knockouts } of asked) expect(knockouts).toEqual([])
      expect([settings?.topK, settings?.probs]).toEqual(i === 0 ? [3, true] : [undefined, undefined])
    })
    for (const { base, continuation } of found) {
      expect(base.probs).toHaveLength(20)
      expect(base.topK).toHaveLength(3)
      expect(continuation).toHaveLength(4)
    }
  })

  it('progress is one, in tokens through layers', async () => {
    const seen: Progress[] = []
    await evaluate(model, some, { continuation: 3, onProgress: (progress) => seen.push(progress) })
    // 6 tokens, then 9, then 12.
    const total = 2 * (6 + 9 + 12)
    expect(seen.map((progress) => progress.total)).toEqual(seen.map(() => total))
    const done = seen.map((progress) => progress.done)
    expect(done).toEqual([...done].sort((a, b) => a - b))
    expect(done.at(-1)).toBe(total)
    expect(done).toContain(2 * 6)
    expect(done).toContain(2 * 15)
  })

  it('can be told to stop in the middle', async () => {
    const controller = new AbortController()
    const stopped = evaluate(model, some, {
      continuation: 3,
      signal: controller.signal,
      onProgress: ({ done }) => {
        if (done > 2 * 6) controller.abort(new Error('enough'))
      },
    })
    await expect(stopped).rejects.toThrow('enough')
  })

  it.each<[EvaluateSettings, string]>([
    [{ continuation: -1 }, 'continuation: must be a whole number from 0, got -1; change it'],
    [{ continuation: 1.5 }, 'continuation: must be a whole number from 0, got 1.5; change it'],
    [{ topK: -1 }, 'topK: must be a whole number from 0, got -1; change it'],
    [{ topK: Number.NaN }, 'topK: must be a whole number from 0, got NaN; change it'],
  ])('%j is refused', async (settings, message) => {
    await expect(evaluate(model, some, settings)).rejects.toThrow(message)
  })

  it('a continuation that will not fit in the memory is refused before the work begins', async () => {
    const small = Model.open(referenceCheckpoint(SMALL), runtime, 25 * 2 ** 20)
    const knockout = vi.spyOn(small, 'knockout')
    expect(await evaluate(small, some)).toHaveLength(3)
    knockout.mockClear()
    await expect(evaluate(small, some, { continuation: 100_000 })).rejects.toThrow(
      '--memory: for a prompt of 100002 tokens',
    )
    expect(knockout).not.toHaveBeenCalled()
    await small.close()
  })
})

describe('learned positions', () => {
  const reference = randomGpt2(3, {
    nLayers: 1,
    dModel: 8,
    nHeads: 2,
    nPositions: 6,
    vocabSize: 20,
    tied: true,
  })
  const model = Model.open(referenceCheckpoint(reference), runtime)

  afterAll(() => model.close())

  it('end a continuation: the last token is that after all positions', async () => {
    const some = [1, 4, 5, 6].map((length) => prompt(new Array<number>(length).fill(3)))
    const seen: Progress[] = []
    const found = await evaluate(model, some, {
      continuation: 3,
      onProgress: (progress) => seen.push(progress),
    })
    expect(found.map(({ continuation }) => continuation!.length)).toEqual([3, 3, 2, 1])
    // All of them, then three with a token more, then two.
    expect(seen.at(-1)).toEqual({ done: 16 + 13 + 9, total: 16 + 13 + 9 })
  })

  it('are asked for by none of the prompts in vain', async () => {
    const knockout = vi.spyOn(model, 'knockout')
    await evaluate(model, [prompt([1, 2, 3, 4, 5, 6])], { continuation: 3 })
    expect(knockout.mock.calls.flatMap(([asked]) => asked)).toHaveLength(1)
  })
})

describe('many prompts', () => {
  const count = PROMPTS_AT_ONCE + 3
  const many = Array.from({ length: count }, (_, i) =>
    prompt([i % 20, (i * 7) % 19, i % 3].slice(0, 1 + (i % 3)), i % 20),
  )

  it('go in chunks, their results in order, and no logits leave the sessions', async () => {
    const on = recordingRuntime()
    const model = Model.open(referenceCheckpoint(SMALL), on)
    const knockout = vi.spyOn(model, 'knockout')
    const seen: Progress[] = []
    const found = await evaluate(model, many, {
      topK: 3,
      continuation: 2,
      onProgress: (progress) => seen.push(progress),
    })
    expect(knockout.mock.calls.map(([asked]) => asked.length)).toEqual([
      PROMPTS_AT_ONCE,
      PROMPTS_AT_ONCE,
      3,
      3,
    ])
    expect(on.recorded.filter(({ out }) => 'logits' in out)).toEqual([])
    const last = seen.at(-1)!
    expect(last.done).toBe(last.total)
    expect(seen.every(({ done }, i) => done >= (seen[i - 1]?.done ?? 0))).toBe(true)
    expect(found.map((evaluation) => evaluation.prompt)).toEqual(many)
    // Those of both chunks, asked alone.
    for (const i of [0, 1, 2, PROMPTS_AT_ONCE - 1, PROMPTS_AT_ONCE, count - 1]) {
      const [alone] = await evaluate(model, [many[i]], { topK: 3, continuation: 2 })
      expect(found[i].continuation).toEqual(alone.continuation)
      expect(found[i].base.rank).toBe(alone.base.rank)
      expect(Math.abs(found[i].base.prob - alone.base.prob)).toBeLessThan(NEAR)
    }
    await model.close()
  })

  it('are checked before the work begins, by their numbers', async () => {
    const model = Model.open(referenceCheckpoint(SMALL), runtime)
    const knockout = vi.spyOn(model, 'knockout')
    await expect(evaluate(model, [...many, prompt([20])])).rejects.toThrow(
      `prompt ${count}: token ids must be`,
    )
    expect(knockout).not.toHaveBeenCalled()
    await model.close()
  })
})
