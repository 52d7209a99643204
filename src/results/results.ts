/**
 * Stored results to ask: one run folder, or several side by side, as tables of DuckDB: `knockouts`, `evaluations`,
 * `features`, `prompt_sets`, `unusable` (see rows.ts; each with a column `run`, the folder's name), and `models` and
 * `datasets` of run.json.
 */
import { basename, resolve } from 'node:path'
import type { DuckDBValue } from '@duckdb/node-api'
import { InputError, show } from '../errors.js'
import { defaultWindow } from '../knockout/knockout.js'
import { Database, literal, type Row } from './database.js'
import { TABLE_NAMES, type TableName } from './rows.js'
import { readRunFile } from './run-file.js'
import { partFiles, partsSql } from './run-folder.js'
import { RUN_FILE, type RunFile } from './run-schema.js'

/** What makes rows of `knockouts` one curve of one prompt, or one heatmap: they are computed and stored together. */
const CURVE = 'run, model, dataset, prompt_id, "window", source, target, features'

export interface Run {
  /** The folder's name; what tells runs apart in the tables. */
  readonly name: string
  readonly dir: string
  readonly file: RunFile
  /** Paths of the parts of each table. */
  readonly parts: ReadonlyMap<TableName, readonly string[]>
}

export class Results {
  private constructor(
    readonly runs: readonly Run[],
    private readonly database: Database,
  ) {}

  /**
   * Open run folders. Nothing is copied: queries read the Parquet files.
   * @throws InputError when a folder holds no run, two have the same name, or a part is damaged
   */
  static async open(dirs: readonly string[]): Promise<Results> {
    const runs = await Promise.all(dirs.map(openRun))
    const twice = runs.find(({ name }, i) => runs.findIndex((run) => run.name === name) < i)
    if (twice) {
      throw new InputError(
        `runs: must differ in their folders' names, got ${show(twice.name)} twice; rename one`,
      )
    }
    // One thread: sums come out the same every time, and a study's queries take a tenth of a second.
    const results = new Results(runs, await Database.open({ threads: 1 }))
    try {
      for (const table of TABLE_NAMES) await results.#view(table)
      await results.#dropDoubles()
      await results.#describe()
    } catch (error) {
      results.close()
      throw damaged(error, runs)
    }
    return results
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
        ? `CREATE VIEW all_${table} AS ${all}`
        : `CREATE VIEW ${table} AS SELECT DISTINCT * EXCLUDE (filename) FROM (${all})`,
    )
  }

  /** Two processes that computed the same have each written it: the first file counts. */
  async #dropDoubles(): Promise<void> {
    const database = this.database
    await database.run(`
      CREATE TABLE stored AS SELECT filename, ${CURVE}, count(*) AS n FROM all_knockouts GROUP BY ALL;
      CREATE TABLE doubled AS SELECT ${CURVE}, min(filename) AS first FROM stored GROUP BY ALL HAVING count(*) > 1;
      CREATE TABLE curves AS SELECT ${CURVE}, arg_min(n, filename) AS n FROM stored GROUP BY ALL;
      DROP TABLE stored`)
    const [{ doubles } = { doubles: 0 }] = await database.rows<{ doubles: number }>(
      'SELECT count(*) AS doubles FROM doubled',
    )
    await database.run(
      doubles === 0
        ? 'CREATE VIEW knockouts AS SELECT * EXCLUDE (filename) FROM all_knockouts'
        : `CREATE VIEW knockouts AS SELECT all_knockouts.* EXCLUDE (filename) FROM all_knockouts
             LEFT JOIN doubled USING (${CURVE}) WHERE first IS NULL OR first = filename`,
    )
    await database.run(`
      CREATE TABLE evaluated AS SELECT run, model, dataset, prompt_id, min(filename) AS filename
        FROM all_evaluations GROUP BY ALL;
      CREATE VIEW evaluations AS SELECT all_evaluations.* EXCLUDE (filename) FROM all_evaluations
        SEMI JOIN evaluated USING (run, model, dataset, prompt_id, filename)`)
  }

  /** The tables of run.json. */
  async #describe(): Promise<void> {
    await this.database.run(`
      CREATE TABLE models (run VARCHAR, model VARCHAR, opened_from VARCHAR, family VARCHAR, model_type VARCHAR,
        layers INTEGER, default_window INTEGER, width INTEGER, parameters BIGINT, origin VARCHAR);
      CREATE TABLE datasets (run VARCHAR, dataset VARCHAR, opened_from VARCHAR, facts INTEGER, unusable INTEGER)`)
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
      CREATE VIEW main_windows AS SELECT run, model,
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
      throw damaged(error, this.runs)
    }
  }

  /** Run a statement: COPY ... TO a file. */
  async run(sql: string): Promise<void> {
    await this.database.run(sql)
  }

  close(): void {
    this.database.close()
  }
}

async function openRun(path: string): Promise<Run> {
  const dir = resolve(path)
  const file = await readRunFile(dir)
  if (file) {
    const parts = new Map<TableName, readonly string[]>()
    for (const table of TABLE_NAMES) parts.set(table, await partFiles(dir, table))
    return { name: basename(dir), dir, file, parts }
  }
  throw new InputError(`${path}: must be a run folder with ${RUN_FILE}, got none; check the path`)
}

/** DuckDB's error, as one of input where it names a part of the runs. */
function damaged(error: unknown, runs: readonly Run[]): unknown {
  const [text] = (error instanceof Error ? error.message : '').split('\n')
  const file = runs.flatMap(({ parts }) => [...parts.values()].flat()).find((part) => text!.includes(part))
  if (file === undefined) return error
  return new InputError(
    `${file}: must be a whole Parquet file, got ${text}; delete it and run the study again, only its part is computed anew`,
  )
}
