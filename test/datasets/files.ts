/** Files of data sets, written by DuckDB. */
import { Database, literal } from '../../src/results/database.js'

/** Write rows as a file, in order; values are texts, numbers, null, objects and lists. */
export async function writeRows(
  file: string,
  rows: readonly object[],
  options = 'FORMAT parquet',
): Promise<void> {
  const database = await Database.open()
  try {
    // Without types that depend on the values: a column is what the first row that has it says.
    const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))]
    const values = rows.map(
      (row) => `(${columns.map((name) => sql((row as Record<string, unknown>)[name])).join(', ')})`,
    )
    const names = columns.map((name) => `"${name}"`).join(', ')
    await database.run(
      `COPY (SELECT * FROM (VALUES ${values.join(', ')}) AS t(${names})) TO ${literal(file)} (${options})`,
    )
  } finally {
    database.close()
  }
}

function sql(value: unknown): string {
  if (value === null || value === undefined) return 'NULL'
  if (typeof value === 'string') return literal(value)
  if (Array.isArray(value)) return `[${value.map(sql).join(', ')}]`
  if (typeof value === 'object') {
    return `{${Object.entries(value)
      .map(([key, inner]) => `${literal(key)}: ${sql(inner)}`)
      .join(', ')}}`
  }
  return String(value)
}
