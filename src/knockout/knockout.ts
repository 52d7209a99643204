/**
 * A knockout: in each of its layers, no target position receives anything from any source position through the
 * token mixer (Mamba Knockout, arXiv 2505.24244, section 3). What a token gives itself outside of the mixer (skip,
 * convolution, gate, residual) stays.
 */
import { InputError, show } from '../errors.js'
import { FEATURE_CATEGORIES, type FeatureCategory } from '../models/architecture.js'

export interface Knockout {
  /** Layers from 0, any set. */
  readonly layers: readonly number[]
  /** Token positions from 0 that nothing is received from. */
  readonly sources: readonly number[]
  /** Token positions from 0 that receive nothing. */
  readonly targets: readonly number[]
  /** Which features of the layer are cut. */
  readonly features: FeatureCategory
}

/** What a knockout is checked against. */
export interface KnockoutLimits {
  readonly nLayers: number
  /** Tokens in the prompt. */
  readonly length: number
  readonly featureCategories: readonly FeatureCategory[]
}

function checkNumbers(values: unknown, end: number, what: string, plural: string, where: string): void {
  if (!Array.isArray(values) || values.length === 0) {
    throw new InputError(
      `${where}: ${plural} must be a list of one or more numbers, got ${show(values)}; name at least one`,
    )
  }
  for (const value of values) {
    if (!Number.isInteger(value) || value < 0 || value >= end) {
      throw new InputError(
        `${where}: ${plural} must be whole numbers from 0 to ${end - 1} (the ${what} has ${end}), got ${show(value)}; change it`,
      )
    }
  }
}

/**
 * Check a knockout from outside.
 * @throws InputError when a list is empty, a layer or position is out of range or the feature category is unknown
 */
export function checkKnockout(knockout: Knockout, limits: KnockoutLimits, where: string): void {
  checkNumbers(knockout.layers, limits.nLayers, 'model', 'layers', where)
  checkNumbers(knockout.sources, limits.length, 'prompt', 'sources', where)
  checkNumbers(knockout.targets, limits.length, 'prompt', 'targets', where)
  if (!limits.featureCategories.includes(knockout.features)) {
    const known = FEATURE_CATEGORIES.filter((category) => limits.featureCategories.includes(category))
    throw new InputError(
      `${where}: features must be one of ${known.join(', ')}, got ${show(knockout.features)}; change it`,
    )
  }
}

/** The layers of the window of width `window` that starts at `first`. */
export function windowLayers(first: number, window: number): number[] {
  return Array.from({ length: window }, (_, i) => first + i)
}

/** The paper's window of 9 layers; a third of the layers in models of fewer than 24. */
export function defaultWindow(nLayers: number): number {
  return nLayers >= 24 ? 9 : Math.max(1, Math.round(nLayers / 3))
}

/**
 * First layers of all windows of width `window`: 0 to nLayers - window.
 * @throws InputError when the window is empty or wider than the model
 */
export function windowStarts(nLayers: number, window: number, where = '--window'): number[] {
  if (!Number.isInteger(window) || window < 1 || window > nLayers) {
    throw new InputError(
      `${where}: a window must have from 1 to ${nLayers} layers (the model has ${nLayers}), got ${show(window)}; change it`,
    )
  }
  return Array.from({ length: nLayers - window + 1 }, (_, i) => i)
}
