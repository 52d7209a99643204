import { describe, expect, it } from 'vitest'
import {
  askedOf,
  type Comparison,
  comparisonOf,
  comparisonParams,
  layersOf,
} from '../../app/state/comparison.js'
import { depthOf, peakOf, startAt } from '../../app/state/depth.js'
import { anotherFact } from '../../app/state/facts.js'
import { differenceWords } from '../../app/views/compare/words.js'
import { FEATURE_CATEGORIES } from '../../src/models/architecture.js'

const of = (text: string): Comparison => comparisonOf(new URLSearchParams(text))

/** As an address would have it and be read again. */
function again(comparison: Comparison): Comparison {
  const params = Object.entries(comparisonParams(comparison)).filter(([, value]) => value !== undefined)
  return comparisonOf(new URLSearchParams(params.map(([name, value]) => [name, String(value)])))
}

describe('a comparison in an address', () => {
  it('is one fact in two models when the address says nothing', () => {
    const { a, b, share, target, features } = of('')
    expect([a.model, b.model]).toEqual(['tiny-mamba2', 'tiny-gpt2'])
    expect(b.prompt).toBe(a.prompt)
    expect({ share, target, features }).toEqual({ share: undefined, target: 'last', features: 'all' })
  })

  it('asks a question that is alone of another model, too', () => {
    const { a, b } = of('a.model=tiny-gpt2&a.prompt=Oslo+is+the+capital+of&a.subject=0-4')
    expect(b).toEqual({ ...a, model: 'tiny-mamba2', revision: undefined })
  })

  it('keeps what both sides have in common once', () => {
    const text =
      'a.model=m&a.prompt=Oslo+is&a.subject=0-4&a.answer=x&a.cell=1,2&b.model=n&b.revision=r&b.prompt=Rome+is&share=40&target=subject&features=context-dependent&roles=first'
    const comparison = of(text)
    expect(comparison).toMatchObject({
      share: 40,
      target: 'subject',
      features: 'context-dependent',
      roles: ['first'],
    })
    const params = comparisonParams(comparison)
    expect(params['a.target']).toBeUndefined()
    expect(params['b.features']).toBeUndefined()
    const read = again(comparison)
    expect(comparisonParams(read)).toEqual(params)
    expect(read).toMatchObject({
      share: 40,
      target: 'subject',
      features: 'context-dependent',
      roles: ['first'],
    })
    expect(read.a).toMatchObject({ model: 'm', prompt: 'Oslo is', answer: 'x', cell: { token: 1, start: 2 } })
    expect(read.b).toMatchObject({ model: 'n', revision: 'r', prompt: 'Rome is' })
    expect(again({ ...comparison, roles: [] }).roles).toEqual([])
  })

  it.each(['share=0', 'share=101', 'share=x', 'target=middle', 'features=some', 'roles=all'])(
    'takes %s as if it was not there',
    (text) => {
      const { share, target, features, roles } = of(text)
      expect([share, target, features]).toEqual([undefined, 'last', 'all'])
      expect(roles).toEqual(text.startsWith('roles') ? [] : ['subject', 'relation-minus-last'])
    },
  )

  it('cuts a share of each model’s depth, and all features where a model has no others', () => {
    const comparison = of('share=25&features=context-dependent')
    const mamba = askedOf(comparison, comparison.a, { nLayers: 24, featureCategories: FEATURE_CATEGORIES })
    const gpt = askedOf(comparison, comparison.b, { nLayers: 12, featureCategories: ['all'] })
    expect([mamba.window, mamba.features]).toEqual([6, 'context-dependent'])
    expect([gpt.window, gpt.features]).toEqual([3, 'all'])
    expect(gpt.flows?.every(({ features }) => features === 'all')).toBe(true)
    expect(askedOf(of(''), comparison.a, { nLayers: 24, featureCategories: ['all'] }).window).toBeUndefined()
    expect([layersOf(1, 12), layersOf(100, 12)]).toEqual([1, 12])
  })
})

describe('depth', () => {
  const deep = { nLayers: 24, window: 9 }
  const shallow = { nLayers: 12, window: 4 }

  it('is where the middle of a window is', () => {
    expect(depthOf(0, shallow)).toBeCloseTo(2 / 12)
    expect(depthOf(15, deep)).toBeCloseTo(19.5 / 24)
  })

  it('finds the window that is nearest, in either model', () => {
    for (let start = 0; start <= 15; start++) expect(startAt(depthOf(start, deep), deep)).toBe(start)
    expect(startAt(depthOf(8, deep), shallow)).toBe(4)
    expect([startAt(0, shallow), startAt(1, shallow)]).toEqual([0, 8])
  })

  it('has a peak where the probability falls most, as wide as nearly that much', () => {
    const peak = peakOf([0, -10, -95, -99, -92, -50, 0, 3, -97], shallow)
    expect(peak).toMatchObject({ start: 3, change: -99 })
    expect(peak!.from).toBeCloseTo(depthOf(2, shallow))
    expect(peak!.to).toBeCloseTo(depthOf(4, shallow))
    expect(peakOf([0, 1, Number.NaN, 20], shallow)).toBeUndefined()
  })
})

describe('how two sides differ, in words', () => {
  const flow = { source: 'subject', target: 'last', features: 'all' } as const
  const a = { name: 'deep', depths: { nLayers: 10, window: 2 }, changes: [0, 0, 0, 0, 0, 0, 0, -80, 0] }
  const b = { name: 'flat', depths: { nLayers: 5, window: 1 }, changes: [0, -60, 0, 0, 0] }
  /** Numbers and their units do not part at the end of a line. */
  const words = (...args: Parameters<typeof differenceWords>): string =>
    differenceWords(...args).replaceAll('\u00a0', ' ')
  const none = { ...b, changes: [0, 1, -2, 0, 0] }

  it('says where each has its strongest effect and how far they are apart', () => {
    expect(words(flow, a, b)).toBe(
      'Cutting the subject from the last token matters most at 80 % of the depth in deep (layers 7–8: −80.0 %) and at 30 % of the depth in flat (layer 1: −60.0 %): 50 points of depth later in deep.',
    )
    expect(words(flow, b, a)).toMatch(/: 50 points of depth earlier in flat\.$/)
    expect(words(flow, a, { ...a, name: 'same' })).toMatch(/: at about the same depth\.$/)
  })

  it('says when a side hardly has one, or neither', () => {
    expect(words(flow, none, a)).toBe(
      'Cutting the subject from the last token matters most at 80 % of the depth in deep (layers 7–8: −80.0 %); in flat it hardly matters (at most −2.00 %).',
    )
    expect(words({ ...flow, source: 'last', features: 'context-dependent' }, none, none)).toBe(
      'Cutting the last token from itself (context-dependent features) hardly matters: at most −2.00 % in flat and −2.00 % in flat.',
    )
  })
})

describe('another fact', () => {
  const all = [
    { relation: 'x', wordings: ['{} is in'], facts: [['Oslo', 'Norway', 0]] },
    {
      relation: 'capital',
      wordings: ['{} is the capital of', 'The city of {} governs'],
      facts: [
        ['Rome', 'Italy', 0],
        ['Lima', 'Peru', 0],
      ],
    },
  ] as const

  it('has the same wording, and comes round', () => {
    expect(anotherFact(all, 'The city of Rome governs')).toMatchObject({
      prompt: 'The city of Lima governs',
      subject: 'Lima',
      answer: 'Peru',
    })
    expect(anotherFact(all, 'Lima is the capital of')?.subject).toBe('Rome')
  })

  it('is the first one for a prompt that states none', () => {
    expect(anotherFact(all, 'Hello')?.prompt).toBe('Oslo is in')
    expect(anotherFact([], 'Hello')).toBeUndefined()
  })
})
