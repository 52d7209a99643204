/** `run.json`: what a run folder holds, of which models and data, made by what. */
import { readFile } from 'node:fs/promises'
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
  /** Whose results these are, where not factflow's own. */
  origin: z.string().optional(),
})

const dataset = z.object({
  source: z.string(),
  /** SHA-256 over its usable facts; missing where results were imported. */
  fingerprint: z.string().optional(),
  facts: z.number(),
  unusable: z.number(),
})

const runFile = z.object({
  format: z.literal(FORMAT),
  /** Version of factflow that computed the results. */
  factflow: z.string(),
  created: z.string(),
  updated: z.string(),
  /** The study as it was asked for last, presets resolved. */
  study: z.unknown().optional(),
  models: z.record(z.string(), model),
  datasets: z.record(z.string(), dataset),
})

export type RunModel = z.infer<typeof model>
export type RunDataset = z.infer<typeof dataset>
export type RunFile = z.infer<typeof runFile>

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
  const file = join(dir, RUN_FILE)
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
  const parsed = runFile.safeParse(json)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw new InputError(
    `${file}: must be a run of factflow (${FORMAT}), got ${issue!.path.join('.') || 'a file'}: ${issue!.message}; use another folder, or the factflow that made it`,
  )
}

export async function writeRunFile(dir: string, run: RunFile, now = new Date()): Promise<void> {
  const json = JSON.stringify({ ...run, updated: now.toISOString() }, null, 2)
  await writeWhole(join(dir, RUN_FILE), `${json}\n`)
}
