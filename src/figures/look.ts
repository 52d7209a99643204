/** How a figure looks: for which medium it is sized, and on which ground it is drawn. */
import type { Config } from 'vega-lite'

/** For one column of a paper, for both of them, or for a screen. */
export const SIZES = ['column', 'page', 'screen'] as const
export type Size = (typeof SIZES)[number]

export const THEMES = ['light', 'dark'] as const
export type Theme = (typeof THEMES)[number]

export interface Look {
  readonly size: Size
  readonly theme: Theme
}

export const DEFAULT_LOOK: Look = { size: 'screen', theme: 'light' }

/** Verdana has nearly the proportions of DejaVu Sans: where that is not embedded, a browser keeps the layout. */
export const FONT = 'DejaVu Sans, Verdana, Geneva, sans-serif'

export interface Colors {
  readonly background: string
  /** Text and axes. */
  readonly ink: string
  /** Remarks. */
  readonly muted: string
  readonly grid: string
  /** The line of no change, whiskers and other auxiliary lines. */
  readonly rule: string
  /** Lines that are kinds, colour-blind safe, the ones that read best on the background first. */
  readonly palette: readonly string[]
  /** Lines that are a scale, from the least to the largest: see {@link shades}. */
  readonly sequential: readonly string[]
  /** From probability lost (red) over no change (the middle, near the background) to gained (blue): 11 steps. */
  readonly diverging: readonly string[]
}

export const COLORS: Record<Theme, Colors> = {
  light: {
    background: 'white',
    ink: '#333333',
    muted: '#6b6b6b',
    grid: '#e6e6e6',
    rule: '#999999',
    // Okabe and Ito (2008); their yellow is too faint for a line on white, so wine (Tol 2021) stands in for it.
    palette: ['#0072B2', '#D55E00', '#009E73', '#CC79A7', '#E69F00', '#56B4E9', '#000000', '#882255'],
    // Viridis (Smith and van der Walt 2015), from 0.8 to 0.
    sequential: ['#7ad151', '#3dbc74', '#20a386', '#25848e', '#31668e', '#414487', '#482475', '#440154'],
    // ColorBrewer's 11-class RdBu.
    diverging: [
      ...['#67001f', '#b2182b', '#d6604d', '#f4a582', '#fddbc7', '#f7f7f7'],
      ...['#d1e5f0', '#92c5de', '#4393c3', '#2166ac', '#053061'],
    ],
  },
  dark: {
    background: '#14171a',
    ink: '#d9dcdf',
    muted: '#9aa0a6',
    grid: '#2c3136',
    rule: '#7d848b',
    // Okabe and Ito's hues, lightened until each has a contrast of 4.5 and keeps its distance from the others.
    palette: ['#5B84FF', '#E8502F', '#00C896', '#AD78A0', '#F2A000', '#B7D5FF', '#FFFFFF', '#FFE14D'],
    // Viridis from 0.3 to 1.
    sequential: ['#35608d', '#2a788e', '#21918c', '#22a884', '#42be71', '#7ad151', '#bddf26', '#fde725'],
    diverging: [
      ...['#ffc2ad', '#ff8a6b', '#d9573f', '#9c3b2e', '#5c2a25', '#24282d'],
      ...['#1f3b58', '#265f98', '#3f8cd6', '#7dbbf5', '#c4e2ff'],
    ],
  },
}

/** Sizes in pixels of 1/96 inch. */
export interface Measures {
  /** The width that a figure may take; a screen scrolls, so there it is what reads well. */
  readonly width: number
  /** Free space around the figure. */
  readonly margin: number
  /** Font sizes. */
  readonly heading: number
  readonly subtitle: number
  readonly title: number
  readonly label: number
  readonly legend: number
  /** Strokes of lines, areas of markers. */
  readonly line: number
  readonly marker: number
}

/** A paper's columns are 3.33 in wide, the two together 7 in; nothing is printed smaller than 7 pt (9.33 px). */
const PRINT = {
  margin: 2,
  heading: 11,
  subtitle: 9.6,
  title: 9.6,
  label: 9.4,
  legend: 9.6,
  line: 1.2,
  marker: 15,
}
export const MEASURES: Record<Size, Measures> = {
  column: { ...PRINT, width: 320 },
  page: { ...PRINT, width: 672 },
  screen: {
    width: 1140,
    margin: 10,
    heading: 14,
    subtitle: 12,
    title: 12,
    label: 11,
    legend: 12,
    line: 2,
    marker: 46,
  },
}

/** Vega-Lite settings that every figure shares: type, thin axes, no frame. */
export function configOf({ size, theme }: Look) {
  const { background, ink, grid } = COLORS[theme]
  const { margin, heading, subtitle, title, label, legend } = MEASURES[size]
  const print = size !== 'screen'
  return {
    background,
    font: FONT,
    padding: margin,
    view: { stroke: null },
    title: {
      anchor: 'start',
      fontSize: heading,
      fontWeight: 'bold',
      subtitleFontSize: subtitle,
      subtitleColor: ink,
      offset: print ? 7 : 12,
      // Black is Vega's own.
      ...(theme === 'dark' && { color: ink }),
    },
    axis: {
      labelFontSize: label,
      titleFontSize: title,
      titleFontWeight: 'normal',
      titlePadding: print ? 4 : 8,
      labelColor: ink,
      titleColor: ink,
      domainColor: ink,
      tickColor: ink,
      gridColor: grid,
      ...(print && { domainWidth: 0.6, tickWidth: 0.6, gridWidth: 0.6, tickSize: 3, labelPadding: 2 }),
    },
    legend: {
      labelFontSize: legend,
      titleFontSize: legend,
      titleFontWeight: 'normal',
      labelColor: ink,
      titleColor: ink,
      ...(print && { offset: 6, rowPadding: 1, columnPadding: 8, titlePadding: 3 }),
    },
  } satisfies Config
}

/** `count` colours along a scale of colours, its ends included, evenly spaced. */
export function shades(stops: readonly string[], count: number): string[] {
  const channels = stops.map((stop) => [1, 3, 5].map((at) => Number.parseInt(stop.slice(at, at + 2), 16)))
  return Array.from({ length: count }, (_, i) => {
    const at = count === 1 ? stops.length - 1 : (i / (count - 1)) * (stops.length - 1)
    const below = Math.min(Math.floor(at), stops.length - 2)
    const mixed = channels[below]!.map((from, c) => from + (channels[below + 1]![c]! - from) * (at - below))
    return `#${mixed.map((value) => Math.round(value).toString(16).padStart(2, '0')).join('')}`
  })
}
