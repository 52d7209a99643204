/** A run folder whose files were dropped on the page, whole or in part. */
import { parseJson } from '../../checkpoints/json.js'
import { InputError, show } from '../../errors.js'
import { FEATURE_CATEGORIES, type FeatureCategory } from '../../models/architecture.js'
import { isRole, ROLES } from '../../prompts/roles.js'
import { PART_PREFIX } from '../../results/rows.js'
import {
  INFO_PREFIX,
  inOrder,
  isRunFile,
  type NamedModel,
  named,
  parseRunPart,
  RUN_FILE,
  runBase,
  runModel,
} from '../../results/run-schema.js'
import { type EffectRows, EffectTable, emptyRows } from './effect-table.js'
import { type ColumnKinds, type Columns, readParquet } from './parquet.js'

export interface NamedFile {
  /** For people, with its folders. */
  readonly path: string
  /** Without them. */
  readonly name: string
  readonly file: Blob
}

/** What the files of a run folder say. */
export interface DroppedRun {
  readonly table: EffectTable
  /** In the run's order; those whose files were not dropped are missing. */
  readonly models: readonly NamedModel[]
  /** The study's own, if it has one. */
  readonly title: string | undefined
  readonly updated: string | null
}

const KNOCKOUTS = {
  model: 'text',
  dataset: 'text',
  prompt_id: 'text',
  first_layer: 'integer',
  window: 'integer',
  source: 'text',
  target: 'text',
  features: 'text',
  base_prob: 'number',
  prob: 'number',
  rank: 'integer?',
  hit: 'boolean?',
  relative_change: 'number',
} as const satisfies ColumnKinds

const EVALUATIONS = {
  model: 'text',
  dataset: 'text',
  prompt_id: 'text',
  prompt: 'text',
  subject: 'text',
  answer: 'text',
  relation: 'text?',
  hit: 'boolean',
} as const satisfies ColumnKinds

const PROMPT_SETS = {
  prompt_set: 'text',
  model: 'text',
  dataset: 'text',
  prompt_id: 'text',
} as const satisfies ColumnKinds

/** Tables of a run that a browser of studies does not need. */
const UNUSED = [PART_PREFIX.features, PART_PREFIX.unusable]

/** Whether a file has the name of one that makes a folder a run. */
export function isOfRun(name: string): boolean {
  return isRunFile(name) || Object.values(PART_PREFIX).some((prefix) => isPart(name, prefix))
}

function isPart(name: string, prefix: string): boolean {
  return name.startsWith(prefix) && name.endsWith('.parquet')
}

/**
 * Read the files of one run. One that cannot be used is left out, and told.
 *
 * @param files of one folder; what is no part of a run is not looked at
 * @param onBytes told after each file how many bytes it has
 * @throws the signal's reason
 */
export async function readRun(
  files: readonly NamedFile[],
  onError: (error: InputError) => void,
  onBytes: (bytes: number) => void = () => undefined,
  signal?: AbortSignal,
): Promise<DroppedRun> {
  const table = new EffectTable()
  const models: NamedModel[] = []
  let run: ReturnType<typeof readBase> | undefined
  // Of curves that two files have, those of the file whose name comes first count.
  const sorted = [...files].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))
  for (const one of sorted) {
    const { name, path, file } = one
    try {
      if (name === RUN_FILE) run = readBase(await readJson(one), path)
      else if (name.startsWith(INFO_PREFIX.models) && name.endsWith('.json')) {
        models.push(parseRunPart(named(runModel), await readJson(one), path))
      } else if (isPart(name, PART_PREFIX.knockouts)) await addKnockouts(table, path, file, signal)
      else if (isPart(name, PART_PREFIX.evaluations)) await addEvaluations(table, path, file, signal)
      else if (isPart(name, PART_PREFIX.prompt_sets)) await addPromptSets(table, path, file, signal)
      else if (!isOfRun(name) && !UNUSED.some((prefix) => isPart(name, prefix))) continue
    } catch (error) {
      signal?.throwIfAborted()
      if (!(error instanceof InputError)) throw error
      onError(error)
    }
    onBytes(file.size)
  }
  return { table, models: inOrder(models), title: run?.title, updated: run?.updated ?? null }
}

function readBase(json: unknown, path: string): { title: string | undefined; updated: string } {
  const { study, updated } = parseRunPart(runBase, json, path)
  const { title, name } = (study ?? {}) as { title?: unknown; name?: unknown }
  return { title: [title, name].find((text) => typeof text === 'string'), updated }
}

/** More than a file that says what is in a run, or a result of one command, ever has. */
const MOST_JSON = 100e6

/** @throws InputError when it is not JSON */
export async function readJson({ path, file }: Pick<NamedFile, 'path' | 'file'>): Promise<unknown> {
  if (file.size > MOST_JSON) {
    throw new InputError(
      `${path}: must be at most ${MOST_JSON / 1e6} MB of JSON, got ${file.size / 1e6} MB; leave it out`,
    )
  }
  let text: string
  try {
    text = await file.text()
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new InputError(
      `${path}: must be readable, got ${reason}; check that it is still there, and drop it again`,
    )
  }
  return parseJson(text, path)
}

async function addKnockouts(
  table: EffectTable,
  path: string,
  file: Blob,
  signal?: AbortSignal,
): Promise<void> {
  const groups: EffectRows[] = []
  await readParquet(
    path,
    file,
    KNOCKOUTS,
    (columns, length, before) => groups.push(effectRows(table, path, columns, length, before)),
    signal,
  )
  table.add(joined(groups))
}

/** The rows of a group, single tokens that were cut left out. */
function effectRows(
  table: EffectTable,
  path: string,
  columns: Columns<typeof KNOCKOUTS>,
  length: number,
  before: number,
): EffectRows {
  const rows = emptyRows(length)
  const { model, dataset, prompt_id: id, window, source, target, features, first_layer: first } = columns
  const { base_prob: base, prob, relative_change: change, rank, hit } = columns
  let n = 0
  let cut = -1
  let prompt = -1
  // The row whose cut and prompt are known: neighbours mostly have the same.
  let known = -1
  for (let i = 0; i < length; i++) {
    if (source[i] === 'token') continue
    const same = known >= 0 && dataset[i] === dataset[known]
    if (!same || id[i] !== id[known]) prompt = table.promptNumber(dataset[i]!, id[i]!)
    if (
      !same ||
      model[i] !== model[known] ||
      window[i] !== window[known] ||
      source[i] !== source[known] ||
      target[i] !== target[known] ||
      features[i] !== features[known]
    ) {
      const at = { model: model[i]!, dataset: dataset[i]!, window: window[i]! }
      const roles = { source: source[i]!, target: target[i]!, features: features[i]! }
      cut = table.cutNumber(checkedCut({ ...at, ...roles }, `${path}: row ${before + i}`))
    }
    known = i
    // A damaged file may have them in a column of 64-bit numbers.
    const start = Number(first[i])
    if (!(start >= 0 && start < MOST_LAYERS)) {
      throw new InputError(
        `${path}: row ${before + i}: first_layer must be from 0 to ${MOST_LAYERS - 1}, got ${start}; ${ELSEWHERE}`,
      )
    }
    rows.cut[n] = cut
    rows.prompt[n] = prompt
    rows.firstLayer[n] = start
    rows.baseProb[n] = Number(base[i])
    rows.prob[n] = Number(prob[i])
    rows.change[n] = Number(change[i])
    rows.rank[n] = Number(rank[i] ?? 0)
    rows.hit[n] = hit[i] === null || hit[i] === undefined ? -1 : Number(hit[i])
    n++
  }
  return { ...rows, length: n }
}

/** No model has as many. */
const MOST_LAYERS = 10_000
const ELSEWHERE = 'take the file from its run folder again, or leave it out'

/** A cut from outside. @throws InputError when it is none */
export function checkedCut(
  cut: {
    readonly model: string
    readonly dataset: string
    readonly window: number
    readonly source: string
    readonly target: string
    readonly features: string
  },
  where: string,
) {
  const { source, target, features, window, model, dataset } = cut
  for (const [name, role] of [
    ['source', source],
    ['target', target],
  ] as const) {
    if (!isRole(role)) throw unknown(where, name, ROLES, role)
  }
  if (!isCategory(features)) throw unknown(where, 'features', FEATURE_CATEGORIES, features)
  if (!(Number.isInteger(window) && window >= 1 && window <= MOST_LAYERS)) {
    throw new InputError(
      `${where}: window must be layers from 1 to ${MOST_LAYERS}, got ${show(window)}; ${ELSEWHERE}`,
    )
  }
  if (isRole(source) && isRole(target)) return { model, dataset, window, source, target, features }
  throw unknown(where, 'source', ROLES, source)
}

function isCategory(text: string): text is FeatureCategory {
  return (FEATURE_CATEGORIES as readonly string[]).includes(text)
}

function unknown(where: string, name: string, known: readonly string[], got: string): InputError {
  return new InputError(
    `${where}: ${name} must be one of ${known.join(', ')}, got ${show(got)}; ${ELSEWHERE}`,
  )
}

/** Groups of rows as one. */
function joined(groups: readonly EffectRows[]): EffectRows {
  if (groups.length === 1) return groups[0]!
  const all = emptyRows(groups.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const group of groups) {
    const { length } = group
    all.cut.set(group.cut.subarray(0, length), at)
    all.prompt.set(group.prompt.subarray(0, length), at)
    all.firstLayer.set(group.firstLayer.subarray(0, length), at)
    all.baseProb.set(group.baseProb.subarray(0, length), at)
    all.prob.set(group.prob.subarray(0, length), at)
    all.change.set(group.change.subarray(0, length), at)
    all.rank.set(group.rank.subarray(0, length), at)
    all.hit.set(group.hit.subarray(0, length), at)
    at += length
  }
  return all
}

async function addEvaluations(
  table: EffectTable,
  path: string,
  file: Blob,
  signal?: AbortSignal,
): Promise<void> {
  const groups: Columns<typeof EVALUATIONS>[] = []
  const n = await readParquet(path, file, EVALUATIONS, (columns) => groups.push(columns), signal)
  if (n === 0) return
  for (const columns of groups) {
    const { model, dataset, prompt_id: id, prompt, subject, answer, relation, hit } = columns
    for (let i = 0; i < model.length; i++) {
      table.evaluate(model[i]!, table.promptNumber(dataset[i]!, id[i]!), {
        prompt: prompt[i]!,
        subject: subject[i]!,
        answer: answer[i]!,
        relation: relation[i] ?? null,
        hit: hit[i]!,
      })
    }
  }
}

async function addPromptSets(
  table: EffectTable,
  path: string,
  file: Blob,
  signal?: AbortSignal,
): Promise<void> {
  const groups: Columns<typeof PROMPT_SETS>[] = []
  await readParquet(path, file, PROMPT_SETS, (columns) => groups.push(columns), signal)
  for (const { prompt_set: set, model, dataset, prompt_id: id } of groups) {
    for (let i = 0; i < set.length; i++) {
      table.addToSet(set[i]!, model[i]!, table.promptNumber(dataset[i]!, id[i]!))
    }
  }
}
