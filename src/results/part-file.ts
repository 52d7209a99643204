/**
 * A part as a file of Parquet: what its footer says of it (of which table, models, data and version its rows are), and
 * a checksum over all of it. Parquet has checksums of pages, which DuckDB neither writes nor checks: of 300 single bits
 * flipped in a part it read 268 as other values.
 */
import { createHash } from 'node:crypto'
import { constants } from 'node:fs'
import { type FileHandle, open, readFile } from 'node:fs/promises'
import type { DuckDBListType, DuckDBStructType, DuckDBType } from '@duckdb/node-api'
import { type FileMetaData, parquetMetadata, parquetSchema, type SchemaTree } from 'hyparquet'
import { z } from 'zod'
import { errorCode } from '../errors.js'
import { literal } from './database.js'
import { PART_PREFIX, type TableName } from './rows.js'
import { TABLES } from './tables.js'
import { checkSize, readStruct } from './thrift.js'

/** Keys of the footer's metadata. */
const ORIGIN = 'factflow'
const CHECKSUM = 'factflow.sha256'
/** The checksum is of the file with these in its place. */
const ZEROS = '0'.repeat(64)
/** Bytes of a file's end that are read at once: more than a footer has. */
const FOOTER_BYTES = 16_384
/** What is behind a footer: its length, and a mark, PAR1. */
const TAIL = 8
const MARK = 0x31524150

const originSchema = z.object({
  table: z.enum(Object.keys(PART_PREFIX) as [TableName, ...TableName[]]),
  /** Of factflow. */
  version: z.string(),
  /** Whose weights and arithmetic the rows are of, by label; null where nobody has told them from others (imports). */
  models: z.record(z.string(), z.string().nullable()),
  /** The same of data sets, by name. */
  datasets: z.record(z.string(), z.string().nullable()),
  /** How evaluations were asked for. */
  evaluate: z.object({ top: z.number(), continuation: z.number() }).optional(),
})

/** What the rows of a part are of. */
export type PartOrigin = z.infer<typeof originSchema>

/** What the end of a part says of it. */
export interface PartFooter {
  /** Undefined in parts of before parts said it. */
  readonly origin: PartOrigin | undefined
  /** The label of all rows, as far as statistics tell, where there is no origin. */
  readonly label: string | undefined
}

/** DuckDB's option of COPY that writes an origin, and the place of a checksum. */
export function metadataSql(origin: PartOrigin): string {
  return `KV_METADATA {${literal(ORIGIN)}: ${literal(JSON.stringify(origin))}, ${literal(CHECKSUM)}: ${literal(ZEROS)}}`
}

/** Write the checksum into a new part. */
export async function seal(file: string): Promise<void> {
  const bytes = await readFile(file)
  const at = checksumPlace(bytes)
  if (at === undefined) throw new Error(`${file}: DuckDB has written no place for the checksum`)
  const handle = await open(file, 'r+')
  try {
    const sum = Buffer.from(sha256(bytes))
    await handle.write(sum, 0, sum.length, at)
  } finally {
    await handle.close()
  }
}

/** Whether the bytes of a part are those that were written; undefined where it has no checksum. */
export async function isSealed(file: string): Promise<boolean | undefined> {
  const bytes = await readFile(file)
  const at = checksumPlace(bytes)
  if (at === undefined) return undefined
  const told = bytes.toString('latin1', at, at + ZEROS.length)
  bytes.write(ZEROS, at, 'latin1')
  return sha256(bytes) === told
}

/** Where a part's checksum begins: after its key, the mark of a string and its length, in Thrift's compact form. */
function checksumPlace(bytes: Buffer): number | undefined {
  const key = bytes.lastIndexOf(CHECKSUM)
  if (key < 0) return undefined
  const at = key + CHECKSUM.length + 2
  return /^[0-9a-f]{64}$/.test(bytes.toString('latin1', at, at + ZEROS.length)) ? at : undefined
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** What a file of a table must be and is not: `rule, got value`. */
export class NotAPart extends Error {}

/**
 * Read the end of a part.
 * @throws NotAPart when it is no whole Parquet file with the columns of its table; the system's error
 */
export async function readFooter(file: string, table: TableName): Promise<PartFooter> {
  // Without waiting: a named pipe would have us wait for a writer.
  const handle = await open(file, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0))
  try {
    const metadata = await readMetadata(handle)
    const [expected, got] = [EXPECTED[table], formOf(parquetSchema(metadata))]
    if (got !== expected)
      throw new NotAPart(`must have the columns of ${table}, got ${difference(expected, got)}`)
    const origin = originOf(metadata)
    if (origin && origin.table !== table)
      throw new NotAPart(`must be of ${table}, got a part of ${origin.table}`)
    return { origin, label: labelOf(metadata) }
  } finally {
    await handle.close()
  }
}

async function readMetadata(handle: FileHandle): Promise<FileMetaData> {
  const stats = await handle.stat()
  if (!stats.isFile()) throw new NotAPart('must be a file, got a folder or device')
  const { size } = stats
  if (size === 0) throw new NotAPart('must be a whole Parquet file, got an empty file')
  const slice = async (start: number, end = size): Promise<ArrayBuffer> => {
    const bytes = new Uint8Array(end - start)
    const { bytesRead } = await handle.read(bytes, 0, bytes.length, start)
    return bytes.buffer.slice(0, bytesRead)
  }
  try {
    const bytes = await slice(Math.max(0, size - FOOTER_BYTES))
    checkSize('a tail', TAIL, bytes.byteLength)
    const view = new DataView(bytes)
    const [length, mark] = [view.byteLength - TAIL, view.byteLength - 4].map((at) => view.getUint32(at, true))
    if (mark !== MARK) throw new Error('it has no footer')
    checkSize('a footer', length, size - TAIL)
    const whole = length + TAIL <= bytes.byteLength ? bytes : await slice(size - TAIL - length)
    // hyparquet goes round for ever in some damaged footers, and in some more when it looks for geometry.
    readStruct(new Uint8Array(whole, whole.byteLength - TAIL - length, length), 0)
    return parquetMetadata(whole, { geoparquet: false })
  } catch (error) {
    // What the system says of the disk is not about the file.
    if (error instanceof Error && 'syscall' in error) throw error
    throw new NotAPart(
      `must be a whole Parquet file, got none (${errorCode(error).replace(/^\w*Error: /, '')})`,
    )
  }
}

function originOf({ key_value_metadata: pairs = [] }: FileMetaData): PartOrigin | undefined {
  const text = pairs.find(({ key }) => key === ORIGIN)?.value
  if (text === undefined) return undefined
  try {
    return originSchema.parse(JSON.parse(text))
  } catch {
    throw new NotAPart('must say whose results it holds, got metadata of another form')
  }
}

function labelOf({ row_groups: groups }: FileMetaData): string | undefined {
  const labels = new Set<unknown>()
  for (const { columns } of groups) {
    const model = columns.find(({ meta_data: data }) => data?.path_in_schema[0] === 'model')
    const { min_value: min, max_value: max } = model?.meta_data?.statistics ?? {}
    labels.add(min).add(max)
  }
  const [label] = labels
  return labels.size === 1 && typeof label === 'string' ? label : undefined
}

/** Columns and types of Parquet, as one text. */
function formOf({ element, children }: SchemaTree): string {
  const inner = children.map(formOf).join(', ')
  const type = [element.type, element.converted_type].filter((part) => part !== undefined).join('/')
  return element.name === ROOT ? inner : `${element.name} ${type}${inner && `{${inner}}`}`
}

/** What DuckDB calls the whole of the columns. */
const ROOT = 'duckdb_schema'

/** What DuckDB makes of its types. */
const FORMS: Readonly<Record<string, string>> = {
  VARCHAR: 'BYTE_ARRAY/UTF8',
  INTEGER: 'INT32/INT_32',
  DOUBLE: 'DOUBLE',
  BOOLEAN: 'BOOLEAN',
}

function expectedForm(name: string, type: DuckDBType): string {
  if (isList(type)) return `${name} LIST{list {${expectedForm('element', type.valueType)}}}`
  if (!isStruct(type)) return `${name} ${FORMS[String(type)]}`
  return `${name} {${type.entryNames.map((field, i) => expectedForm(field, type.entryTypes[i]!)).join(', ')}}`
}

function isList(type: DuckDBType): type is DuckDBListType {
  return 'valueType' in type && !('length' in type)
}

function isStruct(type: DuckDBType): type is DuckDBStructType {
  return 'entryNames' in type
}

const EXPECTED = Object.fromEntries(
  Object.entries(TABLES).map(([table, columns]) => [
    table,
    Object.entries(columns)
      .map(([name, type]) => expectedForm(name, type))
      .join(', '),
  ]),
) as Readonly<Record<TableName, string>>

/** The first column that is another. */
function difference(expected: string, got: string): string {
  const [want, have] = [expected.split(', '), got.split(', ')]
  const at = want.findIndex((column, i) => column !== have[i])
  return at < 0 ? `${have.length - want.length} more` : `${have[at] ?? 'nothing'} in the place of ${want[at]}`
}
