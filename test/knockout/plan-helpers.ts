/** Costs, prompts and what is in a plan. */
import type { Knockout } from '../../src/knockout/knockout.js'
import type { Plan, PlanPrompt, Run } from '../../src/knockout/plan.js'
import type { ModelCosts } from '../../src/models/architecture.js'

/** Every cost its own prime, so that none can stand for another. */
export const COSTS: ModelCosts = {
  layerBytes: 2,
  headBytes: 3,
  headPartBytes: 37,
  rowBytes: 5,
  promptBytes: 7,
  setBytes: 11,
  contextTokenBytes: 13,
  fixedBytes: 17,
  layerFlops: 19,
  headFlops: 23,
  pairBytes: 29,
  crossBytes: 31,
  pairTokens: 4,
  partBytes: 41,
}
export const NO_LIMITS = { rows: 1e9, runRowsPerToken: 0, bytes: 1e9 }

/** A prompt of `length` tokens. */
export function prompt(length: number, ...knockouts: Knockout[]): PlanPrompt {
  return { ids: Array.from({ length }, (_, i) => 100 + i), knockouts }
}

export function allRuns(plan: Plan): Run[] {
  return plan.batches.flatMap((batch) => batch.prompts.flatMap(({ runs }) => runs))
}
