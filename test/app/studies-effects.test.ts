import { describe, expect, it } from 'vitest'
import { questionOf } from '../../app/state/question.js'
import { binsOf } from '../../app/views/studies/bins.js'
import { exploreParams } from '../../app/views/studies/explore-link.js'
import type { StudyCut, StudyEffect, StudyOverview } from '../../src/ui/study-protocol.js'

describe('bars of a histogram', () => {
  const total = (bins: readonly { count: number }[]): number =>
    bins.reduce((sum, { count }) => sum + count, 0)

  it('have round ends, hold every value once, and are at most as many as asked', () => {
    const values = Array.from({ length: 500 }, (_, i) => -100 + ((i * 37) % 500) / 4.9).sort((a, b) => a - b)
    const bins = binsOf(values, 500, 20)
    expect(total(bins)).toBe(500)
    expect(bins.length).toBeLessThanOrEqual(21)
    expect(bins[0]!.from).toBeLessThanOrEqual(values[0]!)
    expect(bins.at(-1)!.to).toBeGreaterThanOrEqual(values.at(-1)!)
    for (const [i, { from, to, count }] of bins.entries()) {
      const isLast = i === bins.length - 1
      const own = values.filter((value) => value >= from && (value < to || (isLast && value === to)))
      expect(count).toBe(own.length)
      expect(to - from).toBeCloseTo(bins[0]!.to - bins[0]!.from, 9)
    }
  })

  it.each([[[-5, -5, -5]], [[0]], [[-100, 0]], [[-1e-7, 2e-7]], [[-3, 1e6]]])(
    'hold few values: %j',
    (values) => {
      const bins = binsOf(values, values.length, 12)
      expect(total(bins)).toBe(values.length)
      expect(bins[0]!.from).toBeLessThanOrEqual(values[0]!)
      expect(bins.at(-1)!.to).toBeGreaterThanOrEqual(values.at(-1)!)
      expect(bins.length).toBeLessThanOrEqual(13)
    },
  )

  it('count the values that were not drawn', () => {
    expect(total(binsOf([1, 2, 3, 4], 400, 4))).toBe(400)
  })
})

describe('a prompt of a study in Explore', () => {
  const effect: StudyEffect = {
    ...{ promptId: 'x', prompt: 'The capital of France is', subject: 'France', answer: 'Paris' },
    ...{ relation: null, baseProb: 0.5, prob: 0.1, change: -80, rank: 3 },
  }
  const at: StudyCut = {
    ...{ model: 'label', dataset: 'd', window: 5, source: 'context', target: 'subject' },
    features: 'context-dependent',
  }
  const overview = { modelsInfo: [{ model: 'label', openedFrom: 'owner/model' }] } as unknown as StudyOverview

  it('is a question with the cut', () => {
    const params = exploreParams(effect, at, 4, overview)!
    const given = Object.entries(params).filter(([, value]) => value !== undefined)
    const question = questionOf(new URLSearchParams(given.map(([name, value]) => [name, String(value)])))
    expect(question).toMatchObject({
      ...{ model: 'owner/model', prompt: effect.prompt, subject: { start: 15, end: 21 }, answer: 'Paris' },
      ...{ window: 5, target: 'subject', features: 'context-dependent' },
    })
    expect(question.cell).toBeUndefined()
    expect(question.point).toEqual({ flow: question.flows!.at(-1), start: 4 })
    expect(question.flows!.at(-1)).toEqual({
      source: 'context',
      target: 'subject',
      features: 'context-dependent',
    })
  })

  it('needs the prompt and the model', () => {
    expect(exploreParams({ ...effect, prompt: null }, at, 0, overview)).toBeUndefined()
    expect(exploreParams(effect, { ...at, model: 'other' }, 0, overview)).toBeUndefined()
    const lost = exploreParams({ ...effect, subject: 'Spain' }, at, 0, overview)
    expect(lost!.subject).toBeUndefined()
  })
})
