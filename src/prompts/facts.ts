import { parseJsonLines } from '../datasets/parse.js'
import { readRecords } from '../datasets/records.js'
import { InputError, show } from '../errors.js'
import { subjectPositions } from './roles.js'
import type { Token, Tokenizer } from './tokenizer.js'

/** One fact as a prompt to complete. */
export interface Fact {
  /** Unique in its data set; results refer to it. */
  id: string
  /** Text that ends where the answer begins. */
  prompt: string
  /** What the fact is about; stands in the prompt, exactly once unless it is known where. */
  subject: string
  /** What continues the prompt; with its leading space, or without (then the space is understood). */
  answer: string
  /** The kind of fact, such as `country_capital`. */
  relation?: string
  /** Which of its relation's wordings the prompt is, from 0. */
  phrasing?: number
  /** The part of the data set that it belongs to: `train` or `held-out` in the atlas. */
  split?: string
  /** Where the subject starts in the prompt, in UTF-16 code units, where the data set tells. */
  subjectStart?: number
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
  /** The ids of all of the answer's tokens. */
  answerIds: number[]
}

/**
 * Read a data set in factflow's layout: JSON Lines, one object a line with the fields of `Fact`. Empty lines and other
 * fields are skipped. (`readDataset` reads other layouts and files, and goes on where a record cannot be used.)
 *
 * @param where the file's name, for errors
 * @throws InputError naming file and line when a line is not such an object, its subject is not exactly once in its
 *   prompt, or its id was used before; and when there is no fact at all
 */
export function parseFacts(jsonl: string, where: string): Fact[] {
  const { facts, unusable } = readRecords(parseJsonLines(jsonl, where), where)
  const [first] = unusable
  if (!first) return facts
  throw new InputError(`${first.where}: ${first.detail}; correct the line`)
}

/**
 * The ids of an answer's tokens after its prompt, see `preparePrompt`.
 * @param where names the fact or the argument, for errors
 * @throws InputError when the answer is empty
 */
export function answerTokens(tokenizer: Tokenizer, prompt: string, answer: string, where: string): number[] {
  if (answer.trim() === '') {
    throw new InputError(
      `${where}: answer must not be empty, got ${show(answer)}; give the words that complete the prompt`,
    )
  }
  const spaced = /^\s/.test(answer) || /\s$/.test(prompt)
  return tokenizer.idsAfter(prompt, spaced ? answer : ` ${answer}`)
}

/** What `ownPrompt` puts together: a prompt in tokens, where its subject is, what answers it. */
export interface PromptPieces {
  readonly prompt: string
  readonly tokens: readonly Token[]
  /** As it stands in the prompt; undefined or empty without one. */
  readonly subject: string | undefined
  readonly subjectStart: number | undefined
  /** Positions of its tokens. */
  readonly positions: readonly number[]
  /** Without it the answer is what its tokens say. */
  readonly answer: string | undefined
  readonly answerIds: readonly number[]
}

/** A prompt that is of no data set. */
export function ownPrompt(tokenizer: Tokenizer, pieces: PromptPieces): PreparedPrompt {
  const { prompt, tokens, subject = '', subjectStart, positions, answer, answerIds } = pieces
  const [first] = answerIds as readonly [number]
  return {
    fact: {
      id: 'prompt',
      prompt,
      subject,
      answer: answer ?? tokenizer.tokenText(first),
      ...(subjectStart !== undefined && { subjectStart }),
    },
    tokens: [...tokens],
    ids: tokens.map(({ id }) => id),
    subject: [...positions],
    answer: first,
    answerIds: [...answerIds],
  }
}

/**
 * Put a fact into tokens.
 *
 * The answer's tokens are what comes after the prompt's tokens when the answer is written after the prompt: with the
 * space it starts with, or, if it starts with none, with one space put in front unless the prompt ends in white
 * space.
 *
 * @throws InputError naming the fact's id when its subject is not where it must be in its prompt or its answer is empty
 */
export function preparePrompt(tokenizer: Tokenizer, fact: Fact): PreparedPrompt {
  const where = `fact ${show(fact.id)}`
  const answerIds = answerTokens(tokenizer, fact.prompt, fact.answer, where)
  const tokens = tokenizer.encode(fact.prompt)
  const subject = subjectPositions(tokens, fact.prompt, fact.subject, where, fact.subjectStart)
  return {
    fact,
    tokens,
    ids: tokens.map((token) => token.id),
    subject,
    answer: answerIds[0],
    answerIds,
  }
}
