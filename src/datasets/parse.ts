/** JSON texts to records. */
import { parseJson } from '../checkpoints/json.js'
import { InputError, show } from '../errors.js'
import type { Fields } from './layouts.js'
import type { SourceRecord } from './records.js'

/** What a line or an element must be. */
const FORM = 'write one fact as {"id": "...", "prompt": "...", "subject": "...", "answer": "..."}'

/**
 * The records of JSON Lines; empty lines are skipped.
 * @param where the file's name, for errors
 * @throws InputError naming file and line when a line is not a JSON object
 */
export function parseJsonLines(text: string, where: string): SourceRecord[] {
  const records: SourceRecord[] = []
  for (const [index, line] of withoutMark(text).split('\n').entries()) {
    if (line.trim() === '') continue
    const at = `${where}:${index + 1}`
    let record: unknown
    try {
      record = JSON.parse(line)
    } catch {
      throw new InputError(`${at}: a line must be JSON, got ${show(line)}; ${FORM}`)
    }
    if (!isFields(record)) {
      throw new InputError(`${at}: a line must be a JSON object, got ${show(record)}; ${FORM}`)
    }
    records.push({ fields: record, where: at, number: String(records.length) })
  }
  return records
}

/**
 * The records of a JSON array.
 * @param where the file's name, for errors
 * @throws InputError when it is not JSON (naming the line), or not an array of objects
 */
export function parseJsonArray(text: string, where: string): SourceRecord[] {
  const array = parseJson(withoutMark(text), where)
  if (!Array.isArray(array)) {
    throw new InputError(`${where}: must be an array of records, got ${show(array)}; ${FORM}`)
  }
  return rowsToRecords(array, where)
}

/**
 * Rows, numbered from 0, as records.
 * @throws InputError when one is not an object
 */
export function rowsToRecords(rows: readonly unknown[], where: string): SourceRecord[] {
  return rows.map((row, i) => {
    const at = `${where} row ${i}`
    if (!isFields(row)) throw new InputError(`${at}: must be an object, got ${show(row)}; ${FORM}`)
    return { fields: row, where: at, number: String(i) }
  })
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Without a byte order mark. */
function withoutMark(text: string): string {
  return text.replace(/^\uFEFF/, '')
}
