/** A plan for a runtime of several lanes: batches of like size, so that no lane waits for the largest. */
import type { ModelCosts } from '../models/architecture.js'
import { type Batch, type Plan, type PlanLimits, type PlanPrompt, planSweep } from './plan.js'

/** The least rows that a batch is made smaller to. */
const LEAST_BATCH_ROWS = 64
/** Of the tokens of a long prompt: the least rows of runs for which its baseline is computed once more. */
const LEAST_PART = 0.25

/** Rows of the residual stream that a batch has when all its runs have begun. */
export function batchRows({ prompts, tokens, suffix }: Batch): number {
  return prompts.reduce((sum, { runs }) => sum + tokens + runs.length * suffix, 0)
}

/** Batches of one kind; those of another wait until they are through. */
function byKind({ batches }: Plan): Batch[][] {
  return [...new Set(batches.map(({ kind }) => kind))].map((kind) =>
    batches.filter((batch) => batch.kind === kind),
  )
}

/** Rows that are a lane's share of batches that go through together. */
function shareOf(batches: readonly Batch[], lanes: number): number {
  return batches.reduce((sum, batch) => sum + batchRows(batch), 0) / lanes
}

/** Rows through the lanes one behind the other, at best: a batch is in one lane at a time. */
function span(plan: Plan, lanes: number): number {
  return byKind(plan).reduce(
    (sum, batches) => sum + Math.max(shareOf(batches, lanes), ...batches.map(batchRows)),
    0,
  )
}

/** Rows of runs per token with which so few batches become one for each lane. */
function partShare(plan: Plan, lanes: number): number {
  const shares = byKind(plan).flatMap((batches) => {
    const parts = Math.ceil(lanes / batches.length)
    return batches.map(({ prompts, tokens, suffix }) => {
      const runs = prompts.reduce((sum, prompt) => sum + prompt.runs.length, 0)
      // Half a row more, whatever the division rounds.
      return (Math.ceil(runs / parts) * suffix + 0.5) / (prompts.length * tokens)
    })
  })
  return Math.max(LEAST_PART, ...shares)
}

/** The plan for `prompts`, see `planSweep`; with smaller batches than the limits allow where lanes would wait. */
export function planForLanes(
  prompts: readonly PlanPrompt[],
  costs: ModelCosts,
  limits: PlanLimits,
  lanes: number,
): Plan {
  const plan = planSweep(prompts, costs, limits)
  if (span(plan, lanes) <= shareOf(plan.batches, lanes)) return plan
  const share = Math.max(...byKind(plan).map((batches) => shareOf(batches, lanes)))
  const even = planSweep(prompts, costs, {
    rows: Math.min(limits.rows, Math.max(LEAST_BATCH_ROWS, Math.ceil(share))),
    runRowsPerToken: Math.min(limits.runRowsPerToken, partShare(plan, lanes)),
    bytes: limits.bytes,
  })
  return span(even, lanes) < span(plan, lanes) ? even : plan
}
