import type { Config, TopLevelSpec } from 'vega-lite'
import { wrap } from './text.js'

/** A Vega-Lite 6 specification, data included. */
export type VegaLiteSpec = TopLevelSpec

/** Verdana has nearly the proportions of DejaVu Sans, which the PNGs are drawn with: a browser keeps the layout. */
export const FONT = 'DejaVu Sans, Verdana, Geneva, sans-serif'

/** The colour of text and axes. */
export const INK = '#333333'

/** Okabe and Ito's colour-blind-safe colours (2008), the ones that read best on white first. */
export const PALETTE = [
  '#0072B2',
  '#D55E00',
  '#009E73',
  '#CC79A7',
  '#E69F00',
  '#56B4E9',
  '#000000',
  '#F0E442',
]

/**
 * ColorBrewer's 11-class RdBu, from probability lost (red) over no change (near white) to probability gained (blue);
 * colour-blind safe.
 */
export const DIVERGING = [
  ...['#67001f', '#b2182b', '#d6604d', '#f4a582', '#fddbc7', '#f7f7f7'],
  ...['#d1e5f0', '#92c5de', '#4393c3', '#2166ac', '#053061'],
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
 * Where the diverging colour scale ends: colours run over [-limit, limit] percent, 0 in the middle.
 *
 * The largest magnitude, rounded up, but at least 1 % (so that rounding noise stays white) and at most 100 %: nothing
 * loses more than 100 %, so a gain beyond +100 % takes the last colour instead of washing out every loss.
 */
export function colorLimit(values: readonly (readonly number[])[]): number {
  const largest = values.flat().reduce((max, value) => Math.max(max, Math.abs(value)), 0)
  return Math.min(100, roundUp(Math.max(1, largest)))
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

/** Vega-Lite settings that every figure shares: type, thin grey axes, no frame. */
export const CONFIG = {
  background: 'white',
  font: FONT,
  padding: 10,
  view: { stroke: null },
  title: {
    anchor: 'start',
    fontSize: 14,
    fontWeight: 'bold',
    subtitleFontSize: 12,
    subtitleColor: INK,
    offset: 12,
  },
  axis: {
    labelFontSize: 11,
    titleFontSize: 12,
    titleFontWeight: 'normal',
    titlePadding: 8,
    labelColor: INK,
    titleColor: INK,
    domainColor: INK,
    tickColor: INK,
    gridColor: '#e6e6e6',
  },
  legend: {
    labelFontSize: 12,
    titleFontSize: 12,
    titleFontWeight: 'normal',
    labelColor: INK,
    titleColor: INK,
  },
} satisfies Config

/** The head of a figure: texts made visible and broken into lines that fit above a plot `width` pixels wide. */
export function header(figure: { title: string; subtitle?: string }, width: number) {
  const subtitle = figure.subtitle ? wrap(figure.subtitle, Math.floor(width / 7)) : undefined
  return { text: wrap(figure.title, Math.floor(width / 9.5)), frame: 'group' as const, subtitle }
}
