/** Stored results in the page: files that were dropped on it, asked as the server is asked for its run folders. */

import type { z } from 'zod'
import { InputError, show } from '../errors.js'
import { DROPPED_FILES, DROPPED_TRACES } from '../studies/names.js'
import type { CallOptions } from './protocol.js'
import { addTrace, type JsonResult, type Means, readResult } from './studies/dropped-json.js'
import { isOfRun, type NamedFile, readJson, readRun } from './studies/dropped-run.js'
import { choiceOf, EffectTable, mainWindow } from './studies/effect-table.js'
import {
  type CurvesRequest,
  type EffectsRequest,
  STUDY_SCHEMAS,
  type StudyAnswers,
  type StudyCurve,
  type StudyEffects,
  type StudyEntry,
  type StudyModel,
  type StudyOverview,
} from './study-protocol.js'

/** A file as it was dropped. */
export interface StudyFile {
  /** With the folders that it was dropped in: `runs/demo/part-1.parquet`. */
  readonly path: string
  readonly file: Blob
}

/** What is known of a model beside its effects. */
interface ModelNote {
  readonly openedFrom: string | null
  readonly family: string
  readonly layers: number
}

interface Study {
  readonly entry: StudyEntry
  readonly models: ReadonlyMap<string, ModelNote>
  /** Effects by prompt, or means alone. */
  readonly held: EffectTable | Means
}

export class PageStudies implements StudyAnswers {
  readonly #studies = new Map<string, Study>()

  /**
   * Add results: run folders, whole or in part, and what `factflow info-flow` and `trace` print with `--json`. Files of
   * one folder make one study, and one of the same name is replaced; so do those without a folder that come together.
   * Files beside results are not looked at.
   *
   * @returns what could not be used, and why; what could be used is there
   * @throws the signal's reason, and nothing is added then
   */
  async add(files: readonly StudyFile[], { signal, onProgress }: CallOptions = {}): Promise<string[]> {
    const errors: string[] = []
    const byFolder = folders(files)
    const total = [...byFolder.values()].flat().reduce((sum, { file }) => sum + file.size, 0)
    let done = 0
    const onBytes = (bytes: number): void => {
      done += bytes
      onProgress?.({ what: 'reading results', done, total, unit: 'bytes' })
    }
    const found = new Map<string, Study>()
    const onError = ({ message }: InputError): number => errors.push(message)
    const free = (title: string): string =>
      freeName(title, (name) => found.has(name) || this.#studies.has(name))
    for (const [folder, own] of byFolder) {
      const ofRun = own.some(({ name }) => isOfRun(name))
      if (ofRun) {
        const name = folder === '' ? free(DROPPED_FILES) : folder
        const study = await runStudy(name, own, onError, onBytes, signal)
        if (study) found.set(name, study)
      }
      const others = own.filter(({ name }) => !isOfRun(name) && (folder === '' || !ofRun))
      for (const [name, study] of await jsonStudies(folder, others, free, onError, onBytes)) {
        found.set(name, study)
      }
      signal?.throwIfAborted()
    }
    for (const [name, study] of found) {
      this.#studies.delete(name)
      this.#studies.set(name, study)
    }
    if (found.size === 0 && errors.length === 0) {
      errors.push(
        `dropped: must be a run folder, some of its files, or JSON of info-flow or trace, got ${files.length === 0 ? 'nothing' : show(files[0]!.path)}; drop the folder that holds run.json`,
      )
    }
    return errors
  }

  async studies(): Promise<readonly StudyEntry[]> {
    return [...this.#studies.values()].map(({ entry }) => entry)
  }

  /** @throws InputError when there is no such study */
  async study(input: { readonly study: string }): Promise<StudyOverview> {
    const { study: name } = checked(STUDY_SCHEMAS.study, input)
    const { entry, models, held } = this.#named(name)
    const cuts = held instanceof EffectTable ? held.cuts : held.curves.map(({ at }) => at)
    const modelsInfo = [...models].map(([model, { openedFrom, family, layers }]): StudyModel => {
      return { model, openedFrom, family, layers, mainWindow: mainWindow(cuts, model, layers) }
    })
    const counts =
      held instanceof EffectTable
        ? {
            relations: held.relations,
            promptSets: held.promptSets,
            evaluated: held.hasEvaluations,
            byPrompt: true,
            prompts: held.prompts,
            knockouts: held.rows,
          }
        : { relations: [], promptSets: [], evaluated: false, byPrompt: false, ...meansCounts(held) }
    return { ...entry, modelsInfo, cuts, ...counts }
  }

  /** @throws InputError when there is no such study */
  async curves(input: CurvesRequest): Promise<readonly StudyCurve[]> {
    const request = checked(STUDY_SCHEMAS.curves, input)
    const { models, held } = this.#named(request.study)
    const layersOf = (model: string): number => models.get(model)!.layers
    if (held instanceof EffectTable) return held.curves(request, layersOf)
    if (request.relation !== undefined || request.known !== 'any' || request.promptSet !== undefined)
      return []
    const cuts = held.curves.map(({ at }) => at)
    const choice = choiceOf(request, (model) => mainWindow(cuts, model, layersOf(model)))
    return held.curves.filter(({ at }) => choice(at))
  }

  /** @throws InputError when there is no such study, or no prompt with such a knockout */
  async effects(input: EffectsRequest): Promise<StudyEffects> {
    const request = checked(STUDY_SCHEMAS.effects, input)
    const { held } = this.#named(request.study)
    if (!(held instanceof EffectTable)) {
      throw new InputError(
        `study: must hold effects by prompt, got ${show(request.study)} with means alone; drop the run folder of a study`,
      )
    }
    const effects = held.effects(request)
    if (effects) return effects
    const { source, target, features, window, firstLayer, model } = request
    throw new InputError(
      `effects: must be of a knockout that is stored, got ${source} → ${target} (${features}) from layer ${firstLayer}, window ${window}, of ${model} with no prompts; choose another`,
    )
  }

  #named(name: string): Study {
    const study = this.#studies.get(name)
    if (study) return study
    throw new InputError(
      `study: must be one that was dropped on the page since it was loaded, got ${show(name)}; drop its files again`,
    )
  }
}

/** A question from outside: addresses are typed and cut. */
function checked<T>(schema: z.ZodType<T>, input: T): T {
  const parsed = schema.safeParse(input, { reportInput: true })
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw new InputError(
    `${issue!.path.join('.') || 'question'}: ${issue!.message}, got ${show(issue!.input)}; correct it`,
  )
}

/**
 * Files by the folder that they lie in, `''` where they were dropped without one. Left out: hidden files, and folders
 * in that of a run, which hold its figures and tables, or what was set aside.
 */
function folders(files: readonly StudyFile[]): Map<string, NamedFile[]> {
  const found = new Map<string, NamedFile[]>()
  for (const { path, file } of files) {
    const parts = path.split('/').filter((part) => part !== '')
    const name = parts.pop() ?? ''
    if (name === '' || name.startsWith('.')) continue
    const folder = parts.join('/')
    const own = found.get(folder) ?? []
    own.push({ path, name, file })
    found.set(folder, own)
  }
  const runs = [...found].filter(([, own]) => own.some(({ name }) => isOfRun(name)))
  for (const folder of found.keys()) {
    if (runs.some(([run]) => run !== '' && folder.startsWith(`${run}/`))) found.delete(folder)
  }
  return found
}

async function runStudy(
  name: string,
  files: readonly NamedFile[],
  onError: (error: InputError) => void,
  onBytes: (bytes: number) => void,
  signal: AbortSignal | undefined,
): Promise<Study | undefined> {
  let failed = false
  const run = await readRun(
    files,
    (error) => {
      failed = true
      onError(error)
    },
    onBytes,
    signal,
  )
  const { table, title, updated } = run
  if (table.rows === 0) {
    if (!failed) {
      onError(
        new InputError(
          `${name}: must have effects of knockouts (part-*.parquet), got ${files
            .map((file) => file.name)
            .slice(0, 3)
            .join(', ')}; drop the whole run folder`,
        ),
      )
    }
    return undefined
  }
  const stored = new Set(table.cuts.map(({ model }) => model))
  const models = new Map<string, ModelNote>()
  for (const { name: model, value } of run.models) {
    if (!stored.has(model)) continue
    // Where the file is of another run, its model may be too shallow for what is stored.
    const layers = Math.max(value.layers, table.layersOf(model))
    models.set(model, { openedFrom: value.source, family: value.family, layers })
  }
  for (const model of [...stored].sort()) {
    if (models.has(model)) continue
    models.set(model, { openedFrom: null, family: '', layers: table.layersOf(model) })
  }
  const datasets = [...new Set(table.cuts.map(({ dataset }) => dataset))].sort()
  const entry = { study: name, title: title ?? name, models: [...models.keys()], datasets, updated }
  return { entry, models, held: table }
}

/** Studies of JSON: one of all traces of a folder, one of each info-flow. */
async function jsonStudies(
  folder: string,
  files: readonly NamedFile[],
  free: (title: string) => string,
  onError: (error: InputError) => void,
  onBytes: (bytes: number) => void,
): Promise<Map<string, Study>> {
  const found = new Map<string, Study>()
  const traces = new EffectTable()
  const layers = new Map<string, number>()
  for (const one of files) {
    const { name, path, file } = one
    onBytes(file.size)
    if (!name.endsWith('.json')) {
      if (folder === '') onError(notResults(path))
      continue
    }
    let result: JsonResult
    try {
      result = readResult(await readJson(one), path)
      if (result.kind === 'trace') {
        addTrace(traces, result.trace, name.slice(0, -'.json'.length), path)
        layers.set(result.trace.model, result.trace.nLayers)
        continue
      }
    } catch (error) {
      if (!(error instanceof InputError)) throw error
      onError(error)
      continue
    }
    const { means } = result
    const study = folder === '' ? free(name) : path
    const entry = { study, title: name, models: [means.model], datasets: [means.dataset], updated: null }
    const note = { openedFrom: means.model, family: '', layers: means.layers }
    found.set(study, { entry, models: new Map([[means.model, note]]), held: means })
  }
  if (traces.rows > 0) {
    const study = folder === '' ? free(DROPPED_TRACES) : `${folder}/traces`
    const models = new Map(
      [...layers].map(([model, n]) => [model, { openedFrom: model, family: '', layers: n }] as const),
    )
    const datasets = [...new Set(traces.cuts.map(({ dataset }) => dataset))]
    const entry = { study, title: DROPPED_TRACES, models: [...models.keys()], datasets, updated: null }
    found.set(study, { entry, models, held: traces })
  }
  return found
}

function notResults(path: string): InputError {
  return new InputError(
    `${path}: must be of a run folder or JSON of info-flow or trace, got another kind of file; leave it out`,
  )
}

/** `title`, or with the least number behind it that makes it new. */
function freeName(title: string, taken: (name: string) => boolean): string {
  for (let n = 1; ; n++) {
    const name = n === 1 ? title : `${title} ${n}`
    if (!taken(name)) return name
  }
}

/** Prompts are counted at the point that has most of them. */
function meansCounts({ curves }: Means): { prompts: number; knockouts: number } {
  const ns = curves.flatMap(({ points }) => points.map(({ n }) => n))
  return { prompts: Math.max(...ns), knockouts: ns.reduce((sum, n) => sum + n, 0) }
}
