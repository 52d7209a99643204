import type { VegaLiteSpec } from './style.js'

/** A row of a figure's data: numbers and texts by column; one that has no value for a column lacks it. */
export type FigureRow = Readonly<Record<string, number | string | boolean>>

/**
 * The numbers that a figure shows, for a table beside it: one list of rows for each table of the spec, in its order.
 * Most figures have one; box plots have the boxes and, where there are any, what lies beyond the whiskers; stacked
 * figures have those of each.
 */
export function figureData(spec: VegaLiteSpec): FigureRow[][] {
  const tables: FigureRow[][] = []
  collect(spec, tables)
  return tables
}

function collect(part: unknown, tables: FigureRow[][]): void {
  if (part === null || typeof part !== 'object') return
  if (Array.isArray(part)) {
    for (const item of part) collect(item, tables)
    return
  }
  for (const [key, value] of Object.entries(part)) {
    if (key !== 'data') {
      collect(value, tables)
      continue
    }
    const rows = (value as { values?: FigureRow[] }).values ?? []
    // What draws a single rule or text has a row of nothing.
    if (rows.some((row) => Object.keys(row).length > 0)) tables.push(rows)
  }
}
