/** The figures of docs/findings.md: stored results in grids. */
import { curveGridSpec } from '../../src/figures/curve-grid.js'
import { windowDepth } from '../../src/figures/curve-grid-data.js'
import type { HeatmapFigure } from '../../src/figures/data.js'
import { heatmapGridSpec } from '../../src/figures/heatmap-grid.js'
import { CHANGE_TITLE, type VegaLiteSpec } from '../../src/figures/style.js'
import type { StoredCurve } from './measure.js'

/** A line in a panel: a curve of a model and its name in the legend. */
export interface Line {
  readonly label: string
  readonly curve: StoredCurve
}

export interface Panel {
  readonly title: string
  readonly nLayers: number
  readonly lines: readonly Line[]
}

/** Rows of panels, one model in each, with the mean relative change of p(answer) and its 95 % band. */
export function panels(
  title: string,
  rows: readonly { readonly label: string; readonly panels: readonly Panel[] }[],
  /** Whether the lines are a scale. */
  ordered = false,
): VegaLiteSpec {
  const own = (keys: readonly string[]) => [...new Set(keys)].map((key) => ({ key, label: key }))
  const all = rows.flatMap((row) => row.panels)
  const lines = own(all.flatMap((panel) => panel.lines.map(({ label }) => label)))
  return curveGridSpec({
    title,
    rows: own(rows.map(({ label }) => label)),
    columns: own(all.map((panel) => panel.title)),
    lines,
    cells: rows.flatMap((row, r) =>
      row.panels.flatMap((panel, column) =>
        panel.lines.map(({ label, curve }) => ({
          row: r,
          column,
          line: lines.findIndex(({ key }) => key === label),
          points: curve.points.map(({ firstLayer, mean, low, high, n }) => {
            const depth = windowDepth(firstLayer, curve.window, panel.nLayers)
            return { firstLayer, depth, window: curve.window, mean, low, high, n }
          }),
        })),
      ),
    ),
    x: 'percent',
    yLabel: CHANGE_TITLE,
    reference: 0,
    ordered,
  })
}

/** Heatmaps in a grid, a row for each prompt and a column for each model. */
export function heatmapGrid(
  title: string,
  models: readonly string[],
  rows: readonly (readonly HeatmapFigure[])[],
): VegaLiteSpec {
  return heatmapGridSpec({
    title,
    subtitle: '* marks the subject',
    rows: rows.map(([first]) => first!.tokens.join('')),
    columns: models,
    cells: rows.flatMap((row, r) =>
      row.map((figure, column) => ({ ...figure, title: undefined, row: r, column })),
    ),
    unit: 'relative',
  })
}
