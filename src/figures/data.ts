import { InputError, show } from '../errors.js'
import { visibleText } from './text.js'

/** One window of a curve: the mean relative change over prompts, with its confidence band, all in percent. */
export interface CurvePoint {
  /** First layer of the knocked-out window, counted from 0. */
  firstLayer: number
  /** Mean over prompts of (p' - p) / p * 100. */
  mean: number
  /** Lower end of the 95 % confidence interval of the mean. */
  low: number
  /** Upper end of the 95 % confidence interval of the mean. */
  high: number
  /** Number of prompts. */
  n: number
}

/** One knockout (source, target and features) over all window starts. */
export interface Curve {
  label: string
  points: CurvePoint[]
}

/** An info-flow figure: one line with a 95 % band per knockout. */
export interface CurvesFigure {
  title: string
  subtitle?: string
  /** Layers of the model. */
  nLayers: number
  /** Layers of a window. */
  window: number
  curves: Curve[]
  /** Title of the y axis, with its unit. */
  yLabel: string
}

/** What cutting each token from the target does, for each window, on one prompt. */
export interface HeatmapData {
  /** The prompt's tokens, first to last; equal tokens stay separate rows. */
  readonly tokens: readonly string[]
  /** Positions of the subject's tokens. */
  readonly subject: readonly number[]
  /** Layers of the model. */
  readonly nLayers: number
  /** Layers of a window. */
  readonly window: number
  /** Change of p(answer), [token][window start]: [tokens, nLayers - window + 1]. */
  readonly values: readonly (readonly number[])[]
}

/** A heatmap figure; changes are relative, in percent. */
export interface HeatmapFigure extends HeatmapData {
  title: string
  subtitle?: string
}

/**
 * Check that a curves figure can be drawn.
 *
 * @throws InputError when there is no curve, a label occurs twice, a curve has no point, a number is not finite, or
 *   a window does not fit the model
 */
export function checkCurves(figure: CurvesFigure): void {
  checkWindow(figure)
  const lastStart = figure.nLayers - figure.window
  if (figure.curves.length === 0) throw fault('curves', 'must not be empty', [], 'give at least one curve')
  const labels = new Set<string>()
  for (const [c, { label, points }] of figure.curves.entries()) {
    const shown = visibleText(label)
    if (labels.has(shown))
      throw fault(`curves[${c}].label`, 'must differ from the others', label, 'rename it')
    labels.add(shown)
    if (points.length === 0)
      throw fault(`curves[${c}].points`, 'must not be empty', [], 'leave the curve out')
    for (const [i, { firstLayer, mean, low, high }] of points.entries()) {
      const at = `curves[${c}].points[${i}]`
      if (!Number.isInteger(firstLayer) || firstLayer < 0 || firstLayer > lastStart) {
        const cure = 'give the first layer of a window that ends inside the model'
        throw fault(`${at}.firstLayer`, `must be an integer within 0..${lastStart}`, firstLayer, cure)
      }
      const bad = [mean, low, high].find((value) => !Number.isFinite(value))
      if (bad !== undefined) throw fault(at, 'mean, low and high must be finite', bad, 'leave the point out')
    }
  }
}

/**
 * Check that a heatmap can be drawn.
 *
 * @param at where it stands in the figure
 * @throws InputError when there is no token, a subject position is not a token, `values` is not
 *   [tokens, nLayers - window + 1] or holds a number that is not finite
 */
export function checkHeatmap(figure: HeatmapData, at = ''): void {
  checkWindow(figure, at)
  const { tokens, values, subject } = figure
  const nWindows = figure.nLayers - figure.window + 1
  if (tokens.length === 0) throw fault(`${at}tokens`, 'must not be empty', [], 'give the tokens of a prompt')
  const stray = subject.find((position) => !Number.isInteger(position) || tokens[position] === undefined)
  if (stray !== undefined) {
    throw fault(`${at}subject`, `must hold positions within 0..${tokens.length - 1}`, stray, 'count from 0')
  }
  if (values.length !== tokens.length) {
    const rule = `must have one row per token (${tokens.length})`
    throw fault(`${at}values`, rule, values.length, 'add or drop rows')
  }
  for (const [t, row] of values.entries()) {
    if (row.length !== nWindows) {
      const rule = `must have one number per window (nLayers - window + 1 = ${nWindows})`
      throw fault(`${at}values[${t}]`, rule, row.length, 'check window and nLayers')
    }
    const w = row.findIndex((value) => !Number.isFinite(value))
    if (w >= 0) {
      throw fault(`${at}values[${t}][${w}]`, 'must be finite', row[w], 'draw prompts with p(answer) > 0')
    }
  }
}

function checkWindow({ nLayers, window }: { nLayers: number; window: number }, at = ''): void {
  if (!Number.isInteger(nLayers) || nLayers < 1) {
    throw fault(
      `${at}nLayers`,
      'must be a positive integer',
      nLayers,
      'give the number of layers of the model',
    )
  }
  if (!Number.isInteger(window) || window < 1 || window > nLayers) {
    throw fault(
      `${at}window`,
      `must be an integer within 1..${nLayers}`,
      window,
      'give the layers of a window',
    )
  }
}

/**
 * Check that the cells of a grid lie in it, each in a place of its own.
 *
 * @param sizes how many rows, columns... there are; a cell holds an index for each
 * @throws InputError when there is no cell, or one is not in the grid or stands twice
 */
export function checkPlaces<Axis extends string>(
  cells: readonly Readonly<Record<NoInfer<Axis>, number>>[],
  sizes: Readonly<Record<Axis, number>>,
): void {
  if (cells.length === 0) throw fault('cells', 'must not be empty', [], 'draw something else')
  const axes = Object.entries<number>(sizes) as [Axis, number][]
  const seen = new Set<string>()
  for (const [c, cell] of cells.entries()) {
    for (const [axis, size] of axes) {
      const index = cell[axis]
      if (!Number.isInteger(index) || index < 0 || index >= size) {
        throw fault(`cells[${c}].${axis}`, `must be an integer within 0..${size - 1}`, index, 'count from 0')
      }
    }
    const place = axes.map(([axis]) => `${axis} ${cell[axis]}`).join(', ')
    if (seen.has(place)) {
      throw fault(`cells[${c}]`, 'must have a place of its own', place, 'leave one of the two out')
    }
    seen.add(place)
  }
}

/** What is wrong with a figure's data. */
export function fault(where: string, rule: string, value: unknown, cure: string): InputError {
  const got = typeof value === 'number' ? String(value) : show(value)
  return new InputError(`figure.${where}: ${rule}, got ${got}; ${cure}`)
}
