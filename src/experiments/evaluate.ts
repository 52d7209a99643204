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
