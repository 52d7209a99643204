/** The authors' results into a run folder, beside our own or alone. */
import { rm } from 'node:fs/promises'
import { parse } from 'node:path'
import { InputError } from '../errors.js'
import { FEATURE_CATEGORIES } from '../models/architecture.js'
import { PART_PREFIX, type TableName, type Tables } from '../results/rows.js'
import { partFiles, RunFolder } from '../results/run-folder.js'
import type { RunModel } from '../results/run-schema.js'
import { VERSION } from '../version.js'
import type { ResultFile } from './files.js'
import type { AuthorsModel } from './models.js'
import { type AuthorsRows, type ReadAuthorsOptions, readAuthors } from './read.js'

/** Results of one kind of one model. */
export interface ImportedResults {
  readonly files: number
  readonly prompts: number
  readonly rows: number
}

export interface ImportedModel {
  readonly model: string
  /** On the Hub; null where the model is not one of the paper's. */
  readonly id: string | null
  readonly layers: number
  readonly results: Readonly<Partial<Record<ResultFile['kind'], ImportedResults>>>
  /** Prompts that the authors' code could not do. */
  readonly banned: number
}

export interface Imported {
  readonly version: string
  readonly models: readonly ImportedModel[]
}

/** What each data set of theirs is (`DATASETS_IDS` of their src/core/consts.py). */
const DATASETS: Readonly<Record<string, string>> = { counter_fact: 'NeelNanda/counterfact-tracing' }

/** The prompts that a model completes correctly: the ones that the authors measure knockouts on. */
const PROMPT_SET = 'correct'

/**
 * Read results and store them. What was imported before from the same files, wherever they lay, is replaced. The
 * prompts that each model knows become its prompt set `correct`.
 *
 * @param out run folder; made where there is none
 * @throws InputError as `readAuthors` does, when nothing can be imported, or when the run has other results under a
 *   name of theirs
 */
export async function importAuthors(
  folder: string,
  out: string,
  { onFailure, ...options }: ReadAuthorsOptions = {},
): Promise<Imported> {
  const fail = onFailure ?? thrown
  let run: RunImport | undefined
  try {
    for await (const batch of readAuthors(folder, { ...options, onFailure: fail })) {
      // Nothing is made before there is something to put into it.
      run ??= new RunImport(await RunFolder.at(out, VERSION, { onNote: options.onNote }))
      await run.add(batch)
    }
    if (!run) {
      throw new InputError(
        `${folder}: must hold results that can be used, got none; see what is said of its files`,
      )
    }
    return await run.finish(fail)
  } finally {
    run?.close()
  }
}

function thrown(error: InputError): never {
  throw error
}

/** What has been stored of one model. */
class ModelImport {
  readonly #kinds = new Map<ResultFile['kind'], { files: Set<string>; prompts: Set<string>; rows: number }>()
  readonly #banned = new Set<string>()
  /** Layers, where the files show them. */
  #layers: number | null

  constructor(
    readonly model: AuthorsModel,
    readonly version: string,
  ) {
    this.#layers = model.layers
  }

  add({ file, table, rows, layers }: AuthorsRows): void {
    this.#layers ??= layers
    if (table === 'unusable') {
      for (const { prompt_id } of rows) this.#banned.add(prompt_id)
      return
    }
    const kind = this.#kinds.get(file.kind) ?? { files: new Set(), prompts: new Set(), rows: 0 }
    this.#kinds.set(file.kind, kind)
    kind.files.add(file.id)
    for (const { prompt_id } of rows) kind.prompts.add(prompt_id)
    kind.rows += rows.length
  }

  /** What run.json says of it; undefined when nobody knows how many layers it has. */
  get runModel(): RunModel | undefined {
    const { id, name, modelType, family, width, parameters, featureCategories } = this.model
    if (this.#layers === null) return undefined
    return {
      source: id ?? name,
      modelType: modelType ?? family,
      family,
      layers: this.#layers,
      ...(width !== null && { width }),
      ...(parameters !== null && { parameters }),
      featureCategories: FEATURE_CATEGORIES.filter((category) => featureCategories.includes(category)),
      origin: origin(this.version),
    }
  }

  summary(layers: number): ImportedModel {
    const results = [...this.#kinds].map(([kind, { files, prompts, rows }]) => [
      kind,
      { files: files.size, prompts: prompts.size, rows },
    ])
    const { name, id } = this.model
    return { model: name, id, layers, results: Object.fromEntries(results), banned: this.#banned.size }
  }
}

function origin(version: string): string {
  return `the authors' code, version ${version}`
}

class RunImport {
  readonly #models = new Map<string, ModelImport>()
  /** Prompts of each data set, and those that could not be done. */
  readonly #datasets = new Map<string, { prompts: Set<string>; banned: Set<string> }>()
  /** What has been read, and the parts that came of it. */
  readonly #files = new Set<string>()
  readonly #parts = new Set<string>()

  constructor(private readonly run: RunFolder) {}

  async add(batch: AuthorsRows): Promise<void> {
    const { id, file, table, rows } = batch
    this.#check(file)
    this.#files.add(file.id)
    const model = this.#models.get(file.model.name) ?? new ModelImport(file.model, file.version)
    if (!this.#models.has(file.model.name)) {
      this.#models.set(file.model.name, model)
      // Before its first part: an import that is stopped must not leave parts that nobody owns.
      if (model.runModel) {
        this.run.file.models[file.model.name] = model.runModel
        await this.run.save()
      }
    }
    await this.#write(table, id, rows)
    if (table === 'evaluations') {
      const known = rows.filter(({ hit }) => hit)
      const set = known.map(({ model, dataset, prompt_id }) => ({ model, dataset, prompt_id }))
      await this.#write(
        'prompt_sets',
        id,
        set.map((row) => ({ prompt_set: PROMPT_SET, ...row })),
      )
    }
    model.add(batch)
    const dataset = this.#datasets.get(file.dataset) ?? { prompts: new Set(), banned: new Set() }
    this.#datasets.set(file.dataset, dataset)
    const prompts = table === 'unusable' ? dataset.banned : dataset.prompts
    for (const { prompt_id } of rows) prompts.add(prompt_id)
  }

  async #write(table: TableName, id: string, rows: readonly Tables[TableName][]): Promise<void> {
    await this.run.write(table, id, rows)
    this.#parts.add(`${PART_PREFIX[table]}${id}`)
  }

  /** @throws InputError when the run has results of others under the name of the model or the data set */
  #check({ model: { name }, dataset, version }: ResultFile): void {
    const { dir, file } = this.run
    const model = file.models[name]
    if (model && model.origin !== origin(version)) {
      throw new InputError(
        `--out ${dir}: the label ${name} must be free, got results of ${model.origin ?? model.source}; choose another folder`,
      )
    }
    if (file.datasets[dataset]?.fingerprint !== undefined) {
      throw new InputError(
        `--out ${dir}: the data set name ${dataset} must be free, got results on ${file.datasets[dataset].source}; choose another folder`,
      )
    }
  }

  /** Remove what earlier imports of the same files left, and write run.json. */
  async finish(onFailure: (error: InputError) => void): Promise<Imported> {
    const { run } = this
    for (const [table, prefix] of Object.entries(PART_PREFIX) as [TableName, string][]) {
      for (const path of await partFiles(run.dir, table)) {
        const { name } = parse(path)
        const id = name.slice(prefix.length)
        const read = this.#files.has(id) || this.#files.has(id.replace(/-\d+$/, ''))
        if (read && !this.#parts.has(name)) await rm(path)
      }
    }
    const models: ImportedModel[] = []
    for (const [name, model] of this.#models) {
      const { runModel } = model
      if (runModel) {
        run.file.models[name] = runModel
        models.push(model.summary(runModel.layers))
      } else {
        onFailure(
          new InputError(
            `${name}: its layers must be known, got a model that is not the paper's and has no knockouts that show them; import them, too`,
          ),
        )
      }
    }
    for (const [name, { prompts, banned }] of this.#datasets) {
      const { facts = 0, unusable = 0 } = run.file.datasets[name] ?? {}
      run.file.datasets[name] = {
        source: DATASETS[name] ?? name,
        facts: Math.max(facts, prompts.size),
        unusable: Math.max(unusable, banned.size),
      }
    }
    await run.save()
    const [{ version }] = [...this.#models.values()] as [ModelImport]
    return { version, models }
  }

  close(): void {
    this.run.close()
  }
}
