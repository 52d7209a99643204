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
import { isGone } from './set-aside.js'
import { createWhole, writeWhole } from './whole-file.js'

/** Names of what workers say of themselves (studies/worker-file.ts). */
const WORKER = 'worker-'

/** A run without results. */
export function newRunFile(factflow: string, now = new Date()): RunFile {
  const created = now.toISOString()
  return { format: FORMAT, factflow, created, updated: created, models: {}, datasets: {} }
}

/** A JSON file that is not whole: on a disk that does not keep what it was told. */
export interface TornFile {
  /** In the run folder. */
  readonly name: string
  /** `rule, got value` */
  readonly wrong: string
}

export interface FoundRun {
  /** run.json; undefined when it is missing or torn. */
  readonly base: z.infer<typeof runBase> | undefined
  readonly models: RunFile['models']
  readonly datasets: RunFile['datasets']
  readonly torn: readonly TornFile[]
}

/**
 * The files of a folder that say what is in it, as far as they are whole.
 * @throws InputError when one is of another form, or cannot be read
 */
export async function findRun(dir: string): Promise<FoundRun> {
  const torn: TornFile[] = []
  const read = async <T>(name: string, schema?: z.ZodType<T>): Promise<T | undefined> => {
    const text = await readText(join(dir, name))
    if (text === undefined) return undefined
    const json = parsed(text)
    if (json === undefined)
      torn.push({ name, wrong: `must be JSON, got ${text === '' ? 'nothing' : show(text)}` })
    return json === undefined || !schema ? undefined : parseRunPart(schema, json, join(dir, name))
  }
  const base = await read(RUN_FILE, runBase)
  // Listed last: whoever adds a part has written these files before it.
  const files = (await listed(dir)).filter((file) => file.endsWith('.json')).sort()
  const all = async <T>(prefix: string, schema?: z.ZodType<T>): Promise<T[]> => {
    const own = files.filter((file) => file.startsWith(prefix)).map((file) => read(file, schema))
    return (await Promise.all(own)).filter((one) => one !== undefined)
  }
  const models = await all(INFO_PREFIX.models, named(runModel))
  const datasets = await all(INFO_PREFIX.datasets, named(runDataset))
  await all(WORKER)
  return {
    base,
    models: Object.fromEntries(inOrder(models).map(({ name, value }) => [name, value])),
    datasets: Object.fromEntries(datasets.map(({ name, value }) => [name, value])),
    torn,
  }
}

/**
 * The run file of a folder, without models and data whose files are torn; undefined when there is none.
 * @throws InputError when it is not one
 */
export async function readRunFile(dir: string): Promise<RunFile | undefined> {
  const { base, models, datasets, torn } = await findRun(dir)
  const own = torn.find(({ name }) => name === RUN_FILE)
  if (own) {
    throw new InputError(
      `${join(dir, RUN_FILE)}: ${own.wrong}; run the study again, it is made anew from the parts`,
    )
  }
  return base && { ...base, models, datasets }
}

async function listed(dir: string): Promise<string[]> {
  try {
    return await readdir(dir)
  } catch (error) {
    if (isGone(error)) return []
    throw new InputError(`${dir}: must be readable, got ${errorCode(error)}; check the folder`)
  }
}

/** Undefined when there is no such file. */
async function readText(file: string): Promise<string | undefined> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await readFile(file, 'utf8')
    } catch (error) {
      // On network disks a file that was replaced while it was read is there when it is opened again.
      if (errorCode(error) === 'ESTALE' && attempt === 0) continue
      if (isGone(error)) return undefined
      throw new InputError(`${file}: must be readable, got ${errorCode(error)}; check the folder`)
    }
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Whether a file is JSON. */
export async function isJson(file: string): Promise<boolean> {
  const text = await readText(file)
  return text !== undefined && parsed(text) !== undefined
}

/** Write `run.json`. */
export async function writeRunFile(dir: string, run: RunFile, now = new Date()): Promise<void> {
  const { models: _, datasets: __, ...rest } = run
  await writeWhole(join(dir, RUN_FILE), text({ ...rest, updated: now.toISOString() }))
}

/** Where the file of a model or data set is. */
function namedFile(dir: string, kind: 'models' | 'datasets', name: string): string {
  const id = createHash('sha256').update(name).digest('hex').slice(0, 20)
  return join(dir, `${INFO_PREFIX[kind]}${id}.json`)
}

/** Write the file of one model or data set. */
export async function writeNamed(
  dir: string,
  kind: 'models' | 'datasets',
  name: string,
  value: RunModel | RunDataset,
): Promise<void> {
  await writeWhole(namedFile(dir, kind, name), text({ name, value }))
}

/**
 * Write the file of a model or data set that has none yet.
 * @returns what another process has written in the meantime, which stays; undefined when nobody has
 */
export async function createNamed(
  dir: string,
  kind: 'models' | 'datasets',
  name: string,
  value: RunModel | RunDataset,
): Promise<RunModel | RunDataset | undefined> {
  if (await createWhole(namedFile(dir, kind, name), text({ name, value }))) return undefined
  const other = (await findRun(dir))[kind][name]
  if (other === undefined) await writeNamed(dir, kind, name, value)
  return other
}

function text(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`
}
