/** The paper's first experiment: what does the model say to each prompt, untouched? It decides which facts count as known. */
import type { Prediction } from '../knockout/head.js'
import type { Model, SweepSettings } from '../model.js'
import type { PreparedPrompt } from '../prompts/facts.js'

export interface Evaluation {
  readonly prompt: PreparedPrompt
  readonly base: Prediction
  /** The answer's first token is the model's first choice (rank 1). */
  readonly correct: boolean
}

/** The base prediction of every prompt, in order. */
export async function evaluate(
  model: Model,
  prompts: readonly PreparedPrompt[],
  settings: SweepSettings = {},
): Promise<Evaluation[]> {
  const results = await model.knockout(
    prompts.map(({ ids, answer }) => ({ ids, answer, knockouts: [] })),
    settings,
  )
  return prompts.map((prompt, i) => {
    const { base } = results[i]!
    return { prompt, base, correct: base.rank === 1 }
  })
}
