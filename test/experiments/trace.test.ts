import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { PAPER_FLOWS } from '../../src/experiments/flows.js'
import { heatmaps } from '../../src/experiments/heatmap.js'
import { infoFlow } from '../../src/experiments/info-flow.js'
import { prepare, trace } from '../../src/experiments/trace.js'
import type { Prediction } from '../../src/knockout/head.js'
import { defaultWindow } from '../../src/knockout/knockout.js'
import type { Model, Progress } from '../../src/model.js'
import { openTiny } from './helpers.js'

/** Relative, on probabilities: one sweep and two add the float32 terms of a product in another order. */
const BATCH_TOLERANCE = 1e-4

const TEXT = 'The continent to which Greece belongs is'

let model: Model
beforeAll(async () => {
  model = await openTiny()
})
afterAll(() => model.close())

function expectNear(got: readonly Prediction[], wanted: readonly Prediction[]): void {
  expect(got).toHaveLength(wanted.length)
  got.forEach(({ prob }, i) => {
    expect(Math.abs(prob / wanted[i].prob - 1)).toBeLessThan(BATCH_TOLERANCE)
  })
}

it('the window is 9 layers, or a third of the layers in models of fewer than 24', () => {
  const windows = [1, 2, 4, 5, 12, 23, 24, 64].map(defaultWindow)
  expect(windows).toEqual([1, 1, 1, 2, 4, 8, 9, 9])
})

describe('prepare', () => {
  it('puts prompt, subject and answer into tokens', async () => {
    const tokenizer = await model.tokenizer()
    const { fact, ids, subject, answer } = await prepare(model, TEXT, { subject: 'Greece', answer: 'Asia' })
    expect(fact).toMatchObject({ prompt: TEXT, subject: 'Greece', answer: 'Asia' })
    expect(ids).toEqual(tokenizer.encode(TEXT).map(({ id }) => id))
    expect(subject).toEqual([4])
    expect(tokenizer.tokenText(answer)).toBe(' Asia')
  })

  it('takes what the model finds most probable when no answer is given', async () => {
    const { fact, ids, tokens, subject, answer } = await prepare(model, TEXT, { subject: 'Greece' })
    const [{ base }] = await model.knockout([{ ids, answer, knockouts: [] }])
    expect(base).toMatchObject({ rank: 1, top: answer })
    expect(fact).toMatchObject({ prompt: TEXT, subject: 'Greece', answer: ' Europe' })
    const same = await prepare(model, TEXT, { subject: 'Greece', answer: 'Europe' })
    expect({ ids, tokens, subject, answer }).toEqual({
      ids: same.ids,
      tokens: same.tokens,
      subject: same.subject,
      answer: same.answer,
    })
  })

  it('takes a subject that stands there twice where it is said to start, and prompts without one', async () => {
    const twice = 'Greece and Greece is in'
    const second = await prepare(model, twice, { subject: 'Greece', subjectStart: 11, answer: 'Asia' })
    const first = await prepare(model, twice, { subject: 'Greece', subjectStart: 0, answer: 'Asia' })
    expect(second.subject.map((at) => second.tokens[at].start)).toEqual([10])
    expect(first.subject.map((at) => first.tokens[at].start)).toEqual([0, 3])
    expect((await prepare(model, twice, { answer: 'Asia' })).subject).toEqual([])
    const traced = await trace(model, twice, { answer: 'Asia', window: 20 })
    const drawn = traced.infoFlow.curves.filter(({ points }) => points.length > 0)
    expect(drawn.map(({ flow }) => flow.source)).toEqual(['relation', 'relation-minus-last', 'last', 'first'])
  })

  it.each<[{ subject: string; answer?: string }, string]>([
    [{ subject: 'Rome' }, '--subject: subject must stand in the prompt, got subject "Rome"'],
    [{ subject: 'Rome', answer: 'Italy' }, '--subject: subject must stand in the prompt, got subject "Rome"'],
    [{ subject: 'on' }, '--subject: subject must stand in the prompt once, got "on" at characters '],
    [{ subject: ' ' }, '--subject: subject must not be empty, got " "'],
    [{ subject: 'Greece', answer: ' ' }, 'answer must not be empty, got " "'],
  ])('refuses %j', async (options, message) => {
    const text = options.subject === 'on' ? 'on and on' : TEXT
    await expect(prepare(model, text, options)).rejects.toThrow(message)
  })
})

describe('trace', () => {
  it('is the heatmap and the curves of one prompt, in one sweep', async () => {
    const flows = PAPER_FLOWS.slice(0, 3)
    const seen: Progress[] = []
    const options = { subject: 'Greece', answer: 'Europe', window: 18, flows }
    const found = await trace(model, TEXT, { ...options, onProgress: (progress) => seen.push(progress) })
    const prompt = await prepare(model, TEXT, options)
    const [heatmap] = await heatmaps(model, [prompt], options)
    const curves = await infoFlow(model, [prompt], options)

    expect(found).toMatchObject({ prompt, window: 18 })
    expect(found.base).toEqual(found.heatmap.base)
    expectNear([found.base], [heatmap.base])
    const { knocked, base: _, ...rest } = heatmap
    expect(found.heatmap).toMatchObject(rest)
    expectNear(found.heatmap.knocked.flat(), knocked.flat())
    expect(found.infoFlow.curves.map(({ flow }) => flow)).toEqual(flows)
    expectNear(
      found.infoFlow.measurements.map((m) => m.knocked),
      curves.measurements.map((m) => m.knocked),
    )
    // One sweep: 7 base rows in 24 layers, and 9 sources (7 tokens, and 2 feature categories of the subject; all of
    // its features are in the heatmap) in windows that start at layers 0 to 6.
    const windows = [0, 1, 2, 3, 4, 5, 6]
    const total = 7 * 24 + 9 * windows.reduce((sum, first) => sum + 24 - first, 0)
    expect(seen.at(-1)).toEqual({ done: total, total })
  })

  it("fills in the window, the curves and the heatmap's target, and is a method of the model", async () => {
    const found = await model.trace(TEXT, { subject: 'Greece' })
    expect(found.window).toBe(9)
    expect(found.heatmap).toMatchObject({ target: 'last', features: 'all', window: 9 })
    expect(found.infoFlow.curves.map(({ flow }) => flow)).toEqual(PAPER_FLOWS)
    const { target, features } = (
      await model.trace(TEXT, {
        subject: 'Greece',
        window: 24,
        target: 'subject',
        features: 'context-independent',
        flows: [],
      })
    ).heatmap
    expect({ target, features }).toEqual({ target: 'subject', features: 'context-independent' })
  })

  it('refuses a window that does not fit before it asks the model anything', async () => {
    let asked = 0
    const counted = trace(model, TEXT, { subject: 'Greece', window: 25, onProgress: () => asked++ })
    await expect(counted).rejects.toThrow(
      '--window: a window must have from 1 to 24 layers (the model has 24), got 25; change it',
    )
    expect(asked).toBe(0)
    await expect(trace(model, TEXT, { subject: 'Rome', window: 9 })).rejects.toThrow('--subject: ')
  })

  it('stops when told to', async () => {
    const signal = AbortSignal.abort(new Error('enough'))
    await expect(trace(model, TEXT, { subject: 'Greece', answer: 'Europe', signal })).rejects.toThrow(
      'enough',
    )
  })
})
