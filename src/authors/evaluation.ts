/** `outputs.csv` of the authors' evaluate_model (src/experiments/runners/evaluate_model.py): a pandas CSV file. */
import { open } from 'node:fs/promises'
import { isLfsPointer, lfsError } from '../checkpoints/json.js'
import { unreadable } from '../checkpoints/node-file.js'
import { InputError, show } from '../errors.js'
import { Database, literal } from '../results/database.js'
import type { EvaluationRow, TopToken } from '../results/rows.js'
import type { EvaluationFile } from './files.js'
import { pythonJson } from './python-json.js'
import { isProbability, noteLeftOut, type OnNote } from './values.js'

/** Columns without which a row is of no use; the answer's is `target_true`, `attribute` in older files. */
const NEEDED = ['original_idx', 'prompt', 'subject', 'target_probs', 'target_rank'] as const
const ANSWER = ['target_true', 'attribute'] as const

/** All cells of a line, as texts; null where empty. */
type Line = Readonly<Record<string, string | null>>

/**
 * Read an evaluation. Its prompts' tokens are not recorded: `tokens` and `subject_tokens` are empty. `relation` is
 * the id of the relation in Wikidata (`P17`), where there is one; the authors' column `relation` is a wording.
 * @throws InputError when the file is damaged or no such file
 */
export async function readEvaluation(file: EvaluationFile, onNote: OnNote): Promise<EvaluationRow[]> {
  const rows = new Map<string, EvaluationRow>()
  const [incomplete, twice]: string[][] = [[], []]
  const lines = await readLines(file.path)
  for (const [i, line] of lines.entries()) {
    const row = evaluationRow(file, line)
    if (!row) incomplete.push(`record ${i + 1}`)
    else if (rows.has(row.prompt_id)) twice.push(`record ${i + 1}`)
    else rows.set(row.prompt_id, row)
  }
  const of = `${lines.length} records`
  noteLeftOut(onNote, file.path, incomplete, of, 'without number, texts, probability or rank of a prompt')
  noteLeftOut(onNote, file.path, twice, of, 'of a prompt that is there before')
  return [...rows.values()]
}

async function readLines(path: string): Promise<Line[]> {
  const columns = await header(path)
  const missing = [
    ...NEEDED.filter((name) => !columns.includes(name)),
    ...(ANSWER.some((name) => columns.includes(name)) ? [] : [ANSWER[0]]),
  ]
  if (missing.length > 0) {
    throw new InputError(
      `${path}: must be a CSV file with columns ${[...NEEDED, ANSWER[0]].join(', ')}, got none called ${missing.join(', ')}; give a file that evaluate_model wrote`,
    )
  }
  const database = await Database.open({ threads: 1 })
  try {
    // DuckDB takes a path for a pattern, and names of folders for columns; in brackets a character is itself.
    const pattern = literal(path.replace(/[*?[]/g, '[$&]'))
    const types = columns.map((name) => `${literal(name)}: 'VARCHAR'`).join(', ')
    return await database.rows<Line>(
      `SELECT * FROM read_csv(${pattern}, auto_detect = false, header = true, delim = ',', quote = '"',
        escape = '"', hive_partitioning = false, columns = {${types}})`,
    )
  } catch (error) {
    throw new InputError(
      `${path}: must be a CSV file that is whole, got ${csvFault(error)}; copy it again, or run evaluate_model again`,
    )
  } finally {
    database.close()
  }
}

/** Where and why DuckDB gave up, without the line itself, its settings and its advice: `line 3: ...` */
function csvFault(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error)
  const line = /CSV Error on Line: (\d+)/.exec(text)?.[1]
  const said = text.split(/\n\s*Possible (?:fixes|Solution):/)[0]!.trim()
  const reason = line ? `line ${line}: ${said.split('\n').at(-1)}` : said
  return show(reason.replace(/[\p{C}\p{Z}]+/gu, ' '), 200)
}

/** The most that a first line may have. */
const HEADER_BYTES = 65_536

/** The names in the first line: pandas puts no quotes around these. */
async function header(path: string): Promise<string[]> {
  const bytes = Buffer.alloc(HEADER_BYTES)
  let length: number
  try {
    const handle = await open(path)
    try {
      length = (await handle.read(bytes, 0, HEADER_BYTES, 0)).bytesRead
    } finally {
      await handle.close()
    }
  } catch (error) {
    throw unreadable(path, error)
  }
  const start = bytes.subarray(0, length)
  if (isLfsPointer(start)) throw lfsError(path)
  const [line] = start.toString('utf8').split(/\r?\n/, 1)
  const names = line!.split(',')
  return names.length === new Set(names).size ? names : []
}

function evaluationRow({ model, dataset }: EvaluationFile, line: Line): EvaluationRow | undefined {
  const { original_idx: id, prompt, subject } = line
  const answer = line.target_true ?? line.attribute
  const [prob, rank] = [number(line.target_probs), number(line.target_rank)]
  if (!id || !/^\d+$/.test(id) || !prompt || !subject || !answer) return undefined
  if (!isProbability(prob) || !Number.isInteger(rank) || rank < 1) return undefined
  return {
    model: model.name,
    dataset,
    prompt_id: id,
    prompt,
    subject,
    answer,
    relation: line.relation_id ?? null,
    split: line.split ?? null,
    tokens: [],
    subject_tokens: [],
    answer_tokens: list(line.target_tokens).filter((token) => typeof token === 'string'),
    prob,
    rank,
    hit: rank === 1,
    top: list(line.model_top_outputs).flatMap(topToken),
    continuation: line.model_generation ?? null,
  }
}

/** A cell as a number; NaN where it is none. */
function number(cell: string | null | undefined): number {
  return cell ? Number(cell) : Number.NaN
}

/** A cell that holds a list as JSON; empty where it holds none. */
function list(cell: string | null | undefined): readonly unknown[] {
  const value = cell ? pythonJson(cell) : undefined
  return Array.isArray(value) ? value : []
}

/** `[id, text, probability]` */
function topToken(value: unknown): TopToken[] {
  if (!Array.isArray(value)) return []
  const [id, text, prob] = value as unknown[]
  if (!Number.isInteger(id) || typeof text !== 'string' || !isProbability(prob)) return []
  return [{ id: id as number, text, prob }]
}
