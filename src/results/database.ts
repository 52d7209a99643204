/** DuckDB in memory: reads and writes Parquet and CSV, answers SQL. */
import {
  type DuckDBConnection,
  DuckDBDataChunk,
  DuckDBInstance,
  type DuckDBType,
  type DuckDBValue,
  listValue,
  structValue,
} from '@duckdb/node-api'

/** A cell: what a query gives back. Whole numbers of any width are numbers where they are exact, else bigints. */
export type Cell =
  | null
  | boolean
  | number
  | bigint
  | string
  | Date
  | readonly Cell[]
  | { readonly [key: string]: Cell }
export type Row = Readonly<Record<string, Cell>>

/** Names and types of a table's columns, in order. */
export type ColumnTypes = Readonly<Record<string, DuckDBType>>

/** Rows that DuckDB takes at a time (its vector size). */
const CHUNK = 2048

export class Database {
  private constructor(
    readonly connection: DuckDBConnection,
    private readonly instance: DuckDBInstance,
  ) {}

  /** @param threads of a query; default all processors */
  static async open({ threads }: { threads?: number } = {}): Promise<Database> {
    const instance = await DuckDBInstance.create(':memory:', {
      // Nothing is fetched: what is asked for and not there is an error.
      autoinstall_known_extensions: 'false',
      autoload_known_extensions: 'false',
      ...(threads !== undefined && { threads: String(threads) }),
    })
    return new Database(await instance.connect(), instance)
  }

  /** Run statements; parameters are `$name`. */
  async run(sql: string, parameters?: Record<string, DuckDBValue>): Promise<void> {
    await this.connection.run(sql, parameters)
  }

  /** The rows that a query gives. */
  async rows<T extends Row = Row>(sql: string, parameters?: Record<string, DuckDBValue>): Promise<T[]> {
    const reader = await this.connection.runAndReadAll(sql, parameters)
    return reader.getRowObjectsJS().map((row) => cell(row as Cell)) as unknown as T[]
  }

  /** Make a table, or make it anew, and fill it. */
  async fill(table: string, types: ColumnTypes, rows: readonly object[]): Promise<void> {
    const names = Object.keys(types)
    const columns = names.map((name) => `${identifier(name)} ${types[name]}`)
    await this.run(`CREATE OR REPLACE TABLE ${identifier(table)} (${columns.join(', ')})`)
    const appender = await this.connection.createAppender(table)
    for (let from = 0; from < rows.length; from += CHUNK) {
      const some = rows.slice(from, from + CHUNK) as Readonly<Record<string, unknown>>[]
      const chunk = DuckDBDataChunk.create(Object.values(types))
      chunk.setColumns(names.map((name) => some.map((row) => duckValue(row[name]))))
      appender.appendDataChunk(chunk)
    }
    appender.closeSync()
  }

  close(): void {
    this.connection.closeSync()
    this.instance.closeSync()
  }
}

function cell(value: Cell): Cell {
  if (typeof value === 'bigint') {
    const number = Number(value)
    return Number.isSafeInteger(number) ? number : value
  }
  if (Array.isArray(value)) return value.map(cell)
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex')
  if (value !== null && typeof value === 'object' && !(value instanceof Date)) {
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, cell(inner)]))
  }
  return value
}

/** A text as an SQL literal: `'it''s'`. */
export function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}

/** A name as an SQL identifier: `"first layer"`. */
export function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/** A value as DuckDB takes it: lists and objects in their wrappings, nothing as null. */
function duckValue(value: unknown): DuckDBValue {
  if (value === undefined) return null
  if (Array.isArray(value)) return listValue(value.map(duckValue))
  if (value !== null && typeof value === 'object') {
    const entries = Object.entries(value).map(([key, inner]) => [key, duckValue(inner)])
    return structValue(Object.fromEntries(entries))
  }
  return value as DuckDBValue
}
