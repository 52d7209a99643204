import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Flow, PAPER_FLOWS } from '../../src/experiments/flows.js'
import {
  flowKnockouts,
  infoFlow,
  infoFlowFigure,
  infoFlowQuestion,
  relativeChange,
} from '../../src/experiments/info-flow.js'
import type { Prediction } from '../../src/knockout/head.js'
import { windowLayers } from '../../src/knockout/knockout.js'
import type { Model } from '../../src/model.js'
import type { PreparedPrompt } from '../../src/prompts/facts.js'
import { inputError } from '../prompts/helpers.js'
import { N_LAYERS, openTiny, prepareFacts, range, SPEC } from './helpers.js'

/** Absolute, in percent: the same float64 sums in another order. */
const SUM_TOLERANCE = 1e-9
/** Quantiles 0.975 of Student's t distribution with n - 1 degrees of freedom, n = 3 and 4 (any table). */
const T_QUANTILE: Record<number, number> = { 3: 4.30265272974946, 4: 3.18244630528371 }

function prediction(prob: number, rank = 1): Prediction {
  return { logProb: Math.log(prob), prob, rank, top: 0 }
}

describe('relativeChange', () => {
  it("is (p' - p) / p in percent", () => {
    expect(relativeChange(prediction(0.8), prediction(0.2))).toBeCloseTo(-75, 10)
    expect(relativeChange(prediction(0.2), prediction(0.8))).toBeCloseTo(300, 10)
    expect(relativeChange(prediction(0.3), prediction(0.3))).toBe(0)
  })

  it('keeps its digits where probabilities are too small for a number', () => {
    const tiny = { ...prediction(0), logProb: -800 }
    expect(relativeChange(tiny, { ...tiny, logProb: -800 + Math.log(1.5) })).toBeCloseTo(50, 9)
    expect(relativeChange(prediction(0.5), tiny)).toBe(-100)
  })
})

const FLOWS: Flow[] = [
  { source: 'subject', target: 'last', features: 'all' },
  { source: 'subject', target: 'last', features: 'context-dependent' },
  { source: 'context', target: 'last', features: 'all' },
  { source: 'relation', target: 'last', features: 'context-independent' },
]
const WINDOW = 20
const STARTS = range(0, N_LAYERS - WINDOW + 1)

describe('infoFlow', () => {
  let model: Model
  let prompts: PreparedPrompt[]
  beforeAll(async () => {
    model = await openTiny()
    prompts = await prepareFacts(model)
  })
  afterAll(() => model.close())

  /** What each flow cuts in each prompt, by hand; nothing where a role has no token. */
  function positions(p: number, flow: Flow): { sources: number[]; targets: number[] } | undefined {
    const length = [9, 7, 7, 7][p]
    const subject = [range(0, 4), range(2, 6), [4], [4]][p]
    const relation = range(0, length).filter((position) => !subject.includes(position))
    const context = range(0, subject[0])
    const sources = { subject, relation, context }[flow.source as 'subject' | 'relation' | 'context']
    return sources.length > 0 ? { sources, targets: [length - 1] } : undefined
  }

  it("measures the roles' knockouts in every window, as the model does when asked directly", async () => {
    const result = await infoFlow(model, prompts, { window: WINDOW, flows: FLOWS })
    const cuts = prompts.map((_, p) =>
      FLOWS.flatMap((flow) => {
        const found = positions(p, flow)
        return STARTS.flatMap((firstLayer) =>
          found
            ? [
                {
                  flow,
                  firstLayer,
                  knockout: { ...found, layers: windowLayers(firstLayer, WINDOW), features: flow.features },
                },
              ]
            : [],
        )
      }),
    )
    const direct = await model.knockout(
      prompts.map(({ ids, answer }, p) => ({
        ids,
        answer,
        knockouts: cuts[p].map(({ knockout }) => knockout),
      })),
    )
    expect(result).toMatchObject({ nLayers: N_LAYERS, window: WINDOW })
    expect(result.measurements).toEqual(
      cuts.flatMap((own, p) =>
        own.map(({ flow, firstLayer }, k) => ({
          prompt: prompts[p],
          flow,
          firstLayer,
          base: direct[p].base,
          knocked: direct[p].knockouts[k],
        })),
      ),
    )

    // Curves: mean, t interval and accuracy over the prompts that have the roles.
    expect(result.curves.map(({ flow }) => flow)).toEqual(FLOWS)
    expect(result.curves.map(({ withoutRole }) => withoutRole)).toEqual([0, 0, 1, 0])
    for (const { flow, points, withoutRole } of result.curves) {
      expect(points.map(({ firstLayer }) => firstLayer)).toEqual(STARTS)
      for (const point of points) {
        const own = result.measurements.filter((m) => m.flow === flow && m.firstLayer === point.firstLayer)
        const changes = own.map(({ base, knocked }) => (knocked.prob / base.prob - 1) * 100)
        const n = prompts.length - withoutRole
        expect(changes).toHaveLength(n)
        const mean = changes.reduce((a, b) => a + b) / n
        const sd = Math.sqrt(changes.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (n - 1))
        const half = (T_QUANTILE[n] * sd) / Math.sqrt(n)
        expect(point.n).toBe(n)
        expect(Math.abs(point.mean - mean)).toBeLessThan(SUM_TOLERANCE)
        expect(Math.abs(point.low - (mean - half))).toBeLessThan(SUM_TOLERANCE)
        expect(Math.abs(point.high - (mean + half))).toBeLessThan(SUM_TOLERANCE)
        const hits = own.filter(({ knocked, prompt }) => knocked.top === prompt.answer).length
        expect(point.accuracy).toBe((100 * hits) / n)
      }
    }
    // The subject matters to some answers; the prompt with the wrong answer is never a hit.
    const changes = result.measurements.map(({ base, knocked }) => relativeChange(base, knocked))
    expect(Math.min(...changes)).toBeLessThan(-50)
    const accuracies = result.curves[0].points.map(({ accuracy }) => accuracy)
    expect(Math.max(...accuracies)).toBeLessThanOrEqual(75)
  })

  it('a flow named twice is measured once and has the same curve twice', async () => {
    const [flow] = FLOWS
    const options = { window: N_LAYERS }
    const once = await infoFlow(model, prompts, { ...options, flows: [flow] })
    const twice = await infoFlow(model, prompts, { ...options, flows: [flow, { ...flow }, flow] })
    for (const curve of twice.curves) expect(curve).toEqual(once.curves[0])
  })

  it("cuts the paper's flows by default", () => {
    const { knockouts } = infoFlowQuestion(SPEC, prompts, { window: WINDOW })
    expect(knockouts.map((own) => own.length)).toEqual(prompts.map(() => PAPER_FLOWS.length * STARTS.length))
    expect(flowKnockouts(PAPER_FLOWS[1], prompts[1], [3], 2)).toEqual([
      { layers: [3, 4], sources: [2, 3, 4, 5], targets: [6], features: 'context-dependent' },
    ])
    const toSubject = { source: 'relation-minus-last', target: 'subject', features: 'all' } as const
    expect(flowKnockouts(toSubject, prompts[1], [0, 1], 1)).toEqual([
      { layers: [0], sources: [0, 1], targets: [2, 3, 4, 5], features: 'all' },
      { layers: [1], sources: [0, 1], targets: [2, 3, 4, 5], features: 'all' },
    ])
    const fromContext = { source: 'context', target: 'subject', features: 'all' } as const
    const toContext = { source: 'subject', target: 'context', features: 'all' } as const
    for (const flow of [fromContext, toContext]) {
      expect(flowKnockouts(flow, prompts[0], [3], 2)).toBeUndefined()
    }
  })

  it('of a model without feature categories: the flows that it has, and an error for the others', async () => {
    const attention = { ...SPEC, name: 'm', modelType: 'gpt2', featureCategories: ['all'] as const }
    const { knockouts } = infoFlowQuestion(attention, prompts, { window: WINDOW })
    const whole = PAPER_FLOWS.filter(({ features }) => features === 'all')
    expect(knockouts.map((own) => own.length)).toEqual(prompts.map(() => whole.length * STARTS.length))
    const flows = PAPER_FLOWS.slice(1, 2)
    expect(await inputError(() => infoFlowQuestion(attention, prompts, { window: WINDOW, flows }))).toBe(
      'features: must be all for m (gpt2), got context-dependent; only state-space layers have features that forget fast or slowly',
    )
  })

  it('a curve without prompts has no points, and no place in the figure', async () => {
    const result = await infoFlow(model, prompts.slice(0, 1), { window: N_LAYERS, flows: FLOWS.slice(1, 3) })
    expect(result.curves[1]).toEqual({ flow: FLOWS[2], points: [], withoutRole: 1 })
    const [point] = result.curves[0].points
    // One prompt has no interval, and no band in the figure.
    const { firstLayer, mean } = point
    expect(point).toMatchObject({ n: 1, low: Number.NaN, high: Number.NaN })
    expect(infoFlowFigure(result, 'Title', 'under it')).toEqual({
      title: 'Title',
      subtitle: 'under it',
      nLayers: N_LAYERS,
      window: N_LAYERS,
      yLabel: 'change of p(answer), %',
      curves: [
        {
          label: 'subject → last (context-dependent)',
          points: [{ firstLayer, mean, low: mean, high: mean, n: 1 }],
        },
      ],
    })
  })

  it('needs prompts, and a window that fits', async () => {
    await expect(infoFlow(model, [], { window: 9 })).rejects.toThrow(
      'info-flow: needs one or more prompts, got none; check the data set and its filters',
    )
    await expect(infoFlow(model, prompts, { window: 25 })).rejects.toThrow(
      '--window: a window must have from 1 to 24 layers (the model has 24), got 25; change it',
    )
  })
})
