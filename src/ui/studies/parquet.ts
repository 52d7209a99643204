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
    slice: (start: number, end?: number): Promise<ArrayBuffer> => file.slice(start, end).arrayBuffer(),
  }
  const metadata = await decoded(name, () => parquetMetadataAsync(buffer))
  checkColumns(name, metadata, kinds)
  const columns = Object.keys(kinds)
  let before = 0
  for (const group of metadata.row_groups) {
    signal?.throwIfAborted()
    const rows = Number(group.num_rows)
    const found = new Map<string, ArrayLike<unknown>>()
    await decoded(name, () =>
      parquetRead({
        file: buffer,
        metadata,
        columns,
        rowStart: before,
        rowEnd: before + rows,
        onChunk: (chunk) => collect(found, chunk, before, rows),
      }),
    )
    for (const column of columns) checkValues(name, column, kinds[column]!, found.get(column), rows, before)
    onRows(Object.fromEntries(found) as unknown as Columns<Kinds>, rows, before)
    before += rows
  }
  return before
}

/** Put the part of a column that is of a group of rows in its place. */
function collect(
  found: Map<string, ArrayLike<unknown>>,
  { columnName, columnData, rowStart, rowEnd }: ColumnData,
  before: number,
  rows: number,
): void {
  if (rowStart === before && rowEnd === before + rows) {
    found.set(columnName, columnData)
    return
  }
  const whole = (found.get(columnName) ?? new Array(rows)) as unknown[]
  for (let row = Math.max(rowStart, before); row < Math.min(rowEnd, before + rows); row++) {
    whole[row - before] = columnData[row - rowStart]
  }
  found.set(columnName, whole)
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
