/** Which parts of a run folder are whole and of that run: all others are named and never read as results. */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { errorCode, InputError, show } from '../errors.js'
import { inParallel } from '../parallel.js'
import { type Database, literal } from './database.js'
import { isSealed, NotAPart, type PartFooter, readFooter } from './part-file.js'
import { PART_PREFIX, TABLE_NAMES, type TableName } from './rows.js'
import { identityOf, type RunFile } from './run-schema.js'
import { isGone } from './set-aside.js'
import { systemReason } from './whole-file.js'

export const EXTENSION = '.parquet'
/** Files that are read at once. */
const AT_ONCE = 16

/** A file that has the name of a part. */
export interface NamedPart {
  /** Its name in the run folder. */
  readonly name: string
  readonly path: string
  readonly table: TableName
}

/** What has been found out about it. */
export interface ExaminedPart extends NamedPart {
  /** Undefined where it is no part that can be read. */
  readonly footer: PartFooter | undefined
  /** What is wrong with it: `rule, got value`. */
  readonly wrong: string | undefined
}

/** All files that have names of parts, in the order of their names; none where there is no folder. */
export async function namedParts(dir: string): Promise<NamedPart[]> {
  const files = await readdir(dir).catch((error: unknown) => {
    if (isGone(error) || errorCode(error) === 'ENOTDIR') return []
    throw new InputError(`${dir}: must be a folder that can be read, got ${systemReason(error)}; check it`)
  })
  const own = files.filter((file) => file.endsWith(EXTENSION)).sort()
  return own.flatMap((name) => {
    const table = TABLE_NAMES.find((one) => name.startsWith(PART_PREFIX[one]))
    return table ? [{ name, path: join(dir, name), table }] : []
  })
}

/**
 * Look at the end of every part, and with a database at all of it.
 * @returns those that are still there
 * @throws InputError when one may not be read, or the disk fails
 */
export async function examineParts(dir: string, database?: Database): Promise<ExaminedPart[]> {
  const all = await namedParts(dir)
  const examined = await inParallel(all, AT_ONCE, (part) => examinePart(part, database))
  return examined.filter((one) => one !== undefined)
}

/** Undefined where it is gone. */
export async function examinePart(part: NamedPart, database?: Database): Promise<ExaminedPart | undefined> {
  // On network disks a file that was replaced while it was open is gone, and there when it is opened again.
  return (await examineOnce(part, database)) ?? examineOnce(part, database)
}

async function examineOnce(
  part: NamedPart,
  database: Database | undefined,
): Promise<ExaminedPart | undefined> {
  try {
    const footer = await readFooter(part.path, part.table)
    return { ...part, footer, wrong: database && (await damage(part.path, footer, database)) }
  } catch (error) {
    if (isGone(error)) return undefined
    if (error instanceof NotAPart) return { ...part, footer: undefined, wrong: error.message }
    throw new InputError(
      `${part.path}: must be readable, got ${systemReason(error)}; change its permissions, or check the disk`,
    )
  }
}

/** What is wrong with the bytes of a part. */
async function damage(file: string, { origin }: PartFooter, database: Database): Promise<string | undefined> {
  const sealed = await isSealed(file)
  // What says whose results it holds has a checksum, too.
  if (sealed === undefined && !origin) return unreadable(file, database)
  if (sealed) return undefined
  return 'must have the bytes that were written, got others (its SHA-256 is not the one that it holds)'
}

/** Whether DuckDB can read a part of before parts had checksums. */
async function unreadable(file: string, database: Database): Promise<string | undefined> {
  try {
    await database.rows(
      `SELECT count(*) FROM (SELECT hash(part) AS h FROM read_parquet(${partPath(file)}) AS part) WHERE h = 0`,
    )
    return undefined
  } catch (error) {
    return `must be a whole Parquet file, got one that DuckDB cannot read (${systemReason(error).split('\n')[0]})`
  }
}

/** A path as an SQL literal for `read_parquet`: a folder's name is no pattern, neither `[x]` nor `*`. */
export function partPath(file: string): string {
  return literal(file.replace(/[*?[]/g, '[$&]'))
}

/** Why a part is not the run's. */
export interface Stray {
  /** The run has nothing to compare it with: a model or data set whose file is missing, and may come. */
  readonly unclaimed?: { readonly kind: 'models' | 'datasets'; readonly name: string }
  /** `rule, got value` */
  readonly wrong: string
}

/** Whether a part is of the run: of its models' weights, its data and its version of factflow. */
export function judge({ origin, label }: PartFooter, run: RunFile): Stray | undefined {
  if (!origin) {
    if (label === undefined || label in run.models) return undefined
    return noModel(label)
  }
  const identities = [...Object.values(origin.models), ...Object.values(origin.datasets)]
  if (origin.version !== run.factflow && identities.some((identity) => identity !== null)) {
    return { wrong: `must be of factflow ${run.factflow} as the run is, got a part of ${origin.version}` }
  }
  for (const [name, identity] of Object.entries(origin.models)) {
    const own = run.models[name]
    if (identity === (own ? identityOf(own) : null)) continue
    return own ? another(name, identityOf(own), identity) : noModel(name)
  }
  for (const [name, identity] of Object.entries(origin.datasets)) {
    const own = run.datasets[name]
    if (identity === (own ? identityOf(own) : null)) continue
    if (own) return another(name, identityOf(own), identity)
    const wrong = `must be of data of the run, got results on ${show(name)}, of which it has no data-*.json`
    return { unclaimed: { kind: 'datasets', name }, wrong }
  }
  const { evaluate } = (run.study ?? {}) as { readonly evaluate?: Partial<typeof origin.evaluate> }
  const [asked, own] = [evaluate, origin.evaluate]
  if (asked && own && (asked.top !== own.top || asked.continuation !== own.continuation)) {
    const wrong = `must be evaluations as the study asks for them (top ${asked.top}, continuation ${asked.continuation}), got top ${own.top}, continuation ${own.continuation}`
    return { wrong }
  }
  return undefined
}

function noModel(name: string): Stray {
  const wrong = `must be of a model of the run, got results of ${show(name)}, of which it has no model-*.json`
  return { unclaimed: { kind: 'models', name }, wrong }
}

function another(name: string, own: string | null, got: string | null): Stray {
  const short = (identity: string | null): string =>
    identity === null ? 'imported' : `SHA-256 ${identity.replace(/^(.{12})[0-9a-f]*/, '$1…')}`
  return {
    wrong: `must be of ${show(name)} as the run has it (${short(own)}), got results of another (${short(got)})`,
  }
}
