/**
 * Results of the code of *Mamba Knockout* (arXiv 2505.24244) as rows of our tables. What their files hold is read as it
 * is: no number is computed anew but the relative changes of heatmaps, which they do not store.
 */
import { InputError } from '../errors.js'
import type { Progress } from '../model.js'
import type { EvaluationRow, KnockoutRow, UnusableRow } from '../results/rows.js'
import { readEvaluation } from './evaluation.js'
import { findResults, type ResultFile } from './files.js'
import { readHeatmaps } from './heatmaps.js'
import { type Bases, readInfoFlow } from './info-flow.js'
import type { OnNote } from './values.js'

/** Some rows of one file: those of a prompt are together. */
export type AuthorsRows = {
  /** Letters, digits, dashes; the same results always come under the same ids. */
  readonly id: string
  readonly file: ResultFile
  /** Layers of the model, as far as the file shows them. */
  readonly layers: number | null
} & (
  | { readonly table: 'knockouts'; readonly rows: readonly KnockoutRow[] }
  | { readonly table: 'evaluations'; readonly rows: readonly EvaluationRow[] }
  | { readonly table: 'unusable'; readonly rows: readonly UnusableRow[] }
)

export interface ReadAuthorsOptions {
  /** The authors' code version to read; it must be named where a folder has several. */
  readonly version?: string
  /** Told in one line what was left out of a file and what else is to know. */
  readonly onNote?: OnNote
  /** Files read, and how many there are. */
  readonly onProgress?: (progress: Progress) => void
  /** A file that cannot be read; the others are read all the same. Without it the first such error is thrown. */
  readonly onFailure?: (error: InputError) => void
}

/** Rows in one batch, about: it ends with a prompt. */
const BATCH_ROWS = 100_000

/**
 * Read all results below a folder, a file at a time; evaluations come before the knockouts of their model.
 * @throws InputError when there are none, or of several versions of which none is named
 */
export async function* readAuthors(
  folder: string,
  { version, onNote = () => {}, onProgress = () => {}, onFailure = fail }: ReadAuthorsOptions = {},
): AsyncGenerator<AuthorsRows> {
  const found = await findResults(folder)
  for (const failure of found.failures) onFailure(failure)
  const files = ofVersion(folder, found.files, version)
  const placeOf = new Map<string, string>()
  const banned = new Set<string>()
  let group = ''
  let bases: Bases = new Map()
  for (const [done, file] of files.entries()) {
    onProgress({ done, total: files.length })
    const of = `${file.model.name}\0${file.dataset}`
    if (of !== group) [group, bases] = [of, new Map()]
    try {
      const earlier = placeOf.get(file.id)
      if (earlier !== undefined) {
        throw new InputError(`${file.path}: must be there once, got the same as ${earlier}; remove one`)
      }
      let empty = true
      for await (const some of readFile(file, bases, banned, onNote)) {
        empty = false
        yield some
      }
      placeOf.set(file.id, file.path)
      if (empty) onNote(`${file.path}: has no result that can be used`)
    } catch (error) {
      if (!(error instanceof InputError)) throw error
      onFailure(error)
    }
  }
}

function fail(error: InputError): never {
  throw error
}

function ofVersion(folder: string, files: readonly ResultFile[], version: string | undefined): ResultFile[] {
  const versions = [...new Set(files.map((file) => file.version))]
  const list = versions.join(', ')
  if (version === undefined && versions.length > 1) {
    throw new InputError(
      `${folder}: results must be of one code version, got ${list}; name one, or give its folder`,
    )
  }
  if (version !== undefined && files.length > 0 && !versions.includes(version)) {
    throw new InputError(
      `${folder}: the code version must be one that is there, got ${version}; choose from ${list}`,
    )
  }
  return files.filter((file) => version === undefined || file.version === version)
}

async function* readFile(
  file: ResultFile,
  bases: Bases,
  banned: Set<string>,
  onNote: OnNote,
): AsyncGenerator<AuthorsRows> {
  if (file.kind === 'evaluation') {
    const rows = await readEvaluation(file, onNote)
    for (const { prompt_id, prob } of rows) bases.set(prompt_id, prob)
    if (rows.length > 0) yield { id: file.id, file, layers: file.model.layers, table: 'evaluations', rows }
    return
  }
  if (file.kind === 'heatmap') {
    const { layers, prompts } = await readHeatmaps(file, bases, onNote)
    checkLayers(file, layers, onNote)
    yield* batches(file, layers, prompts)
    return
  }
  const flow = await readInfoFlow(file, bases, onNote)
  checkLayers(file, flow.layers, onNote)
  const { layers } = flow
  yield* batches(file, layers, flow.prompts)
  // A prompt that cannot be put into tokens is banned in all files of a model.
  const rows = flow.banned.filter(({ prompt_id }) => !banned.has(key(file, prompt_id)))
  for (const { prompt_id } of rows) banned.add(key(file, prompt_id))
  if (rows.length > 0) yield { id: file.id, file, layers, table: 'unusable', rows }
}

function key({ model, dataset }: ResultFile, prompt: string): string {
  return [model.name, dataset, prompt].join('\0')
}

function* batches(
  file: ResultFile,
  layers: number | null,
  prompts: Iterable<readonly KnockoutRow[]>,
): Generator<AuthorsRows> {
  let rows: KnockoutRow[] = []
  let batch = 0
  const take = (): AuthorsRows => {
    const taken = rows
    rows = []
    return { id: `${file.id}-${batch++}`, file, layers, table: 'knockouts', rows: taken }
  }
  for (const some of prompts) {
    for (const row of some) rows.push(row)
    if (rows.length >= BATCH_ROWS) yield take()
  }
  if (rows.length > 0) yield take()
}

function checkLayers({ path, model }: ResultFile, layers: number | null, onNote: OnNote): void {
  if (layers === null || model.layers === null || layers === model.layers) return
  onNote(
    `${path}: its windows are of a model of ${layers} layers, where ${model.name} has ${model.layers}; check the names of its folders`,
  )
}
