/** Largest absolute difference of two vectors of one length; NaN if there is one. */
export function maxDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) throw new Error(`maxDifference: lengths ${a.length} and ${b.length}`)
  let max = 0
  for (let i = 0; i < a.length; i++) {
    const difference = Math.abs(a[i] - b[i])
    if (Number.isNaN(difference)) return difference
    max = Math.max(max, difference)
  }
  return max
}

/** The whole numbers from `from` to `to`, exclusive. */
export function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i)
}
