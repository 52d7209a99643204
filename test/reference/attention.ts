/** Attention of the reference engine: every score written out, cut ones minus infinity before the softmax. */
import { type Rows, softmax } from './math.js'
import type { ReferenceKnockout } from './model.js'

export interface AttentionInputs {
  /** [T, nHeads * headDim] */
  q: Rows
  /** [T, nKvHeads * headDim]: head h of q reads head floor(h / (nHeads / nKvHeads)) of k and v. */
  k: Rows
  /** [T, nKvHeads * headDim] */
  v: Rows
  nHeads: number
  nKvHeads: number
  headDim: number
  /** Factor of the scores. */
  scale: number
  /** How many tokens a token sees, itself included. */
  window: number
}

/**
 * Softmax attention under knockouts, before the output projection: [T, nHeads * headDim]. A later token is never
 * seen. A target that sees nothing receives nothing: zeros.
 * @throws Error on a knockout of some features: attention has no such categories.
 */
export function attention(
  { q, k, v, nHeads, nKvHeads, headDim, scale, window }: AttentionInputs,
  knockouts: ReferenceKnockout[],
): Rows {
  for (const { features } of knockouts) {
    if (features !== 'all') throw new Error(`features: attention knows all, got ${features}`)
  }
  const isCut = (t: number, s: number) =>
    knockouts.some(({ sources, targets }) => targets.includes(t) && sources.includes(s))
  return q.map((query, t) => {
    const out = new Float64Array(nHeads * headDim)
    for (let h = 0; h < nHeads; h++) {
      const own = h * headDim
      const shared = Math.floor(h / (nHeads / nKvHeads)) * headDim
      const scores = Float64Array.from(k, (key, s) => {
        if (s > t || t - s >= window || isCut(t, s)) return Number.NEGATIVE_INFINITY
        let product = 0
        for (let i = 0; i < headDim; i++) product += query[own + i] * key[shared + i]
        return scale * product
      })
      softmax(scores).forEach((weight, s) => {
        for (let i = 0; i < headDim; i++) out[own + i] += weight * v[s][shared + i]
      })
    }
    return out
  })
}
