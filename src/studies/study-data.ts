/** The data of a study: read, filtered, checked against what is stored, put into a model's tokens. */
import { prepareFacts } from '../datasets/prepare.js'
import { type Dataset, readDataset } from '../datasets/read.js'
import { DEFAULT_SPLIT, type FactFilter, selectFacts } from '../datasets/select.js'
import type { Unusable } from '../datasets/unusable.js'
import { InputError, show } from '../errors.js'
import type { Model } from '../model.js'
import type { Fact, PreparedPrompt } from '../prompts/facts.js'
import type { UnusableRow } from '../results/rows.js'
import type { RunFolder } from '../results/run-folder.js'
import type { StudyOptions } from './run.js'
import { promptKey } from './stored.js'
import type { Study } from './study.js'
import { partId } from './work.js'

/** The facts of a study, by data set. */
export interface StudyFacts {
  readonly facts: ReadonlyMap<string, readonly Fact[]>
}

/** How data that is downloaded is had. */
export type DataOptions = Pick<StudyOptions, 'offline' | 'onProgress' | 'onNote' | 'signal'>

/** A data set of a study, read and filtered. */
interface StudyDataset {
  readonly name: string
  readonly dataset: Dataset
  readonly facts: readonly Fact[]
}

/** @throws InputError when a data set cannot be read, a filter leaves nothing, or two have one name */
async function readAll(study: Study, options: DataOptions): Promise<StudyDataset[]> {
  const all: StudyDataset[] = []
  for (const { source, name: given, columns, revision, ...filter } of study.data) {
    const { offline, onProgress, onNote, signal } = options
    const dataset = await readDataset(source, { columns, revision, offline, onProgress, onNote, signal })
    const name = given ?? dataset.name
    if (all.some((other) => other.name === name)) {
      throw new InputError(
        `data: data sets must differ in their names, got ${show(name)} twice; give one a name`,
      )
    }
    const facts = selected(name, dataset, filter)
    if (filter.split === undefined && dataset.facts.some((fact) => fact.split === DEFAULT_SPLIT)) {
      onNote?.(
        `data ${name}: only facts of the split ${DEFAULT_SPLIT} count unless "split" says otherwise, ${facts.length.toLocaleString('en')} after all filters of ${dataset.facts.length.toLocaleString('en')}`,
      )
    }
    all.push({ name, dataset, facts })
  }
  return all
}

/** @throws InputError that names the field of the study */
function selected(name: string, dataset: Dataset, filter: FactFilter): readonly Fact[] {
  try {
    return selectFacts(dataset.facts, filter, name)
  } catch (error) {
    if (!(error instanceof InputError)) throw error
    throw new InputError(error.message.replace(/^--/, `data ${name}: `), { cause: error })
  }
}

/** The facts of a study, by data set, after its filters. @throws InputError as `openData` does */
export async function readFactsOf(
  study: Study,
  options: DataOptions,
): Promise<ReadonlyMap<string, readonly Fact[]>> {
  return new Map((await readAll(study, options)).map(({ name, facts }) => [name, facts]))
}

/**
 * Read and filter the data of a study; what of it is unusable is stored.
 * @throws InputError when it cannot be read, a filter leaves nothing, or it is not the data whose results are stored
 */
export async function openData(study: Study, folder: RunFolder, options: DataOptions): Promise<StudyFacts> {
  const all = await readAll(study, options)
  for (const { name, dataset } of all) {
    const { source, fingerprint, facts, unusable } = dataset
    const stored = folder.file.datasets[name]
    if (stored && stored.fingerprint !== fingerprint) {
      throw new InputError(
        `${folder.dir}: ${name} must be the data whose results are stored here (SHA-256 ${stored.fingerprint?.slice(0, 12)}…, from ${stored.source}), got other data (${fingerprint.slice(0, 12)}…, from ${source}); use another folder or name, or --restart to set the old results aside`,
      )
    }
    folder.file.datasets[name] = { source, fingerprint, facts: facts.length, unusable: unusable.length }
    const id = partId('data', name)
    if ((await folder.parts('unusable')).has(id)) continue
    const rows = unusable.map((one) => unusableRow(null, name, one))
    await folder.write('unusable', id, rows)
  }
  return { facts: new Map(all.map(({ name, facts }) => [name, facts])) }
}

/** The facts of a study in a model's tokens. */
export interface PreparedData {
  /** By the keys of `promptKey`. */
  readonly prompts: ReadonlyMap<string, PreparedPrompt>
  /** What the model cannot use, to be stored. */
  unusable(model: string): UnusableRow[]
}

export async function prepareData(model: Model, { facts }: StudyFacts): Promise<PreparedData> {
  const tokenizer = await model.tokenizer()
  const { maxTokens, vocabSize } = model.spec
  const prepared = [...facts].map(([dataset, some]) => ({
    dataset,
    ...prepareFacts(tokenizer, some, { maxTokens, vocabSize }),
  }))
  return {
    prompts: new Map(
      prepared.flatMap(({ dataset, prompts }) =>
        prompts.map((prompt) => [promptKey(dataset, prompt.fact.id), prompt] as const),
      ),
    ),
    unusable: (name) =>
      prepared.flatMap(({ dataset, unusable }) => unusable.map((one) => unusableRow(name, dataset, one))),
  }
}

function unusableRow(model: string | null, dataset: string, one: Unusable): UnusableRow {
  const { id, where, reason, detail } = one
  return { model, dataset, prompt_id: id, place: where, reason, detail }
}
