/** What the files' numbers must be, and how what cannot be used is told. */
/** float32 softmax: a probability may be above 1 by its rounding. */
const ROUNDING = 1e-5

export function isProbability(value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && value <= 1 + ROUNDING
}

/** (prob - base) / base * 100 */
export function relativeChange(prob: number, base: number): number {
  return ((prob - base) / base) * 100
}

/** Told in one line what a user should know of a file. */
export type OnNote = (note: string) => void

/** Names that a note gives before it says how many more there are. */
const NAMED = 3

/**
 * Say what of a file is left out, if anything is.
 * @param of `8 prompts`
 * @param why it is left out; what to do
 */
export function noteLeftOut(
  onNote: OnNote,
  path: string,
  names: readonly string[],
  of: string,
  why: string,
): void {
  if (names.length === 0) return
  const some = names.slice(0, NAMED).join(', ')
  const more = names.length > NAMED ? ` and ${names.length - NAMED} more` : ''
  onNote(`${path}: ${names.length} of ${of} left out (${some}${more}): ${why}`)
}
