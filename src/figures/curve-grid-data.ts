/** A grid of small plots with curves, as plain data. */
import { checkPlaces, fault } from './data.js'

/** A row, a column or a line: `key` stands in the data beside the figure, `label` on it. */
export interface GridLabel {
  readonly key: string
  readonly label: string
}

/** One window of a curve. `mean`, `low` and `high` are in the unit of the grid's y axis. */
export interface GridPoint {
  /** First layer of the window, counted from 0. */
  readonly firstLayer: number
  /** Where that is, in percent: see {@link windowDepth}. */
  readonly depth: number
  /** Layers of the window. */
  readonly window: number
  readonly mean: number
  /** The ends of the interval; left out together, where there is none (one prompt). */
  readonly low?: number
  readonly high?: number
  /** Number of prompts. */
  readonly n: number
}

/** A curve in its place: indexes into the grid's rows, columns and lines. */
export interface GridCell {
  readonly row: number
  readonly column: number
  readonly line: number
  readonly points: readonly GridPoint[]
}

/** Rows x columns of plots, each with some of the lines. Colours and markers go by the order of the lines. */
export interface CurveGrid {
  readonly title: string
  readonly subtitle?: string
  readonly rows: readonly GridLabel[]
  readonly columns: readonly GridLabel[]
  readonly lines: readonly GridLabel[]
  readonly cells: readonly GridCell[]
  /** The depth axis: first layers, or percent (the paper's). */
  readonly x: 'layers' | 'percent'
  /** Title of the y axis, with its unit. */
  readonly yLabel: string
  /** What a model without a knockout has: 0 for a change, 100 for an accuracy. */
  readonly reference: number
  /** Whether the lines are a scale (sizes of windows or models), from small to large: colours from light to dark. */
  readonly ordered?: boolean
  /** Plots that have one y axis; default all. */
  readonly sharedY?: 'grid' | 'row'
  /** The ends of the y axis; default those of the data. What lies beyond is cut off. */
  readonly yLimits?: readonly [number, number]
  /** What an empty plot says, by row and column; default `no data`. */
  readonly remarks?: readonly { readonly row: number; readonly column: number; readonly text: string }[]
}

/** The depth of a window: its first layer in percent of the last one that a window can begin with; 0 if there is one. */
export function windowDepth(firstLayer: number, window: number, nLayers: number): number {
  return nLayers === window ? 0 : (100 * firstLayer) / (nLayers - window)
}

/**
 * Check that a grid can be drawn.
 *
 * @throws InputError when rows, columns, lines or cells are missing, a key occurs twice, a cell points outside the
 *   grid, stands twice or has no point, a number is not finite or not in order, or the y limits are not ascending
 */
export function checkCurveGrid(grid: CurveGrid): void {
  for (const axis of ['rows', 'columns', 'lines'] as const) {
    if (grid[axis].length === 0) throw fault(axis, 'must not be empty', [], 'give at least one')
    const keys = grid[axis].map(({ key }) => key)
    const again = keys.findIndex((key, i) => keys.indexOf(key) < i)
    if (again >= 0)
      throw fault(`${axis}[${again}].key`, 'must differ from the others', keys[again], 'rename it')
  }
  const [row, column, line] = [grid.rows.length, grid.columns.length, grid.lines.length]
  checkPlaces(grid.cells, { row, column, line })
  for (const [c, { points }] of grid.cells.entries()) {
    const at = `cells[${c}].points`
    if (points.length === 0) throw fault(at, 'must not be empty', [], 'leave the cell out')
    for (const [i, point] of points.entries()) checkPoint(point, `${at}[${i}]`)
  }
  const { yLimits, reference } = grid
  if (!Number.isFinite(reference)) throw fault('reference', 'must be finite', reference, 'give 0 or 100')
  if (yLimits && !(yLimits[0] < yLimits[1] && yLimits.every(Number.isFinite))) {
    throw fault('yLimits', 'must be two finite numbers, the smaller first', yLimits, 'swap or leave out')
  }
}

function checkPoint({ firstLayer, depth, window, mean, low, high, n }: GridPoint, at: string): void {
  const counts = { firstLayer: [firstLayer, 0], window: [window, 1], n: [n, 1] } as const
  for (const [name, [value, least]] of Object.entries(counts)) {
    if (!Number.isInteger(value) || value < least) {
      throw fault(`${at}.${name}`, `must be an integer from ${least}`, value, 'count layers and prompts')
    }
  }
  if (!(depth >= 0 && depth <= 100)) {
    throw fault(`${at}.depth`, 'must be within 0..100', depth, 'give percent: see windowDepth')
  }
  if (!Number.isFinite(mean)) throw fault(`${at}.mean`, 'must be finite', mean, 'leave the point out')
  if (low === undefined && high === undefined) return
  if (!(Number.isFinite(low) && Number.isFinite(high) && low! <= high!)) {
    throw fault(at, 'low and high must be finite and in order', `${low}, ${high}`, 'leave both out')
  }
}
