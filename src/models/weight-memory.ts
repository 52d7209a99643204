/**
 * Memory for weights that is used again and again: one layer's is taken by a later one. The garbage collector would
 * come too late for arrays that are so large.
 */

/** Free memory that is kept: for a part that computes and one that is loaded meanwhile. The collector has the rest. */
const KEPT = 2
/** Free memory of up to so many times the size that is asked for is taken. */
const LARGER = 2

export class WeightMemory {
  readonly #free: ArrayBuffer[] = []

  /** Memory of at least `bytes` bytes: the smallest that is free, or new memory. */
  take(bytes: number): ArrayBuffer {
    const fits = ({ byteLength }: ArrayBuffer): boolean => byteLength >= bytes && byteLength <= LARGER * bytes
    // From the largest to the smallest.
    const found = this.#free.findLastIndex(fits)
    return found < 0 ? new ArrayBuffer(bytes) : this.#free.splice(found, 1)[0]!
  }

  /** Nothing uses it any more. */
  give(memory: ArrayBuffer): void {
    this.#free.push(memory)
    this.#free.sort((a, b) => b.byteLength - a.byteLength)
    this.#free.splice(KEPT)
  }
}
