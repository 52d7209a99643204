import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openFolder } from '../src/checkpoints/folder.js'
import { InputError } from '../src/errors.js'
import { windowLayers, windowStarts } from '../src/knockout/knockout.js'
import { loadModel } from '../src/load.js'
import { type KnockoutPrompt, Model, type Progress } from '../src/model.js'
import type { FeatureCategory } from '../src/models/architecture.js'
import { preparePrompt } from '../src/prompts/facts.js'
import { type Role, rolePositions } from '../src/prompts/roles.js'
import type { Runtime } from '../src/runtime/runtime.js'
import { referenceCheckpoint } from './helpers/checkpoint.js'
import { maxDifference, runtime } from './knockout/sweep-helpers.js'
import { inputError } from './prompts/helpers.js'
import { randomMamba } from './reference/random.js'

/** Absolute, on probabilities: two float32 computations of 5 layers, and the oracle's 7 printed digits. */
const ORACLE_TOLERANCE = 5e-6
/** Relative, on probabilities down to 1e-3: two float32 computations of 24 layers; the oracle itself is float32. */
const TRAINED_TOLERANCE = 2e-4
function readJson<T>(path: string): T {
  return JSON.parse(readFileSync(new URL(`fixtures/${path}`, import.meta.url), 'utf8')) as T
}

describe('parity: a random Hugging Face checkpoint with the knockout code of the paper authors', () => {
  interface OracleCase {
    tokens: number[]
    baseProbs: number[]
    knockouts: {
      layers: number[]
      sources: number[]
      targets: number[]
      features: FeatureCategory
      probs: number[]
    }[]
  }
  const { cases } = readJson<{ cases: OracleCase[] }>('oracle/mamba1-hf/cases.json')

  it('228 knockouts of 3 prompts, whole distributions', async () => {
    const folder = new URL('fixtures/oracle/mamba1-hf', import.meta.url).pathname
    const model = Model.open(await openFolder(folder), runtime)
    const results = await model.knockout(
      cases.map(({ tokens, knockouts }) => ({ ids: tokens, knockouts })),
      { probs: true },
    )
    await model.close()
    let count = 0
    let effect = 0
    cases.forEach(({ baseProbs, knockouts }, c) => {
      expect(maxDifference(results[c].base.probs!, baseProbs)).toBeLessThanOrEqual(ORACLE_TOLERANCE)
      knockouts.forEach(({ probs, ...knockout }, k) => {
        const difference = maxDifference(results[c].knockouts[k].probs!, probs)
        expect(difference, JSON.stringify(knockout)).toBeLessThanOrEqual(ORACLE_TOLERANCE)
        effect = Math.max(effect, maxDifference(probs, baseProbs))
        count++
      })
    })
    expect(count).toBe(228)
    expect(effect).toBeGreaterThan(500 * ORACLE_TOLERANCE) // or agreement would mean nothing
  })
})

describe('parity: a trained model on real prompts', () => {
  interface TrainedCase {
    prompt: string
    subject: string
    answer: string
    tokens: number[]
    subjectTokens: number[]
    answerToken: number
    baseProb: number
    window: number
    /** The answer's probability per window start, target last; keys are `source` or `source:features`. */
    curves: Record<string, number[]>
  }
  const cases = readJson<TrainedCase[]>('trained/tiny-mamba1.json')

  it('31 prompts: tokens, subject, answer, base probability and every curve', async () => {
    const model = await loadModel('tiny-mamba1', { threads: 1 })
    const tokenizer = await model.tokenizer()
    const prepared = cases.map(({ prompt, subject, answer }) =>
      preparePrompt(tokenizer, { id: prompt, prompt, subject, answer }),
    )
    const prompts = prepared.map(({ ids, answer, subject }, p) => {
      const { window, curves } = cases[p]
      const knockouts = Object.keys(curves).flatMap((curve) => {
        const [source, features = 'all'] = curve.split(':')
        return windowStarts(24, window).map((first) => ({
          layers: windowLayers(first, window),
          sources: rolePositions(source as Role, { length: ids.length, subject }),
          targets: [ids.length - 1],
          features: features as FeatureCategory,
        }))
      })
      return { ids, answer, knockouts }
    })
    const results = await model.knockout(prompts)
    await model.close()
    let count = 0
    const expectNear = (got: number, want: number, what: string): void => {
      expect(Math.abs(got / want - 1), what).toBeLessThanOrEqual(TRAINED_TOLERANCE)
      count++
    }
    cases.forEach(({ tokens, subjectTokens, answerToken, baseProb, curves }, p) => {
      const { fact, ids, subject, answer } = prepared[p]
      expect({ ids, subject, answer }).toEqual({ ids: tokens, subject: subjectTokens, answer: answerToken })
      expectNear(results[p].base.prob, baseProb, fact.prompt)
      const wanted = Object.entries(curves).flatMap(([curve, probs]) =>
        probs.map((prob) => ({ curve, prob })),
      )
      expect(results[p].knockouts).toHaveLength(wanted.length)
      wanted.forEach(({ curve, prob }, k) => {
        expectNear(results[p].knockouts[k].prob, prob, `${fact.prompt}: ${curve}`)
      })
    })
    expect(count).toBe(31 * (1 + 6 * 16))
  })
})

const REFERENCE = randomMamba(5, {
  nLayers: 3,
  dModel: 12,
  dState: 4,
  dtRank: 2,
  convKernel: 3,
  vocabSize: 20,
  tied: false,
})

/** Prompts with knockouts of the last token and of others, some of which cut nothing. */
const PROMPTS: (KnockoutPrompt & { answer: number })[] = [
  {
    ids: [4, 1, 9, 7, 2],
    answer: 3,
    knockouts: [
      { layers: [1, 2], sources: [0, 1], targets: [4], features: 'all' },
      { layers: [0], sources: [1], targets: [2, 3], features: 'context-dependent' },
      { layers: [0], sources: [3], targets: [2], features: 'all' },
      { layers: [2], sources: [4], targets: [4], features: 'context-independent' },
    ],
  },
  { ids: [19], answer: 0, knockouts: [{ layers: [0, 1, 2], sources: [0], targets: [0], features: 'all' }] },
  { ids: [8, 8, 3], answer: 8, knockouts: [] },
]

describe('Model.knockout', () => {
  let model: Model
  beforeAll(() => {
    model = Model.open(referenceCheckpoint(REFERENCE), runtime)
  })
  afterAll(() => model.close())

  it('gives whole distributions only when asked: they sum to 1 and hold the answer', async () => {
    const results = await model.knockout(PROMPTS, { probs: true })
    const plain = await model.knockout(PROMPTS)
    results.forEach(({ base, knockouts }, p) => {
      const { answer } = PROMPTS[p]
      expect(knockouts).toHaveLength(PROMPTS[p].knockouts.length)
      for (const { probs, prob, logProb, rank, top } of [base, ...knockouts]) {
        expect(probs).toHaveLength(20)
        expect(probs!.reduce((sum, value) => sum + value, 0)).toBeCloseTo(1, 5)
        expect(probs![answer]).toBeCloseTo(prob, 6)
        expect(prob).toBe(Math.exp(logProb))
        expect(rank).toBe(1 + probs!.filter((value) => value > probs![answer]).length)
        expect(probs![top]).toBe(Math.max(...probs!))
      }
      const without = ({ probs: _, ...rest }: (typeof knockouts)[number]) => rest
      expect(plain[p]).toEqual({ base: without(base), knockouts: knockouts.map(without) })
    })
  })

  it('needs no answer: then there is no probability and no rank', async () => {
    const prompts = PROMPTS.map(({ answer: _, ...prompt }) => prompt)
    const results = await model.knockout([...prompts, PROMPTS[0]], { probs: true })
    const answered = await model.knockout([...PROMPTS, PROMPTS[0]], { probs: true })
    results.slice(0, -1).forEach(({ base, knockouts }, p) => {
      const same = answered[p]
      for (const [i, got] of [base, ...knockouts].entries()) {
        const want = i === 0 ? same.base : same.knockouts[i - 1]
        expect(got).toEqual({ ...want, logProb: Number.NaN, prob: Number.NaN, rank: Number.NaN })
      }
    })
    expect(results.at(-1)).toEqual(answered.at(-1))
  })

  it('of nothing is nothing', async () => {
    expect(await model.knockout([])).toEqual([])
  })

  it('answers equal knockouts alike, in the order asked', async () => {
    const [{ ids, answer, knockouts }] = PROMPTS
    const [asked] = await model.knockout([{ ids, answer, knockouts }])
    const order = [3, 0, 2, 0, 1, 3]
    const [again] = await model.knockout([{ ids, answer, knockouts: order.map((i) => knockouts[i]) }])
    expect(again.knockouts).toEqual(order.map((i) => asked.knockouts[i]))
    expect(asked.knockouts[2]).toEqual(asked.base)
  })

  it('reports progress in layer-rows, rising to the total', async () => {
    const seen: Progress[] = []
    await model.knockout(PROMPTS, { onProgress: (progress) => seen.push(progress) })
    // Suffix 1: 3 prompts padded to 5 tokens, runs of 2, 1 and 3 layers. Suffix 3: one prompt, one run of 3 layers.
    const total = 3 * 15 + (2 + 1 + 3) + 3 * 5 + 3 * 3
    expect(seen.map((progress) => progress.total)).toEqual(seen.map(() => total))
    const done = seen.map((progress) => progress.done)
    expect(done).toEqual([...done].sort((a, b) => a - b))
    expect(new Set(done).size).toBe(done.length)
    expect(done.at(-1)).toBe(total)
  })

  it('can be called again before it is done, whatever becomes of the call before', async () => {
    const calls = PROMPTS.flatMap(({ ids, answer, knockouts }) =>
      knockouts.map((knockout) => [{ ids, answer, knockouts: [knockout] }]),
    )
    const apart = []
    for (const prompts of calls) apart.push(await model.knockout(prompts))
    const fails = model.knockout(PROMPTS, { signal: AbortSignal.abort(new Error('not this one')) })
    const together = Promise.all(calls.map((prompts) => model.knockout(prompts)))
    await expect(fails).rejects.toThrow('not this one')
    expect(await together).toEqual(apart)
  })

  it('is done before the model closes, which frees every session', async () => {
    let alive = 0
    const counting: Runtime = {
      ...runtime,
      async createSession(graph) {
        const session = await runtime.createSession(graph)
        alive++
        return {
          run: (feeds, fetches) => session.run(feeds, fetches),
          release() {
            alive--
            return session.release()
          },
        }
      },
    }
    const closing = Model.open(referenceCheckpoint(REFERENCE), counting)
    const results = closing.knockout(PROMPTS)
    await closing.close()
    expect(alive).toBe(0)
    expect(await results).toHaveLength(PROMPTS.length)
    expect(alive).toBe(0)
  })

  it('stops when told to, with the reason', async () => {
    const early = model.knockout(PROMPTS, { signal: AbortSignal.abort(new Error('not at all')) })
    await expect(early).rejects.toThrow('not at all')
    const controller = new AbortController()
    let calls = 0
    const late = model.knockout(PROMPTS, {
      signal: controller.signal,
      onProgress: () => {
        if (++calls === 2) controller.abort(new Error('enough'))
      },
    })
    await expect(late).rejects.toThrow('enough')
    expect(calls).toBe(2)
    // The model is as good as before.
    expect((await model.knockout(PROMPTS)).map(({ base }) => base.rank)).not.toContain(Number.NaN)
  })

  it.each<[string, Partial<Record<keyof KnockoutPrompt, unknown>>, string]>([
    ['no tokens', { ids: [] }, 'prompt 1: a prompt must have one or more tokens, got none; add some'],
    ['no list', { ids: 'Paris' }, 'prompt 1: a prompt must have one or more tokens, got none; add some'],
    ...[20, -1, 1.5, Number.NaN, '3', null].flatMap((id): [string, Record<string, unknown>, string][] =>
      [[`token ${id}`, { ids: [1, id] }] as const, [`answer ${id}`, { answer: id }] as const].map(
        ([name, change]) => [
          name,
          change,
          `prompt 1: token ids must be whole numbers from 0 to 19 (the vocabulary has 20), got ${id}; use this model's tokenizer`,
        ],
      ),
    ),
    [
      'a layer out of range',
      { knockouts: [...PROMPTS[0].knockouts, { ...PROMPTS[0].knockouts[0], layers: [3] }] },
      'prompt 1: knockout 4: layers must be whole numbers from 0 to 2 (the model has 3), got 3; change it',
    ],
    [
      'a position out of range',
      { knockouts: [{ ...PROMPTS[0].knockouts[0], sources: [5] }] },
      'prompt 1: knockout 0: sources must be whole numbers from 0 to 4 (the prompt has 5), got 5; change it',
    ],
  ])('refuses %s, and says where', async (_name, change, message) => {
    const bad = { ...PROMPTS[0], ...change } as KnockoutPrompt
    await expect(model.knockout([PROMPTS[2], bad])).rejects.toThrow(new InputError(message))
    expect(inputError(() => model.check(bad, 'prompt 1'))).toBe(message)
  })
})
