/** Files of data sets to records, in Node: JSON with `JSON.parse`, CSV and Parquet with DuckDB. */
import { access, constants, readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { decodeText } from '../checkpoints/json.js'
import { InputError, show } from '../errors.js'
import { systemReason } from '../results/whole-file.js'
import { parseJsonArray, parseJsonLines, rowsToRecords } from './parse.js'
import type { SourceRecord } from './records.js'

type Format = 'jsonl' | 'json' | 'csv' | 'tsv' | 'parquet'

/** Names that can only be meant as files. */
export const DATA_FILE = /\.(jsonl|json|csv|tsv|parquet)$/i

/** What a Parquet file begins with. */
const PARQUET = 'PAR1'

/**
 * The records of a file. Its format is what its ending says; without one of these endings, what it begins with.
 *
 * @param where what messages call it
 * @throws InputError when it cannot be read, or is not of its format
 */
export async function readDataFile(path: string, where: string): Promise<SourceRecord[]> {
  const ending = DATA_FILE.exec(path)?.[1]?.toLowerCase() as Format | undefined
  if (ending === 'parquet') return parquet(path, where)
  const bytes = await contents(path)
  if (ending === undefined && bytes.subarray(0, PARQUET.length).toString('latin1') === PARQUET) {
    return parquet(path, where)
  }
  const text = decodeText(bytes, where)
  const format = ending === undefined || ending === 'json' ? formatOf(text, ending, where) : ending
  switch (format) {
    case 'jsonl':
      return parseJsonLines(text, where)
    case 'json':
      return parseJsonArray(text, where)
    case 'csv':
      return separated(path, text, ',', where)
    case 'tsv':
      return separated(path, text, '\t', where)
    case 'parquet':
      return parquet(path, where)
    default:
      return format satisfies never
  }
}

async function contents(path: string): Promise<Buffer> {
  try {
    return await readFile(path)
  } catch (error) {
    throw notFile(path, systemReason(error))
  }
}

/** The error for a source that is no file that can be read. */
function notFile(source: string, reason: string): InputError {
  return new InputError(
    `data: must be atlas, a file, or the id of a data set on the Hub (owner/name), got ${show(source, 200)} (${reason}); check the path`,
  )
}

/** What a text is, going by its beginning. JSON Lines may be in a file that is called .json, too. */
function formatOf(text: string, ending: 'json' | undefined, where: string): Format {
  const [first = ''] = /\S/.exec(text.replace(/^\uFEFF/, '')) ?? []
  if (first === '[') return 'json'
  if (first === '{' || ending === 'json') return 'jsonl'
  const [line = ''] = /[^\r\n]+/.exec(text) ?? []
  if (line.includes('\t')) return 'tsv'
  if (line.includes(',')) return 'csv'
  throw new InputError(
    `${where}: must be JSON Lines, JSON, CSV, TSV or Parquet, got ${show(line)} at its beginning; give the file one of these forms`,
  )
}

/** Rows of a Parquet file; nested columns are objects and arrays. */
async function parquet(path: string, where: string): Promise<SourceRecord[]> {
  await access(path, constants.R_OK).catch((error: unknown) => {
    throw notFile(path, systemReason(error))
  })
  const { literal } = await import('../results/database.js')
  const rows = await query(
    `SELECT * FROM read_parquet(${literal(oneFile(path))})`,
    (message) =>
      new InputError(`${where}: must be a Parquet file, got ${message}; download or write it again`),
  )
  return rowsToRecords(rows, where)
}

/**
 * Rows of a file of separated values (RFC 4180): all values are texts, empty ones null.
 * @throws InputError naming the row that has another number of values than the header
 */
async function separated(
  path: string,
  text: string,
  delimiter: ',' | '\t',
  where: string,
): Promise<SourceRecord[]> {
  if (text.trim() === '') return []
  const { identifier, literal } = await import('../results/database.js')
  const names = header(text, delimiter)
  if (new Set(names).size < names.length) {
    throw new InputError(
      `${where}:1: the columns of a header must have different names, got ${show(names, 200)}; correct it`,
    )
  }
  // Nothing is guessed from the rows: DuckDB would take `#` for a comment, or skip what does not fit.
  const columns = names.map((name) => `${identifier(name)}: 'VARCHAR'`).join(', ')
  const options = `auto_detect = false, columns = {${columns}}, header = true, delim = ${literal(delimiter)}, quote = '"', escape = '"', comment = '', nullstr = ''`
  const rows = await query(`SELECT * FROM read_csv(${literal(oneFile(path))}, ${options})`, (message) =>
    separatedError(message, names.length, where),
  )
  return rowsToRecords(rows, where)
}

/** The names in the first record; a column without one (pandas writes its index so) is called by its number. */
function header(text: string, delimiter: ',' | '\t'): string[] {
  const value = new RegExp(
    `(?:"((?:[^"]|"")*)"|([^${delimiter}"\\r\\n]*))(${delimiter}|\\r\\n|\\r|\\n|$)`,
    'gy',
  )
  const names: string[] = []
  for (const [, quoted, plain, end] of text.replace(/^\uFEFF/, '').matchAll(value)) {
    names.push((quoted?.replaceAll('""', '"') ?? plain!) || `column${names.length}`)
    if (end !== delimiter) break
  }
  return names
}

function separatedError(message: string, columns: number, where: string): InputError {
  const line = /^CSV Error on Line: (\d+)$/m.exec(message)?.[1]
  // It counts records, the header as 1, and not lines where values hold line ends.
  const at = line === undefined ? where : `${where} row ${Number(line) - 2}`
  const found = /^Expected Number of Columns: \d+ Found: (\d+)$/m.exec(message)?.[1]
  if (found !== undefined) {
    return new InputError(
      `${at}: must have ${columns} values, as the header has, got ${found}; correct the row, or put values that hold separators or line ends in quotes`,
    )
  }
  const what = /^.*(?:quote|state machine|unicode).*$/m.exec(message)?.[0] ?? message.split('\n')[0]!
  return new InputError(`${at}: must be values as RFC 4180 has them, got ${show(what, 200)}; correct it`)
}

/** The rows of a query; what it complains about is about the file that it reads. */
async function query(sql: string, error: (message: string) => InputError): Promise<unknown[]> {
  const { Database } = await import('../results/database.js')
  const database = await Database.open()
  try {
    return await database.rows(sql)
  } catch (reason) {
    const message = reason instanceof Error ? reason.message : String(reason)
    // Below an empty line it shows the query.
    throw error(message.replace(/^\w+(?: \w+)* Error: /, '').split('\n\n')[0]!)
  } finally {
    database.close()
  }
}

/** A path as DuckDB takes it for that one file: `*`, `?` and `[` stand for themselves. */
function oneFile(path: string): string {
  return resolve(path).replace(/[*?[]/g, '[$&]')
}
