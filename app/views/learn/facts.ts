/** The facts that a step asks about: evenly from all relations, drawn by number. Pure. */
import { spread } from '../../../src/prompts/sample.js'
import { type PackedRelation, type WordedFact, worded } from '../../../src/ui/packed-facts.js'

/** How many facts a step can be asked to take: one, two or three of each of the 17 relations. */
export const FACT_COUNTS = [17, 34, 51] as const

/**
 * Facts in wordings that training held out and that begin with other words than the subject's, so that the first token
 * is not the subject's own. Fewer of a sample are the beginning of more.
 * @param sample the same number draws the same facts everywhere
 */
export function drawFacts(all: readonly PackedRelation[], count: number, sample: number): WordedFact[] {
  const known = all.flatMap((relation) =>
    relation.facts.map((fact) => worded(relation, fact)).filter(({ start }) => start > 0),
  )
  return spread(known, ({ relation }) => relation, count, sample)
}

/** How many facts each question to the engine takes: few at first, so that there is something to see soon. */
export function batches<T>(values: readonly T[], first = 2, then = 5): T[][] {
  const out: T[][] = []
  for (let from = 0; from < values.length; ) {
    const size = from === 0 ? first : then
    out.push(values.slice(from, from + size))
    from += size
  }
  return out
}
