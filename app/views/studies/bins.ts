/** Bars of a histogram. */
import { ticks } from '../../../src/figures/style.js'

export interface Bin {
  readonly from: number
  readonly to: number
  /** Values, `from` included; the last bar's `to` too. */
  readonly count: number
}

/**
 * Bars of one width with round ends.
 *
 * @param ascending values, drawn evenly from all where there are more
 * @param n how many there are
 * @param most bars
 */
export function binsOf(ascending: readonly number[], n: number, most: number): Bin[] {
  const [least, greatest] = [ascending[0]!, ascending.at(-1)!]
  // Values that are all equal have a bar around them.
  const marks = greatest - least < 1e-9 ? [least - 0.5, least + 0.5] : ticks(least, greatest, most)
  const step = marks.length > 1 ? marks[1]! - marks[0]! : greatest - least
  const from = marks[0]! > least ? marks[0]! - step : marks[0]!
  const bars = Math.max(1, Math.ceil((greatest - from) / step - 1e-9))
  const counts = new Array<number>(bars).fill(0)
  for (const value of ascending) {
    counts[Math.max(0, Math.min(bars - 1, Math.floor((value - from) / step)))]! += 1
  }
  const each = n / ascending.length
  // Twelve digits cut 0.30000000000000004 to 0.3.
  const end = (i: number): number => Number((from + i * step).toPrecision(12))
  return counts.map((count, i) => ({ from: end(i), to: end(i + 1), count: Math.round(count * each) }))
}
