/** What a run folder has of a study, so that only the rest is computed. */

import type { Fact } from '../prompts/facts.js'
import type { Row } from '../results/database.js'
import { Results } from '../results/results.js'
import type { PromptSetRow } from '../results/rows.js'
import type { Ranks } from './prompt-sets.js'
import { type Curve, curveKey, type Place } from './work.js'

/** A prompt among those of all data sets. */
export function promptKey(dataset: string, id: string): string {
  return JSON.stringify([dataset, id])
}

interface Prompt {
  readonly dataset: string
  readonly prompt_id: string
}

const keyOf = ({ dataset, prompt_id }: Prompt): string => promptKey(dataset, prompt_id)

/** The results of a run folder as they were when it was opened. */
export class StoredResults {
  private constructor(private readonly results: Results) {}

  /** @throws InputError as `Results.open` does, but that a folder may hold nothing yet */
  static async open(dir: string): Promise<StoredResults> {
    return new StoredResults(await Results.open([dir], { mayBeEmpty: true }))
  }

  /** What is torn or of another run, one sentence each. */
  get leftOut(): readonly string[] {
    return this.results.leftOut
  }

  async #ask<R>(sql: string, label: string): Promise<R[]> {
    return (await this.results.rows<Row>(sql, { label })) as unknown as R[]
  }

  async #keys(table: 'evaluated' | 'unusable', label: string): Promise<Set<string>> {
    const sql = `SELECT dataset, prompt_id FROM ${table} WHERE model = $label`
    return new Set((await this.#ask<Prompt>(sql, label)).map(keyOf))
  }

  /** Keys of the prompts that a model has been asked. */
  evaluated(label: string): Promise<ReadonlySet<string>> {
    return this.#keys('evaluated', label)
  }

  /** Keys of the prompts that a model cannot use. */
  unusable(label: string): Promise<ReadonlySet<string>> {
    return this.#keys('unusable', label)
  }

  /** Ranks of the answers, of those models that have been evaluated on all facts. */
  async ranks(
    labels: readonly string[],
    facts: ReadonlyMap<string, readonly Fact[]>,
  ): Promise<Map<string, Ranks>> {
    const ranks = new Map<string, Ranks>()
    for (const label of labels) {
      const answers = await this.#ask<Prompt & { rank: number | null }>(
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

  /** How many tokens each prompt has in a model's eyes, and where its subject is; by the prompts' keys. */
  async places(label: string): Promise<ReadonlyMap<string, Place>> {
    const places = await this.#ask<Prompt & Place>(
      'SELECT dataset, prompt_id, len(tokens) AS length, subject_tokens AS subject FROM evaluations WHERE model = $label',
      label,
    )
    return new Map(places.map((row) => [keyOf(row), row]))
  }

  /** `promptKey curveKey` of each curve of each prompt of a model. */
  async curves(label: string): Promise<ReadonlySet<string>> {
    const curves = await this.#ask<Prompt & Curve>(
      'SELECT dataset, prompt_id, "window", source, target, features FROM curves WHERE model = $label',
      label,
    )
    return new Set(curves.map((row) => `${keyOf(row)} ${curveKey(row)}`))
  }

  /** Whether the members of a model's named sets are stored as they are. */
  async hasSets(label: string, rows: readonly PromptSetRow[]): Promise<boolean> {
    const stored = await this.#ask<PromptSetRow>(
      'SELECT prompt_set, model, dataset, prompt_id FROM prompt_sets WHERE model = $label',
      label,
    )
    const keys = (some: readonly PromptSetRow[]): string =>
      some
        .map(({ prompt_set, dataset, prompt_id }) => JSON.stringify([prompt_set, dataset, prompt_id]))
        .sort()
        .join()
    return keys(stored) === keys(rows)
  }

  /** Labels of the models whose norms of features are stored. */
  async modelsWithFeatures(): Promise<ReadonlySet<string>> {
    const rows = await this.results.rows<{ model: string }>('SELECT DISTINCT model FROM features')
    return new Set(rows.map(({ model }) => model))
  }

  close(): void {
    this.results.close()
  }
}
