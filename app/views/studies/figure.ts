/** The figure of what the Studies view shows, and the command that draws the same numbers. */
import { curveGridSpec } from '../../../src/figures/curve-grid.js'
import { type CurveGrid, windowDepth } from '../../../src/figures/curve-grid-data.js'
import type { Look } from '../../../src/figures/look.js'
import type { VegaLiteSpec } from '../../../src/figures/style.js'
import { DROPPED_FILES, DROPPED_TRACES, RUNS, valueLabel } from '../../../src/studies/names.js'
import type { StudyOverview } from '../../../src/ui/study-protocol.js'
import { shellWord } from '../../export/commands.js'
import {
  DIMENSIONS,
  type Dimension,
  depthOf,
  fixedText,
  type Panel,
  plotted,
  promptsText,
  type Resolved,
  type StudiesView,
} from './view.js'

/** The data of the figure. */
export function gridOf(view: StudiesView, overview: StudyOverview, panels: readonly Panel[]): CurveGrid {
  const lines = linesOf(view, panels)
  const curves = panels.flatMap((panel) => panel.lines.map(({ curve }) => curve))
  const prompts = promptsText(view)
  return {
    title: overview.title,
    subtitle: `${fixedText(view, curves, prompts)}; mean and 95 % band`,
    rows: [{ key: '', label: '' }],
    columns: panels.map(({ key, label }) => ({ key, label })),
    lines,
    cells: panels.flatMap((panel, column) =>
      panel.lines.map((line) => ({
        row: 0,
        column,
        line: lines.findIndex(({ key }) => key === line.key),
        points: line.curve.points.flatMap((point) => {
          const value = plotted(view.value, point)
          if (!value) return []
          const { firstLayer, n } = point
          const { window } = line.curve.at
          const { mean, low, high } = value
          const band = low === null || high === null ? {} : { low, high }
          const depth = windowDepth(firstLayer, window, line.curve.layers)
          return [{ firstLayer, depth, window, mean, n, ...band }]
        }),
      })),
    ),
    x: depthOf(panels),
    yLabel: view.value === 'change' ? 'change of p(answer), %' : 'right, % of prompts',
    reference: view.value === 'change' ? 0 : 100,
    ordered: view.lines === 'window',
  }
}

function linesOf(view: StudiesView, panels: readonly Panel[]): { key: string; label: string }[] {
  const found = new Map<string, { key: string; label: string; style: number }>()
  for (const { lines } of panels) for (const line of lines) found.set(line.key, line)
  return [...found.values()]
    .sort((a, b) => a.style - b.style)
    .map(({ key }) => ({ key, label: valueLabel(view.lines, key) }))
}

/** @throws InputError when there is nothing to draw */
export function figureSpec(
  view: StudiesView,
  overview: StudyOverview,
  panels: readonly Panel[],
  look: Look,
): VegaLiteSpec {
  const grid = gridOf(view, overview, panels)
  return curveGridSpec({ ...grid, cells: grid.cells.filter(({ points }) => points.length > 0) }, look)
}

/** `factflow figure runs/demo --lines source --where …` */
export function figureCommand(
  view: StudiesView,
  resolved: Resolved,
  overview: StudyOverview,
  panels: readonly Panel[],
): string {
  const { study, lines, value, from } = view
  if (!overview.byPrompt || study === undefined) {
    return `# ${overview.title} holds means alone: factflow figure draws run folders`
  }
  if (from === 'page' && study.split('/').at(-1)!.startsWith(DROPPED_TRACES))
    return '# Traces: factflow figure draws run folders'
  const loose = from === 'page' && study.startsWith(DROPPED_FILES)
  const curves = panels.flatMap((panel) => panel.lines.map(({ curve }) => curve))
  const where = DIMENSIONS.flatMap((dimension) => {
    const values = whereValues(
      dimension,
      view,
      resolved,
      curves.map(({ at }) => String(at[dimension])),
    )
    return values === undefined ? [] : [`${dimension}=${values.join(',')}`]
  })
  if (view.relation.length > 0) where.push(`relation=${view.relation.join(',')}`)
  if (view.known !== 'any') where.push(`known=${view.known}`)
  if (view.promptSet !== undefined) where.push(`promptSet=${view.promptSet}`)
  const words = [
    'factflow',
    'figure',
    // The page does not know where files without a folder are from.
    loose ? 'RUN' : from === 'server' ? `${RUNS}/${study}` : study,
    ...['--lines', lines],
    ...(view.panels === undefined ? [] : ['--columns', view.panels]),
    ...['--where', ...where],
    ...(value === 'change' ? [] : ['--value', value]),
    ...['--depth', depthOf(panels), '--size', 'screen', '--title', overview.title],
  ]
  return `${loose ? '# RUN: the run folder that the files are of\n' : ''}${words.map(shellWord).join(' ')}`
}

/** Values of a dimension that a command must name; undefined where all there are are drawn. */
function whereValues(
  dimension: Dimension,
  view: StudiesView,
  { options, shown }: Resolved,
  drawn: readonly string[],
): readonly string[] | undefined {
  const several = dimension === view.lines || dimension === view.panels
  if (!several) return options[dimension].length > 1 ? shown[dimension] : undefined
  if (shown[dimension].length === options[dimension].length) return undefined
  // What has no curve may not be named.
  return shown[dimension].filter((value) => drawn.includes(value))
}
