/** Evaluations as CSV, a line for each prompt; DuckDB writes it. */
import { BOOLEAN, DOUBLE, INTEGER, VARCHAR } from '@duckdb/node-api'
import { type Evaluation, evaluationTexts } from '../experiments/evaluate.js'
import type { Tokenizer } from '../prompts/tokenizer.js'
import { writeCsv } from './csv.js'
import type { Cell } from './database.js'

/** The columns, in order. */
const COLUMNS = {
  id: VARCHAR,
  prompt: VARCHAR,
  subject: VARCHAR,
  relation: VARCHAR,
  answer: VARCHAR,
  /** JSON: the texts of the answer's tokens. */
  answer_tokens: VARCHAR,
  prob: DOUBLE,
  rank: INTEGER,
  correct: BOOLEAN,
  /** The text of the most probable token. */
  top_token: VARCHAR,
  /** JSON: the most probable tokens, `[{"id":...,"text":...,"prob":...}]`. */
  top: VARCHAR,
  continuation: VARCHAR,
} as const
type Line = Readonly<Record<keyof typeof COLUMNS, Cell>>

/**
 * Write evaluations as CSV: UTF-8, a header, quoted as in RFC 4180, lines that end in a line feed. What a fact lacks or
 * nobody asked for is empty without quotes; an empty text is `""`.
 * @throws InputError when the file cannot be written
 */
export async function writeEvaluations(
  path: string,
  evaluations: readonly Evaluation[],
  tokenizer: Tokenizer,
): Promise<void> {
  await writeCsv(
    path,
    evaluations.map((evaluation) => lineOf(evaluation, tokenizer)),
    COLUMNS,
  )
}

function lineOf(evaluation: Evaluation, tokenizer: Tokenizer): Line {
  const { prompt, base, correct } = evaluation
  const { id, relation = null, subject, answer } = prompt.fact
  const { answerTokens, top, continuation = null } = evaluationTexts(evaluation, tokenizer)
  return {
    id,
    prompt: prompt.fact.prompt,
    subject,
    relation,
    answer,
    answer_tokens: JSON.stringify(answerTokens),
    prob: base.prob,
    rank: base.rank,
    correct,
    top_token: tokenizer.tokenText(base.top),
    top: JSON.stringify(top),
    continuation,
  }
}
