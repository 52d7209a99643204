/**
 * Information flow (the paper's second experiment): cut all tokens of a source role from all tokens of a target role,
 * in every window of layers, on many prompts; the mean relative change of the answer's probability tells at which
 * depth the information of the source reaches the target.
 */
import { InputError } from '../errors.js'
import type { CurvePoint, CurvesFigure } from '../figures/data.js'
import type { Prediction } from '../knockout/head.js'
import { type Knockout, windowLayers, windowStarts } from '../knockout/knockout.js'
import type { Model, SweepSettings } from '../model.js'
import type { PreparedPrompt } from '../prompts/facts.js'
import { rolePositions } from '../prompts/roles.js'
import { meanInterval } from '../results/statistics.js'
import { type Flow, flowLabel, paperFlows } from './flows.js'
import { ask, checkFeatures, type ModelFacts, type Question } from './question.js'

/** One knockout of one prompt, measured. */
export interface FlowMeasurement {
  readonly prompt: PreparedPrompt
  readonly flow: Flow
  readonly firstLayer: number
  readonly base: Prediction
  readonly knocked: Prediction
}

/** A curve's value at one window. */
export interface FlowPoint {
  readonly firstLayer: number
  /** Mean over prompts of (p' - p) / p * 100, with its 95 % t interval; percent. */
  readonly mean: number
  /** NaN (in JSON null) when there is one prompt. */
  readonly low: number
  readonly high: number
  /** Percent of prompts whose most probable token is still the answer. */
  readonly accuracy: number
  /** Prompts. */
  readonly n: number
}

export interface FlowCurve {
  readonly flow: Flow
  readonly points: readonly FlowPoint[]
  /** Prompts in which the source or the target role has no token (the context, when the subject comes first). */
  readonly withoutRole: number
}

export interface InfoFlow {
  readonly nLayers: number
  readonly window: number
  readonly curves: readonly FlowCurve[]
  readonly measurements: readonly FlowMeasurement[]
}

export interface InfoFlowOptions {
  readonly window: number
  readonly flows?: readonly Flow[]
}

/** (p' - p) / p * 100 */
export function relativeChange(base: Prediction, knocked: Prediction): number {
  // exp of the difference of logarithms keeps its digits where both probabilities are tiny.
  return Math.expm1(knocked.logProb - base.logProb) * 100
}

/** The knockouts of a flow on a prompt, one per window start; undefined when a role has no token in it. */
export function flowKnockouts(
  flow: Flow,
  prompt: PreparedPrompt,
  starts: readonly number[],
  window: number,
): Knockout[] | undefined {
  const at = { length: prompt.ids.length, subject: prompt.subject }
  const sources = rolePositions(flow.source, at)
  const targets = rolePositions(flow.target, at)
  if (sources.length === 0 || targets.length === 0) return undefined
  return starts.map((first) => ({
    layers: windowLayers(first, window),
    sources,
    targets,
    features: flow.features,
  }))
}

/**
 * The question of information flow over prompts.
 * @throws InputError when there is no prompt, the window does not fit the model, or a flow names features that it
 *   cannot tell apart
 */
export function infoFlowQuestion(
  spec: ModelFacts,
  prompts: readonly PreparedPrompt[],
  { window, flows: asked = paperFlows(spec) }: InfoFlowOptions,
): Question<InfoFlow> {
  const { nLayers } = spec
  for (const { features } of asked) checkFeatures(spec, features)
  // Measurements are told apart by their flow: one that is asked for twice is two.
  const flows = asked.map((flow) => ({ ...flow }))
  const starts = windowStarts(nLayers, window)
  if (prompts.length === 0) {
    throw new InputError('info-flow: needs one or more prompts, got none; check the data set and its filters')
  }
  const planned = prompts.map((prompt) =>
    flows.flatMap((flow) => {
      const knockouts = flowKnockouts(flow, prompt, starts, window)
      return knockouts ? [{ flow, knockouts }] : []
    }),
  )
  return {
    knockouts: planned.map((known) => known.flatMap(({ knockouts }) => knockouts)),
    read(answers) {
      const measurements = planned.flatMap((known, p) => {
        const { base, knockouts } = answers[p]!
        const prompt = prompts[p]!
        return known.flatMap(({ flow }, f) =>
          starts.map((firstLayer, s) => ({
            prompt,
            flow,
            firstLayer,
            base,
            knocked: knockouts[f * starts.length + s]!,
          })),
        )
      })
      const curves = flows.map((flow) => summarise(flow, measurements, starts, prompts.length))
      return { nLayers, window, curves, measurements }
    },
  }
}

/**
 * Measure information flow over prompts, in one sweep.
 * @throws InputError when there is no prompt, or the window does not fit the model
 */
export async function infoFlow(
  model: Model,
  prompts: readonly PreparedPrompt[],
  options: InfoFlowOptions & SweepSettings,
): Promise<InfoFlow> {
  const question = infoFlowQuestion(model.spec, prompts, options)
  const [result] = await ask(model, prompts, [question], options)
  return result
}

function summarise(
  flow: Flow,
  all: readonly FlowMeasurement[],
  starts: readonly number[],
  prompts: number,
): FlowCurve {
  const own = all.filter((m) => m.flow === flow)
  const points = starts.flatMap((firstLayer) => {
    const here = own.filter((m) => m.firstLayer === firstLayer)
    if (here.length === 0) return []
    const { mean, low, high, n } = meanInterval(here.map((m) => relativeChange(m.base, m.knocked)))
    const hits = here.filter((m) => m.knocked.rank === 1).length
    return [{ firstLayer, mean, low, high, accuracy: (100 * hits) / n, n }]
  })
  return { flow, points, withoutRole: prompts - own.length / starts.length }
}

/** A point as it is drawn: one prompt has no band. */
function drawn({ firstLayer, mean, low, high, n }: FlowPoint): CurvePoint {
  return n > 1 ? { firstLayer, mean, low, high, n } : { firstLayer, mean, low: mean, high: mean, n }
}

/** `200 known facts, window of 9 layers, mean and 95 % band` */
export function infoFlowSubtitle({ window, curves }: InfoFlow, facts: string): string {
  const band = curves.some(({ points }) => points.some(({ n }) => n > 1))
  return `${facts}, window of ${window} layer${window === 1 ? '' : 's'}${band ? ', mean and 95 % band' : ''}`
}

/** The figure of an info-flow result: curves that have prompts. */
export function infoFlowFigure(result: InfoFlow, title: string, subtitle?: string): CurvesFigure {
  return {
    title,
    subtitle,
    nLayers: result.nLayers,
    window: result.window,
    yLabel: 'change of p(answer), %',
    curves: result.curves
      .filter(({ points }) => points.length > 0)
      .map(({ flow, points }) => ({ label: flowLabel(flow), points: points.map(drawn) })),
  }
}
