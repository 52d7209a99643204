import { checkHeatmap, type HeatmapFigure } from './data.js'
import {
  CHANGE_TITLE,
  CONFIG,
  colorLimit,
  DIVERGING,
  header,
  ticks,
  type VegaLiteSpec,
  windowTitle,
} from './style.js'
import { rowLabel, visibleText, visibleToken } from './text.js'

const ROW = 22
const MAX_LABEL = 24
const LEGEND = 140

/**
 * The heatmap of one prompt: the relative change of the answer's probability when each token (row, top to bottom in
 * the prompt's order, the subject's marked `*`) is cut from the target in each window (column). Red is probability
 * lost, blue gained, on a scale that is symmetric about 0 (see {@link colorLimit} for where it ends).
 *
 * @throws InputError when the figure cannot be drawn: see {@link checkHeatmap}
 */
export function heatmapSpec(figure: HeatmapFigure): VegaLiteSpec {
  checkHeatmap(figure)
  const { tokens, values, window } = figure
  const subject = new Set(figure.subject)
  const nWindows = figure.nLayers - window + 1
  const column = Math.min(28, Math.max(9, Math.floor(520 / nWindows)))
  const limit = colorLimit(values)
  const saturated = values.some((row) => row.some((value) => value > limit))
  const labels = tokens.map((token, t) => rowLabel(token, subject.has(t), MAX_LABEL))
  const rows = values.flatMap((row, t) =>
    row.map((change, first) => ({
      position: t,
      first,
      change,
      token: visibleToken(tokens[t]),
      layers: `${first}-${first + window - 1}`,
    })),
  )

  return {
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    description: visibleText(figure.title),
    title: header(figure, Math.max(260, nWindows * column) + LEGEND),
    width: { step: column },
    height: { step: ROW },
    data: { values: rows },
    mark: { type: 'rect', aria: false },
    encoding: {
      x: {
        field: 'first',
        type: 'ordinal',
        scale: { paddingInner: 0.04, paddingOuter: 0 },
        axis: {
          title: windowTitle(window),
          values: ticks(0, nWindows - 1, Math.max(1, Math.floor((nWindows * column) / 28)), 1),
          labelAngle: 0,
        },
      },
      y: {
        // Rows are keyed by position, not by text: equal tokens are different rows.
        field: 'position',
        type: 'ordinal',
        scale: { paddingInner: 0.06, paddingOuter: 0 },
        axis: {
          title: subject.size > 0 ? '* subject' : null,
          titleAngle: 0,
          titleAlign: 'right',
          titleFontSize: 11,
          titleX: -6,
          titleY: -10,
          labelPadding: 6,
          labelExpr: `${JSON.stringify(labels)}[datum.value]`,
          labelFontSize: 12,
          labelLimit: 0,
          labelOverlap: false,
        },
      },
      color: {
        field: 'change',
        type: 'quantitative',
        scale: { domain: DIVERGING.map((_, i) => limit * (i / 5 - 1)), range: DIVERGING, clamp: true },
        legend: {
          title: CHANGE_TITLE,
          titleLimit: 0,
          gradientLength: Math.max(100, Math.min(220, tokens.length * ROW)),
          values: [-limit, -limit / 2, 0, limit / 2, limit],
          labelExpr: `${saturated} && datum.value === ${limit} ? '≥ +${limit}' : datum.value === 0 ? '0' : format(datum.value, '+~')`,
        },
      },
      tooltip: [
        { field: 'token', type: 'nominal', title: 'token' },
        { field: 'layers', type: 'nominal', title: 'layers' },
        { field: 'change', type: 'quantitative', title: CHANGE_TITLE, format: '.2f' },
      ],
    },
    config: { ...CONFIG, axis: { ...CONFIG.axis, domain: false, ticks: false } },
  }
}
