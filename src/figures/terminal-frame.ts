import { InputError } from '../errors.js'
import { type Colors, paint } from './ansi.js'
import { ticks, windowTitle } from './style.js'
import { truncate, wrap } from './text.js'

/** The narrowest terminal, in columns, that a figure is drawn for. */
export const MIN_WIDTH = 40

/** @throws InputError when `width` is not an integer of at least {@link MIN_WIDTH} */
export function checkWidth(where: string, width: number): void {
  if (Number.isInteger(width) && width >= MIN_WIDTH) return
  const rule = `width must be an integer of at least ${MIN_WIDTH}`
  throw new InputError(`${where}: ${rule}, got ${width}; widen the terminal or write the figure to a file`)
}

/** Title and subtitle as lines of at most `width` columns, and an empty line. */
export function heading(
  figure: { title: string; subtitle?: string },
  width: number,
  colors: Colors,
): string[] {
  return [
    ...wrap(figure.title, width).map((line) => paint(line, { bold: true }, colors)),
    ...(figure.subtitle ? wrap(figure.subtitle, width) : []).map((line) =>
      paint(line, { dim: true }, colors),
    ),
    '',
  ]
}

/**
 * The depth axis below a plot: its line with tick marks, the layer numbers, the title.
 *
 * @param gutter columns left of the plot
 * @param columns columns of the plot
 * @param lastStart first layer of the last window
 * @param columnOf the plot column, from 0, of a window's first layer
 */
export function depthAxis(
  gutter: number,
  columns: number,
  lastStart: number,
  window: number,
  columnOf: (firstLayer: number) => number,
): string[] {
  const line = Array.from({ length: columns }, () => '─')
  let labels = ''
  for (const layer of ticks(0, lastStart, Math.max(2, Math.floor(columns / 6)), 1)) {
    const text = String(layer)
    const column = columnOf(layer)
    line[column] = '┬'
    // Centred below the tick, but inside the plot, and never touching the label before.
    const start = Math.min(columns - text.length, Math.max(0, column - ((text.length - 1) >> 1)))
    if (labels === '' || start > labels.length) labels = labels.padEnd(start) + text
  }
  const title = truncate(windowTitle(window), columns + gutter)
  const indent = Math.max(0, gutter + ((columns - title.length) >> 1))
  const fitting = Math.min(indent, gutter + columns - title.length)
  return [
    `${' '.repeat(gutter - 1)}└${line.join('')}`,
    `${' '.repeat(gutter)}${labels}`,
    `${' '.repeat(fitting)}${title}`,
  ]
}
