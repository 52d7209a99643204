import stringWidth from 'string-width'
import { type Colors, gradient, type Look, paint, paintRun } from './ansi.js'
import { checkHeatmap, type HeatmapFigure } from './data.js'
import { CHANGE_TITLE, colorLimit, DIVERGING } from './style.js'
import { checkWidth, depthAxis, heading } from './terminal-frame.js'
import { pad, rowLabel, wrap } from './text.js'

/** Characters for losses and for gains, by magnitude: without colour these tell the sign apart. */
const LOSSES = ' .:-=+*#%@'
const GAINS = ' 123456789'
const LOSS: Look = { ink: { hex: '#b2182b', xterm: 124, sgr: 31 } }
const GAIN: Look = { ink: { hex: '#2166ac', xterm: 25, sgr: 34 } }
/** The red to blue scale among xterm's 256 colours, picked for even steps of lightness: nearest colours change hue. */
const XTERM_DIVERGING = [52, 88, 124, 167, 174, 217, 224, 255, 189, 153, 110, 68, 25, 18, 17]
const MIN_LABEL = 10
const MAX_LABEL = 24
const MAX_CELL = 4
const BAR = 21

/**
 * Draw the heatmap of one prompt as text: a row for each token, the subject's marked `*`, a column for each window.
 *
 * With 256 colours or more a cell is a block of colour, red for probability lost and blue for gained, on the scale of
 * the SVG figure. With fewer a cell is a character by magnitude, from ` .:-=+*#%@` for losses and from the digits for
 * gains, coloured red and blue when there are 16 colours. Where there are more windows than columns, neighbours are
 * averaged, and a note says so.
 *
 * @param width columns of the terminal, at least 40; no line is wider
 * @param colors how many colours the terminal shows; 0 means no escape codes
 * @throws InputError when the figure cannot be drawn (see {@link checkHeatmap}) or `width` is below 40
 */
export function drawHeatmap(
  figure: HeatmapFigure,
  { width, colors }: { width: number; colors: Colors },
): string {
  checkWidth('drawHeatmap', width)
  checkHeatmap(figure)
  const subject = new Set(figure.subject)
  const nWindows = figure.nLayers - figure.window + 1
  const widest = Math.max(
    ...figure.tokens.map((token, t) => stringWidth(rowLabel(token, subject.has(t), MAX_LABEL))),
  )
  // Rather shorten the labels than merge windows.
  let merged = 1
  const labelRoom = () => width - 2 - Math.ceil(nWindows / merged)
  while (labelRoom() < Math.min(widest, MIN_LABEL)) merged++
  const labelWidth = Math.min(widest, labelRoom())
  const gutter = labelWidth + 2
  const nCells = Math.ceil(nWindows / merged)
  const cellWidth = Math.min(MAX_CELL, Math.floor((width - gutter) / nCells))

  const limit = colorLimit(figure.values)
  const rows = figure.values.map((row, t) => {
    const cells = mergeNeighbours(row, merged).map((change) => cell(change / limit, cellWidth, colors))
    const label = rowLabel(figure.tokens[t], subject.has(t), labelWidth)
    return `${pad(label, labelWidth, 'right')} │${paintRun(cells, colors)}`
  })
  const notes = [
    ...(subject.size > 0 ? ['* subject'] : []),
    ...(merged > 1 ? [`each column is the mean of ${merged} neighbouring windows`] : []),
  ]
  return [
    ...heading(figure, width, colors),
    ...rows,
    ...depthAxis(
      gutter,
      nCells * cellWidth,
      nWindows - 1,
      figure.window,
      (layer) => Math.floor(layer / merged) * cellWidth + ((cellWidth - 1) >> 1),
    ),
    '',
    ...scale(figure.values, limit, colors),
    ...notes.flatMap((note) => wrap(note, width)).map((line) => paint(line, { dim: true }, colors)),
  ].join('\n')
}

/** Means of `size` neighbours; the last may have fewer. */
function mergeNeighbours(row: readonly number[], size: number): number[] {
  return Array.from({ length: Math.ceil(row.length / size) }, (_, i) => {
    const group = row.slice(i * size, (i + 1) * size)
    return group.reduce((sum, value) => sum + value, 0) / group.length
  })
}

/** One cell for a change given as a share of the limit, -1 to 1 (more is drawn as 1). */
function cell(share: number, cellWidth: number, colors: Colors): { text: string; look: Look } {
  if (colors > 16) {
    const position = (Math.min(1, share) + 1) / 2
    const xterm = XTERM_DIVERGING[Math.round(position * (XTERM_DIVERGING.length - 1))]
    return {
      text: ' '.repeat(cellWidth),
      look: { background: { hex: gradient(DIVERGING, position), xterm } },
    }
  }
  const ramp = share < 0 ? LOSSES : GAINS
  const level = Math.min(ramp.length - 1, Math.round(Math.abs(share) * (ramp.length - 1)))
  return { text: ramp[level].repeat(cellWidth), look: share < 0 ? LOSS : GAIN }
}

/** What the colours, or the characters, mean. */
function scale(values: readonly (readonly number[])[], limit: number, colors: Colors): string[] {
  const end = values.some((row) => row.some((value) => value > limit)) ? `≥ +${limit}` : `+${limit}`
  if (colors > 16) {
    const bar = Array.from({ length: BAR }, (_, i) => cell((2 * i) / (BAR - 1) - 1, 1, colors))
    return [CHANGE_TITLE, `-${limit} ${paintRun(bar, colors)} ${end}`]
  }
  return [
    CHANGE_TITLE,
    `lost   0 ${paint(`[${LOSSES}]`, LOSS, colors)} -${limit}`,
    `gained 0 ${paint(`[${GAINS}]`, GAIN, colors)} ${end}`,
  ]
}
