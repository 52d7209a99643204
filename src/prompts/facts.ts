import { InputError, show } from '../errors.js'
import { findSubject, subjectPositions } from './roles.js'
import type { Token, Tokenizer } from './tokenizer.js'

/** One fact as a prompt to complete. */
export interface Fact {
  /** Unique in its data set; results refer to it. */
  id: string
  /** Text that ends where the answer begins. */
  prompt: string
  /** What the fact is about; stands in the prompt exactly once. */
  subject: string
  /** What continues the prompt; with its leading space, or without (then the space is understood). */
  answer: string
  /** The kind of fact, such as `country_capital`. */
  relation?: string
  /** Which of its relation's wordings the prompt is, from 0. */
  phrasing?: number
  /** The part of the data set that it belongs to: `train` or `held-out` in the atlas. */
  split?: string
}

/** A fact in one model's tokens. */
export interface PreparedPrompt {
  fact: Fact
  tokens: Token[]
  /** The token ids of the prompt, `tokens[i].id`. */
  ids: number[]
  /** Positions of the subject's tokens, ascending. */
  subject: number[]
  /** The id of the answer's first token. */
  answer: number
}

/**
 * Read a data set: JSON Lines, one object a line with the fields of `Fact`. Empty lines and other fields are
 * skipped.
 *
 * @param where the file's name, for errors
 * @throws InputError naming file and line when a line is not such an object, its subject is not exactly once in its
 *   prompt, or its id was used before; and when there is no fact at all
 */
export function parseFacts(jsonl: string, where: string): Fact[] {
  const facts: Fact[] = []
  const lineOfId = new Map<string, number>()
  for (const [index, line] of jsonl
    .replace(/^\uFEFF/, '')
    .split('\n')
    .entries()) {
    if (line.trim() === '') continue
    const at = `${where}:${index + 1}`
    const fact = parseFact(line, at)
    const earlier = lineOfId.get(fact.id)
    if (earlier !== undefined) {
      throw new InputError(
        `${at}: id must be unique, got ${show(fact.id)} of line ${earlier} again; give each fact its own id`,
      )
    }
    lineOfId.set(fact.id, index + 1)
    facts.push(fact)
  }
  if (facts.length === 0) {
    throw new InputError(`${where}: a data set must have facts, got none; write one JSON object a line`)
  }
  return facts
}

function parseFact(line: string, at: string): Fact {
  const fields = `{"id": "...", "prompt": "...", "subject": "...", "answer": "..."}; relation, phrasing and split optional`
  let record: unknown
  try {
    record = JSON.parse(line)
  } catch {
    throw new InputError(`${at}: a line must be JSON, got ${show(line)}; write ${fields}`)
  }
  if (typeof record !== 'object' || record === null || Array.isArray(record)) {
    throw new InputError(`${at}: a line must be a JSON object, got ${show(record)}; write ${fields}`)
  }
  const text = (name: string): string => {
    const value = (record as Record<string, unknown>)[name]
    if (typeof value === 'string' && value.trim() !== '') return value
    throw new InputError(
      `${at}: ${name} must be a text that is not empty, got ${show(value)}; write ${fields}`,
    )
  }
  const fact: Fact = {
    id: text('id'),
    prompt: text('prompt'),
    subject: text('subject'),
    answer: text('answer'),
  }
  if ('relation' in record) fact.relation = text('relation')
  if ('phrasing' in record) {
    const { phrasing } = record
    if (typeof phrasing !== 'number' || !Number.isInteger(phrasing) || phrasing < 0) {
      throw new InputError(
        `${at}: phrasing must be a whole number from 0, got ${show(phrasing)}; write ${fields}`,
      )
    }
    fact.phrasing = phrasing
  }
  if ('split' in record) fact.split = text('split')
  findSubject(fact.prompt, fact.subject, at)
  return fact
}

/**
 * Put a fact into tokens.
 *
 * The answer's first token is what comes after the prompt's tokens when the answer is written after the prompt: with
 * the space it starts with, or, if it starts with none, with one space put in front unless the prompt ends in white
 * space.
 *
 * @throws InputError naming the fact's id when its subject is not exactly once in its prompt or its answer is empty
 */
export function preparePrompt(tokenizer: Tokenizer, fact: Fact): PreparedPrompt {
  const where = `fact ${show(fact.id)}`
  if (fact.answer.trim() === '') {
    throw new InputError(
      `${where}: answer must not be empty, got ${show(fact.answer)}; give the words that complete the prompt`,
    )
  }
  const tokens = tokenizer.encode(fact.prompt)
  const subject = subjectPositions(tokens, fact.prompt, fact.subject, where)
  const spaced = /^\s/.test(fact.answer) || /\s$/.test(fact.prompt)
  const answer = tokenizer.idAfter(fact.prompt, spaced ? fact.answer : ` ${fact.answer}`)
  return { fact, tokens, ids: tokens.map((token) => token.id), subject, answer }
}
