/** docs/findings.md is what its stored results say, and these are of today's models and facts. */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { type Findings, MODELS, type StoredCurve, stored, WINDOWS } from '../../docs/findings/measure.js'
import {
  anyWindow,
  contextDependent,
  lastToken,
  lateSubject,
  page,
  relationEarlier,
  unlikeTransformer,
} from '../../docs/findings/page.js'
import { windowStarts } from '../../src/knockout/knockout.js'

test('the results are of the models and facts that ship, complete, and the page is made of them', async () => {
  const results = await Promise.all(MODELS.map(stored))
  expect(results.map((result) => result?.model)).toEqual([...MODELS])
  for (const { model, nLayers, facts, curves, heatmaps } of results as Findings[]) {
    const flows = model === 'tiny-gpt2' ? 5 : 7
    expect(curves).toHaveLength(flows * WINDOWS.length)
    for (const { window, points, source } of curves) {
      expect(points.map(({ firstLayer }) => firstLayer)).toEqual(windowStarts(nLayers, window))
      for (const { mean, low, high, n } of points) {
        expect(mean).toBeGreaterThanOrEqual(-100)
        expect(low).toBeLessThanOrEqual(mean)
        expect(high).toBeGreaterThanOrEqual(mean)
        expect(n, source).toBe(facts)
      }
    }
    expect(heatmaps).toHaveLength(4)
  }
  expect(page(results as Findings[])).toBe(readFileSync('docs/findings.md', 'utf8'))
})

/** A model of 24 layers with the given means at the 16 windows of 9 layers, bands of `half` on either side. */
function model(means: Record<string, (start: number) => number>, half = 1): Findings {
  const curves = Object.entries(means).flatMap(([key, mean]) => {
    const [source, features = 'all'] = key.split(':')
    return WINDOWS.map((window) => ({
      source,
      target: 'last',
      features,
      window,
      points: windowStarts(24, window).map((firstLayer) => {
        const value = mean(firstLayer + (window - 9) / 2)
        return { firstLayer, mean: value, low: value - half, high: value + half, accuracy: 100, n: 10 }
      }),
    }))
  }) as StoredCurve[]
  const inputs = { weights: '', facts: '', asked: '' }
  const evaluated = { n: 10, right: 10 }
  return {
    model: 'm',
    nLayers: 24,
    inputs,
    evaluated,
    facts: 10,
    knockouts: 0,
    thirdsApart: 2,
    curves,
    heatmaps: [],
  }
}

const late = (start: number): number => (start >= 12 ? -50 : 0)
const early = (start: number): number => (start <= 3 ? -50 : 0)

test('a verdict depends on the results: late, earlier, by features, in every window', () => {
  expect(lateSubject(model({ subject: late })).holds).toBe(true)
  expect(lateSubject(model({ subject: early })).holds).toBe(false)
  expect(lateSubject(model({ subject: late }, 30)).holds).toBe(false) // intervals overlap
  expect(relationEarlier(model({ subject: late, 'relation-minus-last': early })).holds).toBe(true)
  expect(relationEarlier(model({ subject: late, 'relation-minus-last': late })).holds).toBe(false)
  const [mamba, transformer] = [model({ first: late }), { ...model({ first: late }), thirdsApart: undefined }]
  const unlike = (mean: (start: number) => number, half = 1) =>
    unlikeTransformer('first', [model({ first: mean }, half), transformer]).map(({ holds }) => holds)
  expect(unlike(late)).toEqual([false])
  expect(unlike(early)).toEqual([true]) // as much, elsewhere
  expect(unlike((start) => late(start) / 2)).toEqual([true]) // less, in the same place
  expect(unlike((start) => late(start) / 2, 30)).toEqual([false])
  expect(unlikeTransformer('first', [mamba, transformer, mamba])).toHaveLength(2)
  expect(lastToken(model({ subject: late, last: (start) => late(start) / 2 })).holds).toBe(true)
  expect(lastToken(model({ subject: late, last: late })).holds).toBe(false)
  const features = (dependent: number, independent: number, half = 1) =>
    model(
      {
        'subject:context-dependent': () => dependent,
        'subject:context-independent': () => independent,
      },
      half,
    )
  expect(contextDependent(features(-50, -20))!.holds).toBe(true)
  expect(contextDependent(features(-20, -50))!.holds).toBe(false)
  expect(contextDependent(features(-50, -20, 16))!.holds).toBe(false)
  expect(contextDependent(model({ subject: late }))).toBeUndefined()
  expect(anyWindow(model({ subject: (start) => -start - 5 })).holds).toBe(true)
  const moved = model({ subject: late })
  const wide = model({ subject: early }).curves.filter(({ window }) => window === 12)
  const curves = [...moved.curves.filter(({ window }) => window !== 12), ...wide]
  expect(anyWindow({ ...moved, curves }).holds).toBe(false)
})
