import { type CurvesFigure, checkCurves } from './data.js'
import { legendColumns } from './layout.js'
import { COLORS, configOf, DEFAULT_LOOK, type Look, MEASURES, type Size } from './look.js'
import { header, rounded, SHAPES, ticks, type VegaLiteSpec, windowTitle } from './style.js'
import { visibleText } from './text.js'

/** Size of the plot; in print it leaves 50 pixels to the y axis. */
const PLOTS: Record<Size, { width: number; height: number }> = {
  column: { width: 266, height: 165 },
  page: { width: 360, height: 210 },
  screen: { width: 520, height: 300 },
}

/**
 * The info-flow figure: for each knockout, the mean relative change of the answer's probability over the first layer
 * of the window, as a line with its 95 % band. Curves differ in colour and in marker, so they stay apart in grey.
 *
 * @throws InputError when the figure cannot be drawn: see {@link checkCurves}
 */
export function curvesSpec(figure: CurvesFigure, look: Look = DEFAULT_LOOK): VegaLiteSpec {
  checkCurves(figure)
  const { palette, rule } = COLORS[look.theme]
  const { line, marker } = MEASURES[look.size]
  const { width, height } = PLOTS[look.size]
  const print = look.size !== 'screen'
  const lastStart = figure.nLayers - figure.window
  // A marker on every window of a deep model would hide the lines.
  const markEvery = Math.ceil((lastStart + 1) / 16)
  const labels = figure.curves.map((curve) => visibleText(curve.label))
  const x = {
    field: 'first_layer',
    type: 'quantitative',
    scale: { domain: lastStart > 0 ? [0, lastStart] : [-1, 1], nice: false, padding: print ? 5 : 8 },
    axis: {
      title: windowTitle(figure.window),
      values: ticks(0, lastStart, 12, 1),
      domain: true,
      ticks: true,
      grid: false,
      labelFlush: false,
    },
  }
  // All of it here and not in `config`, which stacked figures take from the first.
  const y = {
    type: 'quantitative',
    axis: {
      title: visibleText(figure.yLabel),
      domain: false,
      ticks: false,
      grid: true,
      labelPadding: print ? 4 : 8,
      titlePadding: print ? 4 : 12,
    },
  }
  const byCurve = (range: readonly string[]) => ({
    field: 'curve',
    type: 'nominal',
    title: null,
    legend: {
      orient: 'bottom',
      columns: Math.min(3, legendColumns(labels, width, look)),
      labelLimit: width,
      symbolSize: print ? 40 : 70,
      symbolOpacity: 1,
    },
    scale: { domain: labels, range: labels.map((_, c) => range[c % range.length]) },
  })
  const color = byCurve(palette)

  return {
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    description: visibleText(figure.title),
    title: header(figure, width, look),
    width,
    height,
    data: { values: rowsOf(figure) },
    layer: [
      {
        data: { values: [{}] },
        mark: { type: 'rule', color: rule, strokeDash: [4, 3], strokeWidth: print ? 0.6 : 1 },
        encoding: { y: { datum: 0, ...y } },
      },
      {
        mark: { type: 'area', opacity: look.theme === 'dark' ? 0.22 : 0.16, aria: false },
        encoding: { x, y: { field: 'low', ...y }, y2: { field: 'high' }, color },
      },
      {
        mark: { type: 'line', strokeWidth: line, aria: false },
        encoding: { x, y: { field: 'mean', ...y }, color },
      },
      {
        transform: [{ filter: `datum.first_layer % ${markEvery} === 0` }],
        mark: { type: 'point', filled: true, opacity: 1, size: marker, aria: false },
        encoding: {
          x,
          y: { field: 'mean', ...y },
          color,
          shape: byCurve(SHAPES),
          tooltip: [
            { field: 'curve', type: 'nominal', title: 'knockout' },
            { field: 'first_layer', type: 'quantitative', title: 'first layer' },
            { field: 'last_layer', type: 'quantitative', title: 'last layer' },
            { field: 'mean', type: 'quantitative', title: 'mean', format: '.2f' },
            { field: 'low', type: 'quantitative', title: '95 % low', format: '.2f' },
            { field: 'high', type: 'quantitative', title: '95 % high', format: '.2f' },
            { field: 'n', type: 'quantitative', title: 'prompts' },
          ],
        },
      },
    ],
    config: configOf(look),
  } as unknown as VegaLiteSpec
}

/** The data behind the figure: a row for each window of each curve. */
function rowsOf({ curves, window }: CurvesFigure): object[] {
  return curves.flatMap(({ label, points }) =>
    points.map(({ firstLayer, mean, low, high, n }) => ({
      curve: visibleText(label),
      first_layer: firstLayer,
      last_layer: firstLayer + window - 1,
      mean: rounded(mean),
      low: rounded(low),
      high: rounded(high),
      n,
    })),
  )
}
