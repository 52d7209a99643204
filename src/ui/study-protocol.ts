/** What the web app asks of stored results: run folders of the server, or files that were dropped on the page. */
import { z } from 'zod'
import { FEATURE_CATEGORIES, type FeatureCategory } from '../models/architecture.js'
import { ROLES, type Role } from '../prompts/roles.js'
import { SIZED } from '../sized.js'

const name = z.string().min(1, SIZED).max(300, SIZED)
const some = <T extends z.ZodType>(item: T) => z.array(item).min(1, SIZED).max(200, SIZED).optional()

/** Which prompts a model knows: without a knockout its first choice is the answer (or not, or either). */
export const KNOWLEDGE = ['any', 'known', 'unknown'] as const
export type Knowledge = (typeof KNOWLEDGE)[number]

/**
 * Which prompts. Relations and what a model knows are those of the run's evaluations: a prompt that was not evaluated,
 * or is of no relation, is left out where one is asked for.
 */
const promptFilter = {
  relation: some(name),
  known: z.enum(KNOWLEDGE),
  /** Those of a named set of the study, which may differ from model to model. */
  promptSet: name.optional(),
}

export const STUDY_SCHEMAS = {
  studies: z.strictObject({}),
  study: z.strictObject({ study: name }),
  curves: z.strictObject({
    study: name,
    ...promptFilter,
    model: some(name),
    dataset: some(name),
    /** Layers of a window; `default`: each model's `mainWindow`. */
    window: some(z.union([z.int().min(1), z.literal('default')])),
    source: some(z.enum(ROLES)),
    target: some(z.enum(ROLES)),
    features: some(z.enum(FEATURE_CATEGORIES)),
  }),
  effects: z.strictObject({
    study: name,
    ...promptFilter,
    model: name,
    dataset: name,
    window: z.int().min(1),
    source: z.enum(ROLES),
    target: z.enum(ROLES),
    features: z.enum(FEATURE_CATEGORIES),
    firstLayer: z.int().min(0),
    /** So many prompts at most come back one by one from each end. */
    outliers: z.int().min(0).max(1000),
  }),
} as const

export type CurvesRequest = z.infer<typeof STUDY_SCHEMAS.curves>
export type EffectsRequest = z.infer<typeof STUDY_SCHEMAS.effects>

export interface StudyEntry {
  /** What calls name it by. */
  readonly study: string
  readonly title: string
  readonly models: readonly string[]
  readonly datasets: readonly string[]
  /** ISO 8601; null where nobody recorded it. */
  readonly updated: string | null
}

export interface StudyModel {
  readonly model: string
  /** What it was opened from: an embedded model, a folder, an id on the Hub; null where nobody recorded it. */
  readonly openedFrom: string | null
  readonly family: string
  readonly layers: number
  /** The window that `default` stands for: the model's default one, or the widest where that was not asked for. */
  readonly mainWindow: number
}

/** What a curve is of. */
export interface StudyCut {
  readonly model: string
  readonly dataset: string
  readonly window: number
  readonly source: Role
  readonly target: Role
  readonly features: FeatureCategory
}

/** What is in a study, to choose from. Single tokens that were cut (heatmaps) are no part of it. */
export interface StudyOverview extends StudyEntry {
  /** In the run's order, as `models`. */
  readonly modelsInfo: readonly StudyModel[]
  /** All curves there are, in no order. */
  readonly cuts: readonly StudyCut[]
  /** Of the prompts that were evaluated, in alphabetical order. */
  readonly relations: readonly string[]
  readonly promptSets: readonly string[]
  /** Whether it was stored what models say without a knockout; if not, `relation` and `known` choose nothing. */
  readonly evaluated: boolean
  /** Whether effects can be told prompt by prompt; if not, `effects` is an error. */
  readonly byPrompt: boolean
  /** Distinct prompts (data set and id) that have curves. */
  readonly prompts: number
  /** Rows: one prompt under one knockout. */
  readonly knockouts: number
}

/** A point of a curve over prompts. */
export interface StudyPoint {
  readonly firstLayer: number
  /** Prompts with a finite change: where an answer's probability was 0 there is none. A point has at least one. */
  readonly n: number
  /** Mean relative change of the answer's probability with its 95 % t interval, percent; null with one prompt. */
  readonly mean: number
  readonly low: number | null
  readonly high: number | null
  /** Percent of prompts whose first choice is still the answer, of those where it was recorded; null where it was of none. */
  readonly accuracy: number | null
  /** The 95 % t interval of `accuracy`, as of a mean of 0s and 100s; null with one prompt. */
  readonly accuracyLow: number | null
  readonly accuracyHigh: number | null
}

export interface StudyCurve {
  readonly at: StudyCut
  /** Of the model. */
  readonly layers: number
  /** By first layer. */
  readonly points: readonly StudyPoint[]
}

/** What one knockout did to one prompt. */
export interface StudyEffect {
  readonly promptId: string
  /** Null where the run holds no evaluations. */
  readonly prompt: string | null
  readonly subject: string | null
  readonly answer: string | null
  readonly relation: string | null
  readonly baseProb: number
  readonly prob: number
  /** Percent. */
  readonly change: number
  readonly rank: number | null
}

export interface StudyEffects {
  readonly n: number
  /**
   * Changes of the prompts, ascending, percent. Of more than `MOST_CHANGES` (n) there are that many (m), from the least
   * to the largest: number i stands at round(i (n - 1) / (m - 1)) of all.
   */
  readonly changes: readonly number[]
  /** Of all prompts; linear between neighbours (NumPy's `percentile`). */
  readonly quartiles: readonly [number, number, number]
  /** The least changes, so the largest losses, the least first. Equal ones by prompt id. */
  readonly lowest: readonly StudyEffect[]
  /** The largest changes, the largest first; none that is in `lowest`. */
  readonly highest: readonly StudyEffect[]
}

export const MOST_CHANGES = 2000

/** What answers the calls. */
export type StudyAnswers = {
  readonly [name in keyof StudyCalls]: (
    input: StudyCalls[name]['input'],
  ) => Promise<StudyCalls[name]['output']>
}

export interface StudyCalls {
  studies: { input: z.infer<typeof STUDY_SCHEMAS.studies>; output: readonly StudyEntry[] }
  study: { input: z.infer<typeof STUDY_SCHEMAS.study>; output: StudyOverview }
  curves: { input: CurvesRequest; output: readonly StudyCurve[] }
  effects: { input: EffectsRequest; output: StudyEffects }
}
