/** Curves and single effects of one stored study, as the web app asks for them. */
import { InputError } from '../errors.js'
import { literal } from '../results/database.js'
import type { Results } from '../results/results.js'
import { interval } from '../results/statistics.js'
import { spread } from '../ui/studies/effect-table.js'
import type {
  CurvesRequest,
  EffectsRequest,
  StudyCurve,
  StudyCut,
  StudyEffect,
  StudyEffects,
  StudyPoint,
} from '../ui/study-protocol.js'
import { conditions } from './curve-query.js'

/** What tells curves apart, as columns. */
const CUT_COLUMNS = 'model, dataset, "window", source, target, features'

/** SQL that keeps the rows of the prompts that are asked about. */
function promptConditions({
  relation,
  known,
  promptSet,
}: Pick<CurvesRequest, 'relation' | 'known' | 'promptSet'>): string {
  const evaluated = conditions({ relation, known: known === 'any' ? undefined : [known] })
  if (promptSet === undefined) return evaluated
  const prompt = '(model, dataset, prompt_id)'
  return `${evaluated} AND ${prompt} IN (SELECT ${prompt} FROM prompt_sets WHERE prompt_set = ${literal(promptSet)})`
}

/** The curves of all cuts that are asked for; none mixes models, data sets, windows, roles or features. */
export async function studyCurves(results: Results, request: CurvesRequest): Promise<StudyCurve[]> {
  const { model, dataset, window, source, target, features } = request
  const found = await results.rows<
    { [column in keyof StudyCut]: StudyCut[column] } & {
      layers: number
      first_layer: number
      n: number
      mean: number
      sd: number | null
      recorded: number
      accuracy: number | null
      accuracy_sd: number | null
    }
  >(`
    SELECT ${CUT_COLUMNS}, layers, first_layer, count(change) AS n, avg(change) AS mean, stddev_samp(change) AS sd,
      count(right_answer) AS recorded, avg(right_answer) AS accuracy, stddev_samp(right_answer) AS accuracy_sd
    FROM (
      -- An answer whose probability is 0 has no relative change.
      SELECT *, CASE WHEN isfinite(relative_change) THEN relative_change END AS change,
        100.0 * hit::INTEGER AS right_answer
      FROM knockouts JOIN models USING (run, model) JOIN main_windows USING (run, model)
      WHERE source <> 'token' ${promptConditions(request)}
        ${conditions({ model, dataset, window, source, target, features })})
    GROUP BY ALL HAVING count(change) > 0 ORDER BY ALL`)
  const curves = new Map<string, { at: StudyCut; layers: number; points: StudyPoint[] }>()
  for (const row of found) {
    const at = cutOf(row)
    const key = JSON.stringify(at)
    const curve = curves.get(key) ?? { at, layers: row.layers, points: [] }
    curves.set(key, curve)
    const { n, mean, sd, recorded, accuracy, accuracy_sd } = row
    const { low: accuracyLow, high: accuracyHigh } = ends(recorded, accuracy, accuracy_sd)
    const { low, high } = ends(n, mean, sd)
    curve.points.push({
      firstLayer: row.first_layer,
      n,
      mean,
      low,
      high,
      accuracy,
      accuracyLow,
      accuracyHigh,
    })
  }
  return [...curves.values()]
}

/** Everything that curves are made of. */
export async function storedCuts(results: Results): Promise<StudyCut[]> {
  const found = await results.rows<{ [column in keyof StudyCut]: StudyCut[column] }>(
    `SELECT DISTINCT ${CUT_COLUMNS} FROM curves WHERE source <> 'token' ORDER BY ALL`,
  )
  return found.map(cutOf)
}

function cutOf({ model, dataset, window, source, target, features }: StudyCut): StudyCut {
  return { model, dataset, window, source, target, features }
}

/** The t interval; null where there is none, which is of fewer than two values. */
function ends(
  n: number,
  mean: number | null,
  sd: number | null,
): { readonly low: number | null; readonly high: number | null } {
  if (mean === null || sd === null) return { low: null, high: null }
  return interval({ n, mean, sd })
}

/**
 * What one knockout did to each prompt.
 * @throws InputError when there is none of that kind, or of no such prompt
 */
export async function studyEffects(results: Results, request: EffectsRequest): Promise<StudyEffects> {
  const { model, dataset, window, source, target, features, firstLayer, outliers } = request
  const chosen = conditions({
    ...{ model: [model], dataset: [dataset], window: [window] },
    ...{ source: [source], target: [target], features: [features] },
  })
  // Without the words: millions of rows are looked through once.
  const all = await results.rows<{ [field in keyof Effect]: Effect[field] }>(
    `SELECT prompt_id AS "promptId", base_prob AS "baseProb", prob, relative_change AS change, rank
     FROM knockouts
     WHERE first_layer = ${firstLayer} AND isfinite(relative_change) ${chosen} ${promptConditions(request)}
     ORDER BY relative_change, prompt_id`,
  )
  if (all.length === 0) {
    throw new InputError(
      `effects: must be of a knockout that is stored, got ${source} → ${target} (${features}) from layer ${firstLayer}, window ${window}, of ${model} on ${dataset} with no prompts; choose another`,
    )
  }
  const lowest = all.slice(0, outliers)
  const highest = all
    .slice(Math.max(all.length - outliers, lowest.length))
    .sort((a, b) => b.change - a.change || (a.promptId < b.promptId ? -1 : 1))
  const words = await promptWords(results, request, [...lowest, ...highest])
  const inWords = (effect: Effect): StudyEffect => ({
    ...(words.get(effect.promptId) ?? NO_WORDS),
    ...effect,
  })
  return {
    ...spread(all.map(({ change }) => change)),
    lowest: lowest.map(inWords),
    highest: highest.map(inWords),
  }
}

type Words = Pick<StudyEffect, 'prompt' | 'subject' | 'answer' | 'relation'>
type Effect = Omit<StudyEffect, keyof Words>

const NO_WORDS: Words = { prompt: null, subject: null, answer: null, relation: null }

/** Prompts as they were evaluated, by their ids. */
async function promptWords(
  results: Results,
  { model, dataset }: EffectsRequest,
  effects: readonly Effect[],
): Promise<Map<string, Words>> {
  if (effects.length === 0) return new Map()
  const ids = effects.map(({ promptId }) => literal(promptId))
  const found = await results.rows<{ id: string } & { [field in keyof Words]: Words[field] }>(
    `SELECT prompt_id AS id, prompt, subject, answer, relation
     FROM evaluations
     WHERE true ${conditions({ model: [model], dataset: [dataset] })} AND prompt_id IN (${ids})`,
  )
  return new Map(found.map(({ id, ...words }) => [id, words]))
}
