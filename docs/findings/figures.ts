/** The figures of docs/findings.md. */
import type { HeatmapFigure } from '../../src/figures/data.js'
import { heatmapSpec } from '../../src/figures/heatmap.js'
import { CHANGE_TITLE, CONFIG, PALETTE, type VegaLiteSpec } from '../../src/figures/style.js'
import { depth, type StoredCurve } from './measure.js'

const PANEL = { width: 250, height: 190 }

/** A line in a panel: a curve of a model and its name in the legend. */
export interface Line {
  readonly label: string
  readonly curve: StoredCurve
}

export interface Panel {
  readonly title: string
  readonly nLayers: number
  readonly lines: readonly Line[]
}

/**
 * Panels side by side, each with the mean relative change of p(answer) (lines, 95 % bands) over the depth of the
 * window's middle, in percent of the model's layers. One legend for all.
 */
export function panels(title: string, rows: readonly (readonly Panel[])[]): VegaLiteSpec {
  const labels = [...new Set(rows.flat().flatMap(({ lines }) => lines.map(({ label }) => label)))]
  const color = {
    field: 'line',
    type: 'nominal',
    title: null,
    legend: {
      orient: 'bottom',
      columns: 5,
      labelLimit: 400,
      symbolOpacity: 1,
      symbolType: 'stroke',
      symbolStrokeWidth: 3,
    },
    scale: { domain: labels, range: labels.map((_, i) => PALETTE[i % PALETTE.length]) },
  }
  const x = {
    field: 'depth',
    type: 'quantitative',
    title: 'depth of the window’s middle, %',
    scale: { domain: [0, 100] },
    axis: { values: [0, 25, 50, 75, 100], grid: false },
  }
  const all = rows
    .flat()
    .flatMap(({ lines }) => lines.flatMap(({ curve }) => curve.points.map(({ low }) => low)))
  const y = (field: string) => ({
    field,
    type: 'quantitative',
    title: CHANGE_TITLE,
    scale: { domain: [Math.max(-100, Math.floor(Math.min(...all) / 10) * 10), 5], clamp: true },
  })
  const panel = ({ title, nLayers, lines }: Panel) => ({
    ...PANEL,
    title: { text: title, fontSize: 12, offset: 6 },
    data: {
      values: lines.flatMap(({ label, curve }) =>
        curve.points.map((point) => ({
          ...point,
          line: label,
          depth: 100 * depth(point, curve.window, nLayers),
        })),
      ),
    },
    layer: [
      {
        mark: { type: 'area', opacity: 0.16, aria: false },
        encoding: { x, y: y('low'), y2: { field: 'high' }, color },
      },
      {
        mark: { type: 'line', strokeWidth: 2, aria: false, point: { size: 18, aria: false } },
        encoding: { x, y: y('mean'), color },
      },
    ],
  })
  return {
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    title: { text: title, anchor: 'start' },
    concat: rows.flat().map(panel),
    columns: rows[0]!.length,
    spacing: 24,
    config: CONFIG,
  } as VegaLiteSpec
}

/** Heatmaps in a grid, a row for each prompt and a column for each model; one scale of colours, -100 to +100 %. */
export function heatmapGrid(title: string, rows: readonly (readonly HeatmapFigure[])[]): VegaLiteSpec {
  const figures = rows.flat()
  const part = (figure: HeatmapFigure) => {
    const {
      $schema: _schema,
      config: _config,
      ...spec
    } = heatmapSpec(figure) as unknown as Record<string, unknown>
    const encoding = spec.encoding as { color: { scale: { range: string[]; domain: number[] } } }
    encoding.color.scale.domain = encoding.color.scale.range.map((_, i) => 100 * (i / 5 - 1))
    const { legend: _legend, ...color } = encoding.color as unknown as Record<string, unknown>
    return { ...spec, encoding: { ...encoding, color: { ...color, legend: LEGEND } } }
  }
  return {
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    title: { text: title, anchor: 'start' },
    concat: figures.map(part),
    columns: rows[0]!.length,
    spacing: 24,
    resolve: { scale: { color: 'shared', x: 'independent', y: 'independent' } },
    config: (heatmapSpec(figures[0]!) as { config: object }).config,
  } as unknown as VegaLiteSpec
}

const LEGEND = {
  title: CHANGE_TITLE,
  titleLimit: 0,
  orient: 'bottom',
  gradientLength: 300,
  values: [-100, -50, 0, 50, 100],
}
