/** Which facts a selection takes. What --relation and --split do is tested with the commands (test/cli/facts.test.ts). */
import { expect, test } from 'vitest'
import { selectFacts } from '../../src/datasets/select.js'
import type { Fact } from '../../src/prompts/facts.js'
import { shuffled } from '../../src/prompts/sample.js'
import { inputError } from '../prompts/helpers.js'

const FACTS: Fact[] = Array.from({ length: 30 }, (_, i) => ({
  id: `${i}`,
  prompt: 'Athens is in',
  subject: 'Athens',
  answer: 'Greece',
  relation: i % 3 === 0 ? 'a' : 'b',
  split: i % 2 === 0 ? 'held-out' : 'train',
}))
const HELD = FACTS.filter((_, i) => i % 2 === 0)

test('without a sample all are taken, in their order', () => {
  expect(selectFacts(FACTS, {}, 'x')).toEqual(HELD)
  expect(selectFacts(FACTS, { split: 'all', relation: ['a'] }, 'x')).toEqual(
    FACTS.filter((_, i) => i % 3 === 0),
  )
})

test('a sample is drawn by seed from what the filters take', () => {
  for (const seed of [0, 1]) {
    expect(selectFacts(FACTS, { sample: 5, seed }, 'x')).toEqual(shuffled(HELD, seed).slice(0, 5))
  }
  expect(selectFacts(FACTS, { sample: 5 }, 'x')).toEqual(shuffled(HELD, 0).slice(0, 5))
  expect(selectFacts(FACTS, { sample: 100 }, 'x')).toHaveLength(15)
})

test('a data set without a usable fact is refused', () => {
  expect(inputError(() => selectFacts([], {}, 'x'))).toContain(
    'x: a data set must have facts that can be used',
  )
})
