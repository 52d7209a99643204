import type { TopLevelSpec } from 'vega-lite'
import { COLORS, configOf, DEFAULT_LOOK, type Look, MEASURES } from './look.js'
import { textWidth, type Weight } from './metrics.js'
import { wrap } from './text.js'

/** A Vega-Lite 6 specification, data included. */
export type VegaLiteSpec = TopLevelSpec

export const { palette: PALETTE, diverging: DIVERGING } = COLORS.light

/** The markers of lines, in the order of the palette's colours; one fewer, so that pairs come again only after 56. */
export const SHAPES = [
  'circle',
  'square',
  'triangle-up',
  'diamond',
  'cross',
  'triangle-down',
  'triangle-right',
]

/** The title of the colour scale: the quantity and its unit. */
export const CHANGE_TITLE = 'change of p(answer), %'

/** The title of the depth axis. */
export function windowTitle(window: number): string {
  return `first layer of the window (w = ${window})`
}

/** The smallest of 1, 1.5, 2, 3, 4, 5, 6, 8 times a power of ten that is not below `value` > 0. */
function roundUp(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value))
  const step = [1, 1.5, 2, 3, 4, 5, 6, 8, 10].find((factor) => factor * power >= value * (1 - 1e-9)) ?? 10
  return step * power
}

/**
 * Where the diverging colour scale ends: colours run over [-limit, limit], 0 in the middle.
 *
 * The largest magnitude, rounded up, but at least `least` (so that rounding noise stays white) and at most `most`:
 * nothing loses more than 100 %, so a gain beyond +100 % takes the last colour instead of washing out every loss. The
 * defaults are of changes in percent.
 */
export function colorLimit(values: readonly (readonly number[])[], least = 1, most = 100): number {
  const largest = values.flat().reduce((max, value) => Math.max(max, Math.abs(value)), 0)
  return Math.min(most, roundUp(Math.max(least, largest)))
}

/**
 * Round numbers within [low, high], at most `max` (1 or more) of them, evenly spaced: 1, 2 or 5 times a power of ten
 * apart, at least `minStep`.
 */
export function ticks(low: number, high: number, max: number, minStep = 0): number[] {
  if (!(high > low)) return [low]
  for (let power = 10 ** Math.floor(Math.log10((high - low) / max)); ; power *= 10) {
    for (const step of [power, 2 * power, 5 * power]) {
      // Nine decimals: a bound that is a multiple but for rounding counts as one.
      const from = Math.ceil(Number((low / step).toFixed(9)))
      const count = Math.floor(Number((high / step).toFixed(9))) - from + 1
      if (step >= minStep && count <= max) {
        // Adding 0 turns -0 into 0; twelve digits cut 0.30000000000000004 to 0.3.
        return Array.from({ length: count }, (_, i) => Number(((from + i) * step).toPrecision(12)) + 0)
      }
    }
  }
}

/** The settings of the default look. */
export const CONFIG = configOf(DEFAULT_LOOK)

/** The head of a figure: texts made visible and broken into lines that fit above a plot `width` pixels wide. */
export function header(
  figure: { title: string; subtitle?: string },
  width: number,
  { size }: Look = DEFAULT_LOOK,
) {
  const { heading, subtitle } = MEASURES[size]
  const lines = (text: string, px: number, weight: Weight) =>
    wrap(text, width, (part) => textWidth(part, px, weight))
  return {
    text: lines(figure.title, heading, 'bold'),
    frame: 'group' as const,
    subtitle: figure.subtitle ? lines(figure.subtitle, subtitle, 'normal') : undefined,
  }
}

/** A value as it stands in a figure's data: six digits are more than are seen. */
export function rounded(value: number | undefined): number | undefined {
  return value === undefined ? undefined : Number(value.toPrecision(6))
}

/** The least and the largest of some values, at least one. */
export function extent(values: readonly number[]): [number, number] {
  return values.reduce<[number, number]>(
    ([low, high], value) => [Math.min(low, value), Math.max(high, value)],
    [values[0]!, values[0]!],
  )
}
