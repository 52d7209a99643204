/** Seeded choice of prompts: the same seed draws the same ones everywhere. */

/** Uniform numbers in [0, 1) from a seed: mulberry32 (public domain, Tommy Ettinger). */
export function seededRandom(seed: number): () => number {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

/** The values in an order drawn by seed (Fisher-Yates); the input stays as it is. */
export function shuffled<T>(values: readonly T[], seed: number): T[] {
  const random = seededRandom(seed)
  const out = [...values]
  for (let i = out.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1))
    const held = out[i]!
    out[i] = out[j]!
    out[j] = held
  }
  return out
}

/**
 * Up to `count` values, as evenly from all groups as they allow: one of each group in turn, each group in an order
 * drawn by seed.
 */
export function spread<T>(
  values: readonly T[],
  groupOf: (value: T) => unknown,
  count: number,
  seed: number,
): T[] {
  const groups = new Map<unknown, T[]>()
  for (const value of shuffled(values, seed)) {
    const group = groups.get(groupOf(value))
    if (group) group.push(value)
    else groups.set(groupOf(value), [value])
  }
  const out: T[] = []
  for (let turn = 0; out.length < Math.min(count, values.length); turn++) {
    for (const group of groups.values()) if (turn < group.length) out.push(group[turn]!)
  }
  return out.slice(0, count)
}
