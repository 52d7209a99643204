import { describe, expect, it } from 'vitest'
import {
  checkKnockout,
  type Knockout,
  type KnockoutLimits,
  windowLayers,
  windowStarts,
} from '../../src/knockout/knockout.js'
import { FEATURE_CATEGORIES } from '../../src/models/architecture.js'
import { inputError } from '../prompts/helpers.js'

const LIMITS: KnockoutLimits = { nLayers: 3, length: 5, featureCategories: FEATURE_CATEGORIES }
const GOOD: Knockout = { layers: [0, 2], sources: [4, 0], targets: [4], features: 'all' }

/** What `checkKnockout` says to `GOOD` with other values, as they can come from JSON. */
function complaint(changed: Record<string, unknown>, limits = LIMITS): string {
  return inputError(() => checkKnockout({ ...GOOD, ...changed } as Knockout, limits, 'in.jsonl:7'))
}

describe('checkKnockout', () => {
  it.each(FEATURE_CATEGORIES)('takes any layers and positions in range, for %s', (features) => {
    const everything = { layers: [0, 1, 2], sources: [0, 1, 2, 3, 4], targets: [0, 1, 2, 3, 4], features }
    expect(() => checkKnockout(everything, LIMITS, 'here')).not.toThrow()
    expect(() => checkKnockout({ ...GOOD, features }, LIMITS, 'here')).not.toThrow()
    // Order and repetition do not matter.
    expect(() => checkKnockout({ ...GOOD, layers: [2, 0, 2], features }, LIMITS, 'here')).not.toThrow()
  })

  it.each([
    ['layers', 'model', 3],
    ['sources', 'prompt', 5],
    ['targets', 'prompt', 5],
  ])('says what is wrong with %s', (list, whole, size) => {
    for (const value of [-1, size, 0.5, Number.NaN, '1', null]) {
      const got =
        typeof value === 'number'
          ? String(value)
          : typeof value === 'number'
            ? String(value)
            : JSON.stringify(value)
      expect(complaint({ [list]: [0, value] })).toBe(
        `in.jsonl:7: ${list} must be whole numbers from 0 to ${size - 1} (the ${whole} has ${size}), got ${got}; change it`,
      )
    }
    for (const value of [[], undefined, null, 1, '0', { 0: 1 }]) {
      expect(complaint({ [list]: value })).toBe(
        `in.jsonl:7: ${list} must be a list of one or more numbers, got ${JSON.stringify(value)}; name at least one`,
      )
    }
  })

  it('names the categories that the model has, in their usual order', () => {
    expect(complaint({ features: 'fast' })).toBe(
      'in.jsonl:7: features must be one of all, context-dependent, context-independent, got "fast"; change it',
    )
    expect(complaint({ features: undefined })).toContain('got undefined;')
    expect(complaint({ features: 'context-dependent' }, { ...LIMITS, featureCategories: ['all'] })).toBe(
      'in.jsonl:7: features must be one of all, got "context-dependent"; change it',
    )
  })
})

describe('windows', () => {
  it('are consecutive layers, from every first layer that leaves room', () => {
    expect(windowLayers(2, 3)).toEqual([2, 3, 4])
    expect(windowStarts(5, 3)).toEqual([0, 1, 2])
    expect(windowStarts(5, 5)).toEqual([0])
    expect(windowStarts(2, 1)).toEqual([0, 1])
    for (const first of windowStarts(5, 3)) expect(Math.max(...windowLayers(first, 3))).toBeLessThan(5)
  })

  it.each([0, 6, 1.5, Number.NaN, -2])('have from 1 to nLayers layers, not %d', (window) => {
    expect(inputError(() => windowStarts(5, window))).toBe(
      `--window: a window must have from 1 to 5 layers (the model has 5), got ${window}; change it`,
    )
    expect(inputError(() => windowStarts(5, window, 'study.json: window'))).toMatch(/^study\.json: window: /)
  })
})
