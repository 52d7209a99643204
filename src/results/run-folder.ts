/**
 * A run folder: `run.json` and Parquet parts. A part is written under a temporary name and renamed when it is whole,
 * so whatever stops a run loses only the part that was being computed, and any number of processes may add parts.
 */
import { readdir, rm, stat, writeFile } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { makeFolder } from '../checkpoints/make-folder.js'
import { errorCode, InputError, show } from '../errors.js'
import { Database, identifier, literal } from './database.js'
import { removeLeftovers, temporaryName } from './leftovers.js'
import {
  EXTENSION,
  type ExaminedPart,
  examinePart,
  examineParts,
  judge,
  namedParts,
  partPath,
  type Stray,
} from './part-check.js'
import { metadataSql, type PartOrigin, seal } from './part-file.js'
import { PART_PREFIX, type TableName, type Tables } from './rows.js'
import {
  createNamed,
  type FoundRun,
  findRun,
  isJson,
  newRunFile,
  writeNamed,
  writeRunFile,
} from './run-file.js'
import { INFO_PREFIX, identityOf, RUN_FILE, type RunFile } from './run-schema.js'
import { moveAside, SET_ASIDE } from './set-aside.js'
import { TABLES } from './tables.js'
import { isFull, putInPlace, syncFolder, systemReason } from './whole-file.js'

/** Nothing more can be added to a run folder: whatever else there is to do would fail as well. */
export class RunFolderError extends InputError {}

export interface RunFolderOptions {
  /**
   * Labels of the models that are computed here. Parts of others that have no file in the folder are set aside, unless
   * such a file was lost; by default they stay, unread.
   */
  readonly labels?: readonly string[]
  /** The study whose results are stored, for a folder without run.json. */
  readonly study?: unknown
  /** Told of each file that is set aside. */
  readonly onNote?: (text: string) => void
}

const KINDS = ['models', 'datasets'] as const

export class RunFolder {
  readonly #database: Database
  /** Models and data sets as they are in the folder. */
  readonly #saved: Map<string, string>
  /** Parts of models and data sets that have no file in the folder yet. */
  #unclaimed: ExaminedPart[] = []

  private constructor(
    readonly dir: string,
    /** What run.json says; change it and `save`. */
    readonly file: RunFile,
    database: Database,
    private readonly options: RunFolderOptions,
  ) {
    this.#database = database
    this.#saved = new Map(
      KINDS.flatMap((kind) =>
        Object.entries(file[kind]).map(
          ([name, value]) => [`${kind} ${name}`, JSON.stringify(value)] as const,
        ),
      ),
    )
  }

  /**
   * Open a run folder to add to it; make it where there is none. What in it is torn, or of another run, is set aside.
   * @param version of factflow
   * @throws InputError when it cannot be made or written to, or holds other things than a run
   */
  static async at(dir: string, version: string, options: RunFolderOptions = {}): Promise<RunFolder> {
    try {
      await makeFolder(dir)
      await syncFolder(dirname(resolve(dir)))
    } catch (error) {
      throw new InputError(
        `--out: must be a folder or a place for one, got ${show(dir)} (${systemReason(error)}); choose another place`,
      )
    }
    await removeLeftovers(dir, await probe(dir))
    const database = await Database.open({ threads: 1 })
    try {
      const parts = await examineParts(dir, database)
      // Read last: whoever adds a part has written what it is of before.
      const found = await findRun(dir)
      const base = found.base ?? begun(remade(dir, parts, version), options.study)
      const { models, datasets } = found
      const folder = new RunFolder(dir, { ...base, models, datasets }, database, options)
      await folder.#setTornAside(found)
      if (!found.base) {
        await folder.save()
        if (parts.length > 0) options.onNote?.(`${join(dir, RUN_FILE)}: made anew, from what the parts say`)
      }
      // Of another version is all of it or nothing: who opened the folder says so.
      if (base.factflow === version) await folder.#sort(parts)
      return folder
    } catch (error) {
      database.close()
      throw error
    }
  }

  /**
   * Write what `file` says, as far as it has changed.
   * @throws InputError when it cannot be written, or another process has stored another model or other data meanwhile
   */
  async save(): Promise<void> {
    await this.saveInputs()
    await this.#writing(RUN_FILE, () => writeRunFile(this.dir, this.file))
  }

  /** Write what `file` says of models and data sets, as far as it has changed. @throws InputError as `save` does */
  async saveInputs(): Promise<void> {
    let added = false
    for (const kind of KINDS) {
      for (const [name, value] of Object.entries(this.file[kind])) {
        const key = `${kind} ${name}`
        const text = JSON.stringify(value)
        if (this.#saved.get(key) === text) continue
        added ||= !this.#saved.has(key)
        await this.#writing(name, () => this.#writeNamed(kind, name, !this.#saved.has(key)))
        this.#saved.set(key, text)
      }
    }
    if (added) await this.#sort(this.#unclaimed)
  }

  async #writeNamed(kind: (typeof KINDS)[number], name: string, isNew: boolean): Promise<void> {
    const { dir, file } = this
    const value = file[kind][name]!
    const other = isNew ? await createNamed(dir, kind, name, value) : undefined
    const [own, theirs] = [value, other].map((one) => one && identityOf(one))
    if (other && own !== theirs) {
      throw new RunFolderError(
        `${dir}: ${name} must be the same for all processes that store results here, got another whose weights, arithmetic or data differ; use another folder`,
      )
    }
    if (other || !isNew) await writeNamed(dir, kind, name, value)
  }

  /** Take over what other processes have written of models and data sets since. */
  async refresh(): Promise<void> {
    const now = await findRun(this.dir)
    let added = false
    for (const kind of KINDS) {
      for (const [name, value] of Object.entries(now[kind])) {
        const key = `${kind} ${name}`
        ;(this.file[kind] as Record<string, unknown>)[name] = value
        added ||= !this.#saved.has(key)
        this.#saved.set(key, JSON.stringify(value))
      }
    }
    if (added) await this.#sort(this.#unclaimed)
  }

  /** Whether parts of a model lie here that has no file: they count when it has one again, and is the same. */
  waitsFor(label: string): boolean {
    return this.#unclaimed.some(({ footer }) => {
      const stray = judge(footer!, this.file)
      return stray?.unclaimed?.kind === 'models' && stray.unclaimed.name === label
    })
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
    // What says whose they are is there before them.
    await this.saveInputs()
    const name = `${PART_PREFIX[table]}${id}${EXTENSION}`
    await this.#writing(name, async () => {
      const temporary = join(this.dir, temporaryName(name))
      try {
        await this.#copy(table, rows, temporary)
        await seal(temporary)
        await putInPlace(temporary, join(this.dir, name))
      } catch (error) {
        await rm(temporary, { force: true })
        throw error
      }
    })
  }

  async #copy<T extends TableName>(table: T, rows: readonly Tables[T][], file: string): Promise<void> {
    const database = this.#database
    await database.fill('part', TABLES[table], rows)
    const metadata = metadataSql(this.#origin(table, rows))
    await database.run(`COPY part TO ${literal(file)} (FORMAT parquet, ${metadata}); DROP TABLE part`)
  }

  #origin<T extends TableName>(table: T, rows: readonly Tables[T][]): PartOrigin {
    const { factflow: version, models, datasets, study } = this.file
    const labels = new Set<string>()
    const names = new Set<string>()
    for (const row of rows) {
      if (row.model !== null) labels.add(row.model)
      if ('dataset' in row) names.add(row.dataset)
    }
    const { evaluate } = (study ?? {}) as Pick<PartOrigin, 'evaluate'>
    return {
      ...{ table, version },
      models: Object.fromEntries(
        [...labels].map((label) => [label, models[label] ? identityOf(models[label]) : null]),
      ),
      datasets: Object.fromEntries(
        [...names].map((name) => [name, datasets[name] ? identityOf(datasets[name]) : null]),
      ),
      ...(table === 'evaluations' && evaluate && { evaluate }),
    }
  }

  /** What goes wrong with a file, in words. */
  async #writing<R>(name: string, write: () => Promise<R>): Promise<R> {
    try {
      return await write()
    } catch (error) {
      const reason = systemReason(error instanceof InputError ? error.cause : error).split('\n')[0]!
      if (!/^IO Error|^E[A-Z]+:/.test(reason)) throw error
      const gone = (await stat(this.dir).catch(errorCode)) === 'ENOENT'
      const path = join(this.dir, name)
      throw new RunFolderError(
        gone
          ? `${this.dir}: must stay while results are added to it, got no such folder any more; put it back, or run the same command again to begin anew`
          : `${path}: must be a file that can be written, got ${reason}; ${isFull(error) ? 'make room' : 'mend that'} and run the same command again, what is done is kept`,
      )
    }
  }

  async #setTornAside({ torn }: FoundRun): Promise<void> {
    for (const { name, wrong } of torn) await this.#setAside(name, wrong, isJson)
  }

  /** Set aside what is damaged or of another run; remember what may be of this one. */
  async #sort(parts: readonly ExaminedPart[]): Promise<void> {
    if (parts.length === 0) return
    const { labels } = this.options
    const lost = await this.#hasLostModels()
    const waits = ({ unclaimed }: Stray): boolean =>
      unclaimed !== undefined &&
      (unclaimed.kind === 'datasets' || lost || labels === undefined || labels.includes(unclaimed.name))
    const waiting: ExaminedPart[] = []
    for (const part of parts) {
      const stray = part.wrong === undefined ? judge(part.footer!, this.file) : { wrong: part.wrong }
      if (!stray) continue
      if (waits(stray)) waiting.push(part)
      else await this.#setAside(part.name, stray.wrong, (path) => this.#isOwn(part, path))
    }
    this.#unclaimed = waiting
  }

  /** Whether the file of a model was torn and set aside, now or before: a part may be of that model. */
  async #hasLostModels(): Promise<boolean> {
    const files = await readdir(join(this.dir, SET_ASIDE)).catch(() => [])
    return files.some((file) => file.startsWith(INFO_PREFIX.models))
  }

  async #isOwn(part: ExaminedPart, path: string): Promise<boolean> {
    const again = await examinePart({ ...part, path }, this.#database)
    if (!again?.footer || again.wrong !== undefined) return false
    const { models, datasets } = await findRun(this.dir)
    return !judge(again.footer, { ...this.file, models, datasets })
  }

  async #setAside(name: string, wrong: string, isGood: (path: string) => Promise<boolean>): Promise<void> {
    const place = await this.#writing(name, () => moveAside(this.dir, name, isGood))
    if (place === undefined) return
    this.options.onNote?.(
      `${join(this.dir, name)}: ${wrong}; set aside as ${join(this.dir, place)}, what is missing without it is computed anew`,
    )
  }

  close(): void {
    this.#database.close()
  }
}

/**
 * Make a file in a folder and remove it.
 * @returns when it was made, by the clock of the folder's disk
 * @throws InputError when none can be made
 */
async function probe(dir: string): Promise<number> {
  const file = join(dir, temporaryName('probe'))
  try {
    await writeFile(file, 'x')
    const { mtimeMs } = await stat(file)
    await rm(file)
    return mtimeMs
  } catch (error) {
    await rm(file, { force: true }).catch(() => undefined)
    throw new InputError(
      `${dir}: must be a folder that can be written to, got ${systemReason(error)}; ${isFull(error) ? 'make room' : 'change its permissions, or choose another with --out'}`,
    )
  }
}

/**
 * What run.json says, from what the parts say; without parts, of a new run.
 * @throws InputError when there are parts, but none that says it
 */
export function remade(
  dir: string,
  parts: readonly ExaminedPart[],
  version: string,
): Omit<RunFile, 'models' | 'datasets'> {
  const origins = parts.flatMap(({ wrong, footer }) => (wrong === undefined ? (footer?.origin ?? []) : []))
  // Others' files have such names, too: they are not set aside.
  if (parts.length > 0 && origins.length === 0) {
    throw new InputError(`${dir}: a run must have its ${RUN_FILE}, got parts without one; restore it`)
  }
  const versions = new Set(origins.map((origin) => origin.version))
  const evaluate = origins.find((origin) => origin.evaluate)?.evaluate
  return {
    ...newRunFile(versions.size === 1 ? [...versions][0]! : version),
    ...(evaluate && { study: { evaluate } }),
  }
}

/** A run.json that says from the beginning which study it is of; its parts may have been asked for otherwise. */
function begun<T extends Pick<RunFile, 'study'>>(base: T, study: unknown): T {
  if (study === undefined) return base
  return { ...base, study: { ...(study as object), ...(base.study as object | undefined) } }
}

/** Paths of the parts of a table, in the order of their names. */
export async function partFiles(dir: string, table: TableName): Promise<string[]> {
  return (await namedParts(dir)).filter((part) => part.table === table).map(({ path }) => path)
}

/** SQL that reads the parts of a table, or nothing where there are none. */
export function partsSql(files: readonly string[], table: TableName): string {
  const columns = Object.keys(TABLES[table]).map(identifier).join(', ')
  if (files.length > 0) {
    // Nor is it a column: `model=a` means nothing to us.
    const list = files.map(partPath)
    return `SELECT ${columns}, filename FROM read_parquet([${list}], filename = true, hive_partitioning = false)`
  }
  const empty = Object.entries(TABLES[table]).map(([name, type]) => `NULL::${type} AS ${identifier(name)}`)
  return `SELECT ${empty}, '' AS filename WHERE false`
}
