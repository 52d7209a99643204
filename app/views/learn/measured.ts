/** Means over facts of what was measured, and what can be read of them. Pure. */
import type { FeatureCategory } from '../../../src/models/architecture.js'
import type { FlowRef, FlowsResult } from '../../../src/ui/protocol.js'

/** A mean with its 95 % t interval; NaN at both ends for one value. */
export interface MeanInterval {
  readonly mean: number
  readonly low: number
  readonly high: number
  readonly n: number
}

/** 97.5 % quantiles of Student's t with 1 to 50 degrees of freedom: a step has up to 51 facts. */
const T: readonly number[] = [
  12.7062, 4.30265, 3.18245, 2.77645, 2.57058, 2.44691, 2.36462, 2.306, 2.26216, 2.22814, 2.20099, 2.17881,
  2.16037, 2.14479, 2.13145, 2.11991, 2.10982, 2.10092, 2.09302, 2.08596, 2.07961, 2.07387, 2.06866, 2.0639,
  2.05954, 2.05553, 2.05183, 2.04841, 2.04523, 2.04227, 2.03951, 2.03693, 2.03452, 2.03224, 2.03011, 2.02809,
  2.02619, 2.02439, 2.02269, 2.02108, 2.01954, 2.01808, 2.01669, 2.01537, 2.0141, 2.0129, 2.01174, 2.01063,
  2.00958, 2.00856,
]

/** As src/results/statistics.ts has it, whose quantile of any degrees of freedom is too much for the page to load. */
export function meanInterval(values: readonly number[]): MeanInterval {
  const n = values.length
  const mean = values.reduce((sum, value) => sum + value, 0) / n
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0)
  const half = (T[n - 2] ?? Number.NaN) * Math.sqrt(squares / (n - 1) / n)
  return { mean, low: mean - half, high: mean + half, n }
}

/** A curve's value at one window: mean over facts with its 95 % t interval (NaN of one fact), percent. */
export interface Point extends MeanInterval {
  readonly firstLayer: number
}

export interface Curve {
  readonly flow: FlowRef
  readonly label: string
  /** `[fact][window start]`, percent; facts as in `used`. */
  readonly values: readonly (readonly number[])[]
  readonly points: readonly Point[]
}

/** What a model showed on facts that it knows. */
export interface Measured {
  readonly model: string
  readonly nLayers: number
  readonly window: number
  /** Facts that count: places in the list of those that were asked. */
  readonly used: readonly number[]
  /** Facts that were asked. */
  readonly asked: number
  readonly curves: readonly Curve[]
}

/**
 * Put answers about one model together, each about some more facts. Facts count that the model completes rightly and in
 * which every flow has tokens, so that all curves are about the same ones.
 * @returns undefined as long as no fact counts
 */
export function measured(results: readonly FlowsResult[]): Measured | undefined {
  const [first] = results
  if (!first) return undefined
  const prompts = results.flatMap((result) => result.prompts)
  const curves = first.curves.map(({ source, target, features, label }, c) => ({
    flow: { source, target, features },
    label,
    rows: results.flatMap((result) => result.curves[c]!.changes),
  }))
  const used = [...prompts.keys()].filter(
    (p) => prompts[p]!.rank === 1 && curves.every(({ rows }) => rows[p]!.length > 0),
  )
  if (used.length === 0) return undefined
  return {
    model: first.model.name,
    nLayers: first.model.nLayers,
    window: first.window,
    used,
    asked: prompts.length,
    curves: curves.map(({ flow, label, rows }) => {
      const values = used.map((p) => rows[p]!)
      const points = values[0]!.map((_, firstLayer) => ({
        firstLayer,
        ...meanInterval(values.map((row) => row[firstLayer]!)),
      }))
      return { flow, label, values, points }
    }),
  }
}

export function curveOf(
  { curves }: Measured,
  source: FlowRef['source'],
  features: FeatureCategory = 'all',
): Curve {
  return curves.find(({ flow }) => flow.source === source && flow.features === features)!
}

/** The window whose knockout costs most; the first of equals. */
export function strongest(points: readonly Point[]): Point {
  return points.reduce((best, point) => (point.mean < best.mean ? point : best))
}

/** The middle of a window as a share of the model's depth, 0 to 1. */
export function depth(firstLayer: number, { window, nLayers }: Pick<Measured, 'window' | 'nLayers'>): number {
  return (firstLayer + window / 2) / nLayers
}

/** Where a curve's loss lies: the mean depth of its windows, weighted by the loss; 0 to 1. NaN without a loss. */
export function lossDepth({ points }: Curve, at: Pick<Measured, 'window' | 'nLayers'>): number {
  let total = 0
  let sum = 0
  for (const { firstLayer, mean } of points) {
    const loss = Math.max(0, -mean)
    total += loss
    sum += loss * depth(firstLayer, at)
  }
  return sum / total
}

/** The strongest loss with the window's middle in the lower, and in the upper half of the layers; undefined of none. */
export function halves({ points }: Curve, at: Pick<Measured, 'window' | 'nLayers'>) {
  const [lower, upper] = [false, true].map((up) =>
    points.filter(({ firstLayer }) => depth(firstLayer, at) > 0.5 === up),
  )
  return {
    lower: lower!.length > 0 ? strongest(lower!) : undefined,
    upper: upper!.length > 0 ? strongest(upper!) : undefined,
  }
}

/** The mean difference `a - b` at a window, fact by fact; percentage points. */
export function difference(a: Curve, b: Curve, firstLayer: number): MeanInterval {
  return meanInterval(a.values.map((row, p) => row[firstLayer]! - b.values[p]![firstLayer]!))
}

/** Whether two means' intervals do not overlap; false where one has none. */
export function apart(a: MeanInterval, b: MeanInterval): boolean {
  return a.high < b.low || b.high < a.low
}

/** The window of a model of `nLayers` layers that has the share of its depth which `window` has of 24 layers. */
export function windowFor(window: number, nLayers: number): number {
  return Math.max(1, Math.min(nLayers, Math.round((window * nLayers) / 24)))
}
