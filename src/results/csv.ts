/** Rows as CSV: UTF-8, a header, quoted as in RFC 4180. DuckDB writes it. */
import { BOOLEAN, DOUBLE, type DuckDBType, INTEGER, VARCHAR } from '@duckdb/node-api'
import { type ColumnTypes, Database, literal, type Row } from './database.js'
import { writeWhole } from './whole-file.js'

/**
 * Write rows of plain values (numbers, texts, truth values, null).
 * @param types the columns; default those of the first row, with types that hold their values
 * @throws InputError when the file cannot be written
 */
export async function writeCsv(
  path: string,
  rows: readonly Row[],
  types: ColumnTypes = typesOf(rows),
): Promise<void> {
  const database = await Database.open({ threads: 1 })
  try {
    await database.fill('rows', types, rows)
    await writeWhole(path, (file) => database.run(`COPY rows TO ${literal(file)} (FORMAT csv, HEADER)`))
  } finally {
    database.close()
  }
}

function typesOf(rows: readonly Row[]): ColumnTypes {
  const columns = Object.keys(rows[0] ?? {}).map((name) => {
    const values = rows.map((row) => row[name] ?? null).filter((value) => value !== null)
    return [name, typeOf(values)] as const
  })
  return Object.fromEntries(columns)
}

function typeOf(values: readonly unknown[]): DuckDBType {
  if (values.length === 0) return VARCHAR
  if (values.every((value) => Number.isInteger(value) && Math.abs(value as number) < 2 ** 31)) return INTEGER
  if (values.every((value) => typeof value === 'number')) return DOUBLE
  return typeof values[0] === 'boolean' ? BOOLEAN : VARCHAR
}
