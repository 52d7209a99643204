/**
 * How slowly the features of a state-space model forget: the norms by which their categories are told apart (Mamba
 * Knockout, section 5), as a histogram of each layer or as a box of each layer. Both are counted here, so that a spec
 * stays small however many features a model has.
 */
import { percentile } from '../results/statistics.js'
import { fault } from './data.js'
import { fitLines, gridLayout } from './layout.js'
import { COLORS, configOf, DEFAULT_LOOK, type Look, MEASURES, type Size } from './look.js'
import { textWidth } from './metrics.js'
import { extent, header, rounded, ticks, type VegaLiteSpec } from './style.js'
import { visibleText } from './text.js'

/** The features of a layer. */
export interface DecayLayer {
  /** Counted from 0. */
  readonly layer: number
  /** L1 norm over the state of exp(-exp(A_log)), one per channel (Mamba-1) or head (Mamba-2): 0 to dState. */
  readonly norms: readonly number[]
  /** The largest norm of the third that decays fastest, and the smallest of the one that decays slowest. */
  readonly thirds: readonly [fastest: number, slowest: number]
}

const NORM_TITLE = 'L1 norm of exp(A)'
const NORM_REMARK = '(small: decays fast)'

const THIRDS = ['fastest third', 'middle third', 'slowest third'] as const

/** Bars of a histogram. */
const BINS: Record<Size, number> = { column: 24, page: 24, screen: 32 }

/**
 * A histogram of the norms of each layer, in a grid; bars are coloured by thirds, which dashed lines bound. All plots
 * have the same axes.
 *
 * @throws InputError when there is no layer, a layer stands twice or has no norm, a number is not finite, or thirds are
 *   not in order
 */
export function decayHistogramsSpec(
  title: string,
  layers: readonly DecayLayer[],
  look: Look = DEFAULT_LOOK,
): VegaLiteSpec {
  checkLayers(layers)
  const { palette, rule, ink, muted } = COLORS[look.theme]
  const { label, title: titleSize, line } = MEASURES[look.size]
  const columns = columnsFor(layers.length, look.size)
  const bins = binsOf(layers, BINS[look.size])
  const rows = layers.flatMap((layer, i) => histogram(layer, bins, Math.floor(i / columns), i % columns))
  const tallest = Math.max(...layers.map((layer) => highest(layer, bins)))
  const sides = textWidth(tallest.toLocaleString('en'), label) + 8 + 1.6 * titleSize
  const layout = gridLayout(look, Math.ceil(layers.length / columns), columns, sides, label)
  const [from, to] = [bins[0]!, bins.at(-1)!]
  const whole = columns * (layout.width + layout.spacing.column) - layout.spacing.column
  const titles = { labels: false, titleColor: ink, titleFontSize: titleSize, titleFontWeight: 'normal' }
  const x = {
    type: 'quantitative',
    scale: { domain: [from, to], nice: false, zero: false },
    axis: {
      title: null,
      values: ticks(from, to, Math.max(2, Math.floor(layout.width / (3 * label)))),
      grid: false,
      labelFlush: true,
    },
  }
  const bound = (field: string) => ({
    transform: [{ aggregate: [{ op: 'min', field, as: field }] }],
    mark: { type: 'rule', color: ink, strokeDash: [3, 2], strokeWidth: line / 2, aria: false },
    encoding: { x: { field, ...x } },
  })
  return {
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    description: visibleText(title),
    title: header({ title }, whole, look),
    data: { values: rows },
    facet: {
      row: {
        field: 'row',
        type: 'ordinal',
        header: { ...titles, title: 'features', titleOrient: 'left', titlePadding: 2 },
      },
      column: {
        field: 'column',
        type: 'ordinal',
        header: {
          ...titles,
          title: fitLines(`${NORM_TITLE} over the state ${NORM_REMARK}`, whole, titleSize),
          titleOrient: 'bottom',
          titlePadding: look.size === 'screen' ? 0 : -6,
        },
      },
    },
    spacing: layout.spacing,
    bounds: 'flush',
    spec: {
      width: layout.width,
      height: layout.height,
      layer: [
        {
          mark: { type: 'bar', binSpacing: 0, aria: false },
          encoding: {
            x: { field: 'from', bin: 'binned', ...x },
            x2: { field: 'to' },
            y: {
              field: 'count',
              type: 'quantitative',
              scale: { domain: [0, tallest * 1.05], nice: false },
              axis: {
                title: null,
                grid: true,
                values: ticks(0, tallest, Math.max(2, Math.floor(layout.height / (2.4 * label))), 1),
              },
            },
            color: {
              field: 'third',
              type: 'nominal',
              title: null,
              scale: { domain: [...THIRDS], range: [palette[1], rule, palette[0]] },
              legend: { orient: 'bottom', columns: 3, symbolType: 'square' },
            },
            order: { field: 'order', type: 'quantitative' },
            tooltip: [
              { field: 'layer', type: 'quantitative' },
              { field: 'from', type: 'quantitative', title: 'norm from' },
              { field: 'to', type: 'quantitative', title: 'norm to' },
              { field: 'third', type: 'nominal' },
              { field: 'count', type: 'quantitative', title: 'features' },
            ],
          },
        },
        bound('fast'),
        bound('slow'),
        {
          transform: [
            { aggregate: [{ op: 'min', field: 'layer', as: 'layer' }] },
            { calculate: "'layer ' + datum.layer", as: 'name' },
          ],
          mark: {
            type: 'text',
            align: 'left',
            baseline: 'bottom',
            fontSize: label,
            color: muted,
            aria: false,
          },
          encoding: { text: { field: 'name' }, x: { value: 0 }, y: { value: -2 } },
        },
      ],
    },
    config: { ...configOf(look), axisY: { domain: false, ticks: false, labelPadding: 4 } },
  } as unknown as VegaLiteSpec
}

/** Plots side by side. */
function columnsFor(layers: number, size: Size): number {
  const [few, some, many] = size === 'column' ? [2, 3, 4] : [4, 6, 8]
  if (layers <= 2 * few) return Math.min(layers, few)
  return layers <= some * 4 ? some : many
}

/** Edges of the bars that all histograms share, over what their norms span. */
function binsOf(layers: readonly DecayLayer[], count: number): number[] {
  const [least, most] = extent(layers.flatMap(({ norms }) => norms))
  const [from, to] = most > least ? [least, most] : [least - 0.5, most + 0.5]
  return Array.from({ length: count + 1 }, (_, i) => from + ((to - from) * i) / count)
}

function binOf(norm: number, bins: readonly number[]): number {
  const share = (norm - bins[0]!) / (bins.at(-1)! - bins[0]!)
  return Math.min(bins.length - 2, Math.floor(share * (bins.length - 1)))
}

function highest({ norms }: DecayLayer, bins: readonly number[]): number {
  const counts = new Array<number>(bins.length - 1).fill(0)
  for (const norm of norms) counts[binOf(norm, bins)]! += 1
  return Math.max(...counts)
}

/** The bars of a layer: a row for each bin and third that has features. */
function histogram(
  { layer, norms, thirds: [fast, slow] }: DecayLayer,
  bins: readonly number[],
  row: number,
  column: number,
): object[] {
  const counts = THIRDS.map(() => new Array<number>(bins.length - 1).fill(0))
  for (const norm of norms) counts[norm <= fast ? 0 : norm >= slow ? 2 : 1]![binOf(norm, bins)]! += 1
  return counts.flatMap((list, order) =>
    list.flatMap((count, bin) =>
      count === 0
        ? []
        : [
            {
              row,
              column,
              layer,
              from: rounded(bins[bin]!),
              to: rounded(bins[bin + 1]!),
              third: THIRDS[order],
              order,
              count,
              fast: rounded(fast),
              slow: rounded(slow),
            },
          ],
    ),
  )
}

const BOXES: Record<Size, { widest: number; step: number; height: number }> = {
  column: { widest: 262, step: 14, height: 150 },
  page: { widest: 610, step: 14, height: 200 },
  screen: { widest: 1040, step: 20, height: 300 },
}

/**
 * A box of the norms of each layer: median and quartiles (NumPy's linear ones), whiskers to the furthest norms within
 * 1.5 times the distance of the quartiles, points beyond. Points that would lie within two pixels of each other are one.
 *
 * @throws InputError as {@link decayHistogramsSpec} does
 */
export function decayBoxesSpec(
  title: string,
  layers: readonly DecayLayer[],
  look: Look = DEFAULT_LOOK,
): VegaLiteSpec {
  checkLayers(layers)
  const { palette, rule, background } = COLORS[look.theme]
  const { label, line } = MEASURES[look.size]
  const { widest, step, height } = BOXES[look.size]
  const width = Math.min(widest, layers.length * step)
  const [low, high] = extent(layers.flatMap(({ norms }) => norms))
  const space = high > low ? (high - low) * 0.04 : 0.5
  const boxes = layers.map(({ layer, norms }) => boxOf(layer, norms))
  const outliers = layers.flatMap(({ norms }, i) => outliersOf(boxes[i]!, norms, (2 * (high - low)) / height))
  const box = (width / layers.length) * 0.7
  const x = {
    field: 'layer',
    type: 'ordinal',
    scale: { domain: layers.map(({ layer }) => layer) },
    axis: {
      title: 'layer',
      labelAngle: 0,
      values: spaced(
        layers.map(({ layer }) => layer),
        Math.floor(width / (2.6 * label)),
      ),
      ticks: false,
    },
  }
  const y = {
    type: 'quantitative',
    scale: { domain: [low - space, high + space], nice: false, zero: false },
    axis: {
      title: [NORM_TITLE, NORM_REMARK],
      grid: true,
      values: ticks(low - space, high + space, Math.floor(height / (2.4 * label))),
    },
  }
  return {
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    description: visibleText(title),
    title: header({ title }, Math.max(width, 200), look),
    width,
    height,
    data: { values: boxes },
    layer: [
      {
        mark: { type: 'rule', color: rule, strokeWidth: line / 1.5, aria: false },
        encoding: { x, y: { field: 'low', ...y }, y2: { field: 'high' } },
      },
      {
        mark: { type: 'bar', color: palette[0], width: box, aria: false },
        encoding: {
          x,
          y: { field: 'q1', ...y },
          y2: { field: 'q3' },
          tooltip: ['layer', 'n', 'low', 'q1', 'median', 'q3', 'high'].map((field) => ({
            field,
            type: 'quantitative',
          })),
        },
      },
      {
        mark: { type: 'tick', color: background, thickness: line, size: box, aria: false },
        encoding: { x, y: { field: 'median', ...y } },
      },
      ...(outliers.length === 0
        ? []
        : [
            {
              data: { values: outliers },
              mark: {
                type: 'point',
                filled: true,
                color: palette[0],
                opacity: 0.5,
                size: 6 * line,
                aria: false,
              },
              encoding: { x, y: { field: 'norm', ...y } },
            },
          ]),
    ],
    config: { ...configOf(look), axisY: { domain: false, ticks: false, labelPadding: 4 } },
  } as unknown as VegaLiteSpec
}

interface Box {
  readonly layer: number
  readonly n: number
  readonly low: number
  readonly q1: number
  readonly median: number
  readonly q3: number
  readonly high: number
}

function boxOf(layer: number, norms: readonly number[]): Box {
  const sorted = Float64Array.from(norms).sort()
  const [q1, median, q3] = [0.25, 0.5, 0.75].map((p) => percentile(sorted, p))
  const reach = 1.5 * (q3! - q1!)
  // Where all norms between a quartile and its fence are missing, the whisker ends at the quartile.
  const low = Math.min(q1!, sorted.find((norm) => norm >= q1! - reach)!)
  const high = Math.max(q3!, sorted.findLast((norm) => norm <= q3! + reach)!)
  return { layer, n: norms.length, low, q1: q1!, median: median!, q3: q3!, high }
}

/** The norms beyond the whiskers; of those within `apart` of each other one, with how many it stands for. */
function outliersOf({ layer, low, high }: Box, norms: readonly number[], apart: number): object[] {
  const beyond = norms.filter((norm) => norm < low || norm > high).sort((a, b) => a - b)
  const out: { layer: number; norm: number; count: number }[] = []
  for (const norm of beyond) {
    const last = out.at(-1)
    if (last && norm - last.norm < apart) last.count++
    else out.push({ layer, norm, count: 1 })
  }
  return out
}

/** At most `most` of some values, evenly spaced, the first among them. */
function spaced(values: readonly number[], most: number): number[] {
  const every = ticks(0, values.length, Math.max(1, most), 1)
  const step = every.length > 1 ? every[1]! - every[0]! : values.length
  return values.filter((_, i) => i % step === 0)
}

function checkLayers(layers: readonly DecayLayer[]): void {
  if (layers.length === 0) throw fault('layers', 'must not be empty', [], 'take a model with features')
  const seen = new Set<number>()
  for (const [l, { layer, norms, thirds }] of layers.entries()) {
    const at = `layers[${l}]`
    if (!Number.isInteger(layer) || layer < 0 || seen.has(layer)) {
      throw fault(`${at}.layer`, 'must be an integer from 0 that stands once', layer, 'count layers from 0')
    }
    seen.add(layer)
    if (norms.length === 0) throw fault(`${at}.norms`, 'must not be empty', [], 'leave the layer out')
    const bad = [...norms, ...thirds].find((value) => !Number.isFinite(value))
    if (bad !== undefined) throw fault(at, 'norms and thirds must be finite', bad, 'check A_log')
    if (thirds[0] > thirds[1]) {
      throw fault(`${at}.thirds`, 'must be in order, the fastest first', thirds, 'swap them')
    }
  }
}
