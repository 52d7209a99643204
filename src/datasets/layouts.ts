/** How published data sets lay a fact out, and which of these layouts a file has. */
import { InputError, show } from '../errors.js'

/** The fields of a fact for which a file of one's own can name the columns. */
export const NAMED_FIELDS = ['prompt', 'subject', 'answer', 'id', 'relation', 'split'] as const
export type NamedField = (typeof NAMED_FIELDS)[number]

/** Names of columns by the field that they hold. */
export type ColumnMap = Readonly<Partial<Record<NamedField, string>>>

/** Where a layout has what. A name with dots leads into objects: `requested_rewrite.subject`. */
export interface Layout {
  readonly name: string
  readonly columns: ColumnMap & { readonly phrasing?: string; readonly subjectStart?: string }
  /** Holds the prompt, or its beginning, with `{}` for the subject. */
  readonly template?: string
  /** Holds the part of the prompt before the subject. */
  readonly prefix?: string
  /** Columns that tell it from the others. */
  readonly marks: readonly string[]
}

/** A record as the file has it: a JSON object, a row. */
export type Fields = Readonly<Record<string, unknown>>

/** factflow's: the fields of `Fact`. */
export const OWN: Layout = {
  name: 'factflow',
  columns: {
    id: 'id',
    prompt: 'prompt',
    subject: 'subject',
    answer: 'answer',
    relation: 'relation',
    split: 'split',
    phrasing: 'phrasing',
    subjectStart: 'subjectStart',
  },
  marks: [],
}

/** The first that fits counts. */
const PUBLISHED: readonly Layout[] = [
  {
    // Meng et al. 2022, counterfact.json (rome.baulab.info/data): `{}` of the prompt is the subject.
    name: 'CounterFact (ROME)',
    columns: {
      id: 'case_id',
      prompt: 'requested_rewrite.prompt',
      subject: 'requested_rewrite.subject',
      answer: 'requested_rewrite.target_true.str',
      relation: 'requested_rewrite.relation_id',
      split: 'split',
    },
    marks: ['requested_rewrite.prompt', 'requested_rewrite.subject', 'requested_rewrite.target_true.str'],
  },
  {
    // NeelNanda/counterfact-tracing, of which the paper's data are made: prompt = prefix + subject + suffix.
    name: 'CounterFact for tracing',
    columns: {
      prompt: 'prompt',
      subject: 'subject',
      answer: 'target_true',
      relation: 'relation_id',
      split: 'split',
    },
    template: 'relation',
    prefix: 'relation_prefix',
    marks: ['prompt', 'subject', 'target_true', 'relation_prefix'],
  },
  {
    // Meng et al. 2022, known_1000.json: some prompts go on after their template.
    name: 'Known-1000',
    columns: {
      id: 'known_id',
      prompt: 'prompt',
      subject: 'subject',
      answer: 'attribute',
      relation: 'relation_id',
      split: 'split',
    },
    template: 'template',
    marks: ['prompt', 'subject', 'attribute', 'template'],
  },
  {
    name: 'CounterFact, flat',
    columns: {
      id: 'case_id',
      prompt: 'prompt',
      subject: 'subject',
      answer: 'target_true',
      relation: 'relation_id',
      split: 'split',
    },
    marks: ['prompt', 'subject', 'target_true'],
  },
]

/** The value of a column, by its name as it is or, with dots, from object to object. */
export function valueAt(fields: Fields, column: string): unknown {
  if (Object.hasOwn(fields, column)) return fields[column]
  if (!column.includes('.')) return undefined
  let value: unknown = fields
  for (const key of column.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined
    value = (value as Fields)[key]
  }
  return value
}

/**
 * The layout of a file: factflow's own where it has `prompt`, `subject` and `answer`, then the published ones; with
 * columns that the user names in place of the layout's.
 *
 * @param where the file or its first record, for errors
 * @throws InputError saying which columns are there when it is none of them, or a named column is not there
 */
export function layoutOf(records: readonly { fields: Fields }[], columns: ColumnMap, where: string): Layout {
  // A record may lack what others have.
  const known = new Map<string, boolean>()
  const has = (column: string): boolean => {
    const seen = known.get(column) ?? records.some(({ fields }) => valueAt(fields, column) !== undefined)
    known.set(column, seen)
    return seen
  }
  for (const [field, column] of Object.entries(columns)) {
    if (has(column)) continue
    throw new InputError(
      `${where}: the column for ${field} must be there, got ${show(column)} and the columns ${names(records)}; correct --columns`,
    )
  }
  const needed = ({ columns: { prompt, subject, answer } }: Layout): string[] => [prompt!, subject!, answer!]
  const own = needed(OWN).every(has)
  const found = own ? OWN : PUBLISHED.find(({ marks }) => marks.every(has))
  const layout = { ...(found ?? OWN), columns: { ...(found ?? OWN).columns, ...columns } }
  if (needed(layout).every(has)) return layout
  throw new InputError(
    `${where}: must have the columns prompt, subject and answer, or those of CounterFact or Known-1000, got ${names(records)}; name yours with --columns prompt=...,subject=...,answer=...`,
  )
}

/** Names that an error lists. */
const MOST_NAMES = 30

function names(records: readonly { fields: Fields }[]): string {
  const all = [...new Set(records.flatMap(({ fields }) => Object.keys(fields)))]
  const more = all.length > MOST_NAMES ? ` and ${all.length - MOST_NAMES} more` : ''
  return `${all.slice(0, MOST_NAMES).join(', ') || 'none'}${more}`
}
