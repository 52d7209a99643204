/** Which facts of a data set: by relation, by split, a sample. */
import { InputError, show } from '../errors.js'
import type { Fact } from '../prompts/facts.js'
import { shuffled } from '../prompts/sample.js'

/** What the embedded models have not seen: a fact counts as known when it is, in other words too. */
export const DEFAULT_SPLIT = 'held-out'

export interface FactFilter {
  readonly relation?: readonly string[]
  /** A split's name, or `all`. Left out: `held-out` where the data set has that. */
  readonly split?: string
}

export interface Selection extends FactFilter {
  /** Only facts with these ids. */
  readonly ids?: readonly string[]
  /** How many to draw; left out: all. */
  readonly sample?: number
  /** Which are drawn, and their order; default 0. */
  readonly seed?: number
}

/**
 * The facts that a selection takes: in their order, or drawn by seed.
 * @param where what the data set is called, for errors
 * @throws InputError when a relation or split is none of the data set's, or no fact is of both
 */
export function selectFacts(facts: readonly Fact[], selection: Selection, where: string): Fact[] {
  const { relation, split, ids, sample, seed = 0 } = selection
  if (facts.length === 0) {
    throw new InputError(
      `${where}: a data set must have facts that can be used, got none; see with factflow data what is wrong with them`,
    )
  }
  checkNames(facts, where, 'relation', relation ?? [])
  const wanted = split ?? (facts.some((fact) => fact.split === DEFAULT_SPLIT) ? DEFAULT_SPLIT : 'all')
  if (wanted !== 'all') checkNames(facts, where, 'split', [wanted])
  const named = ids && new Set(ids)
  const chosen = facts.filter(
    (fact) =>
      (!named || named.has(fact.id)) &&
      (wanted === 'all' || fact.split === wanted) &&
      (!relation || (fact.relation !== undefined && relation.includes(fact.relation))),
  )
  const stray = ids?.find((id) => !chosen.some((fact) => fact.id === id))
  if (stray !== undefined) {
    throw new InputError(
      `--ids: must be ids of facts in ${where}, after its other filters, got ${show(stray)}; correct it`,
    )
  }
  if (chosen.length === 0) {
    throw new InputError(
      `--split: must have facts of ${relation!.join(', ')} in ${where}, got none in ${wanted}; try --split all`,
    )
  }
  return sample === undefined ? chosen : shuffled(chosen, seed).slice(0, sample)
}

/** @throws InputError when a name is none of the data set's relations or splits */
function checkNames(
  facts: readonly Fact[],
  where: string,
  field: 'relation' | 'split',
  names: readonly string[],
): void {
  const known = new Set(facts.map((fact) => fact[field]))
  for (const name of names) {
    if (known.has(name)) continue
    const all = Array.from(known)
      .filter((one) => one !== undefined)
      .sort()
    throw new InputError(
      `--${field}: must be a ${field} of ${where} (${all.join(', ') || 'it has none'}), got ${show(name)}; change it`,
    )
  }
}
