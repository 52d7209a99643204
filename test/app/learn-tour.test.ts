import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { batches, drawFacts, FACT_COUNTS } from '../../app/views/learn/facts.js'
import {
  depth,
  halves,
  lossDepth,
  meanInterval,
  measured,
  windowFor,
} from '../../app/views/learn/measured.js'
import {
  guessWords,
  introCutOf,
  introCutParams,
  modelsOf,
  STEPS,
  toStep,
  tourOf,
  tourParams,
} from '../../app/views/learn/steps.js'
import { parseFacts } from '../../src/prompts/facts.js'
import { meanInterval as exactInterval } from '../../src/results/statistics.js'
import { packFacts } from '../../src/ui/packed-facts.js'
import type { FlowsResult } from '../../src/ui/protocol.js'

const PACKED = packFacts(parseFacts(readFileSync('data/atlas.jsonl', 'utf8'), 'atlas'))

function answer(
  name: string,
  ranks: readonly number[],
  changes: readonly (readonly number[])[],
): FlowsResult {
  return {
    model: { name, nLayers: 4 },
    window: 2,
    prompts: ranks.map((rank) => ({ answer: { id: 0, text: ' a' }, prob: 1, rank })),
    curves: [{ source: 'subject', target: 'last', features: 'all', label: 'subject → last', changes }],
  } as unknown as FlowsResult
}

test('facts of several answers are put together; those that the model gets wrong or that lack a role are left out', () => {
  const own = measured([
    answer(
      'm',
      [1, 2],
      [
        [0, -10, -20],
        [0, 0, 0],
      ],
    ),
    answer('m', [1, 1], [[], [0, -30, -40]]),
  ])!
  expect(own.used).toEqual([0, 3])
  expect(own.asked).toBe(4)
  const { points } = own.curves[0]!
  expect(points.map(({ mean, n }) => [mean, n])).toEqual([
    [0, 2],
    [-20, 2],
    [-30, 2],
  ])
  // Student's t with one degree of freedom: 12.706 standard errors of 10.
  expect(points[1]!.low).toBeCloseTo(-20 - 127.062, 2)
  expect(measured([])).toBeUndefined()
  expect(measured([answer('m', [2], [[0, 0, 0]])])).toBeUndefined()
})

test('intervals are those of results, for as many facts as a step can have', () => {
  for (let n = 1; n <= Math.max(...FACT_COUNTS); n++) {
    const values = Array.from({ length: n }, (_, i) => -((i * 37) % 100))
    const { mean, low, high } = exactInterval(values)
    const own = meanInterval(values)
    expect(own.n).toBe(n)
    expect(own.mean).toBeCloseTo(mean, 10)
    if (n === 1) expect([own.low, own.high]).toEqual([Number.NaN, Number.NaN])
    else {
      expect(own.low).toBeCloseTo(low, 3)
      expect(own.high).toBeCloseTo(high, 3)
    }
  }
})

test('depths are of the middle of windows', () => {
  const at = { nLayers: 4, window: 2 }
  expect([0, 1, 2].map((start) => depth(start, at))).toEqual([0.25, 0.5, 0.75])
  const { curves } = measured([answer('m', [1], [[10, -10, -30]])])!
  expect(lossDepth(curves[0]!, at)).toBeCloseTo(0.25 * 0.5 + 0.75 * 0.75)
  expect(halves(curves[0]!, at)).toMatchObject({ lower: { firstLayer: 1 }, upper: { firstLayer: 2 } })
  expect([1, 9, 24].map((window) => windowFor(window, 12))).toEqual([1, 5, 12])
})

test('facts are of all relations, begin with other words than the subject, and fewer are the beginning of more', () => {
  const facts = drawFacts(PACKED, 17, 1)
  expect(new Set(facts.map(({ relation }) => relation)).size).toBe(17)
  for (const { start, end, prompt, subject } of facts) {
    expect(start).toBeGreaterThan(0)
    expect(prompt.slice(start, end)).toBe(subject)
  }
  expect(drawFacts(PACKED, 34, 1).slice(0, 17)).toEqual(facts)
  expect(drawFacts(PACKED, 17, 2)).not.toEqual(facts)
})

test('batches are small at first', () => {
  expect(batches([1, 2, 3, 4, 5, 6, 7, 8])).toEqual([[1, 2], [3, 4, 5, 6, 7], [8]])
  expect(batches([])).toEqual([])
})

test('there are five steps, and the address restores each', () => {
  expect(STEPS).toHaveLength(5)
  expect(tourOf(new URLSearchParams())).toMatchObject({ step: 0, window: 9, facts: 17, sample: 1 })
  const tour = tourOf(
    new URLSearchParams('step=2&model=tiny-mamba1&window=12&facts=34&sample=3&guess=dependent'),
  )
  expect(tour).toEqual({
    step: 2,
    model: 'tiny-mamba1',
    window: 12,
    facts: 34,
    sample: 3,
    guess: 'dependent',
  })
  const query = new URLSearchParams(
    Object.entries(tourParams(tour)).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, String(value)]],
    ),
  )
  expect(tourOf(query)).toEqual(tour)
})

test('an address that makes no sense shows what goes without saying', () => {
  const tour = tourOf(new URLSearchParams('step=6&model=gpt5&window=0&facts=18&sample=x&guess=dependent'))
  expect(tour).toEqual({ step: 0, model: undefined, window: 9, facts: 17, sample: 1, guess: undefined })
  // A model that the step cannot show.
  expect(tourOf(new URLSearchParams('step=2&model=tiny-gpt2')).model).toBe('tiny-mamba2')
  expect(Object.values(tourParams(tourOf(new URLSearchParams('step=2')))).filter(Boolean)).toEqual([2])
})

test('another step keeps facts and window, and shows its own models', () => {
  const tour = tourOf(new URLSearchParams('step=3&model=tiny-gpt2&window=5&sample=2&guess=later'))
  expect(modelsOf(STEPS[2]!, tour)).toEqual(['tiny-gpt2'])
  const next = toStep(tour, 4, 'less')
  expect(next).toMatchObject({ step: 4, model: undefined, window: 5, sample: 2, guess: 'less' })
  expect(modelsOf(STEPS[3]!, next)).toEqual(['tiny-mamba1', 'tiny-mamba2', 'tiny-gpt2'])
})

test('what became of a guess', () => {
  const { guess } = STEPS[0]!
  expect(guessWords(guess, undefined, 'second')).toBeUndefined()
  expect(guessWords(guess, 'second', 'second')).toBe('Your guess: The second half. That is so.')
  expect(guessWords(guess, 'first', 'second')).toBe(
    'Your guess: The first half. The numbers say: The second half.',
  )
  expect(guessWords(guess, 'first', undefined)).toContain('do not decide')
})

test('what is cut in the introduction is in the address', () => {
  expect(introCutOf(new URLSearchParams())).toEqual({ sources: [], first: 15 })
  const cut = introCutOf(new URLSearchParams('cut=6,3,6&from=2'))
  expect(cut).toEqual({ sources: [3, 6], first: 2 })
  expect(introCutParams(cut)).toEqual({ cut: '3,6', from: 2 })
  expect(introCutParams({ sources: [], first: 15 })).toEqual({ cut: undefined, from: undefined })
  expect(introCutOf(new URLSearchParams('cut=a,3&from=16'))).toEqual({ sources: [], first: 15 })
})
