import { describe, expect, it } from 'vitest'
import { FEATURE_CATEGORIES } from '../../src/models/architecture.js'
import { parseStudy } from '../../src/studies/study.js'
import {
  askedCurves,
  curveKey,
  curveKnockouts,
  flowCurves,
  partId,
  windowsFor,
} from '../../src/studies/work.js'

const MAMBA = { nLayers: 24, featureCategories: FEATURE_CATEGORIES }
const GPT = { nLayers: 12, featureCategories: ['all'] as const }

const study = (over: object): ReturnType<typeof parseStudy> =>
  parseStudy({ name: 's', models: ['a', 'b'], data: 'atlas', promptSets: { x: {}, y: {} }, ...over }, 's')

const prompt = {
  fact: { id: 'p', prompt: '', subject: '', answer: '' },
  tokens: [],
  ids: [1, 2, 3, 4, 5],
  subject: [0, 1],
  answer: 9,
  answerIds: [9],
}

describe('the work of a study', () => {
  it('takes windows by number and by default, once each, and tells those that do not fit', () => {
    expect(windowsFor([9, 'default', 1], 24)).toEqual({ fit: [9, 1], tooWide: [] })
    expect(windowsFor([9, 'default', 15], 12)).toEqual({ fit: [9, 4], tooWide: [15] })
  })

  it('has the paper’s flows by default, without features that a model has not', () => {
    const [one] = study({ infoFlow: { promptSets: 'x', windows: [3] } }).infoFlow!
    expect(flowCurves(one!, MAMBA)).toHaveLength(7)
    expect(flowCurves(one!, GPT).map(curveKey)).toEqual(
      ['subject', 'relation', 'relation-minus-last', 'last', 'first'].map((source) => `3 ${source}>last:all`),
    )
  })

  it('joins what several experiments ask of a prompt, each curve once', () => {
    const { asked, tooWide } = askedCurves(
      study({
        infoFlow: [
          { promptSets: ['x', 'y'], windows: [2, 3], flows: ['subject'] },
          { promptSets: 'y', windows: [3, 30], flows: ['subject', 'last'] },
          { promptSets: 'y', windows: [5], flows: ['last'], models: ['b'] },
        ],
        heatmaps: { promptSet: 'y', count: 1, windows: [3] },
      }),
      'a',
      MAMBA,
      new Map([
        ['x', ['p', 'q']],
        ['y', ['q', 'r']],
      ]),
    )
    expect(tooWide).toEqual([30])
    expect(new Map([...asked].map(([key, curves]) => [key, curves.map(curveKey)]))).toEqual(
      new Map([
        ['p', ['2 subject>last:all', '3 subject>last:all']],
        ['q', ['2 subject>last:all', '3 subject>last:all', '3 last>last:all', '3 token>last:all']],
        ['r', ['2 subject>last:all', '3 subject>last:all', '3 last>last:all']],
      ]),
    )
  })

  it('of a heatmap is every token in every window', () => {
    const curve = { window: 3, source: 'token', target: 'last', features: 'all' } as const
    const all = curveKnockouts(curve, prompt, 4)
    expect(all.map(({ position, firstLayer }) => [position, firstLayer])).toEqual(
      [0, 1, 2, 3, 4].flatMap((token) => [0, 1].map((first) => [token, first])),
    )
    expect(all[7]!.knockout).toEqual({ layers: [1, 2, 3], sources: [3], targets: [4], features: 'all' })
  })

  it('of a role without tokens is nothing', () => {
    const curve = { window: 3, source: 'context', target: 'last', features: 'all' } as const
    expect(curveKnockouts(curve, prompt, 4)).toEqual([])
  })

  it('has parts that are named after what is in them', () => {
    expect(partId('m', ['p', 'q'])).toBe(partId('m', ['p', 'q']))
    expect(partId('m', ['p', 'q'])).not.toBe(partId('m', ['q', 'p']))
    expect(partId('m')).toMatch(/^[0-9a-f]{20}$/)
  })
})
