import stringWidth from 'string-width'
import { type CurvesFigure, checkCurves } from './data.js'
import { CONFIG, header, PALETTE, ticks, type VegaLiteSpec, windowTitle } from './style.js'
import { visibleText } from './text.js'

const WIDTH = 520
const HEIGHT = 300
const SHAPES = ['circle', 'square', 'triangle-up', 'diamond', 'cross', 'triangle-down', 'triangle-right']

/**
 * The info-flow figure: for each knockout, the mean relative change of the answer's probability over the first layer
 * of the window, as a line with its 95 % band. Curves differ in colour and in marker, so they stay apart in grey.
 *
 * @throws InputError when the figure cannot be drawn: see {@link checkCurves}
 */
export function curvesSpec(figure: CurvesFigure): VegaLiteSpec {
  checkCurves(figure)
  const lastStart = figure.nLayers - figure.window
  // A marker on every window of a deep model would hide the lines.
  const markEvery = Math.ceil((lastStart + 1) / 16)
  const labels = figure.curves.map((curve) => visibleText(curve.label))
  const rows = figure.curves.flatMap((curve, c) =>
    curve.points.map((point) => ({
      ...point,
      curve: labels[c],
      marked: point.firstLayer % markEvery === 0,
      layers: `${point.firstLayer}-${point.firstLayer + figure.window - 1}`,
    })),
  )
  const x = {
    field: 'firstLayer',
    type: 'quantitative',
    scale: { domain: lastStart > 0 ? [0, lastStart] : [-1, 1], nice: false, padding: 8 },
    axis: {
      title: windowTitle(figure.window),
      values: ticks(0, lastStart, 12, 1),
      grid: false,
      labelFlush: false,
    },
  } as const
  const widest = Math.max(...labels.map((label) => stringWidth(label)))
  const columns = Math.min(3, Math.max(1, Math.floor(WIDTH / (widest * 7.2 + 40))))
  const color = {
    field: 'curve',
    type: 'nominal',
    title: null,
    legend: { orient: 'bottom', columns, labelLimit: WIDTH, symbolSize: 70, symbolOpacity: 1 },
    scale: { domain: labels, range: labels.map((_, c) => PALETTE[c % PALETTE.length]) },
  } as const
  const shape = {
    field: 'curve',
    type: 'nominal',
    title: null,
    legend: { orient: 'bottom', columns, labelLimit: WIDTH, symbolSize: 70, symbolOpacity: 1 },
    scale: { domain: labels, range: labels.map((_, c) => SHAPES[c % SHAPES.length]) },
  } as const

  return {
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    description: visibleText(figure.title),
    title: header(figure, WIDTH),
    width: WIDTH,
    height: HEIGHT,
    data: { values: rows },
    layer: [
      {
        data: { values: [{ zero: 0 }] },
        mark: { type: 'rule', color: '#999999', strokeDash: [4, 3] },
        encoding: { y: { field: 'zero', type: 'quantitative' } },
      },
      {
        mark: { type: 'area', opacity: 0.16, aria: false },
        encoding: {
          x,
          y: { field: 'low', type: 'quantitative', title: visibleText(figure.yLabel) },
          y2: { field: 'high' },
          color,
        },
      },
      {
        mark: { type: 'line', strokeWidth: 2, aria: false },
        encoding: { x, y: { field: 'mean', type: 'quantitative' }, color },
      },
      {
        transform: [{ filter: 'datum.marked' }],
        mark: { type: 'point', filled: true, opacity: 1, size: 46, aria: false },
        encoding: {
          x,
          y: { field: 'mean', type: 'quantitative' },
          color,
          shape,
          tooltip: [
            { field: 'curve', type: 'nominal', title: 'knockout' },
            { field: 'layers', type: 'nominal', title: 'layers' },
            { field: 'mean', type: 'quantitative', title: 'mean', format: '.2f' },
            { field: 'low', type: 'quantitative', title: '95 % low', format: '.2f' },
            { field: 'high', type: 'quantitative', title: '95 % high', format: '.2f' },
            { field: 'n', type: 'quantitative', title: 'prompts' },
          ],
        },
      },
    ],
    config: {
      ...CONFIG,
      axisY: { domain: false, ticks: false, labelPadding: 8, titlePadding: 12 },
    },
  }
}
