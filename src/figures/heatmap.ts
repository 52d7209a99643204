import { checkHeatmap, type HeatmapFigure } from './data.js'
import { COLORS, configOf, DEFAULT_LOOK, type Look, MEASURES, type Size } from './look.js'
import { textWidth } from './metrics.js'
import { CHANGE_TITLE, colorLimit, header, rounded, ticks, type VegaLiteSpec, windowTitle } from './style.js'
import { rowLabel, visibleText, visibleToken } from './text.js'

interface Shape {
  /** Height of a token's row. */
  readonly row: number
  /** Widest and narrowest column of a window. */
  readonly widest: number
  readonly narrowest: number
  /** Columns of text in a token's label, its font size. */
  readonly label: number
  readonly labelSize: number
}

const SHAPES: Record<Size, Shape> = {
  column: { row: 12, widest: 16, narrowest: 1, label: 14, labelSize: MEASURES.column.label },
  page: { row: 13, widest: 24, narrowest: 1, label: 24, labelSize: MEASURES.page.label },
  screen: { row: 22, widest: 28, narrowest: 9, label: 24, labelSize: 12 },
}
/** What the legend takes beside a heatmap on a screen; in print it is below. */
const LEGEND = 140

/**
 * The heatmap of one prompt: the relative change of the answer's probability when each token (row, top to bottom in
 * the prompt's order, the subject's marked `*`) is cut from the target in each window (column). Red is probability
 * lost, blue gained, on a scale that is symmetric about 0 (see {@link colorLimit} for where it ends).
 *
 * @throws InputError when the figure cannot be drawn: see {@link checkHeatmap}
 */
export function heatmapSpec(figure: HeatmapFigure, look: Look = DEFAULT_LOOK): VegaLiteSpec {
  checkHeatmap(figure)
  const { tokens, values, window } = figure
  const shape = SHAPES[look.size]
  const print = look.size !== 'screen'
  const subject = new Set(figure.subject)
  const labels = tokens.map((token, t) => rowLabel(token, subject.has(t), shape.label))
  const nWindows = figure.nLayers - window + 1
  const { label, width: total, margin } = MEASURES[look.size]
  const room = print
    ? total - 2 * margin - 6 - Math.max(...labels.map((text) => textWidth(text, shape.labelSize)))
    : 520
  const exact = Math.min(shape.widest, Math.max(shape.narrowest, room / nWindows))
  const column = print ? exact : Math.floor(exact)
  const limit = colorLimit(values)
  const saturated = values.some((row) => row.some((value) => value > limit))
  const config = configOf(look)
  const width = print ? nWindows * column : Math.max(260, nWindows * column) + LEGEND

  return {
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    description: visibleText(figure.title),
    title: header(figure, width, look),
    width: { step: column },
    height: { step: shape.row },
    data: { values: rowsOf(figure) },
    mark: { type: 'rect', aria: false },
    encoding: {
      x: {
        field: 'first_layer',
        type: 'ordinal',
        scale: { paddingInner: column < 8 ? 0 : 0.04, paddingOuter: 0 },
        axis: {
          title: windowTitle(window),
          values: ticks(0, nWindows - 1, Math.max(1, Math.floor((nWindows * column) / (2.5 * label))), 1),
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
          titleFontSize: label,
          titleX: -6,
          titleY: print ? -7 : -10,
          labelPadding: print ? 4 : 6,
          labelExpr: `${JSON.stringify(labels)}[datum.value]`,
          labelFontSize: shape.labelSize,
          labelLimit: 0,
          labelOverlap: false,
        },
      },
      color: changeColor('change', { limit, saturated }, look, {
        title: CHANGE_TITLE,
        titleLimit: 0,
        ...(print
          ? { orient: 'bottom', direction: 'horizontal', gradientLength: 130, gradientThickness: 8 }
          : { gradientLength: Math.max(100, Math.min(220, tokens.length * shape.row)) }),
      }),
      tooltip: [
        { field: 'token', type: 'nominal', title: 'token' },
        { field: 'first_layer', type: 'quantitative', title: 'first layer' },
        { field: 'last_layer', type: 'quantitative', title: 'last layer' },
        { field: 'change', type: 'quantitative', title: CHANGE_TITLE, format: '.2f' },
      ],
    },
    config: { ...config, axis: { ...config.axis, domain: false, ticks: false } },
  } as VegaLiteSpec
}

/** The data behind the figure: a row for each token and window. */
function rowsOf({ tokens, values, window }: HeatmapFigure): object[] {
  return values.flatMap((row, position) =>
    row.map((change, first) => ({
      position,
      token: visibleToken(tokens[position]!),
      first_layer: first,
      last_layer: first + window - 1,
      change: rounded(change),
    })),
  )
}

/** Where a scale of colours ends, and whether some value is beyond. */
export interface ColorLimit {
  readonly limit: number
  readonly saturated: boolean
}

/** Changes of a probability as colours, from lost (red) to gained (blue), with their legend. */
export function changeColor(
  field: string,
  { limit, saturated }: ColorLimit,
  { theme }: Look,
  legend: object,
): object {
  const colors = COLORS[theme].diverging
  const middle = (colors.length - 1) / 2
  return {
    field,
    type: 'quantitative',
    scale: {
      domain: colors.map((_, i) => limit * (i / middle - 1)),
      range: [...colors],
      interpolate: 'rgb',
      clamp: true,
    },
    legend: {
      values: [-limit, -limit / 2, 0, limit / 2, limit],
      labelExpr: `${saturated} && datum.value === ${limit} ? '≥ +${limit}' : datum.value === 0 ? '0' : format(datum.value, '+~')`,
      ...legend,
    },
  }
}
