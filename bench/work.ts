/**
 * The unit of work that speed is measured with: a prompt of 12 tokens, the paper's window, 8 knockouts per window,
 * target last. bench/peer/work.py has the same for the authors' code.
 */
import { defaultWindow, type Knockout, windowLayers, windowStarts } from '../src/knockout/knockout.js'
import type { KnockoutPrompt } from '../src/model.js'
import type { FeatureCategory, ModelSpec } from '../src/models/architecture.js'
import { type Role, rolePositions } from '../src/prompts/roles.js'
import { randomWord } from './random-values.js'

export const LENGTH = 12
const SUBJECT = [3, 4, 5]
const TOKEN_SEED = 1

const CURVES: readonly (readonly [Role, FeatureCategory])[] = [
  ['subject', 'all'],
  ['subject', 'context-dependent'],
  ['subject', 'context-independent'],
  ['relation', 'all'],
  ['relation-minus-last', 'all'],
  ['relation-minus-last', 'context-dependent'],
  ['last', 'all'],
  ['first', 'all'],
]

/** Knockouts per window. */
export const KINDS = CURVES.length

type Sizes = Pick<ModelSpec, 'nLayers' | 'vocabSize' | 'featureCategories'>

/** The curves that a model has; those of its missing feature categories cut everything of other sources instead. */
function curvesOf(categories: readonly FeatureCategory[]): (readonly [Role[], FeatureCategory])[] {
  const others: Role[][] = [
    ['first', 'last'],
    ['subject', 'last'],
    ['subject', 'first'],
  ]
  return CURVES.map(([role, features]) =>
    categories.includes(features) ? [[role], features] : [others.pop()!, 'all'],
  )
}

/** `count` prompts of random tokens with all of their knockouts, by kind and then by window. */
export function unitsOfWork(
  { nLayers, vocabSize, featureCategories }: Sizes,
  count: number,
): KnockoutPrompt[] {
  const window = defaultWindow(nLayers)
  const knockouts: Knockout[] = curvesOf(featureCategories).flatMap(([roles, features]) =>
    windowStarts(nLayers, window).map((first) => ({
      layers: windowLayers(first, window),
      sources: roles.flatMap((role) => rolePositions(role, { length: LENGTH, subject: SUBJECT })),
      targets: [LENGTH - 1],
      features,
    })),
  )
  return Array.from({ length: count }, (_, prompt) => {
    const ids = Array.from(
      { length: LENGTH + 1 },
      (_, i) => randomWord(TOKEN_SEED, prompt * (LENGTH + 1) + i) % vocabSize,
    )
    return { ids: ids.slice(0, LENGTH), answer: ids[LENGTH]!, knockouts }
  })
}

/** Indices of up to `count` of a prompt's knockouts, spread over the windows and the kinds. */
export function sampleOf(nLayers: number, count: number): number[] {
  const windows = windowStarts(nLayers, defaultWindow(nLayers)).length
  const length = Math.min(count, windows * KINDS)
  return Array.from({ length }, (_, i) => {
    const window = Math.floor(((2 * i + 1) * windows) / (2 * length))
    return (i % KINDS) * windows + window
  })
}
