/**
 * What a run folder holds, of which models and data, made by what: `run.json`, and beside it a file for each model and
 * data set, so that processes that compute different models in one folder do not overwrite each other's.
 */
import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { errorCode } from '../checkpoints/node-file.js'
import { InputError, show } from '../errors.js'
import { FEATURE_CATEGORIES } from '../models/architecture.js'
import { writeWhole } from './whole-file.js'

export const RUN_FILE = 'run.json'
const FORMAT = 'factflow-run/1'

const model = z.object({
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
  layers: z.number(),
  width: z.number().optional(),
  parameters: z.number().optional(),
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

const dataset = z.object({
  source: z.string(),
  /** SHA-256 over its usable facts; missing where results were imported. */
  fingerprint: z.string().optional(),
  facts: z.number(),
  unusable: z.number(),
})

const base = z.object({
  format: z.literal(FORMAT),
  /** Version of factflow that computed the results. */
  factflow: z.string(),
  created: z.string(),
  updated: z.string(),
  /** The study as it was asked for last, presets resolved. */
  study: z.unknown().optional(),
})
const named = <T extends z.ZodType>(value: T) => z.object({ name: z.string(), value })
const PREFIX = { models: 'model-', datasets: 'data-' } as const

export type RunModel = z.infer<typeof model>
type RunDataset = z.infer<typeof dataset>
export interface RunFile extends z.infer<typeof base> {
  /** By label. */
  readonly models: Record<string, RunModel>
  /** By name. */
  readonly datasets: Record<string, RunDataset>
}

/** Whether a file of a run folder is one of those that say what is in it. */
export function isRunFile(file: string): boolean {
  return (
    file === RUN_FILE ||
    Object.values(PREFIX).some((prefix) => file.startsWith(prefix) && file.endsWith('.json'))
  )
}

/** A run without results. */
export function newRunFile(factflow: string, now = new Date()): RunFile {
  const created = now.toISOString()
  return { format: FORMAT, factflow, created, updated: created, models: {}, datasets: {} }
}

/**
 * The run file of a folder; undefined when there is none.
 * @throws InputError when it is not one
 */
export async function readRunFile(dir: string): Promise<RunFile | undefined> {
  const run = await readJson(join(dir, RUN_FILE), base)
  if (!run) return undefined
  const files = (await readdir(dir)).filter((file) => file.endsWith('.json')).sort()
  const all = async <T>(prefix: string, schema: z.ZodType<T>): Promise<T[]> => {
    const own = files
      .filter((file) => file.startsWith(prefix))
      .map((file) => readJson(join(dir, file), schema))
    return (await Promise.all(own)).filter((one) => one !== undefined)
  }
  const models = await all(PREFIX.models, named(model))
  const datasets = await all(PREFIX.datasets, named(dataset))
  const place = ({ value }: { readonly value: RunModel }): number => value.place ?? Number.POSITIVE_INFINITY
  models.sort((a, b) => (place(a) === place(b) ? (a.name < b.name ? -1 : 1) : place(a) - place(b)))
  return {
    ...run,
    models: Object.fromEntries(models.map(({ name, value }) => [name, value])),
    datasets: Object.fromEntries(datasets.map(({ name, value }) => [name, value])),
  }
}

async function readJson<T>(file: string, schema: z.ZodType<T>): Promise<T | undefined> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined
    throw new InputError(`${file}: must be readable, got ${errorCode(error)}; check the folder`)
  }
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    throw new InputError(`${file}: must be JSON, got ${show(text)}; restore it, or use another folder`)
  }
  const parsed = schema.safeParse(json)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw new InputError(
    `${file}: must be a run of factflow (${FORMAT}), got ${issue!.path.join('.') || 'a file'}: ${issue!.message}; use another folder, or the factflow that made it`,
  )
}

/** Write `run.json`. */
export async function writeRunFile(dir: string, run: RunFile, now = new Date()): Promise<void> {
  const { models: _, datasets: __, ...rest } = run
  await writeJson(join(dir, RUN_FILE), { ...rest, updated: now.toISOString() })
}

/** Write the file of one model or data set. */
export async function writeNamed(
  dir: string,
  kind: 'models' | 'datasets',
  name: string,
  value: RunModel | RunDataset,
): Promise<void> {
  const id = createHash('sha256').update(name).digest('hex').slice(0, 20)
  await writeJson(join(dir, `${PREFIX[kind]}${id}.json`), { name, value })
}

async function writeJson(file: string, value: unknown): Promise<void> {
  await writeWhole(file, `${JSON.stringify(value, null, 2)}\n`)
}
