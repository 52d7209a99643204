/** Figures of curves. */
import { InputError } from '../errors.js'
import { curveGridSpec } from '../figures/curve-grid.js'
import { type CurveGrid, type GridPoint, windowDepth } from '../figures/curve-grid-data.js'
import type { Size } from '../figures/look.js'
import type { Results } from '../results/results.js'
import { checkWhere, ordered, type StoredCurve, shown, storedCurves } from './curve-query.js'
import { type DrawnFigure, fileNames, modelOrder } from './drawn.js'
import { type Dimension, valueLabel } from './names.js'
import type { CurvesDefinition } from './study.js'

const VALUE_TITLES = {
  change: 'change of p(answer), %',
  accuracy: 'right, % of prompts',
}

/** Figures of curves: one, or one for each value of `each`. */
export async function curveFigures(
  definition: CurvesDefinition,
  results: Results,
  size: Size,
): Promise<DrawnFigure[]> {
  await checkWhere(results, definition.where, `figure ${definition.name}`)
  const curves = await storedCurves(results, definition)
  const without = results.runs.find(({ name }) => !curves.some(({ at }) => at.run === name))
  const unseen = definition.where.model?.find((model) => !curves.some(({ at }) => at.model === model))
  if (without || unseen !== undefined) {
    throw new InputError(
      `figure ${definition.name}: every run and model that is named must have curves that where chooses, got none of ${without?.name ?? unseen}; factflow results shows what it has, or leave it out`,
    )
  }
  const { each } = definition
  if (each === undefined) return [curveFigure(definition, curves, results, size)]
  const values = ordered(
    each,
    curves.map(({ at }) => at[each]),
    definition,
    modelOrder(results),
  )
  const names = fileNames(definition.name, values)
  return values.map((value, i) => {
    const some = curves.filter(({ at }) => at[each] === value)
    const title = `${definition.title ?? definition.name}: ${valueLabel(each, value)}`
    return curveFigure({ ...definition, name: names[i]!, title }, some, results, size)
  })
}

function curveFigure(
  definition: CurvesDefinition,
  curves: readonly StoredCurve[],
  results: Results,
  size: Size,
): DrawnFigure {
  const { name, lines, columns, rows, value, interval, level, depth, minus } = definition
  const title = definition.title ?? name
  const axis = (dimension: Dimension | undefined): { key: string; label: string }[] => {
    if (dimension === undefined) return [{ key: '', label: '' }]
    const keys = ordered(
      dimension,
      curves.map(({ at }) => at[dimension]),
      definition,
      modelOrder(results),
    )
    return keys.map((key) => ({ key, label: valueLabel(dimension, key) }))
  }
  const axes = { rows: axis(rows), columns: axis(columns), lines: axis(lines) }
  const place = (
    list: readonly { key: string }[],
    dimension: Dimension | undefined,
    curve: StoredCurve,
  ): number => (dimension === undefined ? 0 : list.findIndex(({ key }) => key === curve.at[dimension]))
  const cells = curves.map((curve) => ({
    row: place(axes.rows, rows, curve),
    column: place(axes.columns, columns, curve),
    line: place(axes.lines, lines, curve),
    points: curve.points.map((point): GridPoint => {
      const { firstLayer, window, layers } = point
      const { mean, low, high, n } = point.value
      const band = interval !== 'none' && Number.isFinite(low) ? { low, high } : {}
      return { firstLayer, depth: windowDepth(firstLayer, window, layers), window, mean, n, ...band }
    }),
  }))
  const subtitle = curveSubtitle(definition, curves)
  const grid: CurveGrid = {
    title,
    subtitle,
    ...axes,
    cells,
    x: depth,
    yLabel: minus === undefined ? VALUE_TITLES[value] : 'difference, points',
    reference: value === 'accuracy' && minus === undefined ? 100 : 0,
    ordered: lines === 'window',
    yLimits: definition.limits,
  }
  return {
    name,
    title,
    size,
    spec: (look) => curveGridSpec(grid, look),
    rows: curves.flatMap(({ at, points }) =>
      points.map(({ firstLayer, layers, value: v }) => ({
        ...at,
        first_layer: firstLayer,
        layers,
        mean: v.mean,
        low: v.low,
        high: v.high,
        sd: v.sd,
        n: v.n,
        interval: interval === 'none' ? 't' : interval,
        level,
      })),
    ),
  }
}

/** `prompts: correct, known, of capital or currency` */
function promptsText(definition: CurvesDefinition, set: string | undefined): string | undefined {
  const { relation, known } = definition.where
  const parts = [
    ...(shown(definition).includes('prompt set') || set === undefined ? [] : [set]),
    ...(known ? [known.join(' or ')] : []),
    ...(relation ? [`of ${relation.join(' or ')}`] : []),
  ]
  if (parts.length > 0) return `prompts: ${parts.join(', ')}`
  return shown(definition).includes('prompt set') ? undefined : 'prompts: all stored'
}

/** What the figure holds fixed, in words: `subject → last, window of 9 layers, prompts of all-correct; mean and 95 % band`. */
function curveSubtitle(definition: CurvesDefinition, curves: readonly StoredCurve[]): string {
  const { interval, level, minus } = definition
  const free = shown(definition)
  const fixed = (dimension: Dimension): string | undefined => {
    if (free.includes(dimension)) return undefined
    const values = [...new Set(curves.map(({ at }) => at[dimension]))]
    return values.length === 1 && values[0] !== '' ? values[0] : undefined
  }
  const [source, target, features, window, set, model] = (
    ['source', 'target', 'features', 'window', 'prompt set', 'model'] as const
  ).map(fixed)
  const cut = source ? (target ? `${source} → ${target}` : source) : target && `sources → ${target}`
  const windows = [...new Set(curves.map(({ at }) => at.window))]
  const parts = [
    free.includes('model') ? undefined : model,
    cut,
    features === 'all' ? undefined : features && `${features} features`,
    window
      ? `window of ${valueLabel('window', window)}`
      : free.includes('window')
        ? undefined
        : `windows of ${windows.join(', ')} layers`,
    promptsText(definition, set),
    minus && `less ${minus}`,
  ].filter((part) => part !== undefined)
  const kinds = { t: '', normal: ' (normal)', prediction: ' prediction', bootstrap: ' bootstrap' }
  const band = interval === 'none' ? 'mean' : `mean and ${Math.round(100 * level)} %${kinds[interval]} band`
  return `${parts.join(', ')}; ${band}`
}
