/** A grid of heatmaps, as plain data. */
import { checkHeatmap, checkPlaces, fault, type HeatmapData } from './data.js'
import { CHANGE_TITLE } from './style.js'

/** One heatmap in its place: indexes into the grid's rows and columns. */
export interface HeatmapCell extends HeatmapData {
  readonly row: number
  readonly column: number
  /** What stands above it: the base probability, say. */
  readonly title?: string
}

/** Each prompt with its own tokens (models split it differently); labels of the subject's tokens end in `*`. */
export interface HeatmapGrid {
  readonly title: string
  readonly subtitle?: string
  /** Labels of the rows, above them, and of the columns; an empty one is left out. */
  readonly rows: readonly string[]
  readonly columns: readonly string[]
  readonly cells: readonly HeatmapCell[]
  /** Change in percent of the base probability, or (the paper's) difference of probabilities. */
  readonly unit: 'relative' | 'absolute'
}

/** What the colours say, with the unit. */
export function unitTitle(unit: HeatmapGrid['unit']): string {
  switch (unit) {
    case 'relative':
      return CHANGE_TITLE
    case 'absolute':
      return 'change of p(answer)'
    default:
      throw fault('unit', 'must be relative or absolute', unit satisfies never, 'choose one')
  }
}

/**
 * Check that a grid can be drawn.
 *
 * @throws InputError when rows, columns or cells are missing, the unit is unknown, a cell points outside the grid,
 *   stands twice, or cannot be drawn: see {@link checkHeatmap}
 */
export function checkHeatmapGrid(grid: HeatmapGrid): void {
  unitTitle(grid.unit)
  for (const axis of ['rows', 'columns'] as const) {
    if (grid[axis].length === 0) throw fault(axis, 'must not be empty', [], 'give at least one')
  }
  checkPlaces(grid.cells, { row: grid.rows.length, column: grid.columns.length })
  for (const [c, cell] of grid.cells.entries()) checkHeatmap(cell, `cells[${c}].`)
}
