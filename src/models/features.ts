/**
 * Feature categories of state-space layers (Mamba Knockout, section 5; DESIGN of the authors' code: FAST_DECAY and
 * SLOW_DECAY are named after the third that they keep).
 *
 * A feature is a channel (Mamba-1) or a head (Mamba-2). Its norm says how slowly it forgets: the L1 norm over the
 * state of exp(A) = exp(-exp(A_log)), the decay for a unit step.
 */
import { FEATURE_CATEGORIES, type FeatureCategory } from './architecture.js'

/**
 * L1 norms of exp(-exp(A_log)), one per feature.
 * @param aLog A_log, `[features, dState]` row-major (Mamba-2 has dState 1)
 */
export function featureNorms(aLog: Float32Array, features: number): Float64Array {
  const dState = aLog.length / features
  const norms = new Float64Array(features)
  for (let f = 0; f < features; f++) {
    for (let n = 0; n < dState; n++) norms[f]! += Math.exp(-Math.exp(aLog[f * dState + n]!))
  }
  return norms
}

/**
 * Which features a category knocks out: true where cut. `context-dependent` keeps the third that decays fastest
 * (smallest norms), `context-independent` the third that decays slowest; a third is rounded down. Of equal norms the
 * first features are kept.
 */
export function knockedFeatures(norms: Float64Array, category: FeatureCategory): boolean[] {
  const third = Math.floor(norms.length / 3)
  const kept = (order: (a: number, b: number) => number): Set<number> =>
    new Set(
      Array.from(norms.keys())
        .sort((a, b) => order(norms[a]!, norms[b]!) || a - b)
        .slice(0, third),
    )
  const allBut = (keep: Set<number>): boolean[] => Array.from(norms.keys(), (feature) => !keep.has(feature))
  switch (category) {
    case 'all':
      return allBut(new Set())
    case 'context-dependent':
      return allBut(kept((a, b) => a - b))
    case 'context-independent':
      return allBut(kept((a, b) => b - a))
    default:
      throw new Error(`knockedFeatures: unknown category ${category satisfies never}`)
  }
}

/**
 * The norms that bound the thirds of a layer's features: at most the first is the third that decays fastest, at least
 * the second the third that decays slowest (see `knockedFeatures`).
 */
export function thirds(norms: ArrayLike<number>): [fastest: number, slowest: number] {
  const sorted = Array.from(norms).sort((a, b) => a - b)
  const third = Math.max(1, Math.floor(sorted.length / 3))
  return [sorted[third - 1]!, sorted[sorted.length - third]!]
}

/** The table `[categories, features]` of a layer's knocked features (1 cut, 0 kept), rows in FEATURE_CATEGORIES order. */
export function knockedTable(norms: Float64Array): Float32Array {
  return Float32Array.from(
    FEATURE_CATEGORIES.flatMap((category) => knockedFeatures(norms, category)).map(Number),
  )
}
