/** What is stored of an evaluation. */
import type { Evaluation } from '../experiments/evaluate.js'
import { evaluationTexts } from '../experiments/evaluate.js'
import type { Tokenizer } from '../prompts/tokenizer.js'
import type { EvaluationRow } from '../results/rows.js'

/** @param model its label */
export function evaluationRow(
  model: string,
  dataset: string,
  evaluation: Evaluation,
  tokenizer: Tokenizer,
): EvaluationRow {
  const { prompt, base, correct } = evaluation
  const { fact } = prompt
  const { answerTokens, top, continuation = null } = evaluationTexts(evaluation, tokenizer)
  return {
    model,
    dataset,
    prompt_id: fact.id,
    prompt: fact.prompt,
    subject: fact.subject,
    answer: fact.answer,
    relation: fact.relation ?? null,
    split: fact.split ?? null,
    tokens: prompt.tokens.map((token) => token.text),
    subject_tokens: prompt.subject,
    answer_tokens: answerTokens,
    prob: base.prob,
    rank: base.rank,
    hit: correct,
    top,
    continuation,
  }
}
