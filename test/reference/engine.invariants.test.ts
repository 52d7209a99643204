import { describe, expect, it } from 'vitest'
import { maxDifference, range } from '../helpers/numbers.js'
import { referenceHidden, referenceProbs } from './engine.js'
import { categoriesOf, MODELS } from './families.js'
import type { ReferenceFeatures, ReferenceKnockout } from './model.js'

const TOKENS = [3, 14, 15, 9, 2, 6, 5]
const LAST = TOKENS.length - 1

describe.each(MODELS)('invariants of a knockout, %s', (_, model) => {
  const layers = range(0, model.config.nLayers)
  const base = referenceProbs(model, TOKENS)
  const categories = categoriesOf(model.config)
  const one = (sources: number[], features: ReferenceFeatures, where = layers): ReferenceKnockout => ({
    layers: where,
    sources,
    targets: [LAST],
    features,
  })

  it('changes probabilities by percents', () => {
    for (const features of categories) {
      const probs = referenceProbs(model, TOKENS, [one([2, 3], features)])
      const changes = probs.map((p, i) => Math.abs(p / base[i] - 1))
      expect(Math.max(...changes), features).toBeGreaterThan(0.01)
    }
  })

  it.each([
    ['no layers', { layers: [], sources: [1], targets: [LAST] }],
    ['no sources', { layers, sources: [], targets: [LAST] }],
    ['no targets', { layers, sources: [1], targets: [] }],
    ['only sources after their targets', { layers, sources: [4, 5, 6], targets: [1, 3] }],
  ])('that cuts nothing equals the baseline exactly: %s', (_name, positions) => {
    for (const features of categories) {
      expect(referenceProbs(model, TOKENS, [{ ...positions, features }])).toEqual(base)
    }
  })

  it('leaves layers before it and positions before its first target exactly as they were', () => {
    const clean = referenceHidden(model, TOKENS)
    const knocked = referenceHidden(model, TOKENS, [
      { layers: [1], sources: [0, 1], targets: [3, 5], features: 'all' },
    ])
    expect(knocked.slice(0, 2)).toEqual(clean.slice(0, 2))
    expect(knocked.map((rows) => rows.slice(0, 3))).toEqual(clean.map((rows) => rows.slice(0, 3)))
    expect(maxDifference(knocked[2][3], clean[2][3])).toBeGreaterThan(1e-6)
    expect(knocked[2][4]).toEqual(clean[2][4])
    expect(maxDifference(knocked[2][5], clean[2][5])).toBeGreaterThan(1e-6)
  })

  it('several at once are the union of their cuts', () => {
    const whole = referenceProbs(model, TOKENS, [one([1, 2], 'all')])
    expect(referenceProbs(model, TOKENS, [one([1], 'all'), one([1, 2], 'all'), one([2], 'all')])).toEqual(
      whole,
    )
    const split = [one([1, 2], 'all', [0]), one([1, 2], 'all', layers.slice(1))]
    expect(referenceProbs(model, TOKENS, split)).toEqual(whole)
    // No feature is spared by both categories.
    const [, ...some] = categories
    if (some.length > 0) {
      const both = some.map((features) => one([1, 2], features))
      expect(referenceProbs(model, TOKENS, both)).toEqual(whole)
    }
  })

  it('a later token never changes an earlier position', () => {
    const changed = [...TOKENS.slice(0, 4), 20, 21, 22]
    const knockouts: ReferenceKnockout[] = [
      { layers: [0, 1], sources: [1], targets: [2, 3, LAST], features: categories.at(-1)! },
    ]
    for (const cuts of [[], knockouts]) {
      const a = referenceHidden(model, TOKENS, cuts)
      const b = referenceHidden(model, changed, cuts)
      expect(b.map((rows) => rows.slice(0, 4))).toEqual(a.map((rows) => rows.slice(0, 4)))
      expect(maxDifference(a.at(-1)![4], b.at(-1)![4])).toBeGreaterThan(1e-3)
    }
  })

  it('tokens that are cut from all others before anything else mixes them do not matter', () => {
    // Convolutions mix tokens, too, so with them a cut token still counts.
    const convolves = model.config.modelType.includes('mamba')
    const cuts: ReferenceKnockout[] = [{ layers, sources: [1, 4], targets: [0, 2, 3, 5, 6], features: 'all' }]
    const other = TOKENS.map((token, i) => (i === 1 || i === 4 ? token + 1 : token))
    const a = referenceProbs(model, TOKENS, cuts)
    const b = referenceProbs(model, other, cuts)
    if (convolves) expect(maxDifference(a, b)).toBeGreaterThan(1e-6)
    else expect(a).toEqual(b)
    expect(maxDifference(base, referenceProbs(model, other))).toBeGreaterThan(1e-3)
  })
})
