/** Heatmaps in a grid, with one scale of colours: prompts by models, windows by prompts. */
import { type ColorLimit, changeColor } from './heatmap.js'
import { checkHeatmapGrid, type HeatmapCell, type HeatmapGrid, unitTitle } from './heatmap-grid-data.js'
import { fitLines, ROUNDING } from './layout.js'
import { COLORS, configOf, DEFAULT_LOOK, type Look, MEASURES, type Size } from './look.js'
import { textWidth } from './metrics.js'
import { colorLimit, header, rounded, ticks, type VegaLiteSpec, windowTitle } from './style.js'
import { rowLabel, visibleText, visibleToken } from './text.js'

export type { HeatmapCell, HeatmapGrid } from './heatmap-grid-data.js'

interface Shape {
  /** Height of a token's row, widest and narrowest plot, columns of text in a token's label. */
  readonly step: number
  readonly widest: number
  readonly narrowest: number
  readonly label: number
  /** Between plots, and between rows of plots. */
  readonly gap: number
  readonly rowGap: number
}

const SHAPES: Record<Size, Shape> = {
  column: { step: 11, widest: 260, narrowest: 44, label: 12, gap: 8, rowGap: 8 },
  page: { step: 11, widest: 300, narrowest: 44, label: 14, gap: 10, rowGap: 8 },
  screen: { step: 17, widest: 420, narrowest: 120, label: 18, gap: 18, rowGap: 18 },
}

/**
 * Heatmaps in a grid: in each the change of the answer's probability when a token (row, top to bottom in the prompt's
 * order) is cut from the target in a window (column). One scale of colours for all, symmetric about 0, with one legend.
 *
 * @throws InputError when the grid cannot be drawn: see {@link checkHeatmapGrid}
 */
export function heatmapGridSpec(grid: HeatmapGrid, look: Look = DEFAULT_LOOK): VegaLiteSpec {
  checkHeatmapGrid(grid)
  const { gap, rowGap } = SHAPES[look.size]
  const layout = layoutOf(grid, look)
  const plots = grid.columns.length * (layout.width + layout.labels + gap) - layout.labels - gap
  return {
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    description: visibleText(grid.title),
    title: { ...header(grid, layout.labels + plots, look), frame: 'bounds' },
    data: { values: rowsOf(grid) },
    vconcat: [
      ...grid.rows.map((label, row) => ({
        ...(label.trim() !== '' && { title: rowTitle(label, layout.labels + plots, look) }),
        hconcat: grid.columns.map((_, column) => part(grid, look, row, column, layout)),
        // Labels lie in the space between plots, so that plots are in line whatever their labels.
        bounds: 'flush',
        spacing: layout.labels + gap,
      })),
      depthTitle(grid, look, plots),
    ],
    spacing: rowGap,
    resolve: { scale: { x: 'independent', y: 'independent', color: 'shared' } },
    config: { ...configOf(look), axis: { ...configOf(look).axis, domain: false, ticks: false } },
  } as unknown as VegaLiteSpec
}

/** Widths in pixels: the labels of tokens, with what separates them from the plot, and the plots. */
interface Layout {
  readonly labels: number
  readonly width: number
  /** Columns of text that a label takes at most. */
  readonly most: number
}

const LABEL_PADDING = 4
const SHORTEST_LABEL = 6

/** Long labels are cut before plots get too narrow. */
function layoutOf({ columns, cells }: HeatmapGrid, { size }: Look): Layout {
  const { width: total, margin, label } = MEASURES[size]
  const shape = SHAPES[size]
  for (let most = shape.label; ; most--) {
    const texts = cells.flatMap((cell) => tokenLabels(cell, most))
    const labels = Math.ceil(Math.max(...texts.map((text) => textWidth(text, label)))) + LABEL_PADDING
    const free = total - 2 * margin - ROUNDING - columns.length * labels - (columns.length - 1) * shape.gap
    const width = Math.floor(Math.min(shape.widest, free / columns.length))
    if (width >= shape.narrowest) return { labels, width, most }
    if (most === SHORTEST_LABEL) return { labels, width: shape.narrowest, most }
  }
}

function tokenLabels({ tokens, subject }: HeatmapCell, most: number): string[] {
  return tokens.map((token, position) => rowLabel(token, subject.includes(position), most))
}

/** The data behind the figure: a row for each token and window; `row` and `column` count from 0. */
function rowsOf({ cells, columns }: HeatmapGrid): object[] {
  return cells.flatMap(({ row, column, tokens, window, values }) =>
    values.flatMap((list, position) =>
      list.map((change, first) => ({
        cell: row * columns.length + column,
        row,
        column,
        position,
        token: visibleToken(tokens[position]!),
        first_layer: first,
        last_layer: first + window - 1,
        change: rounded(change),
      })),
    ),
  )
}

function rowTitle(text: string, width: number, { size, theme }: Look): object {
  const { subtitle } = MEASURES[size]
  const lines = fitLines(text, width, subtitle)
  return {
    text: lines,
    anchor: 'start',
    fontSize: subtitle,
    fontWeight: 'normal',
    color: COLORS[theme].ink,
    offset: 4,
  }
}

/** The heatmap in a place of the grid, or what says that there is none. */
function part(grid: HeatmapGrid, look: Look, row: number, column: number, layout: Layout): object {
  const { label } = MEASURES[look.size]
  const { muted } = COLORS[look.theme]
  const { step } = SHAPES[look.size]
  const { labels, width, most } = layout
  const heading = row === 0 ? grid.columns[column]! : ''
  const cell = grid.cells.find((other) => other.row === row && other.column === column)
  const titled = cellTitle(heading, cell?.title ?? '', cell ? layout : { ...layout, labels: 0 }, look)
  if (!cell) {
    const tallest = Math.max(
      1,
      ...grid.cells.filter((other) => other.row === row).map(({ tokens }) => tokens.length),
    )
    return {
      ...titled,
      width,
      height: tallest * step,
      data: { values: [{}] },
      mark: { type: 'text', text: 'no data', color: muted, fontSize: label, aria: false },
      encoding: { y: { value: (tallest * step) / 2, axis: null }, x: { value: width / 2 } },
    }
  }
  const nWindows = cell.nLayers - cell.window + 1
  const below = grid.cells.filter((other) => other.column === column && other.row > row)
  const sameWindows = below.some((other) => other.nLayers - other.window + 1 === nWindows)
  const cellWidth = width / nWindows
  const space = cellWidth < 8 ? 0 : 0.04
  return {
    ...titled,
    width,
    height: cell.tokens.length * step,
    transform: [{ filter: `datum.cell === ${row * grid.columns.length + column}` }],
    mark: { type: 'rect', aria: false },
    encoding: {
      x: {
        field: 'first_layer',
        type: 'ordinal',
        scale: { paddingInner: space, paddingOuter: 0 },
        axis: {
          title: null,
          values: ticks(0, nWindows - 1, Math.max(2, Math.floor(width / (2.4 * label))), 1),
          labelAngle: 0,
          labels: !sameWindows,
        },
      },
      y: {
        field: 'position',
        type: 'ordinal',
        scale: { paddingInner: space, paddingOuter: 0 },
        axis: {
          title: null,
          labelPadding: LABEL_PADDING,
          labelExpr: `${JSON.stringify(tokenLabels(cell, most))}[datum.value]`,
          labelLimit: 0,
          labelOverlap: false,
          minExtent: labels,
          maxExtent: labels,
        },
      },
      color: changeColor('change', limitOf(grid), look, {
        title: unitTitle(grid.unit),
        orient: 'bottom',
        direction: 'horizontal',
        titleOrient: 'left',
        titleLimit: 0,
        gradientLength: look.size === 'screen' ? 240 : 130,
        gradientThickness: look.size === 'screen' ? 12 : 8,
      }),
      tooltip: [
        { field: 'token', type: 'nominal', title: 'token' },
        { field: 'first_layer', type: 'quantitative', title: 'first layer' },
        { field: 'last_layer', type: 'quantitative', title: 'last layer' },
        { field: 'change', type: 'quantitative', title: 'change', format: '.4~g' },
      ],
    },
  }
}

/** What stands above a heatmap: the label of its column in the first row, and its own title. */
function cellTitle(heading: string, own: string, { labels, width }: Layout, { size, theme }: Look): object {
  const { label } = MEASURES[size]
  const { ink, muted } = COLORS[theme]
  // Above a narrow plot the text begins over the labels.
  const narrow = width < 14 * label
  const room = narrow ? labels + width : width
  const bold = heading.trim() === '' ? [] : fitLines(heading, room, label, 'bold')
  const normal = own.trim() === '' ? [] : fitLines(own, room, label)
  if (bold.length + normal.length === 0) return {}
  const common = { anchor: 'start', frame: narrow ? 'bounds' : 'group', fontSize: label, offset: 3 }
  if (bold.length === 0) return { title: { ...common, text: normal, fontWeight: 'normal', color: muted } }
  const subtitle = {
    subtitle: normal,
    subtitleColor: muted,
    subtitleFontSize: label,
    subtitlePadding: 1,
  }
  return { title: { ...common, text: bold, color: ink, ...(normal.length > 0 && subtitle) } }
}

/** The title of the depth axis, once, in the middle below all plots. */
function depthTitle({ cells }: HeatmapGrid, { size, theme }: Look, plots: number): object {
  const { title } = MEASURES[size]
  const windows = new Set(cells.map(({ window }) => window))
  return {
    width: plots,
    height: title,
    data: { values: [{}] },
    mark: {
      type: 'text',
      text: windows.size === 1 ? windowTitle([...windows][0]!) : 'first layer of the window',
      fontSize: title,
      color: COLORS[theme].ink,
      aria: false,
    },
    encoding: { x: { value: plots / 2 }, y: { value: title / 2 } },
  }
}

/** Where the scale of colours ends, in the grid's unit. */
function limitOf({ cells, unit }: HeatmapGrid): ColorLimit {
  const values = cells.flatMap((cell) => cell.values)
  // A difference of probabilities is at most 1.
  const limit = unit === 'relative' ? colorLimit(values) : colorLimit(values, 0.01, 1)
  return { limit, saturated: values.some((row) => row.some((value) => value > limit)) }
}
