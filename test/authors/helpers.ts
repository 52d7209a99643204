/** Output folders as the authors' code writes them, small and made up. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { File, ready } from 'h5wasm/node'
import { afterEach, beforeEach, expect } from 'vitest'
import { type AuthorsRows, type ReadAuthorsOptions, readAuthors } from '../../src/authors/read.js'
import { InputError } from '../../src/errors.js'
import type { EvaluationRow, KnockoutRow, UnusableRow } from '../../src/results/rows.js'

/** A new folder for each test of the file. */
export function eachInFolder(): { readonly path: string } {
  const folder = { path: '' }
  beforeEach(() => {
    folder.path = mkdtempSync(join(tmpdir(), 'factflow-authors-'))
  })
  afterEach(() => rmSync(folder.path, { recursive: true, force: true }))
  return folder
}

/** Where their results lie: `v=1/arch=mamba1/size=130M/ds=counter_fact`. */
export const MODEL = 'v=1/arch=mamba1/size=130M/ds=counter_fact'
export const EVALUATION = `evaluate_model/${MODEL}/outputs/outputs.csv`

/** mamba-130m has 24 layers: windows of 21 have 4 places. */
export const WINDOW = 21
export const LAYERS = 24
export const HEATMAPS = `heatmap/${MODEL}/ws=${WINDOW}/outputs/heatmaps.h5`

export function infoFlowPath(source = 'subject', target = 'last', category = 'ALL', model = MODEL): string {
  return `info_flow/${model}/ws=${WINDOW}/target=${target}/source=${source}/feature_category=${category}/outputs/info_flow.json`
}

/** Write a file and the folders above it; objects become JSON. */
export function put(folder: string, path: string, content: string | Uint8Array | object): string {
  const file = join(folder, path)
  mkdirSync(dirname(file), { recursive: true })
  const raw = typeof content === 'string' || content instanceof Uint8Array
  writeFileSync(file, raw ? content : JSON.stringify(content, null, 2))
  return file
}

export interface Value {
  readonly hit: boolean
  readonly diffs: number
  readonly true_probs: number
}

export function infoFlow(
  data: Readonly<Record<string, Readonly<Record<string, unknown>>>>,
  banned_prompts: Readonly<Record<string, string>> = {},
): object {
  return { metadata: { layers_amount: LAYERS - WINDOW + 1, banned_prompts }, data }
}

/** What they store of a probability that was `base` without the knockout. */
export function value(prob: number, base: number): Value {
  return { hit: prob > 0.5, diffs: ((prob - base) / base) * 100, true_probs: prob }
}

/** The same probability in all windows. */
export function allWindows(prob: number, base: number): Record<string, Value> {
  return Object.fromEntries([0, 1, 2, 3].map((window) => [window, value(prob, base)]))
}

/** A CSV file as pandas writes it (RFC 4180; nothing for a missing value). */
export function csv(rows: readonly Readonly<Record<string, string | number | null>>[]): string {
  const cell = (value: string | number | null): string => {
    const text = value === null ? '' : String(value)
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
  }
  const names = Object.keys(rows[0]!)
  const lines = [names.join(','), ...rows.map((row) => names.map((name) => cell(row[name]!)).join(','))]
  return `${lines.join('\n')}\n`
}

export type Line = Record<string, string | number | null>

/** One line of an evaluation. */
export function line(original_idx: number, target_probs: number | null, rest: Line = {}): Line {
  return {
    relation: '{} is in',
    prompt: `Place ${original_idx} is in`,
    relation_id: 'P17',
    target_true: ' France',
    subject: `Place ${original_idx}`,
    original_idx,
    split: 'train1',
    model_correct: 'True',
    target_rank: 1,
    model_top_outputs: '[[6181, " France", 0.5], [253, " the", 0.25]]',
    model_generation: ' France, and',
    target_probs,
    target_tokens: '[" France"]',
    ...rest,
  }
}

/** An HDF5 file with `[tokens][windows]` for each prompt. */
export async function putHeatmaps(
  folder: string,
  path: string,
  prompts: Readonly<Record<string, readonly (readonly number[])[]>>,
  dtype = '<d',
): Promise<string> {
  await ready
  const file = put(folder, path, '')
  const hdf5 = new File(file, 'w')
  for (const [name, matrix] of Object.entries(prompts)) {
    hdf5.create_dataset({ name, data: matrix.flat(), shape: [matrix.length, matrix[0]!.length], dtype })
  }
  hdf5.close()
  return file
}

export interface AllRows {
  readonly batches: readonly AuthorsRows[]
  readonly knockouts: readonly KnockoutRow[]
  readonly evaluations: readonly EvaluationRow[]
  readonly unusable: readonly UnusableRow[]
  readonly notes: readonly string[]
  readonly failures: readonly string[]
}

/** Everything that can be read, and what is said of the rest: one line each. */
export async function readAll(folder: string, options: ReadAuthorsOptions = {}): Promise<AllRows> {
  const batches: AuthorsRows[] = []
  const notes: string[] = []
  const failures: string[] = []
  const onFailure = ({ message }: InputError): void => {
    expect(message).toMatch(/^[^\n]+: [^\n]+, got [^\n]+; [^\n]+$/)
    failures.push(message)
  }
  const onNote = (note: string): void => {
    expect(note).toMatch(/^[^\n]+: [^\n]+$/)
    notes.push(note)
  }
  for await (const batch of readAuthors(folder, { onNote, onFailure, ...options })) batches.push(batch)
  const rowsOf = <T>(table: AuthorsRows['table']): T[] =>
    batches.filter((batch) => batch.table === table).flatMap((batch) => batch.rows as readonly T[])
  return {
    batches,
    knockouts: rowsOf('knockouts'),
    evaluations: rowsOf('evaluations'),
    unusable: rowsOf('unusable'),
    notes,
    failures,
  }
}

/** The message of the InputError that reading a folder ends with. */
export async function refused(folder: string, options: ReadAuthorsOptions = {}): Promise<string> {
  const error = await readAll(folder, options).catch((reason: unknown) => reason)
  expect(error).toBeInstanceOf(InputError)
  expect((error as Error).message).toMatch(/^[^\n]+: [^\n]+, got [^\n]+; [^\n]+$/)
  return (error as Error).message
}
