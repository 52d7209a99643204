/** Where the drawing has its tokens and layers: arcs, buttons and layers share these columns. */
import { axisStarts } from '../../components/heatmap.js'

export interface Layout {
  /** Left of the tokens: numbers of layers. */
  readonly rail: number
  /** Where each token's column begins, and where the last one ends. */
  readonly edges: readonly number[]
  /** Whether labels of tokens stand upright, as their columns are narrow. */
  readonly upright: boolean
  /** Height of the labels. */
  readonly labels: number
  readonly width: number
  /** Height of a layer. */
  readonly row: number
  readonly nLayers: number
}

const RAIL = 46
/** A finger's width. */
const NARROWEST = 27
/** A character of a token's label, and what is left and right of a label. */
const CHARACTER = 8
const PADDING = 14
/** Columns do not grow wider than their labels by more than this. */
const MOST_SPARE = 70
/** Heights of labels: one that lies, the highest that stands. */
const LABEL = 36
const MOST_LABEL = 104

/** @param width what the drawing may take; it is wider where the tokens need it, and scrolls */
export function layoutOf(width: number, labels: readonly string[], nLayers: number): Layout {
  const inner = width - RAIL
  const wanted = labels.map((label) => Math.max(NARROWEST, label.length * CHARACTER + PADDING))
  const sum = wanted.reduce((total, one) => total + one, 0)
  const upright = sum > inner
  const spare = upright ? 0 : Math.min(MOST_SPARE, (inner - sum) / labels.length)
  const narrow = Math.max(NARROWEST, inner / labels.length)
  const edges = [RAIL]
  for (const one of wanted) edges.push(edges.at(-1)! + (upright ? narrow : one + spare))
  return {
    rail: RAIL,
    edges,
    upright,
    labels: upright ? Math.min(MOST_LABEL, Math.max(LABEL, ...wanted)) : LABEL,
    width: edges.at(-1)!,
    row: Math.max(5, Math.min(13, Math.round(312 / nLayers))),
    nLayers,
  }
}

export function columnWidth({ edges }: Layout, position: number): number {
  return edges[position + 1]! - edges[position]!
}

/** The middle of a token's column. */
export function columnAt({ edges }: Layout, position: number): number {
  return (edges[position]! + edges[position + 1]!) / 2
}

/** The token whose column is there; the nearest one beside them. */
export function positionAt({ edges }: Layout, x: number): number {
  const after = edges.findIndex((edge, i) => i > 0 && x < edge)
  return after < 0 ? edges.length - 2 : after - 1
}

/** Layers whose numbers are written. */
export function numberedLayers({ nLayers }: Layout): number[] {
  return axisStarts(nLayers, 13)
}
