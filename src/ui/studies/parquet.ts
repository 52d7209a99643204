/** Parquet files in a page, by column. */
import { type ColumnData, parquetMetadataAsync, parquetRead } from 'hyparquet'
import { InputError } from '../../errors.js'

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
  const metadata = await decoded(name, () =>
    // Looking for geometry goes round for ever in some damaged files.
    parquetMetadataAsync(buffer, { geoparquet: false }),
  )
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
      await decoded(name, () =>
        parquetRead({
          file: buffer,
          metadata,
          columns: [column],
          rowStart: before,
          rowEnd: before + rows,
          // What this throws nobody catches.
          onChunk: (chunk) => void parts.push(chunk),
        }),
      )
      found.set(column, joined(parts, before, rows))
    }
    for (const column of columns) checkValues(name, column, kinds[column]!, found.get(column), rows, before)
    onRows(Object.fromEntries(found) as unknown as Columns<Kinds>, rows, before)
    before += rows
  }
  return before
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

function checkColumns(
  name: string,
  { schema }: Awaited<ReturnType<typeof parquetMetadataAsync>>,
  kinds: ColumnKinds,
): void {
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
