/** A histogram of each layer's norms; counted here, so that a spec stays small however many features a model has. */
import { checkLayers, type DecayLayer, NORM_REMARK, NORM_TITLE } from './decay-data.js'
import { fitLines, gridLayout } from './layout.js'
import { COLORS, configOf, DEFAULT_LOOK, type Look, MEASURES, type Size } from './look.js'
import { textWidth } from './metrics.js'
import { extent, header, rounded, ticks, type VegaLiteSpec } from './style.js'
import { visibleText } from './text.js'

const THIRDS = ['fastest third', 'middle third', 'slowest third'] as const

/** Bars of a histogram. */
const BINS: Record<Size, number> = { column: 24, page: 24, screen: 32 }

/**
 * A histogram of the norms of each layer, in a grid; bars are coloured by thirds, which dashed lines bound. All plots
 * have the same axes.
 *
 * @throws InputError when the layers cannot be drawn: see {@link checkLayers}
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
