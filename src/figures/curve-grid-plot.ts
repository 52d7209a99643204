/** One plot of a grid of curves: its layers, axes and legend. */
import type { CurveGrid, GridCell } from './curve-grid-data.js'
import { fitLines, type GridLayout, labelExpr, legendColumns } from './layout.js'
import { COLORS, type Look, MEASURES, shades } from './look.js'
import { extent, SHAPES, ticks } from './style.js'
import { visibleText } from './text.js'

/** Where the number of prompts is said: once, with each line, or in each plot. */
export type Counts = 'figure' | 'lines' | 'plots'

/** What the drawing of a grid rests on. */
export interface Plan {
  readonly grid: CurveGrid
  readonly look: Look
  readonly layout: GridLayout
  readonly counts: Counts
}

/** Titles of a plot's own axes, in lines; null where the grid has them, or another plot. */
export interface Titles {
  readonly x: readonly string[] | null
  readonly y: readonly string[] | null
}

/**
 * The layers of a plot: the line of no change, bands, lines, markers, and what is written.
 * @param rows the rows of the grid that share this y axis
 * @param xLabels whether the depth axis is labelled here
 */
export function plotLayers(plan: Plan, rows: readonly number[], titles: Titles, xLabels: boolean): object {
  const { grid, look, layout, counts } = plan
  const { rule, muted } = COLORS[look.theme]
  const { line, marker, label } = MEASURES[look.size]
  const cells = grid.cells.filter((cell) => rows.includes(cell.row))
  const [low, high] = yDomain(grid, cells)
  const clip = grid.yLimits !== undefined
  const x = xEncoding(grid, layout, look, titles.x, xLabels)
  const y = {
    type: 'quantitative',
    scale: { domain: [low, high], nice: false, zero: false },
    axis: {
      title: titles.y,
      grid: true,
      values: ticks(low, high, Math.max(2, Math.floor(layout.height / (2 * label)))),
    },
  }
  const { color, shape } = lineEncodings(plan)
  const full = new Set(grid.cells.map(({ row, column }) => `${row},${column}`))
  const hasEmpty = full.size < grid.rows.length * grid.columns.length
  const reference = grid.reference >= low && grid.reference <= high
  return {
    layer: [
      ...(reference
        ? [
            {
              data: { values: [{}] },
              mark: { type: 'rule', color: rule, strokeDash: [4, 3], strokeWidth: line / 2, aria: false },
              encoding: { y: { datum: grid.reference, ...y } },
            },
          ]
        : []),
      {
        transform: [{ filter: 'isValid(datum.low)' }],
        mark: { type: 'area', opacity: look.theme === 'dark' ? 0.22 : 0.16, clip, aria: false },
        encoding: { x, y: { field: 'low', ...y }, y2: { field: 'high' }, color },
      },
      {
        mark: { type: 'line', strokeWidth: line, clip, aria: false },
        encoding: { x, y: { field: 'mean', ...y }, color },
      },
      {
        transform: [{ filter: markedExpr(grid, layout) }],
        mark: {
          type: 'point',
          filled: true,
          opacity: 1,
          size: Math.max(6, marker * Math.min(1, layout.width / 300)),
          clip,
          aria: false,
        },
        encoding: {
          x,
          y: { field: 'mean', ...y },
          color,
          shape,
          tooltip: [
            ...['row', 'column', 'line'].map((field) => ({ field, type: 'nominal' })),
            { field: 'first_layer', type: 'quantitative', title: 'first layer' },
            { field: 'window', type: 'quantitative', title: 'layers of the window' },
            ...['mean', 'low', 'high'].map((field) => ({ field, type: 'quantitative', format: '.2f' })),
            { field: 'n', type: 'quantitative', title: 'prompts' },
          ],
        },
      },
      ...(counts === 'plots' ? [countLayer(label, muted)] : []),
      ...(hasEmpty ? [remarkLayer(grid, label, muted, layout)] : []),
    ],
  }
}

/** `n = 431`, or `n = 431–510` where the lines of a plot differ, above the plot. */
function countLayer(fontSize: number, color: string): object {
  return {
    transform: [
      { filter: 'isValid(datum.n)' },
      {
        aggregate: [
          { op: 'min', field: 'n', as: 'least' },
          { op: 'max', field: 'n', as: 'most' },
        ],
      },
      { calculate: "'n = ' + datum.least + (datum.most > datum.least ? '–' + datum.most : '')", as: 'count' },
    ],
    mark: { type: 'text', align: 'right', baseline: 'bottom', fontSize, color, aria: false },
    encoding: { text: { field: 'count' }, x: { value: 'width' }, y: { value: -2 } },
  }
}

/** What an empty plot says, unless the grid knows more. */
export const NO_DATA = 'no data'

/** Why a plot is empty. */
function remarkLayer(
  { remarks = [] }: CurveGrid,
  fontSize: number,
  color: string,
  { width, height }: GridLayout,
): object {
  const texts = new Set([NO_DATA, ...remarks.map(({ text }) => visibleText(text))])
  const lines = Object.fromEntries([...texts].map((text) => [text, fitLines(text, width, fontSize)]))
  return {
    transform: [
      { filter: 'isValid(datum.remark)' },
      { calculate: `${JSON.stringify(lines)}[datum.remark]`, as: 'lines' },
    ],
    mark: { type: 'text', fontSize, color, baseline: 'middle', aria: false },
    encoding: { text: { field: 'lines' }, x: { value: width / 2 }, y: { value: height / 2 } },
  }
}

function xEncoding(
  { x, cells }: CurveGrid,
  { width }: GridLayout,
  { size }: Look,
  title: readonly string[] | null,
  labels: boolean,
): object {
  const { label } = MEASURES[size]
  const [, last] = extent(cells.flatMap(({ points }) => points.map(({ firstLayer }) => firstLayer)))
  // In a narrow plot the labels of the ends stay inside, or they would meet those of the next one.
  const narrow = width < 10 * label
  const steps = width < 7 * label ? [0, 100] : narrow ? [0, 50, 100] : [0, 25, 50, 75, 100]
  const percent = { field: 'depth', end: 100, values: steps }
  const layers = {
    field: 'first_layer',
    end: last,
    values: ticks(0, last, Math.max(2, width / (2.6 * label)), 1),
  }
  const { field, end, values } = x === 'percent' ? percent : layers
  return {
    field,
    type: 'quantitative',
    scale: {
      domain: end > 0 ? [0, end] : [-1, 1],
      nice: false,
      zero: false,
      padding: Math.min(6, width / 24),
    },
    axis: { title, values, grid: false, labelFlush: narrow && 8, labelOverlap: false, labels },
  }
}

function lineEncodings({ grid, look, layout, counts }: Plan) {
  const { palette, sequential } = COLORS[look.theme]
  const { legend: fontSize, marker } = MEASURES[look.size]
  const keys = grid.lines.map(({ key }) => key)
  const labels = grid.lines.map(({ label }, line) => {
    const counted = counts === 'lines' ? ` (n = ${countOf(grid, line)})` : ''
    return visibleText(label) + counted
  })
  const width = grid.columns.length * (layout.width + layout.spacing.column)
  const legend = {
    orient: 'bottom',
    columns: legendColumns(labels, width, look),
    labelExpr: labelExpr(new Map(keys.map((key, i) => [key, labels[i]!]))),
    labelLimit: 0,
    labelFontSize: fontSize,
    symbolSize: Math.max(marker, 40),
    symbolOpacity: 1,
  }
  const encoding = {
    field: 'line',
    type: 'nominal',
    title: null,
    legend: labels.length === 1 && labels[0]!.trim() === '' ? null : legend,
  }
  const colors = grid.ordered ? shades(sequential, keys.length) : palette
  return {
    color: { ...encoding, scale: { domain: keys, range: keys.map((_, i) => colors[i % colors.length]) } },
    shape: { ...encoding, scale: { domain: keys, range: keys.map((_, i) => SHAPES[i % SHAPES.length]) } },
  }
}

/**
 * Which windows of a line carry a marker: in a deep model not all, or they would hide the line; where lines have enough
 * windows, each begins at another one, so that lines that lie on each other are all seen.
 */
function markedExpr({ cells, lines }: CurveGrid, { width }: GridLayout): string {
  const longest = Math.max(...cells.map(({ points }) => points.length))
  const shortest = Math.min(...cells.map(({ points }) => points.length))
  const every = Math.max(1, Math.ceil((longest * 11) / width))
  if (every === 1 || shortest < 2 * every) return `datum.first_layer % ${every} === 0`
  const keys = JSON.stringify(lines.map(({ key }) => key))
  return `datum.first_layer % ${every} === indexof(${keys}, datum.line) % ${every}`
}

/** The ends of the y axis: those given, or of all means, bands and the reference, with a little space. */
export function yDomain({ yLimits, reference }: CurveGrid, cells: readonly GridCell[]): [number, number] {
  if (yLimits) return [yLimits[0], yLimits[1]]
  const values = cells.flatMap(({ points }) =>
    points.flatMap(({ mean, low = mean, high = mean }) => [mean, low, high]),
  )
  const [low, high] = extent([reference, ...values])
  const space = high > low ? (high - low) * 0.05 : 1
  return [low - space, high + space]
}

/** The number of prompts of a line, which is the same in all of its plots; 0 for a line that is in none. */
function countOf({ cells }: CurveGrid, line: number): number {
  return cells.find((cell) => cell.line === line)?.points[0]?.n ?? 0
}
