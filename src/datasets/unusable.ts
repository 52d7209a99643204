/** Records and facts that cannot be used, and why: nothing is left out without being counted. */

/** Why something cannot be used, in a few words to count by. The last three depend on the model. */
export const REASONS = [
  'no id',
  'no prompt',
  'no subject',
  'no answer',
  'field of another kind',
  'subject not in the prompt',
  'subject more than once in the prompt',
  'id used before',
  'prompt too long',
  'text without tokens',
  'token outside the vocabulary',
] as const

export type Reason = (typeof REASONS)[number]

/** What is wrong with a record. */
export interface Problem {
  readonly reason: Reason
  /** `rule, got value`, on one line. */
  readonly detail: string
}

export interface Unusable extends Problem {
  /** The id that the fact has or would have. */
  readonly id: string
  /** Where it stands: `facts.jsonl:12`, `facts.csv row 11`; of a fact by itself, `fact "a"`. */
  readonly where: string
}

/** How many there are by reason, the most frequent first. */
export function countReasons(unusable: readonly Unusable[]): Map<Reason, number> {
  const counts = new Map<Reason, number>()
  for (const { reason } of unusable) counts.set(reason, (counts.get(reason) ?? 0) + 1)
  return new Map([...counts].sort(([, a], [, b]) => b - a))
}
