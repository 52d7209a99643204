import { describe, expect, it } from 'vitest'
import type { Knockout } from '../../src/knockout/knockout.js'
import { planSweep, runOf } from '../../src/knockout/plan.js'
import { allRuns, COSTS, NO_LIMITS, prompt } from './plan-helpers.js'

function knockout(sources: number[], targets: number[], more: Partial<Knockout> = {}): Knockout {
  return { layers: [1], sources, targets, features: 'all', ...more }
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
    const runsPerBatch = (rows: number, bytes = NO_LIMITS.bytes, runRowsPerToken = 0) =>
      planSweep([many], COSTS, { rows, runRowsPerToken, bytes }).batches.map(({ prompts }) =>
        prompts.reduce((sum, { runs }) => sum + runs.length, 0),
      )
    expect(runsPerBatch(4 + 12)).toEqual([12])
    expect(runsPerBatch(4 + 11)).toEqual([6, 6])
    expect(runsPerBatch(4 + 5)).toEqual([4, 4, 4])
    expect(runsPerBatch(1)).toEqual(new Array(12).fill(1))
    // Beside a prompt that leaves them little room, runs have so many rows for each of its tokens.
    expect(runsPerBatch(1, NO_LIMITS.bytes, 1)).toEqual([4, 4, 4])
    expect(runsPerBatch(1, NO_LIMITS.bytes, 3)).toEqual([12])
    // 17 fixed, 3 * 13 context, 4 * 5 base rows and 16 * 29 pairs of theirs, 7 prompt, 4 * 11 kept sets (one keeps all);
    // a run: 5 its row, 29 its pair with itself, 3 * 31 its pairs with base rows before it.
    const whole = 17 + 39 + 20 + 464 + 7 + 44 + 12 * (5 + 29 + 93)
    expect(runsPerBatch(1e9, whole)).toEqual([12])
    expect(runsPerBatch(1e9, whole - 1)).toEqual([6, 6])
    expect(runsPerBatch(1e9, 1)).toEqual(new Array(12).fill(1))
    // Runs that begin late go together: fewer rows in the early layers.
    const first = planSweep([many], COSTS, { ...NO_LIMITS, rows: 10 }).batches.map(({ prompts }) =>
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
