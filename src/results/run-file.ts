/**
 * What a run folder holds, of which models and data, made by what: `run.json`, and beside it a file for each model and
 * data set, so that processes that compute different models in one folder do not overwrite each other's.
 */
import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'

import type { z } from 'zod'
import { errorCode, InputError, show } from '../errors.js'
import {
  FORMAT,
  INFO_PREFIX,
  inOrder,
  named,
  parseRunPart,
  RUN_FILE,
  type RunDataset,
  type RunFile,
  type RunModel,
  runBase,
  runDataset,
  runModel,
} from './run-schema.js'

import { writeWhole } from './whole-file.js'

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
  const run = await readJson(join(dir, RUN_FILE), runBase)
  if (!run) return undefined
  const files = (await readdir(dir)).filter((file) => file.endsWith('.json')).sort()
  const all = async <T>(prefix: string, schema: z.ZodType<T>): Promise<T[]> => {
    const own = files
      .filter((file) => file.startsWith(prefix))
      .map((file) => readJson(join(dir, file), schema))
    return (await Promise.all(own)).filter((one) => one !== undefined)
  }
  const models = await all(INFO_PREFIX.models, named(runModel))
  const datasets = await all(INFO_PREFIX.datasets, named(runDataset))
  return {
    ...run,
    models: Object.fromEntries(inOrder(models).map(({ name, value }) => [name, value])),
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
  return parseRunPart(schema, json, file)
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
  await writeJson(join(dir, `${INFO_PREFIX[kind]}${id}.json`), { name, value })
}

async function writeJson(file: string, value: unknown): Promise<void> {
  await writeWhole(file, `${JSON.stringify(value, null, 2)}\n`)
}
