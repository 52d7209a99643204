/** `info_flow.json` of the authors' code (src/experiments/runners/info_flow.py). */
import { readFile } from 'node:fs/promises'
import { decodeText, isObject } from '../checkpoints/json.js'
import { unreadable } from '../checkpoints/node-file.js'
import { InputError, show } from '../errors.js'
import type { KnockoutRow, UnusableRow } from '../results/rows.js'
import type { InfoFlowFile } from './files.js'
import { pythonJson } from './python-json.js'
import { isProbability, noteLeftOut, type OnNote, relativeChange } from './values.js'

/** Probabilities of the answers without a knockout, by prompt. */
export type Bases = Map<string, number>

/** What a file says of one prompt in one window. */
interface Value {
  readonly window: number
  readonly prob: number
  /** Percent. */
  readonly change: number
  readonly hit: boolean | null
}

export interface InfoFlow {
  /** Layers of the model. */
  readonly layers: number
  /** Rows of one prompt after the other. */
  readonly prompts: Iterable<readonly KnockoutRow[]>
  /** Prompts that the authors' code could not do. */
  readonly banned: readonly UnusableRow[]
}

/**
 * Read `{"metadata": {"layers_amount": windows, "banned_prompts": {prompt: error}},
 * "data": {prompt: {first layer: {"hit", "diffs", "true_probs"}}}}`.
 *
 * `relative_change` is the file's own `diffs`. `base_prob` is that of the evaluation; where there is none, or where
 * `diffs` were not measured against it, the one that follows from `diffs`.
 *
 * @param bases of the evaluation; those that follow from `diffs` are added to it
 * @throws InputError when the file is damaged or no such file
 */
export async function readInfoFlow(file: InfoFlowFile, bases: Bases, onNote: OnNote): Promise<InfoFlow> {
  const { windows, banned, data } = await readParts(file.path)
  const all = Object.keys(data).filter((id) => !Object.hasOwn(banned, id))
  const values = new Map<string, readonly Value[]>()
  const [bad, unfinished]: string[][] = [[], []]
  let count = 0
  for (const id of all) {
    const entries = Object.entries(isObject(data[id]) ? data[id] : {})
    const good: Value[] = []
    for (const [window, entry] of entries) {
      const one = value(window, entry, windows)
      if (one) good.push(one)
      else bad.push(`prompt ${id}, window ${window}`)
    }
    count += entries.length
    if (entries.length < windows) unfinished.push(id)
    if (good.length > 0) values.set(id, good)
  }
  const own = ownBases(file.path, values, bases, onNote)
  noteLeftOut(onNote, file.path, bad, `${count} values`, 'not numbers, or of no window of the model')
  if (unfinished.length > 0) {
    onNote(
      `${file.path}: ${unfinished.length} of ${all.length} prompts are unfinished (fewer than ${windows} windows), prompt ${unfinished[0]} first; what is there is imported, info_flow run again finishes it`,
    )
  }
  const bannedRows = Object.entries(banned).map(([id, error]) => bannedRow(file, id, error))
  return { layers: windows + file.window - 1, prompts: rows(file, values, own), banned: bannedRows }
}

/** The parts of the file, as far as they are of the right kind. */
async function readParts(path: string): Promise<{
  windows: number
  banned: Record<string, unknown>
  data: Record<string, unknown>
}> {
  const bytes = await readFile(path).catch((error: unknown) => {
    throw unreadable(path, error)
  })
  const json = pythonJson(decodeText(bytes, path))
  const todo = 'copy it again, or restore it from the .snapshot folder beside it'
  if (!isObject(json)) {
    throw new InputError(`${path}: must be a JSON object that is whole, got ${what(json)}; ${todo}`)
  }
  const { metadata, data } = json
  const windows = isObject(metadata) ? metadata.layers_amount : undefined
  if (!isObject(metadata) || !Number.isInteger(windows) || (windows as number) < 1 || !isObject(data)) {
    throw new InputError(
      `${path}: must have metadata.layers_amount, a whole number from 1, and data, an object, got ${show(windows)} and ${what(data)}; ${todo}`,
    )
  }
  const banned = isObject(metadata.banned_prompts) ? metadata.banned_prompts : {}
  return { windows: windows as number, banned, data }
}

function what(json: unknown): string {
  return isObject(json) ? 'an object' : json === undefined ? 'something else' : show(json)
}

function value(window: string, entry: unknown, windows: number): Value | undefined {
  if (!/^\d+$/.test(window) || Number(window) >= windows || !isObject(entry)) return undefined
  const { true_probs: prob, diffs: change, hit } = entry
  if (!isProbability(prob) || typeof change !== 'number') return undefined
  return { window: Number(window), prob, change, hit: typeof hit === 'boolean' ? hit : null }
}

/**
 * Their changes are computed in float64 from float32 probabilities; numpy 2 may do it in float32, which is 1e-7 of
 * 100 percent. Anything above is another probability.
 */
const CHANGE_ROUNDING = 1e-6

/**
 * The probability without a knockout of each prompt, which the changes are measured against.
 *
 * Where the evaluation does not say it, it follows from any window: prob = base * (1 + change / 100). The window of
 * the largest probability loses the fewest digits to the subtraction. It does not follow where all are zero.
 */
function ownBases(
  path: string,
  values: ReadonlyMap<string, readonly Value[]>,
  bases: Bases,
  onNote: OnNote,
): Bases {
  const own: Bases = new Map()
  const other: string[] = []
  const without: string[] = []
  for (const [id, some] of values) {
    const evaluated = bases.get(id)
    if (evaluated !== undefined && some.every((value) => agrees(value, evaluated))) {
      own.set(id, evaluated)
      continue
    }
    const { prob, change } = some.reduce((best, value) => (value.prob > best.prob ? value : best))
    const derived = prob / (1 + change / 100)
    if (!(derived > 0 && isProbability(derived))) {
      without.push(`prompt ${id}`)
      continue
    }
    own.set(id, derived)
    if (evaluated === undefined) bases.set(id, derived)
    else other.push(id)
  }
  const why =
    'no evaluation, and no probability above zero to tell theirs by; give a folder with their outputs.csv'
  noteLeftOut(onNote, path, without, `${values.size} prompts`, why)
  if (other.length > 0) {
    onNote(
      `${path}: ${other.length} of ${values.size} prompts were measured against other probabilities than outputs.csv has, prompt ${other[0]} first; theirs are used here, evaluate_model may have been run again since`,
    )
  }
  return own
}

function agrees({ prob, change }: Value, base: number): boolean {
  const expected = relativeChange(prob, base)
  return Math.abs(expected - change) <= CHANGE_ROUNDING * (100 + Math.abs(expected))
}

function* rows(
  file: InfoFlowFile,
  values: ReadonlyMap<string, readonly Value[]>,
  bases: Bases,
): Generator<KnockoutRow[]> {
  const { model, dataset, window, source, target, features } = file
  for (const [prompt_id, some] of values) {
    const base_prob = bases.get(prompt_id)
    if (base_prob === undefined) continue
    yield some.map(({ window: first_layer, prob, change, hit }) => ({
      model: model.name,
      dataset,
      prompt_id,
      first_layer,
      window,
      source,
      position: null,
      target,
      features,
      base_prob,
      prob,
      rank: null,
      top_token: null,
      hit,
      relative_change: change,
    }))
  }
}

function bannedRow({ model, dataset, path }: InfoFlowFile, prompt_id: string, error: unknown): UnusableRow {
  const detail = typeof error === 'string' ? error : show(error)
  return { model: model.name, dataset, prompt_id, place: path, reason: 'banned by the authors', detail }
}
