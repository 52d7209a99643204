/**
 * A run folder: `run.json` and Parquet parts. A part is written under a temporary name and renamed when it is whole,
 * so whatever stops a run loses only the part that was being computed, and any number of processes may add parts.
 */
import { open, readdir, rename, rm } from 'node:fs/promises'
import { hostname } from 'node:os'
import { basename, join } from 'node:path'
import { isRunning } from '../checkpoints/alive.js'
import { makeFolder } from '../checkpoints/make-folder.js'
import { InputError, show } from '../errors.js'
import { Database, identifier, literal } from './database.js'
import { PART_PREFIX, type TableName, type Tables } from './rows.js'
import { newRunFile, readRunFile, writeNamed, writeRunFile } from './run-file.js'
import { RUN_FILE, type RunFile } from './run-schema.js'
import { TABLES } from './tables.js'
import { systemReason, TEMPORARY, temporaryName } from './whole-file.js'

export class RunFolder {
  readonly #database: Database
  /** Models and data sets as they are in the folder. */
  readonly #saved: Map<string, string>

  private constructor(
    readonly dir: string,
    /** What run.json says; change it and `save`. */
    readonly file: RunFile,
    database: Database,
  ) {
    this.#database = database
    this.#saved = new Map(
      (['models', 'datasets'] as const).flatMap((kind) =>
        Object.entries(file[kind]).map(
          ([name, value]) => [`${kind} ${name}`, JSON.stringify(value)] as const,
        ),
      ),
    )
  }

  /**
   * Open a run folder to add to it; make it where there is none.
   * @param version of factflow
   * @throws InputError when it cannot be made, or holds other things than a run
   */
  static async at(dir: string, version: string): Promise<RunFolder> {
    try {
      await makeFolder(dir)
    } catch (error) {
      throw new InputError(
        `--out: must be a folder or a place for one, got ${show(dir)} (${systemReason(error)}); choose another place`,
      )
    }
    const known = await readRunFile(dir)
    if (!known) {
      const files = await readdir(dir)
      if (files.some((file) => Object.values(PART_PREFIX).some((prefix) => file.startsWith(prefix)))) {
        throw new InputError(`${dir}: a run must have its ${RUN_FILE}, got parts without one; restore it`)
      }
    }
    await removeLeftovers(dir)
    const folder = new RunFolder(dir, known ?? newRunFile(version), await Database.open({ threads: 1 }))
    if (!known) await folder.save()
    return folder
  }

  /** Write what `file` says, as far as it has changed. */
  async save(): Promise<void> {
    await writeRunFile(this.dir, this.file)
    for (const kind of ['models', 'datasets'] as const) {
      for (const [name, value] of Object.entries(this.file[kind])) {
        const key = `${kind} ${name}`
        const text = JSON.stringify(value)
        if (this.#saved.get(key) === text) continue
        await writeNamed(this.dir, kind, name, value)
        this.#saved.set(key, text)
      }
    }
  }

  /** Take over what other processes have written of models and data sets since. */
  async refresh(): Promise<void> {
    const now = await readRunFile(this.dir)
    for (const kind of ['models', 'datasets'] as const) {
      for (const [name, value] of Object.entries(now?.[kind] ?? {})) {
        ;(this.file[kind] as Record<string, unknown>)[name] = value
        this.#saved.set(`${kind} ${name}`, JSON.stringify(value))
      }
    }
  }

  /** Ids of the parts of a table. */
  async parts(table: TableName): Promise<Set<string>> {
    const files = await partFiles(this.dir, table)
    return new Set(files.map((file) => basename(file).slice(PART_PREFIX[table].length, -EXTENSION.length)))
  }

  /**
   * Add a part: it appears whole or not at all. One of the same id is replaced.
   * @param id letters, digits, dashes
   * @throws InputError when the file cannot be written
   */
  async write<T extends TableName>(table: T, id: string, rows: readonly Tables[T][]): Promise<void> {
    const name = `${PART_PREFIX[table]}${id}${EXTENSION}`
    const temporary = join(this.dir, temporaryName(name))
    try {
      await this.#copy(table, rows, temporary)
      // On disk before it has its name: a power cut must not leave a part that is not whole.
      const handle = await open(temporary, 'r+')
      await handle.sync()
      await handle.close()
      await rename(temporary, join(this.dir, name))
    } catch (error) {
      await rm(temporary, { force: true })
      if (!/^IO Error|^E[A-Z]+:/.test(systemReason(error))) throw error
      throw new InputError(
        `${join(this.dir, name)}: must be a file that can be written, got ${systemReason(error)}; ${/ENOSPC|No space/i.test(String(error)) ? 'make room' : 'mend that'} and run the same command again, what is done is kept`,
      )
    }
  }

  async #copy<T extends TableName>(table: T, rows: readonly Tables[T][], file: string): Promise<void> {
    const database = this.#database
    await database.fill('part', TABLES[table], rows)
    await database.run(`COPY part TO ${literal(file)} (FORMAT parquet); DROP TABLE part`)
  }

  close(): void {
    this.#database.close()
  }
}

const EXTENSION = '.parquet'

/** Paths of the parts of a table, in the order of their names. */
export async function partFiles(dir: string, table: TableName): Promise<string[]> {
  const files = await readdir(dir)
  return files
    .filter((file) => file.startsWith(PART_PREFIX[table]) && file.endsWith(EXTENSION))
    .sort()
    .map((file) => join(dir, file))
}

/** SQL that reads the parts of a table, or nothing where there are none. */
export function partsSql(files: readonly string[], table: TableName): string {
  const columns = Object.keys(TABLES[table]).map(identifier).join(', ')
  if (files.length > 0) {
    // A folder's name is no pattern and no column: neither `[x]` nor `model=a` means anything to us.
    const list = files.map((file) => literal(file.replace(/[*?[]/g, '[$&]')))
    return `SELECT ${columns}, filename FROM read_parquet([${list}], filename = true, hive_partitioning = false)`
  }
  const empty = Object.entries(TABLES[table]).map(([name, type]) => `NULL::${type} AS ${identifier(name)}`)
  return `SELECT ${empty}, '' AS filename WHERE false`
}

/** Remove what processes of this machine left that are no more: see `temporaryName`. */
async function removeLeftovers(dir: string): Promise<void> {
  for (const file of await readdir(dir)) {
    if (!file.startsWith('.') || !file.endsWith(TEMPORARY)) continue
    const pid = Number(file.split('.').at(-3))
    if (file.includes(`.${hostname()}.${pid}.`) && !isRunning(pid)) await rm(join(dir, file), { force: true })
  }
}
