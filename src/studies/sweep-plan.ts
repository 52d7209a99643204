/** What a study asks of its models under knockouts, as far as they have been evaluated. */
import type { Fact } from '../prompts/facts.js'
import type { PromptSetRow } from '../results/rows.js'
import type { RunModel } from '../results/run-schema.js'
import { plannedPrompt } from './planned-prompt.js'
import { choosePrompts } from './prompt-sets.js'
import { dataFacts } from './shares.js'
import { promptKey, type StoredResults } from './stored.js'
import type { Study } from './study.js'
import { askedCurves, hasTokens, type Work } from './work.js'

/** A prompt with the curves that are asked of it; its ids mean nothing yet. */
export interface PlannedWork extends Work {
  readonly key: string
}

export interface SweepPlan {
  /** The members of the named sets. */
  readonly sets: readonly PromptSetRow[]
  /** Sets that wait for the evaluation of models, and those that are empty. */
  readonly waiting: readonly { readonly set: string; readonly models: readonly string[] }[]
  readonly empty: readonly string[]
  /** By label, of the models that have been evaluated on all facts: prompts with something to compute, in order. */
  readonly works: ReadonlyMap<string, readonly PlannedWork[]>
  /** Windows that are wider than a model. */
  readonly tooWide: ReadonlyMap<string, readonly number[]>
}

/**
 * @param labels of all models of the study
 * @param models what the run folder says of them
 * @param only labels of the models to plan for; sets may need the others
 */
export async function planSweeps(
  study: Study,
  { labels, only }: { readonly labels: readonly string[]; readonly only: readonly string[] },
  models: Readonly<Record<string, RunModel>>,
  facts: ReadonlyMap<string, readonly Fact[]>,
  stored: StoredResults,
): Promise<SweepPlan> {
  const ranks = await stored.ranks(labels, facts)
  const chosen = Object.entries(study.promptSets).map(([set, filter]) => ({
    set,
    ...choosePrompts(set, filter, { facts, ranks, labels }),
  }))
  const sets = chosen.flatMap(({ rows }) => rows)
  const all = dataFacts(facts)
  const works = new Map<string, PlannedWork[]>()
  const tooWide = new Map<string, readonly number[]>()
  for (const label of only) {
    const model = models[label]
    if (!model || !ranks.has(label)) continue
    const spec = { nLayers: model.layers, featureCategories: model.featureCategories }
    const curves = askedCurves(study, label, spec, membersOf(sets, label))
    tooWide.set(label, curves.tooWide)
    const places = await stored.places(label)
    const own = all.flatMap(({ dataset, fact, key }): PlannedWork[] => {
      const place = places.get(key)
      // Of a role without tokens in a prompt there is nothing to compute.
      const asked = place && curves.asked.get(key)?.filter((curve) => hasTokens(curve, place))
      if (!asked || asked.length === 0) return []
      return [{ key, dataset, prompt: plannedPrompt(fact, place), curves: asked }]
    })
    works.set(label, own)
  }
  return {
    sets,
    waiting: chosen.flatMap(({ set, missing }) => (missing.length > 0 ? [{ set, models: missing }] : [])),
    empty: chosen.flatMap(({ set, rows, missing }) => (rows.length + missing.length === 0 ? [set] : [])),
    works,
    tooWide,
  }
}

/** The features of a figure are those of its model: the norms are read when a study draws them. */
export function drawsFeatures({ figures }: Study): boolean {
  return figures.some((figure) =>
    typeof figure === 'string' ? figure.startsWith('decay') : figure.kind === 'decay',
  )
}

/** Whether a study asks for more than evaluations. */
export function hasSweeps(study: Study): boolean {
  return study.infoFlow !== undefined || study.heatmaps !== undefined || drawsFeatures(study)
}

/** Keys of the prompts of a model's sets, in the order of the data. */
function membersOf(rows: readonly PromptSetRow[], label: string): ReadonlyMap<string, readonly string[]> {
  const sets = new Map<string, string[]>()
  for (const { model, prompt_set: set, dataset, prompt_id } of rows) {
    if (model !== label) continue
    const own = sets.get(set)
    if (own) own.push(promptKey(dataset, prompt_id))
    else sets.set(set, [promptKey(dataset, prompt_id)])
  }
  return sets
}
