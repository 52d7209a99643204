/** Data sets by name, in Node: the embedded atlas, files, data sets on the Hugging Face Hub. */
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { basename, join } from 'node:path'
import { ATLAS_FILE } from '../checkpoints/embedded.js'
import type { HubOptions } from '../checkpoints/hub.js'
import { hubDataset, splitOf } from '../checkpoints/hub-dataset.js'
import { isHubId } from '../checkpoints/hub-id.js'
import { InputError, show } from '../errors.js'
import type { Fact } from '../prompts/facts.js'
import { DATA_FILE, readDataFile } from './files.js'
import type { ColumnMap } from './layouts.js'
import { readRecords, type SourceRecord } from './records.js'
import type { Unusable } from './unusable.js'

export type { Unusable } from './unusable.js'

/** Facts of one source, and what of it cannot be used. */
export interface Dataset {
  /** `atlas`, the id on the Hub, or the file's name without its folder. */
  readonly name: string
  /** Where it comes from: `atlas`, the file's path, or the id on the Hub and the commit, `owner/name@commit`. */
  readonly source: string
  readonly facts: readonly Fact[]
  readonly unusable: readonly Unusable[]
  /** SHA-256 in hex of `facts` as canonical JSON (RFC 8785): an array of objects, keys sorted, no white space. */
  readonly fingerprint: string
}

export interface DatasetOptions extends HubOptions {
  /** Columns of a file of one's own. */
  readonly columns?: ColumnMap
}

/** The embedded facts, see data/README.md. */
export const ATLAS = 'atlas'

/** Short names of data sets on the Hub. */
export const ALIASES: Readonly<Record<string, string>> = { counterfact: 'NeelNanda/counterfact-tracing' }

/**
 * Read a data set.
 *
 * @param source `atlas`, a file (.jsonl, .json, .csv, .tsv, .parquet, or one of these by its content), or a data set on
 *   the Hub by its id or alias, which is downloaded unless it is in the cache. A file goes before a data set on the Hub.
 * @throws InputError when there is none, it cannot be had, or as a whole it is not a data set; single records that
 *   cannot be used are in `unusable`
 */
export async function readDataset(source: string, options: DatasetOptions = {}): Promise<Dataset> {
  const { columns, ...hubOptions } = options
  const place = await locate(source, hubOptions)
  const parts: SourceRecord[][] = []
  for (const { path, where, split } of place.files) {
    const records = await readDataFile(path, where)
    parts.push(records.map((record) => ({ ...record, split })))
  }
  const { facts, unusable } = readRecords(numbered(parts), source, { columns })
  return { name: place.name, source: place.source, facts, unusable, fingerprint: fingerprint(facts) }
}

/** The id on the Hub that a source means, or undefined when it means a file or the atlas. */
export function hubId(source: string): string | undefined {
  if (source === ATLAS || existsSync(source)) return undefined
  const id = ALIASES[source] ?? source
  // `data/facts.jsonl` is a file that is not there.
  return isHubId(id) && id.includes('/') && !DATA_FILE.test(id) ? id : undefined
}

interface Place extends Pick<Dataset, 'name' | 'source'> {
  readonly files: readonly {
    readonly path: string
    /** What messages call it. */
    readonly where: string
    readonly split?: string
  }[]
}

async function locate(source: string, options: HubOptions): Promise<Place> {
  const { revision } = options
  const id = hubId(source)
  if (id === undefined) {
    if (revision !== undefined) {
      throw new InputError(
        `revision: must not be given with a file or the atlas, got ${show(revision)} for ${show(source)}; leave it out`,
      )
    }
    const path = source === ATLAS ? ATLAS_FILE : source
    return { name: source === ATLAS ? ATLAS : basename(source), source, files: [{ path, where: path }] }
  }
  const { folder, files } = await hubDataset(id, options)
  return {
    name: id,
    source: `${id}@${basename(folder)}`,
    files: files.map((file) => ({ path: join(folder, file), where: `${id}/${file}`, split: splitOf(file) })),
  }
}

/**
 * The records of all files. Where ids are numbers of records, they count through the files, or through each split where
 * there are several: `test/0`.
 */
function numbered(parts: readonly (readonly SourceRecord[])[]): SourceRecord[] {
  const records = parts.flat()
  const several = new Set(records.map(({ split }) => split)).size > 1
  const counts = new Map<string | undefined, number>()
  return records.map((record) => {
    const group = several ? record.split : undefined
    const number = counts.get(group) ?? 0
    counts.set(group, number + 1)
    return { ...record, number: group === undefined ? String(number) : `${group}/${number}` }
  })
}

/** See `Dataset.fingerprint`. */
function fingerprint(facts: readonly Fact[]): string {
  const hash = createHash('sha256')
  for (const [i, fact] of facts.entries()) {
    hash.update(i === 0 ? '[' : ',')
    // Of texts and whole numbers JSON.stringify writes what RFC 8785 asks for.
    hash.update(JSON.stringify(fact, Object.keys(fact).sort()))
  }
  hash.update(facts.length === 0 ? '[]' : ']')
  return hash.digest('hex')
}
