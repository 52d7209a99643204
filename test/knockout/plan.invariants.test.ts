import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Knockout } from '../../src/knockout/knockout.js'
import {
  type Batch,
  batchBytes,
  type Plan,
  type PlanLimits,
  type PlanPrompt,
  planSweep,
  type Run,
} from '../../src/knockout/plan.js'
import { FEATURE_CATEGORIES } from '../../src/models/architecture.js'
import { anyKnockout } from './arbitraries.js'
import { allRuns, COSTS, NO_LIMITS, prompt } from './plan-helpers.js'

const N_LAYERS = 4

/** What a knockout cuts: layers, features and edges `target<source`, in one order. */
function cutBy({ layers, sources, targets, features }: Knockout): string {
  return description(
    layers,
    features,
    targets.flatMap((target) =>
      sources.filter((source) => source <= target).map((source) => `${target}<${source}`),
    ),
  )
}

/** What a run's masks cut, in the words of `cutBy`. */
function cutByRun({ layers, features, start, keep, suffixKeep, suffixTarget }: Run): string {
  const sources = [...keep, ...suffixKeep].flatMap((kept, position) => (kept ? [] : [position]))
  const targets = suffixTarget.flatMap((isTarget, i) => (isTarget ? [start + i] : []))
  return cutBy({ layers: [...layers], sources, targets, features })
}

function description(layers: readonly number[], features: string, edges: readonly string[]): string {
  const distinct = (values: readonly (string | number)[]) => Array.from(new Set(values)).sort().join()
  return edges.length === 0 ? 'nothing' : `${distinct(layers)} ${features} ${distinct(edges)}`
}

function rowsOf({ prompts, suffix, tokens }: Batch): number {
  return prompts.length * tokens + prompts.reduce((sum, { runs }) => sum + runs.length * suffix, 0)
}

/** The documented meaning of every cost (models/architecture.ts). */
function bytesOf({ prompts, suffix, tokens }: Batch): number {
  const sets = Math.max(...prompts.map((p) => p.sets.length))
  const runs = prompts.reduce((sum, p) => sum + p.runs.length, 0)
  const rows = prompts.length * tokens + runs * suffix
  const { fixedBytes, contextTokenBytes, rowBytes, promptBytes, setBytes, pairBytes, crossBytes } = COSTS
  const pairsOf = (count: number, length: number) =>
    length > COSTS.pairTokens ? COSTS.pairTokens ** 2 : count * length ** 2
  const pairs = pairsOf(prompts.length, tokens) + pairsOf(runs, suffix)
  const context = Math.max(1, tokens - suffix)
  const cross = runs * suffix * prompts.length * context
  return (
    fixedBytes +
    context * contextTokenBytes +
    rows * rowBytes +
    prompts.length * promptBytes +
    prompts.length * sets * setBytes +
    pairs * pairBytes +
    (tokens > COSTS.pairTokens ? COSTS.partBytes : 0) +
    cross * crossBytes
  )
}

/** Few layers and positions, so that equal knockouts and shared kept sets are common. */
const anyPrompts: fc.Arbitrary<PlanPrompt[]> = fc.array(
  fc
    .integer({ min: 1, max: 7 })
    .chain((length) =>
      fc
        .array(anyKnockout(N_LAYERS, length), { maxLength: 10, size: 'max' })
        .map((knockouts) => prompt(length, ...knockouts)),
    ),
  { maxLength: 5, size: 'max' },
)
const anyLimits = fc.record({
  rows: fc.oneof(fc.integer({ min: 1, max: 60 }), fc.constant(NO_LIMITS.rows)),
  runRowsPerToken: fc.integer({ min: 0, max: 2 }),
  bytes: fc.oneof(fc.integer({ min: 1, max: 3000 }), fc.constant(NO_LIMITS.bytes)),
})

/** `check` on many plans; fewer than a second. */
function everyPlan(check: (plan: Plan, prompts: PlanPrompt[], limits: PlanLimits) => void) {
  fc.assert(
    fc.property(anyPrompts, anyLimits, (prompts, limits) => {
      check(planSweep(prompts, COSTS, limits), prompts, limits)
    }),
    { numRuns: 300 },
  )
}

describe('every plan', () => {
  it('answers every knockout exactly once, by a run that cuts the same edges or, if it cuts none, by the baseline', () => {
    everyPlan((plan, prompts) => {
      const answered = prompts.map(({ knockouts }) => knockouts.map(() => 0))
      for (const run of allRuns(plan)) {
        for (const answer of run.answers) {
          answered[run.prompt][answer]++
          expect(cutByRun(run)).toBe(cutBy(prompts[run.prompt].knockouts[answer]))
        }
      }
      plan.unchanged.forEach((numbers, p) => {
        for (const i of numbers) {
          answered[p][i]++
          expect(cutBy(prompts[p].knockouts[i])).toBe('nothing')
        }
      })
      expect(answered.flat().every((count) => count === 1)).toBe(true)
    })
  })

  it('has one run for each distinct cut of a prompt', () => {
    everyPlan((plan, prompts) => {
      const cuts = prompts.map(({ knockouts }) => new Set(knockouts.map(cutBy)))
      const distinct = cuts.reduce((sum, set) => sum + set.size - Number(set.has('nothing')), 0)
      expect(plan.runs).toBe(distinct)
      expect(allRuns(plan)).toHaveLength(distinct)
    })
  })

  it('describes its batches consistently', () => {
    everyPlan((plan, prompts) => {
      for (const { kind, suffix, tokens, setsPerPrompt, prompts: members } of plan.batches) {
        expect(kind).toBe(suffix === 1 ? 'last' : 'suffix')
        expect(tokens).toBe(Math.max(...members.map((p) => p.ids.length)))
        expect(setsPerPrompt).toBe(Math.max(...members.map((p) => p.sets.length)))
        for (const { prompt: number, ids, start, runs, sets, runSets } of members) {
          expect(ids).toBe(prompts[number].ids)
          expect(ids.length - start).toBe(suffix)
          expect(sets[0]).toEqual({ keep: new Array(start).fill(1), features: FEATURE_CATEGORIES[0] })
          expect(new Set(sets.map((set) => JSON.stringify(set))).size).toBe(sets.length)
          expect(runSets).toHaveLength(runs.length)
          runs.forEach((run, r) => {
            expect(run).toMatchObject({ prompt: number, start, firstLayer: Math.min(...run.layers) })
            expect(run.suffixKeep).toHaveLength(suffix)
            expect(run.suffixTarget).toHaveLength(suffix)
            expect(run.suffixTarget[0]).toBe(1)
            expect(sets[runSets[r]]).toEqual({ keep: run.keep, features: run.features })
          })
        }
      }
    })
  })

  it('has the baseline of every prompt, and batches of one kind and suffix together', () => {
    everyPlan((plan, prompts) => {
      const present = new Set(plan.batches.flatMap((batch) => batch.prompts.map((p) => p.prompt)))
      expect([...present].sort()).toEqual(prompts.map((_, p) => p))
      const suffixes = plan.batches.map(({ suffix }) => suffix)
      expect(suffixes).toEqual([...suffixes].sort((a, b) => a - b))
    })
  })

  it('keeps to its limits wherever a batch has more than one prompt with one run', () => {
    everyPlan((plan, _, limits) => {
      for (const batch of plan.batches) {
        expect(batchBytes(COSTS, batch.tokens, batch.suffix, batch.prompts)).toBe(bytesOf(batch))
        if (batch.prompts.length === 1 && batch.prompts[0].runs.length <= 1) continue
        const most =
          batch.prompts.length > 1
            ? limits.rows
            : Math.max(limits.rows, batch.tokens * (1 + limits.runRowsPerToken))
        expect(rowsOf(batch)).toBeLessThanOrEqual(most)
        expect(bytesOf(batch)).toBeLessThanOrEqual(limits.bytes)
      }
    })
  })

  it('begins a new batch only when the next prompt does not fit', () => {
    everyPlan(({ batches }, _, limits) => {
      for (let b = 1; b < batches.length; b++) {
        if (batches[b - 1].suffix !== batches[b].suffix) continue
        const [first] = batches[b].prompts
        const together = { ...batches[b - 1], prompts: [...batches[b - 1].prompts, first] }
        together.tokens = Math.max(together.tokens, first.ids.length)
        expect(rowsOf(together) > limits.rows || bytesOf(together) > limits.bytes).toBe(true)
      }
    })
  })
})
