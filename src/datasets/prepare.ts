/** Facts into one model's tokens; those that it cannot be asked are counted, not errors. */
import { InputError, show } from '../errors.js'
import { type Fact, type PreparedPrompt, preparePrompt } from '../prompts/facts.js'
import type { Tokenizer } from '../prompts/tokenizer.js'
import { factProblem } from './records.js'
import type { Problem, Unusable } from './unusable.js'

/** What a model takes. */
export interface PromptLimits {
  /** The most tokens of a prompt; left out: any number. */
  readonly maxTokens?: number
  /** Token ids are below it; left out: the tokenizer's ids all are. */
  readonly vocabSize?: number
}

/**
 * Put facts into tokens, in order.
 *
 * Not usable are prompts of more than `maxTokens` tokens, texts with a byte for which the vocabulary has no token, and
 * tokens that the model does not have, which is the case with the tokenizer of another one.
 */
export function prepareFacts(
  tokenizer: Tokenizer,
  facts: readonly Fact[],
  limits: PromptLimits = {},
): { prompts: PreparedPrompt[]; unusable: Unusable[] } {
  const prompts: PreparedPrompt[] = []
  const unusable: Unusable[] = []
  for (const fact of facts) {
    const prepared = prepare(tokenizer, fact, limits)
    if ('reason' in prepared) unusable.push({ id: fact.id, where: `fact ${show(fact.id)}`, ...prepared })
    else prompts.push(prepared)
  }
  return { prompts, unusable }
}

function prepare(
  tokenizer: Tokenizer,
  fact: Fact,
  { maxTokens = Number.POSITIVE_INFINITY, vocabSize = Number.POSITIVE_INFINITY }: PromptLimits,
): PreparedPrompt | Problem {
  let prompt: PreparedPrompt
  try {
    prompt = preparePrompt(tokenizer, fact)
  } catch (error) {
    if (!(error instanceof InputError)) throw error
    return (
      factProblem(fact) ?? { reason: 'text without tokens', detail: error.message.replace(/; [^;]*$/, '') }
    )
  }
  if (prompt.ids.length > maxTokens) {
    const detail = `a prompt must have at most ${maxTokens} tokens, got ${prompt.ids.length}`
    return { reason: 'prompt too long', detail }
  }
  const foreign = [...prompt.ids, prompt.answer].find((id) => id >= vocabSize)
  if (foreign === undefined) return prompt
  const detail = `token ids must be below ${vocabSize}, got ${foreign} (${show(tokenizer.tokenText(foreign))})`
  return { reason: 'token outside the vocabulary', detail }
}
