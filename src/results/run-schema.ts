/** The form of the files that say what a run folder holds: `run.json`, a file for each model and data set. */
import { z } from 'zod'
import { InputError } from '../errors.js'
import { FEATURE_CATEGORIES } from '../models/architecture.js'

export const RUN_FILE = 'run.json'
export const FORMAT = 'factflow-run/1'

/** Counts go into columns of 32 bits; those of parameters into one of 64. */
const whole = z.int().min(0)
const MOST_WHOLE = 2 ** 31 - 1

export const runModel = z.object({
  /** Where it was opened from: an embedded name, a folder, an id on the Hub. */
  source: z.string(),
  revision: z.string().optional(),
  tokenizer: z.string().optional(),
  /** SHA-256 over config, weights and tokenizer (checkpoints/fingerprint.ts); missing where results were imported. */
  fingerprint: z.string().optional(),
  /** Weight files as they were hashed: not hashed again while size and time stay. */
  weights: z
    .array(z.object({ file: z.string(), size: z.number(), modified: z.number(), sha256: z.string() }))
    .optional(),
  modelType: z.string(),
  family: z.string(),
  layers: whole.max(MOST_WHOLE),
  width: whole.max(MOST_WHOLE).optional(),
  parameters: whole.optional(),
  /** Floating point operations of a row of the residual stream through one layer, and of its unembedding. */
  layerFlops: z.number().optional(),
  headFlops: z.number().optional(),
  featureCategories: z.array(z.enum(FEATURE_CATEGORIES)),
  /** What computed last: ONNX Runtime's version and device. */
  runtime: z.string().optional(),
  /** Of matrix products, where it is not float32. */
  arithmetic: z.enum(['tf32', 'float16']).optional(),
  /** Whose results these are, where not factflow's own. */
  origin: z.string().optional(),
  /** Its place among the models of the study, from 0. */
  place: z.number().optional(),
})

export const runDataset = z.object({
  source: z.string(),
  /** SHA-256 over its usable facts; missing where results were imported. */
  fingerprint: z.string().optional(),
  facts: whole.max(MOST_WHOLE),
  unusable: whole.max(MOST_WHOLE),
})

export const runBase = z.object({
  format: z.literal(FORMAT),
  /** Version of factflow that computed the results. */
  factflow: z.string(),
  created: z.string(),
  updated: z.string(),
  /** The study as it was asked for last, presets resolved. */
  study: z.unknown().optional(),
})
export const named = <T extends z.ZodType>(value: T) => z.object({ name: z.string(), value })
export const INFO_PREFIX = { models: 'model-', datasets: 'data-' } as const

export type RunModel = z.infer<typeof runModel>
export type RunDataset = z.infer<typeof runDataset>
export interface NamedModel {
  readonly name: string
  readonly value: RunModel
}
export interface RunFile extends z.infer<typeof runBase> {
  /** By label. */
  readonly models: Record<string, RunModel>
  /** By name. */
  readonly datasets: Record<string, RunDataset>
}

/** What tells results of a model or of data from others of its name: weights, arithmetic, facts; null where unknown. */
export function identityOf(one: {
  readonly fingerprint?: string
  readonly arithmetic?: string
}): string | null {
  const { fingerprint, arithmetic } = one
  if (fingerprint === undefined) return null
  return arithmetic === undefined ? fingerprint : `${fingerprint} ${arithmetic}`
}

/** Whether a file of a run folder is one of those that say what is in it. */
export function isRunFile(file: string): boolean {
  return (
    file === RUN_FILE ||
    Object.values(INFO_PREFIX).some((prefix) => file.startsWith(prefix) && file.endsWith('.json'))
  )
}

/**
 * What one of these files holds.
 * @throws InputError when it is not of the schema's form
 */
export function parseRunPart<T>(schema: z.ZodType<T>, json: unknown, file: string): T {
  const parsed = schema.safeParse(json)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw new InputError(
    `${file}: must be a run of factflow (${FORMAT}), got ${issue!.path.join('.') || 'a file'}: ${issue!.message}; use another folder, or the factflow that made it`,
  )
}

/** The models of a run in its order: by their places in the study, then by name. */
export function inOrder(models: readonly NamedModel[]): NamedModel[] {
  const place = ({ value }: NamedModel): number => value.place ?? Number.POSITIVE_INFINITY
  return [...models].sort((a, b) =>
    place(a) === place(b) ? (a.name < b.name ? -1 : 1) : place(a) - place(b),
  )
}
