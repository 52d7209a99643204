/**
 * How slowly the features of a state-space model forget: the norms by which their categories are told apart (Mamba
 * Knockout, section 5), as plain data.
 */
import { fault } from './data.js'

/** The features of a layer. */
export interface DecayLayer {
  /** Counted from 0. */
  readonly layer: number
  /** L1 norm over the state of exp(-exp(A_log)), one per channel (Mamba-1) or head (Mamba-2): 0 to dState. */
  readonly norms: readonly number[]
  /** The largest norm of the third that decays fastest, and the smallest of the one that decays slowest. */
  readonly thirds: readonly [fastest: number, slowest: number]
}

/** What a norm is, and which way it points. */
export const NORM_TITLE = 'L1 norm of exp(A)'
export const NORM_REMARK = '(small: decays fast)'

/**
 * Check that layers can be drawn.
 *
 * @throws InputError when there is no layer, a layer stands twice or has no norm, a number is not finite, or thirds are
 *   not in order
 */
export function checkLayers(layers: readonly DecayLayer[]): void {
  if (layers.length === 0) throw fault('layers', 'must not be empty', [], 'take a model with features')
  const seen = new Set<number>()
  for (const [l, { layer, norms, thirds }] of layers.entries()) {
    const at = `layers[${l}]`
    if (!Number.isInteger(layer) || layer < 0 || seen.has(layer)) {
      throw fault(`${at}.layer`, 'must be an integer from 0 that stands once', layer, 'count layers from 0')
    }
    seen.add(layer)
    if (norms.length === 0) throw fault(`${at}.norms`, 'must not be empty', [], 'leave the layer out')
    const bad = [...norms, ...thirds].find((value) => !Number.isFinite(value))
    if (bad !== undefined) throw fault(at, 'norms and thirds must be finite', bad, 'check A_log')
    if (thirds[0] > thirds[1]) {
      throw fault(`${at}.thirds`, 'must be in order, the fastest first', thirds, 'swap them')
    }
  }
}
