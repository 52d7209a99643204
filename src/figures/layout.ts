/** Where the parts of a grid of plots go, so that it fits the width of its medium. */
import { type Look, MEASURES, type Size } from './look.js'
import { textWidth, type Weight } from './metrics.js'
import { truncate, wrap } from './text.js'

export interface GridLayout {
  /** Size of one plot. */
  readonly width: number
  readonly height: number
  /** Between plots. */
  readonly spacing: { readonly row: number; readonly column: number }
}

interface Shape {
  /** Width of the widest plot, height as a share of the width, least height, and the height that all rows may take. */
  readonly widest: number
  readonly aspect: number
  readonly lowest: number
  readonly tallest: number
  readonly gap: number
}

/** A printed page leaves about 9 in to a figure; head, axis and legend take one of them. */
const SHAPES: Record<Size, Shape> = {
  column: { widest: 300, aspect: 0.6, lowest: 52, tallest: 620, gap: 8 },
  page: { widest: 330, aspect: 0.62, lowest: 56, tallest: 740, gap: 10 },
  screen: { widest: 520, aspect: 0.58, lowest: 90, tallest: 2000, gap: 18 },
}
/** What may be lost between the widths of texts and whole pixels. */
export const ROUNDING = 2
/** Plots that are narrower say nothing: a grid of too many columns grows wider than its medium instead. */
const NARROWEST = 56

/**
 * The size of each plot of a grid.
 * @param sides pixels that axes and labels take on the left and on the right of all plots
 * @param above pixels that a plot needs above it for a remark of its own
 */
export function gridLayout(
  { size }: Look,
  rows: number,
  columns: number,
  sides: number,
  above: number,
): GridLayout {
  const { width: total, margin } = MEASURES[size]
  const { widest, aspect, lowest, tallest, gap } = SHAPES[size]
  const free = total - 2 * margin - ROUNDING - sides - gap * (columns - 1)
  const width = Math.floor(Math.min(widest, Math.max(NARROWEST, free / columns)))
  const rowGap = Math.max(gap, above === 0 ? 0 : above + 8)
  const fair = (tallest - rowGap * (rows - 1)) / rows
  const height = Math.floor(Math.max(lowest, Math.min(aspect * width, fair)))
  return { width, height, spacing: { row: rowGap, column: gap } }
}

/** Lines of a text, each at most `width` pixels wide, at most `most` of them. */
export function fitLines(
  text: string,
  width: number,
  size: number,
  weight: Weight = 'normal',
  most = 3,
): string[] {
  const measure = (part: string) => textWidth(part, size, weight)
  // A unit stays with what it is of.
  const lines = wrap(text.replaceAll(' %', '\u00a0%'), width, measure)
  if (lines.length <= most) return lines
  const last = truncate(lines.slice(most - 1).join(' '), width, measure)
  return [...lines.slice(0, most - 1), last]
}

/** The most columns in which legend entries fit into `width`, row by row, each column as wide as its widest entry. */
export function legendColumns(labels: readonly string[], width: number, { size }: Look): number {
  const { legend } = MEASURES[size]
  // A symbol, the space after it and the space between columns, as Vega has them.
  const around = 28
  const wide = labels.map((label) => textWidth(label, legend) + around)
  for (let columns = labels.length; columns > 1; columns--) {
    const widths = Array.from({ length: columns }, (_, c) =>
      Math.max(...wide.filter((_, i) => i % columns === c)),
    )
    if (widths.reduce((sum, part) => sum + part, 0) <= width) return columns
  }
  return 1
}

/** A Vega expression that gives the label of a key: `datum.value` in axes, headers and legends. */
export function labelExpr(labels: ReadonlyMap<string, string | readonly string[]>): string {
  return `${JSON.stringify(Object.fromEntries(labels))}[datum.value]`
}
