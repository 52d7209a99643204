/** Prompts as far as planning needs them: how many tokens, and where the subject is. */
import type { Fact, PreparedPrompt } from '../prompts/facts.js'
import { findSubject } from '../prompts/roles.js'
import type { Place } from './work.js'

/** Characters of a token of English text: for models whose tokenizer is not here. */
const CHARACTERS = 4.5

/** A fact's prompt of that length with the subject in that place; its ids mean nothing. */
export function plannedPrompt(fact: Fact, { length, subject }: Place): PreparedPrompt {
  const ids = Array.from({ length }, () => 0)
  return { fact, tokens: [], ids, subject: [...subject], answer: 0, answerIds: [0] }
}

/** A fact's prompt in as many tokens as it is likely to have. */
export function likelyPrompt(fact: Fact): PreparedPrompt {
  const tokens = (text: string): number => Math.max(1, Math.round(text.length / CHARACTERS))
  const length = tokens(fact.prompt)
  const { start } = findSubject(fact.prompt, fact.subject, fact.id)
  const first = Math.min(length - 1, Math.floor(start / CHARACTERS))
  const subject = Array.from({ length: Math.min(tokens(fact.subject), length - first) }, (_, i) => first + i)
  return plannedPrompt(fact, { length, subject })
}
