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

async function ask<T>(dir: string, sql: string, label: string): Promise<T[]> {
  const results = await Results.open([dir])
  try {
    return (await results.rows<Row>(sql, { label })) as unknown as T[]
  } finally {
    results.close()
  }
}

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
  const keys = async (table: string): Promise<Set<string>> => {
    const rows = await ask<Prompt>(dir, `SELECT dataset, prompt_id FROM ${table} WHERE model = $label`, label)
    return new Set(rows.map(keyOf))
  }
  return { evaluated: await keys('evaluated'), unusable: await keys('unusable') }
}

/** Ranks of the answers, of those models that have been evaluated on all facts. */
export async function storedRanks(
  dir: string,
  labels: readonly string[],
  facts: ReadonlyMap<string, readonly Fact[]>,
): Promise<Map<string, Ranks>> {
  const ranks = new Map<string, Ranks>()
  for (const label of labels) {
    const answers = await ask<Prompt & { rank: number | null }>(
      dir,
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
}

/** How many tokens each prompt has in a model's eyes, and where its subject is. */
export async function storedPlaces(dir: string, label: string): Promise<Map<string, Place>> {
  const rows = await ask<Prompt & { length: number; subject: number[] }>(
    dir,
    'SELECT dataset, prompt_id, len(tokens) AS length, subject_tokens AS subject FROM evaluations WHERE model = $label',
    label,
  )
  return new Map(rows.map((row) => [keyOf(row), { length: row.length, subject: row.subject }]))
}

/** What is stored of a model: `promptKey curveKey` of each curve of each prompt. */
export async function storedCurveKeys(dir: string, label: string): Promise<Set<string>> {
  const rows = await ask<Prompt & Curve>(
    dir,
    'SELECT dataset, prompt_id, "window", source, target, features FROM curves WHERE model = $label',
    label,
  )
  return new Set(rows.map((row) => `${keyOf(row)} ${curveKey(row)}`))
}
