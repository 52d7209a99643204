/**
 * Stored results to ask: one run folder, or several side by side, as tables of DuckDB: `knockouts`, `evaluations`,
 * `features`, `prompt_sets`, `unusable` (see rows.ts; each with a column `run`, the folder's name), and `models` and
 * `datasets` of run.json.
 */
import { basename, join, resolve } from 'node:path'
import type { DuckDBValue } from '@duckdb/node-api'
import { InputError, show } from '../errors.js'
import { defaultWindow } from '../knockout/knockout.js'
import { VERSION } from '../version.js'
import { Database, literal, type Row } from './database.js'
import { examinePart, examineParts, judge, namedParts } from './part-check.js'
import { TABLE_NAMES, type TableName } from './rows.js'
import { findRun } from './run-file.js'
import { partsSql, remade } from './run-folder.js'
import { isRunFile, RUN_FILE, type RunFile } from './run-schema.js'

/** What makes rows of `knockouts` one curve of one prompt, or one heatmap: they are computed and stored together. */
const CURVE = 'run, model, dataset, prompt_id, "window", source, target, features'

export interface Run {
  /** The folder's name; what tells runs apart in the tables. */
  readonly name: string
  readonly dir: string
  readonly file: RunFile
  /** Paths of the parts of each table. */
  readonly parts: ReadonlyMap<TableName, readonly string[]>
  /** What of the folder is torn or of another run: one sentence each that names the file. */
  readonly leftOut: readonly string[]
  /** How many parts are. */
  readonly partsLeftOut: number
}

export interface ResultsOptions {
  /** Compare all bytes of all parts with their checksums; without, only the end of each is looked at. */
  readonly verify?: boolean
  /** Whether a folder may hold no run yet, and counts as an empty one. */
  readonly mayBeEmpty?: boolean
}

export class Results {
  private constructor(
    readonly runs: readonly Run[],
    private readonly database: Database,
  ) {}

  /**
   * Open run folders. Nothing is copied: queries read the Parquet files. Files that are torn or of another run are left
   * out, see `leftOut`.
   * @throws InputError when a folder holds no run, or two have the same name
   */
  static async open(
    dirs: readonly string[],
    { verify = false, mayBeEmpty = false }: ResultsOptions = {},
  ): Promise<Results> {
    // One thread: sums come out the same every time, and a study's queries take a tenth of a second.
    const database = await Database.open({ threads: 1 })
    try {
      // What fails is looked for in all bytes; a part that was there and is gone has been set aside by a study.
      const open = (all: boolean): Promise<Run[]> =>
        Promise.all(dirs.map((dir) => openRun(dir, { database: all ? database : undefined, mayBeEmpty })))
      return await Results.#over(await open(verify), database).catch(async (error: unknown) => {
        if (!isOfFiles(error)) throw error
        const runs = await open(true)
        return Results.#over(runs, database).catch((again: unknown) => {
          throw isOfFiles(again) ? unreadable(dirs, again) : again
        })
      })
    } catch (error) {
      database.close()
      throw await damaged(error, [])
    }
  }

  static async #over(runs: readonly Run[], database: Database): Promise<Results> {
    const twice = runs.find(({ name }, i) => runs.findIndex((run) => run.name === name) < i)
    if (twice) {
      throw new InputError(
        `runs: must differ in their folders' names, got ${show(twice.name)} twice; rename one`,
      )
    }
    const results = new Results(runs, database)
    for (const table of TABLE_NAMES) await results.#view(table)
    await results.#dropDoubles()
    await results.#describe()
    return results
  }

  /** What is left out, one sentence each. */
  get leftOut(): readonly string[] {
    return this.runs.flatMap((run) => run.leftOut)
  }

  async #view(table: TableName): Promise<void> {
    const all = this.runs
      .map(({ name, parts }) => {
        return `SELECT ${literal(name)} AS run, * FROM (${partsSql(parts.get(table)!, table)})`
      })
      .join(' UNION ALL ')
    // These two may hold doubles, which `#dropDoubles` tells apart by their files.
    const doubles = table === 'knockouts' || table === 'evaluations'
    await this.database.run(
      doubles
        ? `CREATE OR REPLACE VIEW all_${table} AS ${all}`
        : `CREATE OR REPLACE VIEW ${table} AS SELECT DISTINCT * EXCLUDE (filename) FROM (${all})`,
    )
  }

  /** Two processes that computed the same have each written it: the first file counts. */
  async #dropDoubles(): Promise<void> {
    const database = this.database
    await database.run(`
      CREATE OR REPLACE TABLE stored AS SELECT filename, ${CURVE}, count(*) AS n FROM all_knockouts GROUP BY ALL;
      CREATE OR REPLACE TABLE doubled AS SELECT ${CURVE}, min(filename) AS first FROM stored GROUP BY ALL HAVING count(*) > 1;
      CREATE OR REPLACE TABLE curves AS SELECT ${CURVE}, arg_min(n, filename) AS n FROM stored GROUP BY ALL;
      DROP TABLE stored`)
    const [{ doubles } = { doubles: 0 }] = await database.rows<{ doubles: number }>(
      'SELECT count(*) AS doubles FROM doubled',
    )
    await database.run(
      doubles === 0
        ? 'CREATE OR REPLACE VIEW knockouts AS SELECT * EXCLUDE (filename) FROM all_knockouts'
        : `CREATE OR REPLACE VIEW knockouts AS SELECT all_knockouts.* EXCLUDE (filename) FROM all_knockouts
             LEFT JOIN doubled USING (${CURVE}) WHERE first IS NULL OR first = filename`,
    )
    await database.run(`
      CREATE OR REPLACE TABLE evaluated AS SELECT run, model, dataset, prompt_id, min(filename) AS filename
        FROM all_evaluations GROUP BY ALL;
      CREATE OR REPLACE VIEW evaluations AS SELECT all_evaluations.* EXCLUDE (filename) FROM all_evaluations
        SEMI JOIN evaluated USING (run, model, dataset, prompt_id, filename)`)
  }

  /** The tables of run.json. */
  async #describe(): Promise<void> {
    await this.database.run(`
      CREATE OR REPLACE TABLE models (run VARCHAR, model VARCHAR, opened_from VARCHAR, family VARCHAR, model_type VARCHAR,
        layers INTEGER, default_window INTEGER, width INTEGER, parameters BIGINT, origin VARCHAR);
      CREATE OR REPLACE TABLE datasets (run VARCHAR, dataset VARCHAR, opened_from VARCHAR, facts INTEGER, unusable INTEGER)`)
    for (const { name: run, file } of this.runs) {
      for (const [model, m] of Object.entries(file.models)) {
        await this.#insert('models', [
          ...[run, model, m.source, m.family, m.modelType, m.layers, defaultWindow(m.layers)],
          ...[m.width ?? null, m.parameters ?? null, m.origin ?? null],
        ])
      }
      for (const [dataset, d] of Object.entries(file.datasets)) {
        await this.#insert('datasets', [run, dataset, d.source, d.facts, d.unusable])
      }
    }
    // The window that words and tables are about: the default one, or the widest where that was not asked for.
    await this.database.run(`
      CREATE OR REPLACE VIEW main_windows AS SELECT run, model,
        coalesce(max("window") FILTER ("window" = default_window),
          max("window") FILTER (source <> 'token'), max("window")) AS main_window
      FROM curves JOIN models USING (run, model) GROUP BY ALL`)
  }

  async #insert(table: string, values: readonly DuckDBValue[]): Promise<void> {
    const parameters = Object.fromEntries(values.map((value, i) => [`v${i}`, value]))
    const names = Object.keys(parameters).map((name) => `$${name}`)
    await this.database.run(`INSERT INTO ${table} VALUES (${names})`, parameters)
  }

  /**
   * The rows of a query.
   * @throws InputError when a part is damaged
   */
  async rows<T extends Row = Row>(sql: string, parameters?: Record<string, DuckDBValue>): Promise<T[]> {
    try {
      return await this.database.rows<T>(sql, parameters)
    } catch (error) {
      throw await damaged(error, this.runs)
    }
  }

  /**
   * Run a statement: COPY ... TO a file.
   * @throws InputError when a part is damaged
   */
  async run(sql: string): Promise<void> {
    try {
      await this.database.run(sql)
    } catch (error) {
      throw await damaged(error, this.runs)
    }
  }

  close(): void {
    this.database.close()
  }
}

/** @param database with one all bytes of the parts are looked at */
async function openRun(
  path: string,
  { database, mayBeEmpty }: { readonly database: Database | undefined; readonly mayBeEmpty: boolean },
): Promise<Run> {
  const dir = resolve(path)
  const examined = await examineParts(dir, database)
  // Read last: whoever adds a part has written what it is of before.
  const { base, models, datasets, torn } = await findRun(dir)
  const gone = !base && torn.every(({ name }) => name !== RUN_FILE)
  if (gone && examined.length === 0 && !mayBeEmpty) {
    throw new InputError(`${path}: must be a run folder with ${RUN_FILE}, got none; check the path`)
  }
  const file = { ...(base ?? remade(dir, examined, VERSION)), models, datasets }
  const parts = new Map<TableName, string[]>(TABLE_NAMES.map((table) => [table, []]))
  const leftOut = torn.map(({ name, wrong }) => aside(join(dir, name), wrong, TORN_CURE[kindOf(name)]))
  if (gone && examined.length > 0) {
    leftOut.push(`${join(dir, RUN_FILE)}: must be there, got nothing; ${TORN_CURE.run}`)
  }
  const unclaimed = new Map<string, string[]>()
  for (const part of examined) {
    const stray = part.wrong === undefined ? judge(part.footer!, file) : { wrong: part.wrong }
    if (!stray) parts.get(part.table)!.push(part.path)
    else if (!stray.unclaimed) leftOut.push(aside(part.path, stray.wrong))
    else {
      const same = unclaimed.get(stray.wrong)
      if (same) same.push(part.path)
      else unclaimed.set(stray.wrong, [part.path])
    }
  }
  for (const [wrong, paths] of unclaimed) {
    const what =
      paths.length === 1 ? paths[0]! : `${dir}: ${paths.length} parts, ${basename(paths[0]!)} first,`
    const verb = paths.length === 1 ? 'is' : 'are'
    leftOut.push(`${what} ${verb} left out: ${wrong}; ${UNCLAIMED_CURE}`)
  }
  const left = examined.length - [...parts.values()].flat().length
  return { name: basename(dir), dir, file, parts, leftOut, partsLeftOut: left }
}

function aside(file: string, wrong: string, cure = CURE): string {
  return `${file} is left out: ${wrong}; ${cure}`
}

const CURE = 'run the study again, it sets the file aside and computes anew what is missing'
const UNCLAIMED_CURE =
  'run the study again: where it has the same model and data they count again, else it sets them aside'
const TORN_CURE = {
  run: 'run the study again, it is made anew from the parts',
  input: 'run the study again, it is made anew, and parts of what it is about count again',
  worker: 'run the study again, it sets the file aside; no result depends on it',
}

/** What a torn file is, by its name. */
function kindOf(name: string): keyof typeof TORN_CURE {
  if (name === RUN_FILE) return 'run'
  return isRunFile(name) ? 'input' : 'worker'
}

/** Whether an error of DuckDB is about the files that it reads, and not about a query. */
function isOfFiles(error: unknown): boolean {
  const [kind = ''] = /^[A-Za-z ]*Error/.exec(error instanceof Error ? error.message : '') ?? []
  return ['IO Error', 'Invalid Error', 'Invalid Input Error', 'Serialization Error'].includes(kind)
}

/**
 * What can only be so where a part has no checksum, as before parts had one: DuckDB reads it, but what it reads is
 * nothing that it can work with.
 */
function unreadable(dirs: readonly string[], error: unknown): InputError {
  const [text] = (error instanceof Error ? error.message : String(error)).split('\n')
  return new InputError(
    `${dirs.join(', ')}: parts must hold what DuckDB can read, got ${text}; move those that an older factflow made (without checksums) elsewhere, and run the study again`,
  )
}

/** DuckDB's error, as one of input where the memory is too small or a part of the runs is damaged: it often names none. */
async function damaged(error: unknown, runs: readonly Run[]): Promise<unknown> {
  const [text] = (error instanceof Error ? error.message : '').split('\n')
  if (text!.startsWith('Out of Memory Error')) {
    return new InputError(
      `results: must fit in the memory, got ${text}; ask for less, or on a larger machine`,
    )
  }
  if (!isOfFiles(error)) return error
  const database = await Database.open({ threads: 1 })
  try {
    for (const { dir, parts } of runs) {
      const read = new Set([...parts.values()].flat())
      for (const part of (await namedParts(dir)).filter(({ path }) => read.delete(path))) {
        const wrong = (await examinePart(part, database))?.wrong
        if (wrong !== undefined) return new InputError(`${part.path}: ${wrong}; ${CURE}`)
      }
      const [gone] = read
      if (gone !== undefined) {
        return new InputError(
          `${gone}: must stay while it is read, got no such file any more; ask again, a study may have set it aside`,
        )
      }
    }
  } finally {
    database.close()
  }
  return error
}
