/**
 * The weights of random models: defined so that TypeScript and Python (bench/peer/values.py) make the same numbers,
 * bit for bit, and that billions of them take seconds.
 *
 * One block of uniform numbers is drawn from the seed and read round and round; where a tensor begins in it comes from
 * its name. Rows are never repeated: the block's length is prime. Every step is exact or one float32 operation.
 */

/** 2^20 - 3, a prime: rows of any width begin at places of their own. */
const BLOCK = 2 ** 20 - 3

/** Channels are numbered in steps of this prime, so that a row's decay says nothing about its neighbours'. */
const FORWARD = 7919

/** MurmurHash3's finaliser, of a 32-bit word (public domain, Austin Appleby). */
function mix(word: number): number {
  let x = Math.imul(word ^ (word >>> 16), 0x85ebca6b)
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35)
  return (x ^ (x >>> 16)) >>> 0
}

/** Word `i` of a seed's sequence: 32 random bits. */
export function randomWord(seed: number, i: number): number {
  return mix(mix(seed) + Math.imul(i, 0x9e3779b9))
}

/** The block of the seed asked for last: one model is made at a time. */
let drawn: { readonly seed: number; readonly block: Float32Array } | undefined

/** float32 `[BLOCK]`, from -0.5 to below 0.5, in steps of 2^-24. */
function randomBlock(seed: number): Float32Array {
  if (drawn?.seed !== seed) {
    const block = Float32Array.from({ length: BLOCK }, (_, i) => (randomWord(seed, i) >>> 8) / 2 ** 24 - 0.5)
    drawn = { seed, block }
  }
  return drawn.block
}

/** Where in the block a tensor begins: FNV-1a of its name, which is ASCII. */
function place(name: string): number {
  let word = 0x811c9dc5
  for (let i = 0; i < name.length; i++) word = Math.imul(word ^ name.charCodeAt(i), 0x01000193)
  return (word >>> 0) % BLOCK
}

/**
 * Rows `first` to `first + count - 1` of a tensor of a random model, float32 `[count, ...shape.slice(1)]`:
 *
 * - `A_log`: log(1 .. N) as in a new Mamba, plus what sets the channels (Mamba-2: heads) apart, from -0.5 to 0.5 in
 *   equal steps. Equal decays would leave open which channels a feature category keeps.
 * - norms and the skip `D`: 1
 * - biases of Delta: uniform from -4 to 0
 * - the others: uniform, of variance 1 / inputs; biases from -0.5 to 0.5
 */
export function randomValues(
  name: string,
  shape: readonly number[],
  first: number,
  count: number,
  seed = 0,
): Float32Array {
  const width = shape.slice(1).reduce((a, b) => a * b, 1)
  const values = new Float32Array(count * width)
  if (name.endsWith('A_log')) {
    const states = Float32Array.from({ length: width }, (_, n) => Math.log(1 + n))
    for (let row = 0; row < count; row++) {
      const channel = ((first + row) * FORWARD) % shape[0]!
      const apart = Math.fround((channel + 0.5) / shape[0]! - 0.5)
      for (let n = 0; n < width; n++) values[row * width + n] = apart + states[n]!
    }
    return values
  }
  if (/norm.*weight$|ln_.*weight$|mixer\.D$/.test(name)) return values.fill(1)
  const block = randomBlock(seed)
  const [offset, scale] = /dt_(proj\.)?bias$/.test(name)
    ? [-2, -4]
    : [0, Math.fround(Math.sqrt(12) / Math.sqrt(shape.length > 1 ? width : 12))]
  let at = (place(name) + first * width) % BLOCK
  for (let i = 0; i < values.length; i++) {
    values[i] = offset + scale * block[at]!
    if (++at === BLOCK) at = 0
  }
  return values
}
