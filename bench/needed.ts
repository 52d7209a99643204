/** What a sweep needs, by its plan: beside what it took, this says how near to the machine's limit it is. */
import { batchBytes } from '../src/knockout/plan.js'
import { layerRows } from '../src/knockout/sweep.js'
import type { KnockoutPrompt, Model } from '../src/model.js'

export interface Needed {
  readonly runs: number
  /** Rows of the residual stream through one layer each. */
  readonly layerRows: number
  /** Floating point operations of the matrix products of layers and head, 2 per term. */
  readonly neededFlops: number
  /** Bytes of weights, once per batch, and of the residual stream, in and out of every layer. */
  readonly neededBytes: number
  /** Pairs of tokens that layers look at: of every prompt, of every suffix, and of suffixes with what is before them. */
  readonly pairs: number
  /** Bytes inside a layer for the largest batch. */
  readonly plannedBytes: number
}

const sum = <T>(items: readonly T[], of: (item: T) => number): number =>
  items.reduce((total, item) => total + of(item), 0)

export function neededFor(model: Model, prompts: readonly KnockoutPrompt[]): Needed {
  const { nLayers, dModel, costs } = model.spec
  const { batches, runs } = model.plan(prompts)
  const rows = sum(batches, (batch) => layerRows(batch, nLayers))
  const headRows = sum(batches, (batch) => batch.prompts.length + sum(batch.prompts, (p) => p.runs.length))
  return {
    runs,
    layerRows: rows,
    neededFlops: rows * costs.layerFlops + headRows * costs.headFlops,
    neededBytes: batches.length * (nLayers * costs.layerBytes + costs.headBytes) + 2 * 4 * dModel * rows,
    pairs: sum(batches, ({ tokens, suffix, prompts: members }) => {
      const before = Math.max(1, tokens - suffix) * members.length
      const runLayers = sum(members, (p) => sum(p.runs, (run) => nLayers - run.firstLayer))
      return nLayers * members.length * tokens ** 2 + runLayers * suffix * (suffix + before)
    }),
    plannedBytes: Math.max(
      ...batches.map((batch) => batchBytes(costs, batch.tokens, batch.suffix, batch.prompts)),
    ),
  }
}
