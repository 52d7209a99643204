/** The sweep without `Model`: any batch limits and any budget for loaded layers. */

import type { Prediction } from '../../src/knockout/head.js'
import { type PlanLimits, planSweep } from '../../src/knockout/plan.js'
import { ModelSessions } from '../../src/knockout/sessions.js'
import { type BatchResult, sweepBatches } from '../../src/knockout/sweep.js'
import type { KnockoutPrompt, KnockoutResult } from '../../src/model.js'
import type { ModelSpec } from '../../src/models/architecture.js'
import { openModel } from '../../src/models/registry.js'
import type { WeightForm } from '../../src/onnx/graph.js'
import { nodeRuntime } from '../../src/runtime/node.js'
import type { Runtime, Tensors } from '../../src/runtime/runtime.js'
import { referenceCheckpoint } from '../helpers/checkpoint.js'
import type { ReferenceModel } from '../reference/model.js'

/** One thread: the models are small, and results do not depend on the machine. */
export const runtime = nodeRuntime({ threads: 1 })

export const NO_LIMITS: PlanLimits = { rows: 1e9, runRowsPerToken: 0, bytes: 1e15 }

export interface SweepHow {
  readonly limits?: PlanLimits
  /** Batches of one kind share each layer's load, as they do when layers are loaded in turn. */
  readonly together?: boolean
  /** Give the most probable tokens, too. */
  readonly topK?: number
}

/** Whole distributions for `prompts`. */
export async function sweepAll(
  spec: ModelSpec,
  sessions: ModelSessions,
  prompts: readonly KnockoutPrompt[],
  { limits = NO_LIMITS, together = false, topK }: SweepHow = {},
): Promise<KnockoutResult[]> {
  const { batches, unchanged } = planSweep(prompts, spec.costs, limits)
  const options = { answers: prompts.map(({ answer }) => answer), probs: true, topK, headRows: 7 }
  const results: BatchResult[] = []
  if (together) {
    for (const kind of ['last', 'suffix']) {
      const group = batches.filter((batch) => batch.kind === kind)
      if (group.length > 0) results.push(...(await sweepBatches(spec, sessions, group, options)))
    }
  } else {
    for (const batch of batches) results.push(...(await sweepBatches(spec, sessions, [batch], options)))
  }
  const answers = prompts.map(({ knockouts }) => ({
    base: undefined as Prediction | undefined,
    knockouts: new Array<Prediction>(knockouts.length),
  }))
  batches.forEach((batch, b) => {
    batch.prompts.forEach(({ prompt, runs }, slot) => {
      answers[prompt].base ??= results[b].base[slot]
      runs.forEach((run, r) => {
        for (const i of run.answers) answers[prompt].knockouts[i] = results[b].runs[slot][r]
      })
    })
  })
  return answers.map(({ base, knockouts }, p) => {
    for (const i of unchanged[p]) knockouts[i] = base!
    return { base: base!, knockouts }
  })
}

export interface SessionSettings extends SweepHow {
  /** Bytes of layers that stay loaded; default all. */
  readonly budget?: number
  /** Parts that do not stay and are there at the same time; default one. */
  readonly passing?: number
  /** How layers and head have their weights; default constants. */
  readonly weights?: WeightForm
  readonly on?: Runtime
}

/** Use sessions of a reference model. */
export async function withSessions<T>(
  reference: ReferenceModel,
  { budget = Number.POSITIVE_INFINITY, passing = 1, weights, on = runtime }: SessionSettings,
  use: (sessions: ModelSessions) => Promise<T>,
): Promise<T> {
  const spec = openModel(referenceCheckpoint(reference))
  const sessions = new ModelSessions(spec, on, budget, passing, weights)
  try {
    return await use(sessions)
  } finally {
    await sessions.release()
  }
}

/** Sweep over a reference model's weights, with sessions of its own. */
export function swept(
  reference: ReferenceModel,
  prompts: readonly KnockoutPrompt[],
  how: SessionSettings = {},
): Promise<KnockoutResult[]> {
  const spec = openModel(referenceCheckpoint(reference))
  return withSessions(reference, how, (sessions) => sweepAll(spec, sessions, prompts, how))
}

/** What a session gave back: rows of the residual stream after a layer, or the head's answers. */
export interface Recorded {
  readonly model: string
  readonly out: Tensors
}

/** A runtime that keeps what its sessions give back, in order. */
export function recordingRuntime(): Runtime & { readonly recorded: Recorded[] } {
  const recorded: Recorded[] = []
  return {
    ...runtime,
    recorded,
    async createSession(model) {
      const session = await runtime.createSession(model)
      return {
        async run(feeds, fetches) {
          const out = await session.run(feeds, fetches)
          recorded.push({ model: model.name, out })
          return out
        },
        release: () => session.release(),
      }
    },
  }
}
