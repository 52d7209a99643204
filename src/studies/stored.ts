/** What a run folder has of a study, so that only the rest is computed. */

import type { Fact } from '../prompts/facts.js'
import type { Row } from '../results/database.js'
import { Results } from '../results/results.js'
import type { Ranks } from './prompt-sets.js'
import { type Curve, curveKey, type Place } from './work.js'

/** A prompt among those of all data sets. */
export function promptKey(dataset: string, id: string): string {
  return JSON.stringify([dataset, id])
}

/** Open a run folder once for all that is asked of it. */
async function stored<T>(dir: string, use: (ask: Ask) => Promise<T>): Promise<T> {
  const results = await Results.open([dir])
  try {
    return await use(
      async <R>(sql: string, label: string) => (await results.rows<Row>(sql, { label })) as unknown as R[],
    )
  } finally {
    results.close()
  }
}
type Ask = <R>(sql: string, label: string) => Promise<R[]>

interface Prompt {
  readonly dataset: string
  readonly prompt_id: string
}

const keyOf = ({ dataset, prompt_id }: Prompt): string => promptKey(dataset, prompt_id)

/** Keys of the prompts that a model has been asked, and of those that it cannot use. */
export async function storedPrompts(
  dir: string,
  label: string,
): Promise<{ readonly evaluated: ReadonlySet<string>; readonly unusable: ReadonlySet<string> }> {
  return stored(dir, async (ask) => {
    const keys = async (table: string): Promise<Set<string>> => {
      const rows = await ask<Prompt>(`SELECT dataset, prompt_id FROM ${table} WHERE model = $label`, label)
      return new Set(rows.map(keyOf))
    }
    return { evaluated: await keys('evaluated'), unusable: await keys('unusable') }
  })
}

/** Ranks of the answers, of those models that have been evaluated on all facts. */
export async function storedRanks(
  dir: string,
  labels: readonly string[],
  facts: ReadonlyMap<string, readonly Fact[]>,
): Promise<Map<string, Ranks>> {
  return stored(dir, async (ask) => {
    const ranks = new Map<string, Ranks>()
    for (const label of labels) {
      const answers = await ask<Prompt & { rank: number | null }>(
        `SELECT dataset, prompt_id, rank FROM evaluations WHERE model = $label
         UNION ALL SELECT dataset, prompt_id, NULL FROM unusable WHERE model = $label`,
        label,
      )
      const own = new Map<string, Map<string, number>>()
      for (const { dataset, prompt_id, rank } of answers) {
        const of = own.get(dataset) ?? new Map<string, number>()
        own.set(dataset, of.set(prompt_id, rank ?? Number.NaN))
      }
      const complete = [...facts].every(([dataset, all]) => all.every(({ id }) => own.get(dataset)?.has(id)))
      if (complete) ranks.set(label, own)
    }
    return ranks
  })
}

/** What is stored of a model's curves, and how its prompts look. */
export interface StoredWork {
  /** `promptKey curveKey` of each curve of each prompt. */
  readonly curves: ReadonlySet<string>
  /** How many tokens each prompt has in the model's eyes, and where its subject is. */
  readonly places: ReadonlyMap<string, Place>
}

export async function storedWork(dir: string, label: string): Promise<StoredWork> {
  return stored(dir, async (ask) => {
    const curves = await ask<Prompt & Curve>(
      'SELECT dataset, prompt_id, "window", source, target, features FROM curves WHERE model = $label',
      label,
    )
    const places = await ask<Prompt & Place>(
      'SELECT dataset, prompt_id, len(tokens) AS length, subject_tokens AS subject FROM evaluations WHERE model = $label',
      label,
    )
    return {
      curves: new Set(curves.map((row) => `${keyOf(row)} ${curveKey(row)}`)),
      places: new Map(places.map((row) => [keyOf(row), row])),
    }
  })
}
