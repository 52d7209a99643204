import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Knockout } from '../../src/knockout/knockout.js'
import {
  type Batch,
  batchBytes,
  type Plan,
  type PlanPrompt,
  planSweep,
  type Run,
  runOf,
} from '../../src/knockout/plan.js'
import { FEATURE_CATEGORIES, type ModelCosts } from '../../src/models/architecture.js'
import { anyKnockout } from './arbitraries.js'

const N_LAYERS = 4
/** Every cost its own prime, so that none can stand for another. */
const COSTS: ModelCosts = {
  layerBytes: 2,
  headBytes: 3,
  rowBytes: 5,
  promptBytes: 7,
  setBytes: 11,
  contextTokenBytes: 13,
  fixedBytes: 17,
  layerFlops: 19,
  headFlops: 23,
}
const NO_LIMITS = { rows: 1e9, bytes: 1e9 }

function knockout(sources: number[], targets: number[], more: Partial<Knockout> = {}): Knockout {
  return { layers: [1], sources, targets, features: 'all', ...more }
}

/** A prompt of `length` tokens. */
function prompt(length: number, ...knockouts: Knockout[]): PlanPrompt {
  return { ids: Array.from({ length }, (_, i) => 100 + i), knockouts }
}

function allRuns(plan: Plan): Run[] {
  return plan.batches.flatMap((batch) => batch.prompts.flatMap(({ runs }) => runs))
}

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
  const { fixedBytes, contextTokenBytes, rowBytes, promptBytes, setBytes } = COSTS
  return (
    fixedBytes +
    tokens * contextTokenBytes +
    rows * rowBytes +
    prompts.length * promptBytes +
    prompts.length * sets * setBytes
  )
}

describe('a run', () => {
  it('drops targets that no source reaches and sources that reach no target', () => {
    expect(runOf(3, 7, knockout([2, 6, 0, 4], [5, 1, 3]))).toEqual({
      prompt: 3,
      answers: [],
      layers: new Set([1]),
      firstLayer: 1,
      start: 1,
      features: 'all',
      keep: [0],
      suffixKeep: [1, 0, 1, 0, 1, 1],
      suffixTarget: [1, 0, 1, 0, 1, 0],
    })
    // Nothing reaches 0 and 1 from 2; 6 is after every target.
    expect(runOf(0, 7, knockout([6, 2], [0, 1, 4]))).toMatchObject({
      start: 4,
      keep: [1, 1, 0, 1],
      suffixKeep: [1, 1, 1],
      suffixTarget: [1, 0, 0],
    })
  })

  it('starts at the first of its layers, in any order', () => {
    const run = runOf(0, 2, knockout([0], [1], { layers: [3, 0, 2, 3] }))
    expect(run).toMatchObject({ firstLayer: 0, layers: new Set([0, 2, 3]) })
  })

  it('a token can be cut from itself', () => {
    expect(runOf(0, 1, knockout([0], [0]))).toMatchObject({
      start: 0,
      keep: [],
      suffixKeep: [0],
      suffixTarget: [1],
    })
  })

  it('is none where every source comes after every target', () => {
    expect(runOf(0, 5, knockout([3, 4], [0, 2]))).toBeUndefined()
  })
})

describe('a plan', () => {
  it('answers equal knockouts with one run, and those that cut nothing with the baseline', () => {
    const plan = planSweep(
      [
        prompt(
          4,
          knockout([0], [3]),
          knockout([3], [0]),
          knockout([0, 0], [3, 3]),
          knockout([1, 3], [0, 2]), // cuts 1 from 2
          knockout([1], [2]),
          knockout([1], [2], { features: 'context-dependent' }),
          knockout([1], [2], { layers: [1, 2] }),
        ),
        prompt(4, knockout([0], [3])),
      ],
      COSTS,
      NO_LIMITS,
    )
    expect(plan.unchanged).toEqual([[1], []])
    expect(plan.runs).toBe(5)
    const answers = allRuns(plan).map((run) => [run.prompt, ...run.answers])
    expect(answers.sort()).toEqual([
      [0, 0, 2],
      [0, 3, 4],
      [0, 5],
      [0, 6],
      [1, 0],
    ])
  })

  it('batches runs of one suffix length, from the shortest on; a suffix of one token has its own graph', () => {
    const plan = planSweep(
      [prompt(6, knockout([0], [3, 5]), knockout([0], [5])), prompt(4, knockout([0], [1])), prompt(5)],
      COSTS,
      NO_LIMITS,
    )
    const shown = plan.batches.map(({ kind, suffix, tokens, prompts }) => ({
      kind,
      suffix,
      tokens,
      prompts: prompts.map((p) => [p.prompt, p.start, p.runs.length]),
    }))
    expect(shown).toEqual([
      {
        kind: 'last',
        suffix: 1,
        tokens: 6,
        prompts: [
          [2, 4, 0],
          [0, 5, 1],
        ],
      },
      {
        kind: 'suffix',
        suffix: 3,
        tokens: 6,
        prompts: [
          [1, 1, 1],
          [0, 3, 1],
        ],
      },
    ])
  })

  it('shares kept sets between windows; the first keeps everything', () => {
    const windows = [0, 1, 2].flatMap((layer) => [
      knockout([0, 1], [3], { layers: [layer] }),
      knockout([0, 1], [3], { layers: [layer], features: 'context-dependent' }),
      knockout([1], [3], { layers: [layer] }),
      knockout([3], [3], { layers: [layer] }), // keeps the whole context
    ])
    const [batch, ...others] = planSweep([prompt(4, ...windows)], COSTS, NO_LIMITS).batches
    expect(others).toEqual([])
    const [{ sets, runs, runSets }] = batch.prompts
    expect(runs).toHaveLength(12)
    expect(batch.setsPerPrompt).toBe(4)
    expect(sets).toEqual([
      { keep: [1, 1, 1], features: 'all' },
      { keep: [0, 0, 1], features: 'all' },
      { keep: [0, 0, 1], features: 'context-dependent' },
      { keep: [1, 0, 1], features: 'all' },
    ])
    runs.forEach((run, r) => {
      expect(sets[runSets[r]]).toEqual({ keep: run.keep, features: run.features })
    })
  })

  it('splits one prompt whose runs do not fit into equal parts', () => {
    const many = prompt(
      4,
      ...[0, 1, 2, 3].flatMap((layer) => [0, 1, 2].map((s) => knockout([s], [3], { layers: [layer] }))),
    )
    const runsPerBatch = (rows: number, bytes = NO_LIMITS.bytes) =>
      planSweep([many], COSTS, { rows, bytes }).batches.map(({ prompts }) =>
        prompts.reduce((sum, { runs }) => sum + runs.length, 0),
      )
    expect(runsPerBatch(4 + 12)).toEqual([12])
    expect(runsPerBatch(4 + 11)).toEqual([6, 6])
    expect(runsPerBatch(4 + 5)).toEqual([4, 4, 4])
    expect(runsPerBatch(4)).toEqual(new Array(12).fill(1))
    // 17 fixed, 4 * 13 context, 4 * 5 base rows, 7 prompt, 4 * 11 kept sets (one keeps all), 5 a run.
    expect(runsPerBatch(1e9, 17 + 52 + 20 + 7 + 44 + 12 * 5)).toEqual([12])
    expect(runsPerBatch(1e9, 17 + 52 + 20 + 7 + 44 + 12 * 5 - 1)).toEqual([6, 6])
    expect(runsPerBatch(1e9, 1)).toEqual(new Array(12).fill(1))
    // Runs that begin late go together: fewer rows in the early layers.
    const first = planSweep([many], COSTS, { rows: 10, bytes: 1e9 }).batches.map(({ prompts }) =>
      prompts[0].runs.map((run) => run.firstLayer),
    )
    expect(first).toEqual([
      [0, 0, 0, 1, 1, 1],
      [2, 2, 2, 3, 3, 3],
    ])
  })

  it('of nothing has no batches', () => {
    expect(planSweep([], COSTS, NO_LIMITS)).toEqual({ runs: 0, batches: [], unchanged: [] })
  })

  it('of prompts without knockouts has their baselines', () => {
    const { batches } = planSweep([prompt(3), prompt(1)], COSTS, NO_LIMITS)
    expect(batches).toHaveLength(1)
    expect(batches[0]).toMatchObject({ kind: 'last', suffix: 1, tokens: 3, setsPerPrompt: 1 })
    expect(batches[0].prompts.map((p) => p.prompt)).toEqual([1, 0])
  })
})

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
  bytes: fc.oneof(fc.integer({ min: 1, max: 700 }), fc.constant(NO_LIMITS.bytes)),
})

/** `check` on many plans; fewer than a second. */
function everyPlan(
  check: (plan: Plan, prompts: PlanPrompt[], limits: { rows: number; bytes: number }) => void,
) {
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
        expect(rowsOf(batch)).toBeLessThanOrEqual(limits.rows)
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
