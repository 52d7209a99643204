import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { InputError } from '../src/errors.js'
import { type KnockoutPrompt, Model, type Progress } from '../src/model.js'
import type { Runtime } from '../src/runtime/runtime.js'
import { referenceCheckpoint } from './helpers/checkpoint.js'
import { runtime } from './helpers/graph.js'
import { inputError } from './prompts/helpers.js'
import { randomMamba } from './reference/random.js'

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

describe('Model.plan', () => {
  const lanes = (count: number): Model =>
    Model.open(referenceCheckpoint(REFERENCE), { ...runtime, lanes: count }, 1e9)
  /** A prompt of 100 tokens with so many runs of its last token. */
  const long = (runs: number): KnockoutPrompt => ({
    ids: new Array<number>(100).fill(1),
    knockouts: Array.from({ length: runs }, (_, i) => ({
      layers: [Math.floor(i / 99)],
      sources: [i % 99],
      targets: [99],
      features: 'all' as const,
    })),
  })
  const runsPerBatch = (model: Model, prompt: KnockoutPrompt): number[] =>
    model.plan([prompt]).batches.map(({ prompts: [{ runs }] }) => runs.length)

  it('gives every lane a part of the runs of one long prompt, but not for a few runs', () => {
    const [one, two, four] = [1, 2, 4].map(lanes)
    expect(runsPerBatch(one, long(201))).toEqual([201])
    expect(runsPerBatch(two, long(201))).toEqual([100, 101])
    expect(runsPerBatch(four, long(201))).toEqual([50, 50, 50, 51])
    // A quarter as many rows of runs as of the baseline, and each part has the whole baseline.
    expect(runsPerBatch(four, long(60))).toEqual([20, 20, 20])
    expect(runsPerBatch(four, long(25))).toEqual([25])
  })

  it('shares runs of suffixes, too: they go through after those of the last token', () => {
    const { ids, knockouts } = long(90)
    const suffixes = knockouts.slice(0, 10).map((knockout) => ({ ...knockout, targets: [50, 99] }))
    const prompt = {
      ids,
      knockouts: [...knockouts.slice(10), ...suffixes.filter(({ sources: [s] }) => s < 50)],
    }
    const batches = (model: Model): unknown[] =>
      model.plan([prompt]).batches.map(({ kind, prompts: [{ runs }] }) => [kind, runs.length])
    expect(batches(lanes(1))).toEqual([
      ['last', 80],
      ['suffix', 10],
    ])
    expect(batches(lanes(2)).slice(-2)).toEqual([
      ['suffix', 5],
      ['suffix', 5],
    ])
  })

  it('makes batches of a few prompts as large as each other', () => {
    // 4 prompts of 100 rows: 3 fit a batch.
    const prompts = new Array<KnockoutPrompt>(4).fill(long(0))
    const sizes = (model: Model): number[] => model.plan(prompts).batches.map((batch) => batch.prompts.length)
    expect(sizes(lanes(1))).toEqual([3, 1])
    expect(sizes(lanes(2))).toEqual([2, 2])
    expect(sizes(lanes(3))).toEqual([1, 1, 1, 1])
  })
})
