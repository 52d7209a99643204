/** Named sets of prompts: which prompts of the data a model, or every model, knows. */
import { InputError, show } from '../errors.js'
import type { Fact } from '../prompts/facts.js'
import { shuffled } from '../prompts/sample.js'
import type { PromptSetRow } from '../results/rows.js'
import type { Known } from './names.js'
import type { PromptSet } from './study.js'

/** Ranks of the answers that a model gave, by data set and prompt. */
export type Ranks = ReadonlyMap<string, ReadonlyMap<string, number>>

export interface SetContext {
  /** Facts of each data set, after the study's filters, in order. */
  readonly facts: ReadonlyMap<string, readonly Fact[]>
  /** Ranks by label, of models that have been evaluated on all facts. */
  readonly ranks: ReadonlyMap<string, Ranks>
  /** Labels of all models of the study. */
  readonly labels: readonly string[]
}

/** A set as it came out. */
export interface ChosenSet {
  readonly rows: readonly PromptSetRow[]
  /** Models whose evaluation it waits for. */
  readonly missing: readonly string[]
}

/** The worst rank that counts, and whether every model is asked. */
function rule(known: Known): { readonly rank: number; readonly everyModel: boolean } {
  switch (known) {
    case 'any':
      return { rank: Number.POSITIVE_INFINITY, everyModel: false }
    case 'correct':
    case 'all-correct':
      return { rank: 1, everyModel: known === 'all-correct' }
    case 'top-3':
    case 'all-top-3':
      return { rank: 3, everyModel: known === 'all-top-3' }
    case 'top-5':
    case 'all-top-5':
      return { rank: 5, everyModel: known === 'all-top-5' }
    default:
      return known satisfies never
  }
}

/**
 * The prompts of a set, for each model that has been evaluated, in the order of the data. A sample is drawn from the
 * prompts that pass, in an order of the facts that depends on the seed alone: models share what they can.
 * @param set checked: `checkSets`
 */
export function choosePrompts(name: string, set: PromptSet, context: SetContext): ChosenSet {
  const { rank: worst, everyModel } = rule(set.known)
  const asked = everyModel ? (set.models ?? context.labels) : []
  const missing = asked.filter((label) => !context.ranks.has(label))
  if (missing.length > 0) return { rows: [], missing }
  const datasets = set.data === undefined ? [...context.facts.keys()] : [set.data]
  const candidates = datasets.flatMap((dataset) =>
    filtered(context.facts.get(dataset) ?? [], set).map((fact) => ({ dataset, fact })),
  )
  const order = set.sample === undefined ? candidates : shuffled(candidates, set.seed ?? 0)
  const passes = (label: string, { dataset, fact }: (typeof candidates)[number]): boolean =>
    (context.ranks.get(label)?.get(dataset)?.get(fact.id) ?? Number.NaN) <= worst
  const place = new Map(candidates.map((candidate, i) => [candidate, i]))
  const rows = [...context.ranks.keys()].flatMap((model) =>
    order
      .filter((one) => passes(model, one) && asked.every((label) => passes(label, one)))
      .slice(0, set.sample)
      .sort((a, b) => place.get(a)! - place.get(b)!)
      .map(({ dataset, fact }) => ({ prompt_set: name, model, dataset, prompt_id: fact.id })),
  )
  return { rows, missing: [] }
}

function filtered(facts: readonly Fact[], { relation, split, ids }: PromptSet): readonly Fact[] {
  const wanted = ids && new Set(ids)
  return facts.filter(
    (fact) =>
      (!relation || (fact.relation !== undefined && relation.includes(fact.relation))) &&
      (split === undefined || split === 'all' || fact.split === split) &&
      (!wanted || wanted.has(fact.id)),
  )
}

/**
 * Check the names that prompt sets use, before anything is computed.
 * @throws InputError when a data set, relation, split or id is not there
 */
export function checkSets(
  { promptSets }: { readonly promptSets: Readonly<Record<string, PromptSet>> },
  { facts }: { readonly facts: ReadonlyMap<string, readonly Fact[]> },
): void {
  for (const [name, set] of Object.entries(promptSets)) {
    const own = set.data === undefined ? [...facts.values()].flat() : facts.get(set.data)
    if (!own) throw noSuch(`promptSets.${name}.data`, [...facts.keys()], set.data!)
    for (const field of ['relation', 'split'] as const) {
      const known = [...new Set(own.flatMap((fact) => fact[field] ?? []))].sort()
      const stray = [set[field] ?? []].flat().find((value) => value !== 'all' && !known.includes(value))
      if (stray !== undefined) throw noSuch(`promptSets.${name}.${field}`, known, stray)
    }
    checkIds(name, set, own)
  }
}

function noSuch(field: string, known: readonly string[], got: string): InputError {
  return new InputError(
    `${field}: must be one of ${known.join(', ') || 'none (the data has none)'}, got ${show(got)}; correct the name`,
  )
}

function checkIds(name: string, { ids = [] }: PromptSet, facts: readonly Fact[]): void {
  const there = new Set(facts.map(({ id }) => id))
  const stray = ids.find((id) => !there.has(id))
  if (stray === undefined) return
  throw new InputError(
    `promptSets.${name}.ids: must be ids of the data after its filters, got ${show(stray)}; correct it, or the filters`,
  )
}
