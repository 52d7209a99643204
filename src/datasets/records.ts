/** Records of a data set to facts: one type for all layouts, and for what cannot be used the reason. */
import { InputError, show } from '../errors.js'
import type { Fact } from '../prompts/facts.js'
import { occurrences } from '../prompts/roles.js'
import { type ColumnMap, type Fields, type Layout, layoutOf, OWN, valueAt } from './layouts.js'
import type { Problem, Unusable } from './unusable.js'

/** A record and where it stands. */
export interface SourceRecord {
  readonly fields: Fields
  /** `facts.jsonl:12`, `facts.csv row 11` */
  readonly where: string
  /** Its id in a file without ids: its number, from 0. */
  readonly number: string
  /** The split of all records of its file. */
  readonly split?: string
}

export interface RecordOptions {
  /** The columns of the fields, where the file calls them otherwise than its layout. */
  readonly columns?: ColumnMap
}

/** The facts of records, in order, and the records that give none. */
export interface Facts {
  readonly facts: Fact[]
  readonly unusable: Unusable[]
}

/**
 * Turn records into facts.
 *
 * @param name of the data set, for errors
 * @throws InputError when there is no record, or their layout is not known
 */
export function readRecords(
  records: readonly SourceRecord[],
  name: string,
  { columns = {} }: RecordOptions = {},
): Facts {
  const [first] = records
  if (!first) {
    throw new InputError(
      `${name}: a data set must have facts, got none; give one record (a JSON object, a row) for each`,
    )
  }
  const layout = layoutOf(records, columns, first.where)
  const { id: idColumn } = layout.columns
  const hasIds = idColumn !== undefined && records.some(({ fields }) => valueAt(fields, idColumn) != null)
  const facts: Fact[] = []
  const unusable: Unusable[] = []
  const whereOf = new Map<string, string>()
  for (const record of records) {
    const fact = factOf(record, layout, hasIds)
    if ('reason' in fact) {
      const id = hasIds ? text(valueAt(record.fields, idColumn)) : undefined
      unusable.push({ id: id ?? record.number, where: record.where, ...fact })
      continue
    }
    const { id } = fact
    const earlier = whereOf.get(id)
    if (earlier === undefined) {
      whereOf.set(id, record.where)
      facts.push(fact)
    } else {
      const detail = `id must be unique, got ${show(id)} of ${earlier} again`
      unusable.push({ id, where: record.where, reason: 'id used before', detail })
    }
  }
  return { facts, unusable }
}

/** What is wrong with a fact by itself, whatever the model; undefined when it can be used. */
export function factProblem(fact: Fact): Problem | undefined {
  const read = factOf({ fields: { ...fact }, where: '', number: '' }, OWN, true)
  return 'reason' in read ? read : undefined
}

/** The fields of a record as its layout names them; what is empty is left out. */
interface Raw {
  readonly id?: string
  readonly prompt?: string
  readonly subject?: string
  readonly answer?: string
  readonly relation?: string
  readonly split?: string
  readonly phrasing?: number
  readonly subjectStart?: number
}

function factOf(record: SourceRecord, layout: Layout, hasIds: boolean): Fact | Problem {
  const { fields } = record
  const raw = rawOf(fields, layout)
  if ('reason' in raw) return raw
  const id = hasIds ? raw.id : record.number
  const { prompt, subject, answer, relation, phrasing, split = record.split } = raw
  const missing = (field: 'id' | 'prompt' | 'subject' | 'answer'): Problem => {
    const column = layout.columns[field]!
    const got = show(valueAt(fields, column))
    return { reason: `no ${field}`, detail: `${column} must be a text that is not empty, got ${got}` }
  }
  if (id === undefined) return missing('id')
  if (prompt === undefined) return missing('prompt')
  if (subject === undefined) return missing('subject')
  if (answer === undefined) return missing('answer')
  const place = placed(prompt, subject, startOf(raw, fields, layout))
  if ('reason' in place) return place
  return {
    id,
    prompt: place.prompt,
    subject: place.subject,
    answer,
    ...(relation !== undefined && { relation }),
    ...(phrasing !== undefined && { phrasing }),
    ...(split !== undefined && { split }),
    ...(place.subjectStart !== undefined && { subjectStart: place.subjectStart }),
  }
}

function rawOf(fields: Fields, { columns }: Layout): Raw | Problem {
  const raw: Record<string, string | number> = {}
  for (const [field, column] of Object.entries(columns)) {
    const value = valueAt(fields, column)
    if (value === undefined || value === null) continue
    const counts = field === 'phrasing' || field === 'subjectStart'
    const read = counts ? wholeNumber(value) : text(value)
    if (read === undefined) {
      const rule = counts ? 'a whole number from 0' : 'a text or a number'
      return {
        reason: 'field of another kind',
        detail: `${column} must be ${rule}, got ${show(value)}`,
      }
    }
    if (typeof read === 'number' || read.trim() !== '') raw[field] = read
  }
  return raw
}

/** A text; of numbers (ids in Parquet, years as answers) how they are written. */
function text(value: unknown): string | undefined {
  if (typeof value === 'string') return value
  return typeof value === 'bigint' || Number.isFinite(value) ? String(value) : undefined
}

/** A whole number from 0, or one that is written as text (CSV). */
function wholeNumber(value: unknown): number | undefined {
  const number = typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value
  return Number.isSafeInteger(number) && (number as number) >= 0 ? (number as number) : undefined
}

/** A subject in its prompt, without white space at its ends. */
type Placed = Pick<Fact, 'prompt' | 'subject' | 'subjectStart'>

/**
 * Find the subject: a prompt that is a template (has `{}`) is filled with it; of other prompts the record may say
 * where it starts, or the layout's parts of the prompt; otherwise it is searched and must be there once.
 */
function placed(given: string, subject: string, known: number | undefined): Placed | Problem {
  const name = subject.trim()
  const parts = given.split('{}')
  const prompt = parts.join(name)
  const start = parts.length === 2 ? parts[0]!.length : known
  const absent = (at = ''): Problem => ({
    reason: 'subject not in the prompt',
    detail: `subject must stand in the prompt${at}, got subject ${show(subject)} and prompt ${show(prompt, 120)}`,
  })
  if (start !== undefined) {
    if (!prompt.startsWith(name, start)) return absent(` at character ${start}`)
    return { prompt, subject: name, subjectStart: start }
  }
  // White space around it may tell it from its other places.
  const found = occurrences(prompt, parts.length > 1 ? name : subject)
  if (found.length === 0) return absent()
  if (found.length > 1) {
    return {
      reason: 'subject more than once in the prompt',
      detail: `subject must stand in the prompt once, got ${show(subject)} at characters ${found.join(' and ')} of ${show(prompt, 120)}`,
    }
  }
  const alone = name === subject || occurrences(prompt, name).length === 1
  return { prompt, subject: name, ...(!alone && { subjectStart: found[0]! + subject.indexOf(name) }) }
}

/** Where the subject's first letter is, by what the record and its layout say; undefined when they say nothing. */
function startOf(
  { prompt = '', subject = '', subjectStart }: Raw,
  fields: Fields,
  layout: Layout,
): number | undefined {
  const name = subject.trim()
  const before = subject.indexOf(name)
  if (subjectStart !== undefined) return subjectStart + before
  const prefix = layout.prefix === undefined ? undefined : valueAt(fields, layout.prefix)
  if (typeof prefix === 'string' && prompt.startsWith(prefix + subject)) return prefix.length + before
  const template = layout.template === undefined ? undefined : valueAt(fields, layout.template)
  const parts = typeof template === 'string' ? template.split('{}') : []
  return parts.length === 2 && prompt.startsWith(parts.join(name)) ? parts[0]!.length : undefined
}
