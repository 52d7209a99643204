/** `heatmaps.h5` of the authors' code (src/experiments/runners/heatmap.py). */
import { open } from 'node:fs/promises'
import { resolve } from 'node:path'
import { Dataset, File, ready } from 'h5wasm/node'
import { isLfsPointer, lfsError } from '../checkpoints/json.js'
import { unreadable } from '../checkpoints/node-file.js'
import { InputError, show } from '../errors.js'
import type { KnockoutRow } from '../results/rows.js'
import type { HeatmapFile } from './files.js'
import type { Bases } from './info-flow.js'
import { isProbability, noteLeftOut, type OnNote, relativeChange } from './values.js'

/** Probability of the answer with one token cut from the last one: `probs[position * windows + first layer]`. */
interface Matrix {
  readonly tokens: number
  readonly windows: number
  readonly probs: Float64Array
}

export interface Heatmaps {
  /** Layers of the model; null when the file has no heatmap. */
  readonly layers: number | null
  /** Rows of one prompt after the other. */
  readonly prompts: Iterable<readonly KnockoutRow[]>
}

/**
 * Read heatmaps: a data set per prompt, float64 `[tokens, windows]`. The file does not say what the most probable
 * token was: `hit` is null.
 *
 * @param bases probabilities without a knockout
 * @throws InputError when the file is damaged or no such file
 */
export async function readHeatmaps(file: HeatmapFile, bases: Bases, onNote: OnNote): Promise<Heatmaps> {
  const matrices = await readMatrices(file.path)
  const widths = new Set([...matrices.values()].map(({ windows }) => windows))
  if (widths.size > 1) {
    throw new InputError(
      `${file.path}: all heatmaps must have as many windows, got ${[...widths].join(' and ')}; remove those of another model or window`,
    )
  }
  const [windows] = widths
  const of = `${matrices.size} prompts`
  const [without, bad]: string[][] = [[], []]
  for (const [id, { probs }] of matrices) {
    if (!((bases.get(id) ?? 0) > 0)) without.push(id)
    else if (!probs.every(isProbability)) bad.push(id)
  }
  noteLeftOut(onNote, file.path, without, of, `not evaluated; give a folder with their outputs.csv`)
  noteLeftOut(onNote, file.path, bad, of, 'some values are no probabilities')
  for (const id of [...without, ...bad]) matrices.delete(id)
  const layers = windows === undefined ? null : windows + file.window - 1
  return { layers, prompts: rows(file, matrices, bases) }
}

/** All heatmaps of a file, by prompt; the file is closed again. */
async function readMatrices(path: string): Promise<Map<string, Matrix>> {
  await checkReadable(path)
  const library = await ready
  // Otherwise the library prints pages of traces to standard error.
  library.activate_throwing_error_handler()
  // A file may name a filter that is looked for on the disk: it gets those that are built in.
  for (let left = library.get_plugin_search_paths().length; left > 0; left--) {
    library.remove_plugin_search_path(0)
  }
  const matrices = new Map<string, Matrix>()
  try {
    const file = new File(resolve(path), 'r')
    try {
      for (const id of file.keys()) matrices.set(id, matrix(path, id, file.get(id)))
    } finally {
      file.close()
    }
  } catch (error) {
    if (error instanceof InputError) throw error
    throw new InputError(
      `${path}: must be an HDF5 file that is whole, got ${hdf5Fault(error)}; copy it again, or run the heatmaps again`,
    )
  }
  return matrices
}

function matrix(path: string, id: string, item: unknown): Matrix {
  const shape = item instanceof Dataset ? item.shape : null
  const probs = item instanceof Dataset && shape?.length === 2 ? item.value : null
  if (!/^\d+$/.test(id) || !shape || !(probs instanceof Float64Array) || probs.length === 0) {
    throw new InputError(
      `${path}: must hold a float64 [tokens, windows] for each prompt's number, got ${show(id)}; give a file that the authors' code wrote`,
    )
  }
  return { tokens: shape[0]!, windows: shape[1]!, probs }
}

/** The last line of the library's trace that says what went wrong: `file signature not found`. */
function hdf5Fault(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error)
  const said = [...text.matchAll(/^ *#\d+: .* in \w+\(\): (.*)$/gm)].at(-1)?.[1] ?? text
  return show(said.replace(/[\p{C}\p{Z}]+/gu, ' ').trim(), 200)
}

async function checkReadable(path: string): Promise<void> {
  const start = Buffer.alloc(64)
  try {
    const handle = await open(path)
    await handle.read(start, 0, start.length, 0).finally(() => handle.close())
  } catch (error) {
    throw unreadable(path, error)
  }
  if (isLfsPointer(start)) throw lfsError(path)
}

function* rows(
  { model, dataset, window }: HeatmapFile,
  matrices: ReadonlyMap<string, Matrix>,
  bases: Bases,
): Generator<KnockoutRow[]> {
  for (const [prompt_id, { windows, probs }] of matrices) {
    const base_prob = bases.get(prompt_id)!
    yield Array.from(probs, (prob, i) => ({
      model: model.name,
      dataset,
      prompt_id,
      first_layer: i % windows,
      window,
      source: 'token',
      position: Math.floor(i / windows),
      target: 'last',
      features: 'all',
      base_prob,
      prob,
      rank: null,
      top_token: null,
      hit: null,
      relative_change: relativeChange(prob, base_prob),
    }))
  }
}
