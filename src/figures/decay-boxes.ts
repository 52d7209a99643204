/** A box of each layer's norms; counted here, so that a spec stays small however many features a model has. */
import { percentile } from '../results/statistics.js'
import { checkLayers, type DecayLayer, NORM_REMARK, NORM_TITLE } from './decay-data.js'
import { COLORS, configOf, DEFAULT_LOOK, type Look, MEASURES, type Size } from './look.js'
import { extent, header, ticks, type VegaLiteSpec } from './style.js'
import { visibleText } from './text.js'

const BOXES: Record<Size, { widest: number; step: number; height: number }> = {
  column: { widest: 262, step: 14, height: 150 },
  page: { widest: 610, step: 14, height: 200 },
  screen: { widest: 1040, step: 20, height: 300 },
}

/**
 * A box of the norms of each layer: median and quartiles (NumPy's linear ones), whiskers to the furthest norms within
 * 1.5 times the distance of the quartiles, points beyond. Points that would lie within two pixels of each other are one.
 *
 * @throws InputError when the layers cannot be drawn: see {@link checkLayers}
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
