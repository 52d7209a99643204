/** Heatmaps of stored results. */
import { InputError } from '../errors.js'
import { literal } from '../results/database.js'
import type { Results } from '../results/results.js'
import { conditions } from './curve-query.js'
import { NothingStored } from './drawn.js'
import type { HeatmapsDefinition } from './study.js'

export interface StoredHeatmap {
  readonly model: string
  readonly dataset: string
  readonly promptId: string
  readonly prompt: string
  readonly answer: string
  readonly window: number
  readonly target: string
  readonly features: string
  readonly layers: number
  readonly baseProb: number
  readonly tokens: string[]
  readonly subject: number[]
  /** `[token][window start]`: percent of the base probability, or difference of probabilities. */
  readonly values: number[][]
}

/** Prompts of a figure that names none. */
const MOST_PROMPTS = 4

/**
 * The heatmaps that a definition asks for, in the order of prompts and models.
 * @throws InputError when there is none, or a prompt that is named has none
 */
export async function storedHeatmaps(
  results: Results,
  { name, where, prompts, unit }: HeatmapsDefinition,
): Promise<StoredHeatmap[]> {
  const ids = prompts ? `AND prompt_id IN (${prompts.map(literal)})` : ''
  const { promptSet, ...rest } = where
  const inSet =
    promptSet === undefined
      ? ''
      : `AND (run, model, dataset, prompt_id) IN (SELECT run, model, dataset, prompt_id FROM prompt_sets WHERE prompt_set IN (${promptSet.map(literal)}))`
  interface Found {
    run: string
    model: string
    dataset: string
    prompt_id: string
    window: number
    target: string
    features: string
    layers: number
    base_prob: number
    prompt: string | null
    answer: string | null
    tokens: string[] | null
    subject_tokens: number[] | null
    values: number[]
    positions: number
  }
  const value = unit === 'relative' ? 'relative_change' : 'prob - base_prob'
  const found = await results.rows<Found & Record<string, string | number | null | string[] | number[]>>(`
    SELECT run, model, dataset, prompt_id, "window", target, features, layers, base_prob,
      prompt, answer, tokens, subject_tokens,
      list(${value} ORDER BY position, first_layer) AS "values", max(position) + 1 AS positions
    FROM knockouts JOIN models USING (run, model) JOIN main_windows USING (run, model)
      LEFT JOIN (SELECT run, model, dataset, prompt_id, prompt, answer, tokens, subject_tokens FROM evaluations)
        USING (run, model, dataset, prompt_id)
    WHERE source = 'token' ${ids} ${inSet} ${conditions(rest)}
    GROUP BY ALL ORDER BY dataset, prompt_id, model, "window"`)
  checkOne(name, found)
  // Without names: the prompts that most models have, in the order of their ids.
  const models = new Map<string, Set<string>>()
  for (const { prompt_id: id, model } of found) models.set(id, (models.get(id) ?? new Set()).add(model))
  const chosen =
    prompts ??
    [...models.keys()].sort((a, b) => models.get(b)!.size - models.get(a)!.size).slice(0, MOST_PROMPTS)
  const missing = chosen.find((id) => !models.has(id))
  if (found.length === 0 || missing !== undefined) {
    throw new NothingStored(
      `figure ${name}: needs stored heatmaps, got none${missing === undefined ? '' : ` of prompt ${missing}`}; add heatmaps to the study, or leave the figure out`,
    )
  }
  return chosen.flatMap((id) =>
    found
      .filter((one) => one.prompt_id === id)
      .map((one) => {
        const starts = one.values.length / one.positions
        const tokens = one.tokens?.length
          ? one.tokens
          : Array.from({ length: one.positions }, (_, i) => `token ${i}`)
        return {
          model: one.model,
          dataset: one.dataset,
          promptId: id,
          prompt: one.prompt ?? '',
          answer: one.answer ?? '',
          window: one.window,
          target: one.target,
          features: one.features,
          layers: one.layers,
          baseProb: one.base_prob,
          tokens,
          subject: one.subject_tokens ?? [],
          values: tokens.map((_, t) => one.values.slice(t * starts, (t + 1) * starts)),
        }
      }),
  )
}

/** A figure of heatmaps shows prompts, models and windows: everything else must be one. */
function checkOne(
  name: string,
  found: readonly {
    readonly run: string
    readonly dataset: string
    readonly target: string
    readonly features: string
  }[],
): void {
  for (const field of ['run', 'dataset', 'target', 'features'] as const) {
    const values = [...new Set(found.map((one) => one[field]))]
    if (values.length < 2) continue
    throw new InputError(
      `figure ${name}: ${field} must be one (where.${field}), got heatmaps of ${values.join(', ')}; choose one`,
    )
  }
}
