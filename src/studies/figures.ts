/** A study's figures: definitions and stored results in, specs and their data out. */
import { InputError, show } from '../errors.js'
import { curveGridSpec } from '../figures/curve-grid.js'
import { type CurveGrid, type GridPoint, windowDepth } from '../figures/curve-grid-data.js'
import { type DecayLayer, decayBoxesSpec, decayHistogramsSpec } from '../figures/decay.js'
import { type HeatmapGrid, heatmapGridSpec } from '../figures/heatmap-grid.js'
import type { Look, Size } from '../figures/look.js'
import type { VegaLiteSpec } from '../figures/style.js'
import { thirds } from '../models/features.js'
import type { Row } from '../results/database.js'
import type { Results } from '../results/results.js'
import { checkWhere, ordered, type StoredCurve, shown, storedCurves, valueLabel } from './curve-query.js'
import { figurePreset } from './figure-presets.js'
import { storedHeatmaps } from './heatmap-query.js'
import type { Dimension, FigurePreset } from './names.js'
import type { CurvesDefinition, DecayDefinition, Figure, HeatmapsDefinition, Study } from './study.js'

/** A figure before it is rendered. */
export interface DrawnFigure {
  /** Of its files. */
  readonly name: string
  readonly title: string
  spec(look: Look): VegaLiteSpec
  readonly size: Size
  /** The numbers that it shows, for a CSV beside it. */
  readonly rows: readonly Row[]
}

/** A figure in a report: SVG of both themes. */
export interface StudyFigure {
  readonly name: string
  readonly title: string
  readonly light: string
  readonly dark: string
}

/** A preset by its definition, others as they are. */
export async function resolved(figure: FigurePreset | Figure, results: Results): Promise<Figure> {
  if (typeof figure !== 'string') return figure
  const sets = await results.rows<{ prompt_set: string }>(
    'SELECT DISTINCT prompt_set FROM prompt_sets ORDER BY ALL',
  )
  const names = results.runs.flatMap(({ file }) =>
    Object.keys((file.study as Study | undefined)?.promptSets ?? {}),
  )
  const there = sets.map(({ prompt_set: set }) => set)
  return figurePreset(figure, {
    promptSets: [...new Set([...names.filter((name) => there.includes(name)), ...there])],
    featured: results.runs.flatMap(({ file }) =>
      Object.entries(file.models).flatMap(([label, model]) =>
        model.featureCategories.length > 1 ? [label] : [],
      ),
    ),
  })
}

/**
 * The figures of a definition: one, or one for each value of `each`.
 * @throws InputError when the results hold nothing of it
 */
export async function drawFigures(definition: Figure, results: Results, size: Size): Promise<DrawnFigure[]> {
  const own = definition.size ?? size
  switch (definition.kind) {
    case 'curves':
      return curveFigures(definition, results, own)
    case 'heatmaps':
      return heatmapFigures(definition, results, own)
    case 'decay':
      return decayFigures(definition, results, own)
    default:
      return definition satisfies never
  }
}

/** Models of the runs, in the order in which studies name them. */
function modelOrder(results: Results): string[] {
  return results.runs.flatMap(({ file }) => Object.keys(file.models))
}

const VALUE_TITLES = {
  change: 'change of p(answer), %',
  accuracy: 'still right, % of prompts',
}

async function curveFigures(
  definition: CurvesDefinition,
  results: Results,
  size: Size,
): Promise<DrawnFigure[]> {
  await checkWhere(results, definition.where, `figure ${definition.name}`)
  const curves = await storedCurves(results, definition)
  const { each } = definition
  if (each === undefined) return [curveFigure(definition, curves, results, size)]
  const values = ordered(
    each,
    curves.map(({ at }) => at[each]),
    definition,
    modelOrder(results),
  )
  return values.map((value) => {
    const some = curves.filter(({ at }) => at[each] === value)
    const title = `${definition.title ?? definition.name}: ${valueLabel(each, value)}`
    const name = values.length > 1 ? `${definition.name}-${fileName(value)}` : definition.name
    return curveFigure({ ...definition, name, title }, some, results, size)
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
    set && `prompts: ${set}`,
    minus && `less ${minus}`,
  ].filter((part) => part !== undefined)
  const kinds = { t: '', normal: ' (normal)', prediction: ' prediction', bootstrap: ' bootstrap' }
  const band = interval === 'none' ? 'mean' : `mean and ${Math.round(100 * level)} %${kinds[interval]} band`
  return `${parts.join(', ')}; ${band}`
}

async function heatmapFigures(
  definition: HeatmapsDefinition,
  results: Results,
  size: Size,
): Promise<DrawnFigure[]> {
  await checkWhere(results, definition.where, `figure ${definition.name}`)
  const all = await storedHeatmaps(results, definition)
  const { each, columns, unit } = definition
  const shownValue = (dimension: 'model' | 'window', map: (typeof all)[number]): string =>
    dimension === 'model' ? map.model : String(map.window)
  const groups =
    each === undefined
      ? ['']
      : ordered(
          each,
          all.map((map) => shownValue(each, map)),
          definition,
          modelOrder(results),
        )
  return groups.map((group) => {
    const maps = each === undefined ? all : all.filter((map) => shownValue(each, map) === group)
    const keys = ordered(
      columns,
      maps.map((map) => shownValue(columns, map)),
      definition,
      modelOrder(results),
    )
    const prompts = [...new Set(maps.map(({ promptId }) => promptId))]
    const suffix = each === undefined ? '' : `: ${valueLabel(each, group)}`
    const title = `${definition.title ?? definition.name}${suffix}`
    const windows = [...new Set(maps.map(({ window }) => window))]
    const subtitle = `${columns === 'window' ? '' : `windows of ${windows.join(', ')} layers; `}* marks the subject`
    const grid: HeatmapGrid = {
      title,
      subtitle,
      rows: prompts.map((id) => promptTitle(maps.find(({ promptId }) => promptId === id)!)),
      columns: keys.map((key) => valueLabel(columns, key)),
      cells: maps.map((map) => ({
        row: prompts.indexOf(map.promptId),
        column: keys.indexOf(shownValue(columns, map)),
        title: `p = ${map.baseProb.toPrecision(2)}`,
        tokens: map.tokens,
        subject: map.subject,
        nLayers: map.layers,
        window: map.window,
        values: map.values,
      })),
      unit,
    }
    return {
      name:
        each === undefined || groups.length === 1 ? definition.name : `${definition.name}-${fileName(group)}`,
      title,
      size,
      spec: (look: Look) => heatmapGridSpec(grid, look),
      rows: maps.flatMap((map) =>
        map.values.flatMap((row, position) =>
          row.map((value, first_layer) => ({
            model: map.model,
            dataset: map.dataset,
            prompt_id: map.promptId,
            window: map.window,
            position,
            token: map.tokens[position]!,
            first_layer,
            [unit === 'relative' ? 'relative_change' : 'change']: value,
          })),
        ),
      ),
    }
  })
}

function promptTitle({
  prompt,
  answer,
  promptId,
}: {
  prompt: string
  answer: string
  promptId: string
}): string {
  return prompt === '' ? promptId : `${prompt} → ${answer.trim()}`
}

/** Layers of a histogram figure. */
const MOST_HISTOGRAMS = 8

async function decayFigures(
  definition: DecayDefinition,
  results: Results,
  size: Size,
): Promise<DrawnFigure[]> {
  const rows = await results.rows<{ model: string; layer: number; norms: number[] }>(
    'SELECT model, layer, list(norm ORDER BY feature) AS norms FROM features GROUP BY ALL ORDER BY model, layer',
  )
  const models = modelOrder(results).filter(
    (label) =>
      rows.some(({ model }) => model === label) && (!definition.models || definition.models.includes(label)),
  )
  if (models.length === 0) {
    throw new InputError(
      `figure ${definition.name}: needs models with feature categories (Mamba), got none with stored norms; leave it out, or compute the study again`,
    )
  }
  return models.map((model) => {
    const own = rows.filter((row) => row.model === model)
    const layers = definition.layers ?? ticksOf(own.length)
    const stray = layers.find((layer) => layer >= own.length)
    if (stray !== undefined) {
      throw new InputError(
        `figure ${definition.name}: layers must be from 0 to ${own.length - 1} in ${model}, got ${show(stray)}; change it`,
      )
    }
    const data = own.map(({ layer, norms }): DecayLayer => ({ layer, norms, thirds: thirds(norms) }))
    const title = `${definition.title ?? definition.name}: ${model}`
    const histograms = definition.plot === 'histograms'
    return {
      name: models.length > 1 ? `${definition.name}-${fileName(model)}` : definition.name,
      title,
      size,
      spec: (look: Look) =>
        histograms
          ? decayHistogramsSpec(
              title,
              data.filter(({ layer }) => layers.includes(layer)),
              look,
            )
          : decayBoxesSpec(title, data, look),
      rows: own.flatMap(({ layer, norms }) =>
        norms.map((norm, feature) => ({ model, layer, feature, norm })),
      ),
    }
  })
}

/** At most eight layers, evenly spaced, the first and the last among them. */
function ticksOf(layers: number): number[] {
  if (layers <= MOST_HISTOGRAMS) return Array.from({ length: layers }, (_, layer) => layer)
  return Array.from({ length: MOST_HISTOGRAMS }, (_, i) =>
    Math.round((i * (layers - 1)) / (MOST_HISTOGRAMS - 1)),
  )
}

/** A value as a part of a file's name. */
function fileName(value: string): string {
  return value.replace(/[^\w.-]+/g, '-')
}
