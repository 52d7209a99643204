/** Answers the web app's questions about run folders of this machine. */
import { readdir } from 'node:fs/promises'
import { basename, resolve } from 'node:path'
import { errorCode, InputError, show } from '../errors.js'
import { Results } from '../results/results.js'
import { readRunFile } from '../results/run-file.js'
import type { RunFile } from '../results/run-schema.js'
import { storedCuts, studyCurves, studyEffects } from '../studies/study-query.js'
import type { CallOptions } from '../ui/protocol.js'
import type {
  CurvesRequest,
  EffectsRequest,
  StudyCurve,
  StudyEffects,
  StudyEntry,
  StudyModel,
  StudyOverview,
} from '../ui/study-protocol.js'

/** Run folders, found anew each time: a study that runs beside adds to them. */
export class Studies {
  /** What pages call each folder by; never its path. */
  readonly #names = new Map<string, string>()
  readonly #open = new Map<string, OpenStudy>()

  /**
   * @param places run folders, and folders of run folders
   * @param onNote told of what is no run that can be read
   */
  constructor(
    private readonly places: readonly string[],
    private readonly onNote: (text: string) => void,
  ) {}

  /** @throws InputError when one of the places holds no run */
  async check(): Promise<void> {
    for (const place of this.places) {
      if ((await runsAt(place, () => {})).length > 0) continue
      throw new InputError(
        `${place}: must be a run folder (run.json and Parquet files, as factflow study writes them) or hold some, got none; check the path`,
      )
    }
  }

  async studies(): Promise<StudyEntry[]> {
    const entries = (await this.#runs()).map(({ name, file }) => entryOf(name, file))
    return entries.sort((a, b) => (b.updated ?? '').localeCompare(a.updated ?? ''))
  }

  study({ study }: { study: string }, { signal }: CallOptions = {}): Promise<StudyOverview> {
    return this.#use(study, signal, overview)
  }

  curves(request: CurvesRequest, { signal }: CallOptions = {}): Promise<StudyCurve[]> {
    return this.#use(request.study, signal, (results) => studyCurves(results, request))
  }

  effects(request: EffectsRequest, { signal }: CallOptions = {}): Promise<StudyEffects> {
    return this.#use(request.study, signal, (results) => studyEffects(results, request))
  }

  async close(): Promise<void> {
    const open = [...this.#open.values()]
    this.#open.clear()
    for (const study of open) await study.close()
  }

  async #runs(): Promise<NamedRun[]> {
    const found = new Map<string, RunFile>()
    for (const place of this.places) {
      for (const { dir, file } of await runsAt(place, this.onNote)) found.set(dir, file)
    }
    return [...found].map(([dir, file]) => ({ name: this.#nameOf(dir), dir, file }))
  }

  /** The folder's name; with a number where another has it. It stays as long as the server runs. */
  #nameOf(dir: string): string {
    const known = this.#names.get(dir)
    if (known !== undefined) return known
    const taken = new Set(this.#names.values())
    let name = basename(dir)
    for (let i = 2; taken.has(name); i++) name = `${basename(dir)}-${i}`
    this.#names.set(dir, name)
    return name
  }

  async #use<T>(
    name: string,
    signal: AbortSignal | undefined,
    ask: (results: Results, name: string) => Promise<T>,
  ): Promise<T> {
    const run = (await this.#runs()).find((one) => one.name === name)
    if (!run) {
      throw new InputError(`study: must be one that factflow ui serves, got ${show(name)}; choose another`)
    }
    const study = this.#open.get(run.dir) ?? new OpenStudy(run.dir, this.onNote)
    this.#open.set(run.dir, study)
    return study.ask(signal, (results) => ask(results, name))
  }
}

interface FoundRun {
  readonly dir: string
  readonly file: RunFile
}

interface NamedRun extends FoundRun {
  readonly name: string
}

/** A run folder, or those in a folder; none where there is no folder. */
async function runsAt(place: string, onNote: (text: string) => void): Promise<FoundRun[]> {
  const own = await readRunFile(place)
  if (own) return [{ dir: resolve(place), file: own }]
  const runs: FoundRun[] = []
  for (const entry of await foldersIn(place)) {
    const dir = resolve(place, entry)
    try {
      const file = await readRunFile(dir)
      if (file) runs.push({ dir, file })
    } catch (error) {
      // One of many: the others can be looked at.
      if (!(error instanceof InputError)) throw error
      onNote(error.message)
    }
  }
  return runs
}

async function foldersIn(place: string): Promise<string[]> {
  try {
    const entries = await readdir(place, { withFileTypes: true })
    return entries
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name)
      .sort()
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(errorCode(error))) return []
    throw new InputError(`${place}: must be a folder that can be read, got ${errorCode(error)}; check it`)
  }
}

/** A run folder that is asked, one question after the other, and opened anew when its files have changed. */
class OpenStudy {
  #results: Results | undefined
  #files = ''
  #last: Promise<unknown> = Promise.resolve()

  constructor(
    private readonly dir: string,
    private readonly onNote: (text: string) => void,
  ) {}

  ask<T>(signal: AbortSignal | undefined, question: (results: Results) => Promise<T>): Promise<T> {
    const answer = this.#last.then(async () => {
      signal?.throwIfAborted()
      return question(await this.#fresh())
    })
    this.#last = answer.catch(() => undefined)
    return answer
  }

  async close(): Promise<void> {
    await this.#last
    this.#results?.close()
    this.#results = undefined
  }

  async #fresh(): Promise<Results> {
    // A part is never changed, and a file of run.json's kind tells of models and data, which have their parts.
    const names = await readdir(this.dir)
    const files = names
      .filter((file) => !file.startsWith('.'))
      .sort()
      .join('\n')
    if (this.#results && files === this.#files) return this.#results
    this.#results?.close()
    this.#results = undefined
    this.#results = await Results.open([this.dir])
    for (const text of this.#results.leftOut) this.onNote(text)
    this.#files = files
    return this.#results
  }
}

function entryOf(study: string, file: RunFile): StudyEntry {
  return {
    study,
    title: titleOf(file) ?? study,
    models: Object.keys(file.models),
    datasets: Object.keys(file.datasets),
    updated: file.updated,
  }
}

/** What the study file calls it. */
function titleOf({ study }: RunFile): string | undefined {
  const { title, name } = (study ?? {}) as { readonly title?: unknown; readonly name?: unknown }
  return [title, name].find((text) => typeof text === 'string' && text !== '') as string | undefined
}

async function overview(results: Results, name: string): Promise<StudyOverview> {
  const { file } = results.runs[0]!
  const modelsInfo = await results.rows<{ [field in keyof StudyModel]: StudyModel[field] }>(
    `SELECT model, CASE WHEN origin IS NULL THEN opened_from END AS "openedFrom", family, layers,
       coalesce(main_window, default_window) AS "mainWindow"
     FROM models LEFT JOIN main_windows USING (run, model)`,
  )
  const order = Object.keys(file.models)
  const distinct = async (column: string, table: string): Promise<string[]> => {
    const rows = await results.rows<{ value: string }>(
      `SELECT DISTINCT ${column} AS value FROM ${table} WHERE value IS NOT NULL ORDER BY ALL`,
    )
    return rows.map(({ value }) => value)
  }
  const [counts] = await results.rows<{ prompts: number; knockouts: number; evaluated: boolean }>(
    `SELECT count(DISTINCT (dataset, prompt_id)) AS prompts, coalesce(sum(n), 0) AS knockouts,
       EXISTS (FROM evaluations) AS evaluated
     FROM curves WHERE source <> 'token'`,
  )
  return {
    ...entryOf(name, file),
    modelsInfo: modelsInfo.sort((a, b) => order.indexOf(a.model) - order.indexOf(b.model)),
    cuts: await storedCuts(results),
    relations: await distinct('relation', 'evaluations'),
    promptSets: await distinct('prompt_set', 'prompt_sets'),
    byPrompt: true,
    ...counts!,
  }
}
