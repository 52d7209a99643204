/** What `factflow results` does; apart from its definition, since DuckDB takes long to load. */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import process from 'node:process'
import { InputError, show } from '../errors.js'
import { EXIT_SOME_FAILED } from '../exit-codes.js'
import { visibleText } from '../figures/text.js'
import { type Cell, literal, type Row } from '../results/database.js'
import { Results } from '../results/results.js'
import type { TableName } from '../results/rows.js'
import { readRunFile } from '../results/run-file.js'
import { checkWritable, writeWhole } from '../results/whole-file.js'
import { RUNS } from '../studies/names.js'
import { onNote } from './options.js'
import { tableLines } from './table.js'
import { note, plural, print } from './terminal.js'

export interface ResultsOptions {
  readonly sql?: string
  readonly csv?: string
  readonly table?: TableName
  readonly json?: true
  readonly verify?: true
}

export async function resultsAction(runs: readonly string[], options: ResultsOptions): Promise<void> {
  if (runs.length === 0) {
    if (options.sql ?? options.table ?? options.csv ?? options.verify) {
      throw new InputError(
        'runs: must be given with --sql, --table, --csv and --verify, got none; name a run folder',
      )
    }
    await listRuns(options)
    return
  }
  if (options.csv !== undefined) await checkWritable(options.csv)
  const results = await Results.open(runs, { verify: options.verify })
  try {
    for (const text of results.leftOut) onNote(text)
    if (options.verify && results.leftOut.length > 0) process.exitCode = EXIT_SOME_FAILED
    await answer(results, options)
    if (options.verify) note(verdict(results))
  } finally {
    results.close()
  }
}

/** What comparing all bytes has shown. */
function verdict({ runs, leftOut }: Results): string {
  const whole = runs.flatMap((run) => [...run.parts.values()].flat()).length
  const not = runs.reduce((sum, run) => sum + run.partsLeftOut, 0)
  const text = `${plural(whole, 'part')} compared with their checksums and whole`
  if (leftOut.length === 0) return text
  return `${text}; ${not > 0 ? `${plural(not, 'part')} left out` : 'other files are damaged'}, see the notes`
}

async function listRuns({ json }: ResultsOptions): Promise<void> {
  const entries = await readdir(RUNS, { withFileTypes: true }).catch(() => [])
  const runs = []
  for (const entry of entries.filter((one) => one.isDirectory())) {
    const dir = join(RUNS, entry.name)
    const file = await readRunFile(dir)
    if (file)
      runs.push({
        run: dir,
        models: Object.keys(file.models),
        datasets: Object.keys(file.datasets),
        updated: file.updated,
      })
  }
  if (json) print(JSON.stringify(runs))
  else if (runs.length === 0) note(`there is no run in ${RUNS}/; factflow study makes one`)
  else {
    const rows = [
      ['RUN', 'MODELS', 'DATA', 'UPDATED'],
      ...runs.map((r) => [
        r.run,
        r.models.join(', '),
        r.datasets.join(', '),
        r.updated.slice(0, 16).replace('T', ' '),
      ]),
    ]
    for (const line of tableLines(rows, new Set([0, 1, 2, 3]))) print(visibleText(line))
  }
}

async function answer(results: Results, options: ResultsOptions): Promise<void> {
  const query = await queryOf(options)
  if (query === undefined) {
    await showRuns(results, options)
    return
  }
  try {
    if (options.csv !== undefined) {
      // On lines of its own: a query may end in a comment.
      await writeWhole(options.csv, (file) =>
        results.run(`COPY (\n${query}\n) TO ${literal(file)} (FORMAT csv, HEADER)`),
      )
      note(`wrote ${options.csv}`)
      return
    }
    const rows = await results.rows(query)
    if (options.json)
      print(JSON.stringify(rows, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value)))
    else printRows(rows)
  } catch (error) {
    if (error instanceof InputError || error instanceof RangeError || options.sql === undefined) throw error
    const [first] = (error instanceof Error ? error.message : String(error)).split('\n')
    const cure = /(?<!")\bwindow\b(?!")/.test(query)
      ? 'write "window" in quotes, SQL has a word of its own'
      : 'correct it'
    throw new InputError(`--sql: must be a query that DuckDB can run, got ${show(query)} (${first}); ${cure}`)
  }
}

async function queryOf({ sql, table, csv }: ResultsOptions): Promise<string | undefined> {
  if (sql !== undefined && table !== undefined) {
    throw new InputError(`--table: must not be given with --sql, got ${table}; leave one out`)
  }
  if (sql !== undefined) {
    const query = (sql === '-' ? await standardInput() : sql).trim().replace(/;\s*$/, '')
    if (query !== '') return query
    throw new InputError('--sql: must be a query, got nothing; write SELECT ...')
  }
  if (table !== undefined) return `SELECT * FROM ${table} ORDER BY ALL`
  if (csv !== undefined) {
    throw new InputError('--csv: must be given with --table or --sql, got neither; say what to write')
  }
  return undefined
}

async function standardInput(): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString('utf8')
}

/** What is in the runs: models, data, sets, curves. */
async function showRuns(results: Results, { json }: ResultsOptions): Promise<void> {
  const overview = {
    models: await results.rows('SELECT * EXCLUDE (default_window) FROM models ORDER BY run, model'),
    datasets: await results.rows('SELECT * FROM datasets ORDER BY run, dataset'),
    evaluations: await results.rows(
      'SELECT run, model, dataset, count(*) AS prompts, count(*) FILTER (rank = 1) AS correct FROM evaluations GROUP BY ALL ORDER BY ALL',
    ),
    prompt_sets: await results.rows(
      'SELECT run, prompt_set, model, dataset, count(*) AS prompts FROM prompt_sets GROUP BY ALL ORDER BY ALL',
    ),
    curves: await results.rows(
      `SELECT run, model, dataset, "window", source, target, features, count(*) AS prompts, sum(n) AS knockouts
       FROM curves GROUP BY ALL ORDER BY ALL`,
    ),
    unusable: await results.rows(
      'SELECT run, dataset, model, reason, count(*) AS facts FROM unusable GROUP BY ALL ORDER BY ALL',
    ),
  }
  if (json) {
    print(JSON.stringify(overview))
    return
  }
  for (const [name, rows] of Object.entries(overview)) {
    if (rows.length === 0) continue
    print(name.replace('_', ' ').toUpperCase())
    printRows(rows)
    print('')
  }
  const [total] = await results.rows<{ n: number }>('SELECT sum(n) AS n FROM curves')
  print(`${plural(total?.n ?? 0, 'knockout')} in ${plural(results.runs.length, 'run')}`)
}

/** Rows that are printed as a table. */
const MOST_ROWS = 1000

/** Rows of a query as a table. */
function printRows(rows: readonly Row[]): void {
  const [first] = rows
  if (!first) {
    note('no rows')
    return
  }
  const some = rows.slice(0, MOST_ROWS)
  const names = Object.keys(first)
  const text = new Set(
    names.flatMap((name, i) => (some.every((row) => typeof row[name] !== 'number') ? [i] : [])),
  )
  const lines = tableLines([names, ...some.map((row) => names.map((name) => cellText(row[name]!)))], text)
  for (const line of lines) print(visibleText(line))
  if (some.length < rows.length) {
    note(
      `the first ${some.length.toLocaleString('en')} of ${plural(rows.length, 'row')}; --csv and --json give all`,
    )
  }
}

function cellText(value: Cell): string {
  if (value === null || value === undefined) return ''
  if (typeof value === 'number') return String(Number.isInteger(value) ? value : Number(value.toPrecision(6)))
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}
