/** The tables of a run folder: what its Parquet files hold, one interface a row. Names are those of the columns. */
import type { FeatureCategory } from '../models/architecture.js'
import type { Role } from '../prompts/roles.js'

/** One prompt under one knockout. */
export interface KnockoutRow {
  /** What the model is called in the run. */
  readonly model: string
  readonly dataset: string
  readonly prompt_id: string
  /** First layer of the window, from 0. */
  readonly first_layer: number
  /** Layers in the window. */
  readonly window: number
  /** The role that is cut; `token` for a single token, see `position`. */
  readonly source: Role | 'token'
  /** Position of the single token that is cut, from 0; null where a role is cut. */
  readonly position: number | null
  readonly target: Role
  readonly features: FeatureCategory
  /** Probability of the answer's first token without a knockout, 0 to 1. */
  readonly base_prob: number
  /** And with it. */
  readonly prob: number
  /** 1 + number of tokens more probable than the answer; null where nobody recorded it. */
  readonly rank: number | null
  /** Id of the most probable token; null where nobody recorded it. */
  readonly top_token: number | null
  /** Whether that is the answer; null where nobody recorded it. */
  readonly hit: boolean | null
  /** (prob - base_prob) / base_prob * 100 */
  readonly relative_change: number
}

/** A token that a model finds probable. */
export interface TopToken {
  readonly id: number
  readonly text: string
  readonly prob: number
}

/** One prompt as a model completes it, without a knockout. */
export interface EvaluationRow {
  readonly model: string
  readonly dataset: string
  readonly prompt_id: string
  readonly prompt: string
  readonly subject: string
  readonly answer: string
  readonly relation: string | null
  readonly split: string | null
  /** The prompt's tokens, as texts. */
  readonly tokens: readonly string[]
  /** Positions of the subject's tokens. */
  readonly subject_tokens: readonly number[]
  /** The answer's tokens, as texts; the first one counts. */
  readonly answer_tokens: readonly string[]
  /** Probability of the answer's first token, 0 to 1. */
  readonly prob: number
  readonly rank: number
  readonly hit: boolean
  /** The most probable tokens, the first first. */
  readonly top: readonly TopToken[]
  /** What the model itself writes after the prompt, greedily; null where nobody asked. */
  readonly continuation: string | null
}

/** One feature of a state-space layer: the L1 norm over d_state of exp(-exp(A_log)), by which features are ranked. */
export interface FeatureRow {
  readonly model: string
  readonly layer: number
  readonly feature: number
  readonly norm: number
}

/** A prompt that belongs to a named set, for one model: what the set's filter chose. */
export interface PromptSetRow {
  readonly prompt_set: string
  readonly model: string
  readonly dataset: string
  readonly prompt_id: string
}

/** A fact that could not be used, and why. */
export interface UnusableRow {
  /** The model that cannot use it; null where no model can. */
  readonly model: string | null
  readonly dataset: string
  readonly prompt_id: string
  /** Where it stands: file and line, or row. */
  readonly place: string
  /** One of a few short phrases, for counting. */
  readonly reason: string
  readonly detail: string
}

/** What a row of each table is. */
export interface Tables {
  readonly knockouts: KnockoutRow
  readonly evaluations: EvaluationRow
  readonly features: FeatureRow
  readonly prompt_sets: PromptSetRow
  readonly unusable: UnusableRow
}
export type TableName = keyof Tables

export const TABLE_NAMES = [
  'knockouts',
  'evaluations',
  'features',
  'prompt_sets',
  'unusable',
] as const satisfies readonly TableName[]

/** What the names of each table's files begin with. */
export const PART_PREFIX: { readonly [name in TableName]: string } = {
  knockouts: 'part-',
  evaluations: 'evaluation-',
  features: 'features-',
  prompt_sets: 'prompt-sets-',
  unusable: 'unusable-',
}
