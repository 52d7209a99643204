import stringWidth from 'string-width'
import { type Colors, type Ink, type Look, paint, paintRun } from './ansi.js'
import { BrailleCanvas } from './braille.js'
import { type Curve, type CurvePoint, type CurvesFigure, checkCurves } from './data.js'
import { ticks } from './style.js'
import { checkWidth, depthAxis, heading } from './terminal-frame.js'
import { pad, truncate, visibleText } from './text.js'

/** Okabe and Ito's colours as far as they show on black and on white, then the terminal's own text colour. */
const INKS: (Ink | undefined)[] = [
  { hex: '#0072B2', xterm: 32, sgr: 34 },
  { hex: '#D55E00', xterm: 166, sgr: 31 },
  { hex: '#009E73', xterm: 36, sgr: 32 },
  { hex: '#CC79A7', xterm: 175, sgr: 35 },
  { hex: '#E69F00', xterm: 172, sgr: 33 },
  { hex: '#56B4E9', xterm: 74, sgr: 36 },
  undefined,
]
const LETTERS = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ'
const FAINT: Look = { dim: true }
const PLAIN: Look = {}

interface Cell {
  text: string
  look: Look
}

/**
 * Draw an info-flow figure as text: a line of Braille dots for each curve, lettered a, b, c... so that curves stay
 * apart without colour, and a legend with each curve's largest change, its half confidence interval, and where it is.
 * With colours the 95 % band shows as faint dots; without, the legend's numbers stand for it.
 *
 * @param width columns of the terminal, at least 40; no line is wider
 * @param height rows of the plot itself; fewer than 4 are taken as 4
 * @param colors how many colours the terminal shows; 0 means no escape codes
 * @throws InputError when the figure cannot be drawn (see {@link checkCurves}) or `width` is below 40
 */
export function drawCurves(
  figure: CurvesFigure,
  { width, height = 16, colors }: { width: number; height?: number; colors: Colors },
): string {
  checkWidth('drawCurves', width)
  checkCurves(figure)
  const rows = Math.max(4, Math.round(height))
  const lastStart = figure.nLayers - figure.window
  const curves = figure.curves.map(({ points }) => [...points].sort((a, b) => a.firstLayer - b.firstLayer))

  const shown = curves.flat().flatMap(({ mean, low, high }) => (colors === 0 ? [mean] : [mean, low, high]))
  const [bottom, top] = extent(shown)
  const yTicks = ticks(bottom, top, Math.max(3, Math.floor(rows / 3) + 1))
  const gutter = Math.max(...yTicks.map((tick) => String(tick).length)) + 2
  const columns = width - gutter
  const dotX = (layer: number) =>
    lastStart === 0 ? columns : Math.round((layer / lastStart) * (2 * columns - 1))
  const dotY = (value: number) => Math.round(((top - value) / (top - bottom)) * (4 * rows - 1))

  const cells = plot(curves, { columns, rows, colors, dotX, dotY })
  const tickAt = new Map(yTicks.map((tick) => [dotY(tick) >> 2, String(tick)]))
  const body = cells.map((row, r) => {
    const tick = tickAt.get(r)
    return `${pad(tick ?? '', gutter - 2, 'right')} ${tick === undefined ? '│' : '┤'}${paintRun(row, colors)}`
  })
  return [
    ...heading(figure, width, colors),
    truncate(visibleText(figure.yLabel), width),
    ...body,
    ...depthAxis(gutter, columns, lastStart, figure.window, (layer) => dotX(layer) >> 1),
    '',
    ...legend(figure.curves, width, colors),
  ].join('\n')
}

/** The smallest and the largest value, 0 included; [-1, 1] where all are 0 to rounding. */
function extent(values: number[]): [number, number] {
  const low = values.reduce((a, b) => Math.min(a, b), 0)
  const high = values.reduce((a, b) => Math.max(a, b), 0)
  return high - low < 1e-9 ? [-1, 1] : [low, high]
}

interface Geometry {
  columns: number
  rows: number
  colors: Colors
  /** Dot column of a window's first layer. */
  dotX: (layer: number) => number
  /** Dot row of a value. */
  dotY: (value: number) => number
}

/** The plot area, [rows][columns]: zero line, bands, lines, letters, each over the one before; first curve on top. */
function plot(curves: CurvePoint[][], geometry: Geometry): Cell[][] {
  const { columns, rows, colors, dotX, dotY } = geometry
  const cells = Array.from({ length: rows }, () =>
    Array.from({ length: columns }, (): Cell => ({ text: ' ', look: PLAIN })),
  )
  for (let column = 0; column < columns; column++) cells[dotY(0) >> 2][column] = { text: '┈', look: FAINT }
  const stamp = (canvas: BrailleCanvas, look: Look) => {
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        const text = canvas.cell(column, row)
        if (text !== '') cells[row][column] = { text, look }
      }
    }
  }

  if (colors > 0) {
    for (const [c, points] of [...curves.entries()].reverse()) {
      const band = new BrailleCanvas(columns, rows)
      alongX(points, dotX, (x, at) => {
        for (let y = dotY(at('high')); y <= dotY(at('low')); y++) if ((x + 2 * y) % 4 === 0) band.set(x, y)
      })
      stamp(band, { ink: INKS[c % INKS.length], dim: true })
    }
  }
  for (const [c, points] of [...curves.entries()].reverse()) {
    const line = new BrailleCanvas(columns, rows)
    let before = dotY(points[0].mean)
    alongX(points, dotX, (x, at) => {
      const y = dotY(at('mean'))
      line.set(x, y)
      // Close the gap to the dot before, so that steep lines stay whole.
      for (let gap = Math.min(before, y) + 1; gap < Math.max(before, y); gap++) line.set(x, gap)
      before = y
    })
    stamp(line, { ink: INKS[c % INKS.length] })
  }
  const period = Math.max(12, 4 * curves.length)
  for (const [c, points] of curves.entries()) {
    const look: Look = { ink: INKS[c % INKS.length], bold: true }
    const phase = Math.floor(((c + 0.5) * period) / curves.length)
    // A curve without length gets its letter wherever it is.
    const isPoint = dotX(points[0].firstLayer) === dotX(points[points.length - 1].firstLayer)
    alongX(points, dotX, (x, at) => {
      const column = Math.min(columns - 1, x >> 1)
      if (isPoint || (x % 2 === 0 && column % period === phase)) {
        cells[dotY(at('mean')) >> 2][column] = { text: LETTERS[c % LETTERS.length], look }
      }
    })
  }
  return cells
}

/** Visit each dot column of a curve with its values there, linear between the points. */
function alongX(
  points: CurvePoint[],
  dotX: (layer: number) => number,
  visit: (x: number, at: (key: 'mean' | 'low' | 'high') => number) => void,
): void {
  for (const [i, point] of points.entries()) {
    const x = dotX(point.firstLayer)
    const previous = points[i - 1]
    if (previous !== undefined) {
      const from = dotX(previous.firstLayer)
      for (let between = from + 1; between < x; between++) {
        const share = (between - from) / (x - from)
        visit(between, (key) => previous[key] + (point[key] - previous[key]) * share)
      }
    }
    visit(x, (key) => point[key])
  }
}

/** One line for each curve: letter, label, largest change with its half interval, first layer, prompts. */
function legend(curves: readonly Curve[], width: number, colors: Colors): string[] {
  const extremes = curves.map(({ points }) =>
    points.reduce((best, point) => (Math.abs(point.mean) > Math.abs(best.mean) ? point : best)),
  )
  const largest = Math.max(...extremes.map((point) => Math.abs(point.mean)))
  const digits = largest >= 10 ? 1 : largest >= 1 ? 2 : 3
  const column = (texts: string[]) =>
    texts.map((text) => pad(text, Math.max(...texts.map((t) => t.length)), 'right'))
  const means = column(extremes.map((point) => fixed(point.mean, digits)))
  const halves = column(
    extremes.map((point) => fixed(Math.max(point.high - point.mean, point.mean - point.low), digits)),
  )
  const layers = column(extremes.map((point) => String(point.firstLayer)))
  const counts = column(extremes.map((point) => String(point.n)))

  // One prompt has no interval to speak of.
  const single = extremes.every((point) => point.n === 1)
  const change = extremes.map((_, c) => (single ? means[c] : `${means[c]} ± ${halves[c]}`))
  const tails = [
    extremes.map((_, c) => `${change[c]}  from layer ${layers[c]}${single ? '' : `  n = ${counts[c]}`}`),
    extremes.map((_, c) => `${change[c]}  from ${layers[c]}`),
  ]
  const labels = curves.map((curve) => visibleText(curve.label))
  const widest = Math.max(...labels.map((label) => stringWidth(label)))
  const tail = widest + 6 + tails[0][0].length <= width ? tails[0] : tails[1]
  const room = Math.max(1, Math.min(widest, width - 6 - tail[0].length))
  const note = truncate(single ? 'largest change' : 'largest change ± half its 95 % interval', width)
  return [
    paint(pad(note, Math.min(width, room + 6 + tail[0].length), 'right'), FAINT, colors),
    ...labels.map((label, c) => {
      const sample = paint(`⠒${LETTERS[c % LETTERS.length]}⠒`, { ink: INKS[c % INKS.length] }, colors)
      return `${sample} ${truncate(`${pad(truncate(label, room), room)}  ${tail[c]}`, width - 4)}`
    }),
  ]
}

/** A number with a fixed count of decimals, never `-0.0`. */
function fixed(value: number, digits: number): string {
  return (Number(value.toFixed(digits)) + 0).toFixed(digits)
}
