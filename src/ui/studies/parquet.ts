/** Parquet files in a page, by column. */
import {
  type AsyncBuffer,
  type ColumnData,
  type FileMetaData,
  parquetMetadata,
  parquetRead,
  parquetSchema,
  type RowGroup,
} from 'hyparquet'
import { InputError } from '../../errors.js'
import { checkSize, readStruct } from '../../results/thrift.js'
import { checkPages } from './parquet-pages.js'

/** What a column holds; a question mark: or null. */
export type ColumnKind = 'text' | 'text?' | 'integer' | 'integer?' | 'number' | 'boolean' | 'boolean?'
export type ColumnKinds = Readonly<Record<string, ColumnKind>>

type Value<Kind extends ColumnKind> = Kind extends 'text'
  ? string
  : Kind extends 'text?'
    ? string | null
    : Kind extends 'integer' | 'number'
      ? number
      : Kind extends 'integer?'
        ? number | null
        : Kind extends 'boolean'
          ? boolean
          : boolean | null

/** Columns of some rows. */
export type Columns<Kinds extends ColumnKinds> = {
  readonly [name in keyof Kinds]: ArrayLike<Value<Kinds[name]>>
}

/** Physical types of Parquet that hold what is asked for. */
const TYPES: Readonly<Record<string, readonly string[]>> = {
  text: ['BYTE_ARRAY'],
  integer: ['INT32'],
  number: ['DOUBLE', 'FLOAT'],
  boolean: ['BOOLEAN'],
}

const ADVICE = 'take it from its run folder again, or leave it out'

/**
 * Read columns of a file, one group of rows after the other.
 *
 * @param onRows told the columns of each group and how many rows it has
 * @returns rows of the file
 * @throws InputError when it is no whole Parquet file or lacks a column; what `onRows` throws
 */
export async function readParquet<const Kinds extends ColumnKinds>(
  name: string,
  file: Blob,
  kinds: Kinds,
  onRows: (columns: Columns<Kinds>, rows: number, before: number) => void,
  signal?: AbortSignal,
): Promise<number> {
  const buffer = {
    byteLength: file.size,
    slice(start: number, end = file.size): Promise<ArrayBuffer> {
      const bytes = bytesOf(file, start, end)
      // hyparquet asks for some before it knows whether it comes to them.
      bytes.catch(() => undefined)
      return bytes
    },
  }
  const metadata = await decoded(name, () => footerOf(buffer))
  checkColumns(name, metadata, kinds)
  const columns = Object.keys(kinds)
  let before = 0
  for (const group of metadata.row_groups) {
    signal?.throwIfAborted()
    const rows = Number(group.num_rows)
    const found = new Map<string, ArrayLike<unknown>>()
    // One after the other: of several that fail, hyparquet leaves some for nobody to catch.
    for (const column of columns) {
      const parts: ColumnData[] = []
      await decoded(name, async () => {
        await checkColumn(buffer, metadata, group, column)
        await parquetRead({
          file: buffer,
          metadata,
          columns: [column],
          rowStart: before,
          rowEnd: before + rows,
          // What this throws nobody catches.
          onChunk: (chunk) => void parts.push(chunk),
        })
      })
      found.set(column, joined(parts, before, rows))
    }
    for (const column of columns) checkValues(name, column, kinds[column]!, found.get(column), rows, before)
    onRows(Object.fromEntries(found) as unknown as Columns<Kinds>, rows, before)
    before += rows
  }
  return before
}

/** What is behind a file's footer: its length, and a mark. */
const TAIL = 8
/** Rows of a group; DuckDB's have 122,880. */
const MOST_ROWS = 2 ** 20

/** @throws Error when it is none, or tells of more than there is */
async function footerOf(file: AsyncBuffer): Promise<FileMetaData> {
  const size = file.byteLength
  checkSize('a tail', TAIL, size)
  const length = new DataView(await file.slice(size - TAIL)).getUint32(0, true)
  checkSize('a footer', length, size - TAIL)
  const bytes = new Uint8Array(await file.slice(size - TAIL - length))
  readStruct(bytes.subarray(0, length), 0)
  // Looking for geometry goes round for ever in some damaged files.
  const metadata = parquetMetadata(bytes, { geoparquet: false })
  for (const { num_rows: rows } of metadata.row_groups) checkSize('a group of rows', Number(rows), MOST_ROWS)
  return metadata
}

/** @throws Error when a column is not there once, is nested, or its pages do not fit into it */
async function checkColumn(
  file: AsyncBuffer,
  metadata: FileMetaData,
  group: RowGroup,
  name: string,
): Promise<void> {
  const chunks = group.columns.filter(({ meta_data: data }) => data?.path_in_schema[0] === name)
  const leaves = parquetSchema(metadata).children.filter(({ element }) => element.name === name)
  const [chunk, leaf] = [chunks[0]?.meta_data, leaves[0]]
  // Of a column that is there twice hyparquet forgets the second: nobody catches what it throws.
  if (chunks.length !== 1 || leaves.length !== 1 || chunk?.path_in_schema.length !== 1) {
    throw new Error(`${chunks.length} columns ${name} in a group of rows`)
  }
  const { repetition_type: repetition } = leaf!.element
  if (leaf!.children.length > 0 || repetition === 'REPEATED') throw new Error(`lists in ${name}`)
  const begin = Number(chunk.dictionary_page_offset || chunk.data_page_offset)
  const bytes = await file.slice(begin, begin + Number(chunk.total_compressed_size))
  checkPages({
    bytes: new Uint8Array(bytes),
    codec: chunk.codec,
    type: leaf!.element.type ?? chunk.type,
    optional: repetition !== 'REQUIRED',
    rows: Number(group.num_rows),
  })
}

/** Ends come from the file: what is no place in it ends the process in Node, and is another place in browsers. */
async function bytesOf(file: Blob, start: number, end: number): Promise<ArrayBuffer> {
  if (Number.isSafeInteger(start) && start >= 0 && start <= end && end <= file.size) {
    return file.slice(start, end).arrayBuffer()
  }
  throw new Error(`bytes ${start} to ${end} of ${file.size}`)
}

/** The parts of a column that are of a group of rows, as far as they came: never more rows than there are values. */
function joined(parts: readonly ColumnData[], before: number, rows: number): ArrayLike<unknown> {
  const [first] = parts
  if (first && first.rowStart === before && first.rowEnd === before + rows) return first.columnData
  const whole: unknown[] = []
  for (const { columnData, rowStart, rowEnd } of parts) {
    const end = Math.min(rowEnd, before + rows)
    for (let row = before + whole.length; row >= rowStart && row < end; row++) {
      whole.push(columnData[row - rowStart])
    }
  }
  return whole
}

function checkColumns(name: string, { schema }: FileMetaData, kinds: ColumnKinds): void {
  for (const [column, kind] of Object.entries(kinds)) {
    const element = schema.find((one) => one.name === column)
    const type = element?.type ?? element?.converted_type
    const wanted = TYPES[kind.replace('?', '')]!
    if (type !== undefined && wanted.includes(type)) continue
    throw new InputError(
      `${name}: must have a column ${column} of type ${wanted.join(' or ')}, got ${type ?? 'none'}; ${ADVICE}`,
    )
  }
}

function checkValues(
  name: string,
  column: string,
  kind: ColumnKind,
  values: ArrayLike<unknown> | undefined,
  rows: number,
  before: number,
): void {
  if (values === undefined || values.length < rows) {
    throw new InputError(`${name}: ${column} must have ${rows} values, got ${values?.length ?? 0}; ${ADVICE}`)
  }
  if (kind.endsWith('?')) return
  for (let row = 0; row < rows; row++) {
    if (values[row] !== null && values[row] !== undefined) continue
    throw new InputError(`${name}: ${column} must have a value, got null in row ${before + row}; ${ADVICE}`)
  }
}

/** Do what reads a file: whatever it throws is a fault of the file. */
async function decoded<T>(name: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read()
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error)
    throw new InputError(`${name}: must be a whole Parquet file, got ${text}; ${ADVICE}`)
  }
}
