/** Rows x columns of plots of curves: what the paper's figures 1, 3 to 6, 8 to 10 and 14 have in common. */
import { type CurveGrid, checkCurveGrid, type GridCell } from './curve-grid-data.js'
import { type Counts, NO_DATA, type Plan, plotLayers, yDomain } from './curve-grid-plot.js'
import { fitLines, type GridLayout, gridLayout, labelExpr } from './layout.js'
import { COLORS, configOf, DEFAULT_LOOK, type Look, MEASURES } from './look.js'
import { textWidth } from './metrics.js'
import { header, rounded, ticks, type VegaLiteSpec } from './style.js'
import { visibleText } from './text.js'

/**
 * Curves in a grid of plots: the mean of each line over the depth of the knocked-out window, with its band where there
 * is one; one legend. Lines differ in colour and marker, or go from light to dark where they are a scale (dark to light
 * on a dark ground). The number of prompts stands under the title where it is the same everywhere, in the legend where
 * each line has its own, else above each plot.
 *
 * A grid with more columns than its medium has room for (three or four in a column, nine on a page) gets wider than
 * that.
 *
 * @throws InputError when the grid cannot be drawn: see {@link checkCurveGrid}
 */
export function curveGridSpec(grid: CurveGrid, look: Look = DEFAULT_LOOK): VegaLiteSpec {
  checkCurveGrid(grid)
  const counts = whereCounts(grid)
  const { layout, right } = layoutOf(grid, look, counts)
  const plan = { grid, look, layout, counts }
  const whole = layout.width * grid.columns.length + layout.spacing.column * (grid.columns.length - 1)
  const parts =
    grid.sharedY === 'row' && grid.rows.length > 1
      ? grid.rows.map((_, row) => part(plan, [row], whole))
      : [part(plan, [...grid.rows.keys()], whole)]
  const said = counts === 'figure' ? `n\u00a0=\u00a0${grid.cells[0]!.points[0]!.n}` : undefined
  const subtitle = [grid.subtitle, said].filter(Boolean).join('; ')
  return {
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    description: visibleText(grid.title),
    title: header({ title: grid.title, subtitle }, whole + right, look),
    data: { values: rowsOf(grid) },
    ...(parts.length === 1 ? parts[0] : { vconcat: parts, spacing: layout.spacing.row }),
    config: { ...configOf(look), axisY: { domain: false, ticks: false, labelPadding: 4 } },
  } as unknown as VegaLiteSpec
}

/** The size of the plots, and what the labels of the rows take on their right. */
function layoutOf(grid: CurveGrid, look: Look, counts: Counts): { layout: GridLayout; right: number } {
  const { title, label } = MEASURES[look.size]
  const shared = grid.sharedY === 'row' ? grid.rows.map((_, row) => [row]) : [[...grid.rows.keys()]]
  // The ticks depend on the height, the height on the width, the width on the ticks: five have the longest labels.
  const numbers = shared.flatMap((rows) => {
    const cells = grid.cells.filter(({ row }) => rows.includes(row))
    return ticks(...yDomain(grid, cells), 5)
  })
  const digits = Math.max(...numbers.map((value) => textWidth(`−${Math.abs(value)}`, label)))
  const lineHeight = 1.2
  let layout: GridLayout | undefined
  let right = 0
  // Twice: how many lines a label takes depends on the height of the plots.
  for (let pass = 0; pass < 2; pass++) {
    const height = (layout?.height ?? Number.POSITIVE_INFINITY) + (layout?.spacing.row ?? 0)
    const yTitle = yTitleOf(grid, shared[0]!.length, height, title)
    const rowLines = grid.rows.map((row) => fitLines(row.label, height, label, 'bold').length)
    // Without labels the number at the end of the depth axis reaches beyond the plot.
    right = hasLabels(grid.rows) ? Math.max(...rowLines) * lineHeight * label + 6 : label / 2
    const left = digits + 4 + yTitle.length * lineHeight * title + 6
    const above = counts === 'plots' ? label : 0
    layout = gridLayout(look, grid.rows.length, grid.columns.length, left + right, above)
  }
  return { layout: layout!, right }
}

/** The data behind the figure: a row for each window of each curve, and one for each empty plot. */
function rowsOf({ rows, columns, lines, cells, remarks = [] }: CurveGrid): object[] {
  const out: object[] = cells.flatMap((cell) =>
    cell.points.map(({ firstLayer, depth, window, mean, low, high, n }) => ({
      row: rows[cell.row]!.key,
      column: columns[cell.column]!.key,
      line: lines[cell.line]!.key,
      first_layer: firstLayer,
      depth: rounded(depth),
      window,
      mean: rounded(mean),
      low: rounded(low),
      high: rounded(high),
      n,
    })),
  )
  for (const [r, row] of rows.entries()) {
    for (const [c, column] of columns.entries()) {
      if (cells.some((cell) => cell.row === r && cell.column === c)) continue
      const text = remarks.find((remark) => remark.row === r && remark.column === c)?.text ?? NO_DATA
      out.push({ row: row.key, column: column.key, remark: visibleText(text) })
    }
  }
  return out
}

/** Some rows of the grid, which share their y axis. */
function part(plan: Plan, rows: readonly number[], whole: number): object {
  const { grid, look, layout } = plan
  const { label, title } = MEASURES[look.size]
  const { ink } = COLORS[look.theme]
  const [isFirst, isLast] = [rows[0] === 0, rows.at(-1) === grid.rows.length - 1]
  const keys = rows.map((row) => grid.rows[row]!.key)
  const byRow = hasLabels(grid.rows)
  const byColumn = hasLabels(grid.columns)
  const own = rows.length < grid.rows.length
  const text = { labelColor: ink, titleColor: ink, titleFontSize: title, titleFontWeight: 'normal' }
  const labels = (axis: CurveGrid['rows'], width: number) => ({
    ...text,
    labelFontSize: label,
    labelFontWeight: 'bold',
    labelExpr: labelExpr(
      new Map(axis.map(({ key, label: name }) => [key, fitLines(name, width, label, 'bold')])),
    ),
  })
  const yTitle = yTitleOf(grid, rows.length, layout.height + layout.spacing.row, title)
  const xTitle = isLast ? fitLines(depthTitle(grid), whole, title) : null
  const facet = {
    ...(byRow && {
      row: {
        field: 'row',
        sort: keys,
        header: {
          ...labels(grid.rows, layout.height + layout.spacing.row),
          labelOrient: 'right',
          labelAngle: 90,
          labelPadding: 4,
          titleOrient: 'left',
          titlePadding: 2,
          title: yTitle,
        },
      },
    }),
    ...(byColumn && {
      column: {
        field: 'column',
        sort: grid.columns.map(({ key }) => key),
        header: {
          ...labels(grid.columns, layout.width),
          ...(isFirst ? { labelOrient: 'top' } : { labels: false }),
          labelPadding: plan.counts === 'plots' ? label + 6 : 4,
          titleOrient: 'bottom',
          titlePadding: look.size === 'screen' ? 0 : -6,
          title: xTitle,
        },
      },
    }),
  }
  const layers = plotLayers(plan, rows, { y: byRow ? null : yTitle, x: byColumn ? null : xTitle }, isLast)
  const plot = { width: layout.width, height: layout.height, ...layers }
  return {
    ...(own && { transform: [{ filter: { field: 'row', oneOf: keys } }] }),
    ...(byRow || byColumn ? { facet, spacing: layout.spacing, bounds: 'flush', spec: plot } : plot),
  }
}

/** The title of the y axis beside some rows; it may reach a little above and below them. */
function yTitleOf({ yLabel }: CurveGrid, rows: number, height: number, size: number): string[] {
  return fitLines(yLabel, rows * height + 1.5 * size, size)
}

/** `depth of the window’s first layer, % (w = 9)` */
function depthTitle({ x, cells }: CurveGrid): string {
  const windows = new Set(cells.flatMap(({ points }) => points.map(({ window }) => window)))
  const size = windows.size === 1 ? ` (w = ${[...windows][0]})` : ''
  return (x === 'percent' ? 'depth of the window’s first layer, %' : 'first layer of the window') + size
}

function whereCounts({ cells, lines }: CurveGrid): Counts {
  const all = (some: readonly GridCell[]) => new Set(some.flatMap(({ points }) => points.map(({ n }) => n)))
  if (all(cells).size === 1) return 'figure'
  const byLine = lines.map((_, line) => all(cells.filter((cell) => cell.line === line)))
  return byLine.every(({ size }) => size <= 1) ? 'lines' : 'plots'
}

function hasLabels(axis: CurveGrid['rows']): boolean {
  return axis.length > 1 || axis[0]!.label.trim() !== ''
}
