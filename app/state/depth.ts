/** Depth as a share of a model's layers, so that models of different depths can be compared. */

export interface Depths {
  readonly nLayers: number
  readonly window: number
}

/** Where the middle of the window that begins at `start` is, 0 to 1. */
export function depthOf(start: number, { nLayers, window }: Depths): number {
  return (start + window / 2) / nLayers
}

/** The start of the window whose middle is nearest to a depth. */
export function startAt(depth: number, { nLayers, window }: Depths): number {
  return Math.max(0, Math.min(nLayers - window, Math.round(depth * nLayers - window / 2)))
}

/** Where a role's cut lowers the answer's probability most. */
export interface Peak {
  readonly start: number
  /** Relative change there, percent. */
  readonly change: number
  /** Depths of the first and the last window, of those around it, that do nearly as much. */
  readonly from: number
  readonly to: number
}

/** A window does nearly as much as the strongest with this share of its effect. */
const NEARLY = 0.9

/** The strongest fall of a curve, the first of equal ones; undefined when nothing falls. */
export function peakOf(changes: readonly number[], depths: Depths): Peak | undefined {
  let start = -1
  for (const [i, change] of changes.entries())
    if (Number.isFinite(change) && change < 0 && (start < 0 || change < changes[start]!)) start = i
  if (start < 0) return undefined
  const near = (i: number): boolean => changes[i] !== undefined && changes[i] <= NEARLY * changes[start]!
  let [first, last] = [start, start]
  while (near(first - 1)) first--
  while (near(last + 1)) last++
  return { start, change: changes[start]!, from: depthOf(first, depths), to: depthOf(last, depths) }
}
