/** What a study computes for a model, prompt by prompt: curves and heatmaps, what of it is missing, and in which units. */
import { createHash } from 'node:crypto'
import { paperFlows, parseFlow } from '../experiments/flows.js'
import { flowKnockouts, relativeChange } from '../experiments/info-flow.js'
import { defaultWindow, type Knockout, windowLayers, windowStarts } from '../knockout/knockout.js'
import { planSweep } from '../knockout/plan.js'
import { layerRows } from '../knockout/sweep.js'
import { BATCH_ROWS, type KnockoutResult, RUN_ROWS_PER_TOKEN } from '../model.js'
import type { FeatureCategory, ModelSpec } from '../models/architecture.js'
import type { PreparedPrompt } from '../prompts/facts.js'
import { type Role, rolePositions } from '../prompts/roles.js'
import type { KnockoutRow } from '../results/rows.js'
import type { Study } from './study.js'

/** All windows of one kind of cut on one prompt: what is computed and stored together, or not at all. */
export interface Curve {
  readonly window: number
  /** `token`: every single token in turn, a heatmap. */
  readonly source: Role | 'token'
  readonly target: Role
  readonly features: FeatureCategory
}

export function curveKey({ window, source, target, features }: Curve): string {
  return `${window} ${source}>${target}:${features}`
}

/** Some prompts of a data set with their curves. */
export interface Work {
  readonly prompt: PreparedPrompt
  readonly dataset: string
  readonly curves: readonly Curve[]
}

type Facts = Pick<ModelSpec, 'nLayers' | 'featureCategories'>
type Sizes = Pick<ModelSpec, 'nLayers' | 'costs'>

/** The windows that fit a model, in numbers; and those that do not. */
export function windowsFor(
  asked: readonly (number | 'default')[],
  nLayers: number,
): { readonly fit: number[]; readonly tooWide: number[] } {
  const all = [...new Set(asked.map((window) => (window === 'default' ? defaultWindow(nLayers) : window)))]
  return { fit: all.filter((window) => window <= nLayers), tooWide: all.filter((window) => window > nLayers) }
}

/** The curves that a study's `infoFlow` asks of a model. */
export function flowCurves(one: NonNullable<Study['infoFlow']>[number], spec: Facts): Curve[] {
  const flows = one.flows?.map((text) => parseFlow(text, 'flows')) ?? paperFlows(spec)
  return windowsFor(one.windows, spec.nLayers).fit.flatMap((window) =>
    flows
      .filter(({ features }) => spec.featureCategories.includes(features))
      .map((flow) => ({ window, ...flow })),
  )
}

/** The heatmaps that a study's `heatmaps` asks of a model. */
export function heatmapCurves(one: NonNullable<Study['heatmaps']>[number], spec: Facts): Curve[] {
  const { target, features } = one
  if (!spec.featureCategories.includes(features)) return []
  return windowsFor(one.windows, spec.nLayers).fit.map((window) => ({
    window,
    source: 'token',
    target,
    features,
  }))
}

/** The curves that a study asks of a model on each prompt; prompts by whatever tells them apart. */
export function askedCurves(
  study: Pick<Study, 'infoFlow' | 'heatmaps'>,
  label: string,
  spec: Facts,
  members: ReadonlyMap<string, readonly string[]>,
): { readonly asked: ReadonlyMap<string, readonly Curve[]>; readonly tooWide: readonly number[] } {
  const asked = new Map<string, Map<string, Curve>>()
  const tooWide = new Set<number>()
  const add = (prompts: readonly string[], curves: readonly Curve[]): void => {
    for (const prompt of prompts) {
      const own = asked.get(prompt) ?? new Map<string, Curve>()
      for (const curve of curves) own.set(curveKey(curve), curve)
      asked.set(prompt, own)
    }
  }
  for (const one of study.infoFlow ?? []) {
    if (one.models && !one.models.includes(label)) continue
    for (const window of windowsFor(one.windows, spec.nLayers).tooWide) tooWide.add(window)
    for (const set of one.promptSets) add(members.get(set) ?? [], flowCurves(one, spec))
  }
  for (const one of study.heatmaps ?? []) {
    if (one.models && !one.models.includes(label)) continue
    for (const window of windowsFor(one.windows, spec.nLayers).tooWide) tooWide.add(window)
    add((members.get(one.promptSet) ?? []).slice(0, one.count), heatmapCurves(one, spec))
  }
  return {
    asked: new Map([...asked].map(([prompt, curves]) => [prompt, [...curves.values()]])),
    tooWide: [...tooWide].sort((a, b) => a - b),
  }
}

/** A prompt's length in tokens and its subject's positions: what roles depend on. */
export interface Place {
  readonly length: number
  readonly subject: readonly number[]
}

/** Whether the roles of a curve have tokens in a prompt: otherwise it has no knockouts there. */
export function hasTokens({ source, target }: Curve, at: Place): boolean {
  return (source === 'token' || rolePositions(source, at).length > 0) && rolePositions(target, at).length > 0
}

/** The knockouts of a curve on a prompt, one per row that is stored; none where a role has no token in it. */
export function curveKnockouts(
  curve: Curve,
  prompt: PreparedPrompt,
  nLayers: number,
): { readonly position: number | null; readonly firstLayer: number; readonly knockout: Knockout }[] {
  const { window, source, target, features } = curve
  const starts = windowStarts(nLayers, window)
  if (source !== 'token') {
    const knockouts = flowKnockouts({ source, target, features }, prompt, starts, window) ?? []
    return knockouts.map((knockout, s) => ({ position: null, firstLayer: starts[s]!, knockout }))
  }
  const targets = rolePositions(target, { length: prompt.ids.length, subject: prompt.subject })
  if (targets.length === 0) return []
  return prompt.ids.flatMap((_, position) =>
    starts.map((firstLayer) => ({
      position,
      firstLayer,
      knockout: { layers: windowLayers(firstLayer, window), sources: [position], targets, features },
    })),
  )
}

/** What is stored of one prompt, from the predictions for the knockouts of its curves, in order. */
export function knockoutRows(
  model: string,
  { prompt, dataset, curves }: Work,
  { base, knockouts }: KnockoutResult,
  nLayers: number,
): KnockoutRow[] {
  let at = 0
  return curves.flatMap((curve) =>
    curveKnockouts(curve, prompt, nLayers).map(({ position, firstLayer }) => {
      const knocked = knockouts[at++]!
      return {
        model,
        dataset,
        prompt_id: prompt.fact.id,
        first_layer: firstLayer,
        window: curve.window,
        source: curve.source,
        position,
        target: curve.target,
        features: curve.features,
        base_prob: base.prob,
        prob: knocked.prob,
        rank: knocked.rank,
        top_token: knocked.top,
        hit: knocked.rank === 1,
        relative_change: relativeChange(base, knocked),
      }
    }),
  )
}

/** Floating point operations of a unit, at least: half a minute of a laptop's processor. */
const UNIT_FLOPS = 2e12
/** And by byte of weights: where the layers do not fit in the memory, loading them is a quarter of the time at most. */
const UNIT_FLOPS_PER_BYTE = 1600
/** Rows of a part. */
const UNIT_ROWS = 16_000
/** A unit has at least so many prompts, so that its matrix products are near their best. */
const LEAST_PROMPTS = 8
const MOST_PROMPTS = 512
/** And a model's work is in so many units, where there are prompts enough, so that it can be shared out. */
const LEAST_UNITS = 8
/** Prompts that the size of units is judged by. */
const JUDGED = 16

/**
 * How many prompts make a unit of work. Depends on the model and on what is asked of it, not on the machine or on what
 * is done already: a run that is resumed computes in the same units, and gets the same numbers to the last bit.
 */
export function unitSize(spec: Sizes, all: readonly Work[]): number {
  const step = Math.max(1, Math.floor(all.length / JUDGED))
  const some = all.filter((_, i) => i % step === 0).slice(0, JUDGED)
  if (some.length === 0) return LEAST_PROMPTS
  const { flops, rows } = costOf(spec, some)
  const bytes = spec.nLayers * spec.costs.layerBytes + spec.costs.headBytes
  const work = Math.max(UNIT_FLOPS, UNIT_FLOPS_PER_BYTE * bytes)
  const size = Math.min((work * some.length) / flops, (UNIT_ROWS * some.length) / Math.max(1, rows))
  const most = Math.min(MOST_PROMPTS, Math.ceil(all.length / LEAST_UNITS))
  return Math.max(LEAST_PROMPTS, Math.min(most, Math.floor(size)))
}

export interface WorkCost {
  /** Rows that are stored, one a knockout. */
  readonly rows: number
  /** Runs that are computed: equal knockouts of a prompt are one, and what cuts nothing is none. */
  readonly runs: number
  /** Rows of the residual stream through one layer each. */
  readonly layerRows: number
  /** Floating point operations of the matrix products. */
  readonly flops: number
}

/** What work takes, where memory is no limit. */
export function costOf(spec: Sizes, all: readonly Work[]): WorkCost {
  const prompts = all.map(({ prompt, curves }) => ({
    ids: prompt.ids,
    answer: prompt.answer,
    knockouts: curves.flatMap((curve) =>
      curveKnockouts(curve, prompt, spec.nLayers).map(({ knockout }) => knockout),
    ),
  }))
  const { batches } = planSweep(prompts, spec.costs, {
    rows: BATCH_ROWS,
    runRowsPerToken: RUN_ROWS_PER_TOKEN,
    bytes: Number.POSITIVE_INFINITY,
  })
  const through = batches.reduce((sum, batch) => sum + layerRows(batch, spec.nLayers), 0)
  const runs = batches.flatMap((batch) => batch.prompts).reduce((sum, prompt) => sum + prompt.runs.length, 0)
  const bases = batches.reduce((sum, batch) => sum + batch.prompts.length, 0)
  return {
    rows: prompts.reduce((sum, { knockouts }) => sum + knockouts.length, 0),
    runs,
    layerRows: through,
    flops: through * spec.costs.layerFlops + (bases + runs) * spec.costs.headFlops,
  }
}

/** The name of a part: what is in it, so that processes that compute the same write the same file. */
export function partId(...contents: readonly unknown[]): string {
  return createHash('sha256').update(JSON.stringify(contents)).digest('hex').slice(0, 20)
}
