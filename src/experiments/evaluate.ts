/** The paper's first experiment: what does the model say to each prompt, untouched? It decides which facts count as known. */
import { InputError } from '../errors.js'
import type { Prediction } from '../knockout/head.js'
import type { KnockoutPrompt, Model, Progress, SweepSettings } from '../model.js'
import type { PreparedPrompt } from '../prompts/facts.js'
import type { Tokenizer } from '../prompts/tokenizer.js'

export interface Evaluation {
  readonly prompt: PreparedPrompt
  /** Its `topK` are the most probable tokens, when asked for. */
  readonly base: Prediction
  /** The answer's first token is the model's first choice (rank 1). */
  readonly correct: boolean
  /** Ids of the greedy continuation, `base.top` first, when asked for. */
  readonly continuation?: readonly number[]
}

export interface EvaluateSettings extends SweepSettings {
  /** Tokens of the greedy continuation; default 0: none. */
  readonly continuation?: number
}

/**
 * Prompts that are worked on together, so that what is needed beside the results does not grow with the data set. Where
 * layers are loaded in turn they share the loads: these many keep one busy for far longer than loading takes.
 */
export const PROMPTS_AT_ONCE = 4096

/**
 * The base prediction of every prompt, in order, and on request its greedy continuation of n tokens: the most probable
 * token is appended and the model is asked again, n - 1 times. As in the authors' code (`generate_next_tokens`) a token
 * that ends texts ends nothing. Where positions are learned a continuation is shorter when there are no more of them.
 *
 * Progress counts tokens of prompts through layers, those of prompts with what was appended to them included.
 * @throws InputError, before the work begins, as `Model.check` does, naming the prompt by its number; when the longest
 *   prompt with its continuation does not fit in the memory; when `continuation` or `topK` is not a whole number from 0
 */
export async function evaluate(
  model: Model,
  prompts: readonly PreparedPrompt[],
  { continuation = 0, ...settings }: EvaluateSettings = {},
): Promise<Evaluation[]> {
  if (!Number.isSafeInteger(continuation) || continuation < 0) {
    throw new InputError(
      `continuation: must be a whole number from 0, got ${continuation}; change it or leave it out`,
    )
  }
  prompts.forEach((prompt, i) => {
    model.check(question(prompt), `prompt ${i}`)
  })
  const { maxTokens = Number.POSITIVE_INFINITY } = model.spec
  /** How often the model is asked about a prompt: each time with one token more. */
  const times = ({ ids }: PreparedPrompt): number =>
    Math.max(1, Math.min(continuation, maxTokens - ids.length + 1))
  checkMemory(model, prompts, times)
  const ask = asker(model, prompts, times, settings.onProgress)

  const evaluations: Evaluation[] = []
  for (let from = 0; from < prompts.length; from += PROMPTS_AT_ONCE) {
    const some = prompts.slice(from, from + PROMPTS_AT_ONCE)
    const bases = await ask(some.map(question), settings)
    const written = bases.map(({ top }) => [top])
    for (let n = 1; n < continuation; n++) {
      const open = [...some.keys()].filter((i) => times(some[i]!) > n)
      const longer = open.map((i) => ({ ids: [...some[i]!.ids, ...written[i]!], knockouts: [] }))
      const next = await ask(longer, { signal: settings.signal })
      open.forEach((i, j) => {
        written[i]!.push(next[j]!.top)
      })
    }
    some.forEach((prompt, i) => {
      const base = bases[i]!
      const greedy = continuation > 0 && { continuation: written[i]! }
      evaluations.push({ prompt, base, correct: base.rank === 1, ...greedy })
    })
  }
  return evaluations
}

function question({ ids, answer }: PreparedPrompt): KnockoutPrompt {
  return { ids, answer, knockouts: [] }
}

/** @throws InputError when a prompt, as long as it gets, does not fit in the memory */
function checkMemory(
  model: Model,
  prompts: readonly PreparedPrompt[],
  times: (prompt: PreparedPrompt) => number,
): void {
  const longest = prompts.reduce((most, prompt) => Math.max(most, prompt.ids.length + times(prompt) - 1), 0)
  if (longest > 0) model.plan([{ ids: new Array<number>(longest).fill(0), knockouts: [] }])
}

/** The base predictions of some prompts; all that is asked makes up one progress. */
function asker(
  model: Model,
  prompts: readonly PreparedPrompt[],
  times: (prompt: PreparedPrompt) => number,
  onProgress: ((progress: Progress) => void) | undefined,
): (some: readonly KnockoutPrompt[], settings: SweepSettings) => Promise<Prediction[]> {
  const { nLayers } = model.spec
  const total = prompts.reduce((sum, prompt) => {
    const n = times(prompt)
    return sum + nLayers * (n * prompt.ids.length + (n * (n - 1)) / 2)
  }, 0)
  let before = 0
  return async (some, settings) => {
    const own = some.reduce((sum, { ids }) => sum + nLayers * ids.length, 0)
    const results = await model.knockout(some, {
      ...settings,
      // The sweep counts what prompts are padded with, too, which nobody knows beforehand.
      onProgress: (sweep) => {
        onProgress?.({ done: before + Math.round((own * sweep.done) / sweep.total), total })
      },
    })
    before += own
    return results.map(({ base }) => base)
  }
}

/** The tokens of an evaluation as texts. */
export interface EvaluationTexts {
  /** Of each token of the answer. */
  readonly answerTokens: readonly string[]
  /** The most probable tokens, the first first; none where nobody asked. */
  readonly top: readonly { readonly id: number; readonly text: string; readonly prob: number }[]
  /** What the model writes after the prompt, as `Tokenizer.decode` has it, when asked for. */
  readonly continuation?: string
}

export function evaluationTexts(
  { prompt, base, continuation }: Evaluation,
  tokenizer: Tokenizer,
): EvaluationTexts {
  return {
    answerTokens: prompt.answerIds.map((id) => tokenizer.tokenText(id)),
    top: (base.topK ?? []).map(({ id, prob }) => ({ id, text: tokenizer.tokenText(id), prob })),
    ...(continuation && { continuation: tokenizer.decode(continuation) }),
  }
}

/** How many prompts are right, and how probable the right answers are. */
export interface Accuracy {
  readonly n: number
  readonly right: number
  /** Mean over prompts of the probability of the answer's first token. */
  readonly prob: number
}

/** Accuracy over all prompts and by relation, in alphabetical order; facts without a relation count in `all` alone. */
export function accuracies(evaluations: readonly Evaluation[]): {
  readonly all: Accuracy
  readonly relations: readonly (readonly [relation: string, accuracy: Accuracy])[]
} {
  const names = new Set(evaluations.flatMap(({ prompt }) => prompt.fact.relation ?? []))
  return {
    all: accuracy(evaluations),
    relations: [...names]
      .sort()
      .map((name) => [name, accuracy(evaluations.filter(({ prompt }) => prompt.fact.relation === name))]),
  }
}

function accuracy(some: readonly Evaluation[]): Accuracy {
  const n = some.length
  return {
    n,
    right: some.filter(({ correct }) => correct).length,
    prob: some.reduce((sum, { base }) => sum + base.prob, 0) / n,
  }
}
