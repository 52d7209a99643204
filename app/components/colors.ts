/** Colours of the figures (src/figures/look.ts), for what the page draws itself. */

import type { Theme } from '../../src/figures/look.js'
import { COLORS, shades } from '../../src/figures/look.js'

const STEPS = 101
const scales = new Map<Theme, readonly string[]>()

/**
 * The colour of a relative change, from probability lost (red) over none to gained (blue).
 * @param change percent; what is beyond `limit` has the colour of the end
 */
export function changeColor(change: number, limit: number, theme: Theme): string {
  const scale = scales.get(theme) ?? shades(COLORS[theme].diverging, STEPS)
  scales.set(theme, scale)
  const at = Math.max(-1, Math.min(1, change / limit))
  return scale[Math.round(((at + 1) / 2) * (STEPS - 1))]!
}

/** Lines of curves: colours that the colour-blind tell apart, and dashes for who sees none. */
export function lineStyle(index: number, theme: Theme): { color: string; dash: string | undefined } {
  const { palette } = COLORS[theme]
  return { color: palette[index % palette.length]!, dash: DASHES[index % DASHES.length] }
}

const DASHES = [undefined, '7 3', '2 3', '9 3 2 3', '4 2', '12 4', undefined, '1 4'] as const
