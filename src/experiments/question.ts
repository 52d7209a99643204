/** Experiments as questions to one sweep: each says which knockouts it needs and reads its result off the answers. */
import { InputError } from '../errors.js'
import type { Knockout } from '../knockout/knockout.js'
import type { KnockoutResult, Model, SweepSettings } from '../model.js'
import type { FeatureCategory, ModelSpec } from '../models/architecture.js'
import type { PreparedPrompt } from '../prompts/facts.js'

/** What a question must know of a model. */
export type ModelFacts = Pick<ModelSpec, 'name' | 'modelType' | 'nLayers' | 'featureCategories'>

/** @throws InputError when the model has no such features */
export function checkFeatures(spec: ModelFacts, features: FeatureCategory): void {
  if (spec.featureCategories.includes(features)) return
  throw new InputError(
    `features: must be ${spec.featureCategories.join(', ')} for ${spec.name} (${spec.modelType}), got ${features}; only state-space layers have features that forget fast or slowly`,
  )
}

export interface Question<Result> {
  /** The knockouts of each prompt. */
  readonly knockouts: readonly (readonly Knockout[])[]
  /** The result, from the predictions for these knockouts. */
  read(answers: readonly KnockoutResult[]): Result
}

/** Ask several questions about the same prompts in one sweep; knockouts that they share are computed once. */
export async function ask<const Results extends readonly unknown[]>(
  model: Model,
  prompts: readonly PreparedPrompt[],
  questions: { readonly [i in keyof Results]: Question<Results[i]> },
  settings: SweepSettings,
): Promise<Results> {
  const answers = await model.knockout(
    prompts.map(({ ids, answer }, p) => ({
      ids,
      answer,
      knockouts: questions.flatMap((question) => question.knockouts[p]!),
    })),
    settings,
  )
  const from = prompts.map(() => 0)
  return questions.map((question) => {
    const own = answers.map(({ base, knockouts }, p) => {
      const first = from[p]!
      from[p] = first + question.knockouts[p]!.length
      return { base, knockouts: knockouts.slice(first, from[p]) }
    })
    return question.read(own)
  }) as unknown as Results
}
