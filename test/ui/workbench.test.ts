import { beforeAll, describe, expect, it } from 'vitest'
import { loadModel } from '../../src/load.js'
import type { Model } from '../../src/model.js'
import { ModelPool } from '../../src/ui/model-pool.js'
import type { CallProgress } from '../../src/ui/protocol.js'
import { Workbench } from '../../src/ui/workbench.js'
import { referenceProbs } from '../reference/engine.js'
import { readFixture } from '../reference/safetensors.js'

const FOLDER = 'test/fixtures/trained/first/tiny-mamba1'
const PROMPT = 'The continent to which Greece belongs is'
const GREECE = { start: 23, end: 29 }
const ASKED = { model: { name: 'greek' }, prompt: PROMPT }
const EXPLORE = { ...ASKED, window: 9, target: 'last', features: 'all' } as const
const SUBJECT_FLOW = { source: 'subject', target: 'last', features: 'all' } as const

let model: Model
let bench: Workbench
beforeAll(async () => {
  model = await loadModel(FOLDER, { threads: 1 })
  const pool = new ModelPool({ list: async () => [], load: async () => model })
  bench = new Workbench(pool)
  return () => pool.close()
})

it('open says what the model is', async () => {
  expect(await bench.open({ model: ASKED.model }, {})).toEqual({
    ...{ name: FOLDER, family: 'Mamba-1', modelType: 'mamba', nLayers: 24, dModel: 128, vocabSize: 4096 },
    ...{ parameters: model.spec.parameters, defaultWindow: 9, took: expect.any(Number) },
    ...{ featureCategories: ['all', 'context-dependent', 'context-independent'] },
    runtime: expect.stringMatching(/^ONNX Runtime .*, CPU, 1 thread$/),
  })
})

describe('encode', () => {
  it('gives tokens, and which of them are the subject', async () => {
    const encoded = await bench.encode({ ...ASKED, subject: GREECE }, {})
    expect(encoded.tokens.map(({ text }) => text).join('')).toBe(PROMPT)
    for (const { text, start, end } of encoded.tokens) expect(PROMPT.slice(start, end)).toBe(text)
    expect(encoded.subject).toEqual([4])
    expect((await bench.encode(ASKED, {})).subject).toEqual([])
  })

  it('marks the subject where it was marked, not where its words stand first', async () => {
    const prompt = 'Rome, the Rome of'
    const last = await bench.encode({ ...ASKED, prompt, subject: { start: 10, end: 14 } }, {})
    const texts = last.subject.map((i) => last.tokens[i]!)
    expect(texts[0]!.start).toBeLessThanOrEqual(10)
    expect(texts[0]!.start).toBeGreaterThan(4)
  })

  it.each([
    ['an empty prompt', { prompt: ' \n' }, /^prompt: must not be empty/],
    [
      'a subject beyond the prompt',
      { subject: { start: 2, end: 99 } },
      /^subject: must end in the prompt, got character 99 of 40/,
    ],
    ['a subject of nothing', { subject: { start: 3, end: 3 } }, /subject/],
    ['a subject that ends before it begins', { subject: { start: 9, end: 3 } }, /subject/],
  ])('of %s is an error in words', async (_, over, message) => {
    const asked = bench.encode({ ...ASKED, ...over }, {})
    await expect(asked).rejects.toThrow(message)
    await expect(asked).rejects.toMatchObject({ name: 'InputError' })
  })
})

describe('explore', () => {
  it('cuts each token, and each role that has tokens', async () => {
    const flows = [SUBJECT_FLOW, { ...SUBJECT_FLOW, source: 'context' }] as const
    const marked = await bench.explore({ ...EXPLORE, subject: GREECE, flows: [...flows] }, {})
    expect(marked.heatmap.map((row) => row.length)).toEqual(marked.tokens.map(() => 16))
    expect(marked.curves.map(({ source, points }) => [source, points.length])).toEqual([
      ['subject', 16],
      ['context', 16],
    ])
    // One token is the subject: its row of the heatmap is the subject's curve.
    expect(marked.curves[0]!.points.map(({ prob }) => prob)).toEqual(
      marked.heatmap[4]!.map(({ prob }) => prob),
    )
    const unmarked = await bench.explore({ ...EXPLORE, flows: [SUBJECT_FLOW] }, {})
    expect(unmarked.curves).toEqual([])
    expect(unmarked.heatmap).toHaveLength(marked.heatmap.length)
  })

  it('says how far it is, and stops when told to', async () => {
    const progress: CallProgress[] = []
    const stop = new AbortController()
    const asked = bench.explore(
      { ...EXPLORE, flows: [SUBJECT_FLOW], subject: GREECE },
      {
        signal: stop.signal,
        onProgress: (one) => {
          progress.push(one)
          if (one.done > 0.3 * one.total) stop.abort(new Error('enough'))
        },
      },
    )
    await expect(asked).rejects.toThrow('enough')
    const { done, total, what, unit } = progress.at(-1)!
    expect({ what, unit }).toEqual({ what: 'computing', unit: 'rows' })
    expect(done).toBeLessThan(total)
    // The model goes on.
    const after = await bench.cut({ ...ASKED, answer: 'Asia', knockouts: [] }, {})
    expect(after).toMatchObject({ answer: { text: ' Asia' }, answerIsOwn: false, knocked: [] })
  })
})

describe('cut', () => {
  it('is of the model’s own choice where no answer is given', async () => {
    const probs = referenceProbs(
      readFixture(FOLDER),
      (await model.tokenizer()).encode(PROMPT).map(({ id }) => id),
    )
    const best = probs.indexOf(Math.max(...probs))
    for (const answer of [undefined, '', '  ']) {
      expect(await bench.cut({ ...ASKED, answer, knockouts: [] }, {})).toMatchObject({
        ...{ answer: { id: best, text: ' Europe' }, answerIsOwn: true, base: { rank: 1 } },
      })
    }
  })

  it('gives one outcome for each knockout, in their order', async () => {
    const knockout = { layers: [5], sources: [4], targets: [6], features: 'all' } as const
    const nothing = { ...knockout, sources: [6], targets: [4] }
    const { base, knocked } = await bench.cut({ ...ASKED, knockouts: [nothing, knockout].map(plain) }, {})
    expect(knocked).toHaveLength(2)
    // From a later token to an earlier one there is nothing to cut.
    expect(knocked[0]).toEqual({ ...base, change: 0 })
    expect(knocked[1]!.prob).not.toBe(base.prob)
    expect(base.top).toHaveLength(5)
    expect(base).toMatchObject({ rank: 1, prob: base.top[0]!.prob })
  })

  it.each([
    ['a position', { sources: [7] }],
    ['a layer', { layers: [24] }],
  ])('of %s that is not there is an error in words', async (_, over) => {
    const knockout = { layers: [5], sources: [4], targets: [6], features: 'all' as const, ...over }
    await expect(bench.cut({ ...ASKED, knockouts: [knockout] }, {})).rejects.toThrow(/knockout 0/)
  })
})

function plain<
  T extends { layers: readonly number[]; sources: readonly number[]; targets: readonly number[] },
>(knockout: T) {
  const { layers, sources, targets } = knockout
  return { ...knockout, layers: [...layers], sources: [...sources], targets: [...targets] }
}
