/** What the Studies view shows, as its address says it; what that means for a study that is open. */
import { FEATURE_CATEGORIES } from '../../../src/models/architecture.js'
import { ROLES } from '../../../src/prompts/roles.js'
import { KNOWLEDGE, SOURCES, valueLabel } from '../../../src/studies/names.js'
import type {
  CurvesRequest,
  EffectsRequest,
  Knowledge,
  StudyCurve,
  StudyCut,
  StudyOverview,
  StudyPoint,
} from '../../../src/ui/study-protocol.js'

/** What curves differ in. */
export const DIMENSIONS = ['source', 'model', 'features', 'target', 'window', 'dataset'] as const
export type Dimension = (typeof DIMENSIONS)[number]

/** What answers: the local server, or the page for files that were dropped on it. */
export const PLACES = ['server', 'page'] as const
export type StudyPlace = (typeof PLACES)[number]

export const VALUES = ['change', 'accuracy'] as const
export const FACTS = ['any', ...KNOWLEDGE] as const satisfies readonly Knowledge[]

/** A point that was picked. */
export interface Picked {
  readonly line: string
  readonly panel: string
  readonly firstLayer: number
}

export interface StudiesView {
  readonly study: string | undefined
  readonly from: StudyPlace
  /** What the lines of a plot differ in. */
  readonly lines: Dimension
  /** What plots differ in; one plot when undefined. */
  readonly panels: Dimension | undefined
  /** Values that were chosen; of the others the defaults are shown. */
  readonly chosen: Readonly<Partial<Record<Dimension, readonly string[]>>>
  readonly relation: readonly string[]
  readonly known: Knowledge
  readonly promptSet: string | undefined
  readonly value: (typeof VALUES)[number]
  readonly picked: Picked | undefined
}

function oneOf<T extends string>(values: readonly T[], text: string | null): T | undefined {
  return values.find((value) => value === text)
}

/** What cannot be read of an address is as if it was not there. */
export function viewOf(params: URLSearchParams): StudiesView {
  const lines = oneOf(DIMENSIONS, params.get('lines')) ?? 'source'
  const panels = oneOf(DIMENSIONS, params.get('panels'))
  const chosen = DIMENSIONS.map((dimension) => [dimension, params.getAll(dimension)] as const)
  const layer = params.get('layer')
  return {
    study: params.get('study') ?? undefined,
    from: oneOf(PLACES, params.get('from')) ?? 'server',
    lines,
    panels: panels === lines ? undefined : panels,
    chosen: Object.fromEntries(chosen.filter(([, values]) => values.length > 0)),
    relation: params.getAll('relation'),
    known: oneOf(FACTS, params.get('known')) ?? 'any',
    promptSet: params.get('set') ?? undefined,
    value: oneOf(VALUES, params.get('value')) ?? 'change',
    picked: /^\d{1,5}$/.test(layer ?? '')
      ? { line: params.get('line') ?? '', panel: params.get('panel') ?? '', firstLayer: Number(layer) }
      : undefined,
  }
}

/** The parameters of a view: `viewOf` gives it back. What is as it is without a choice is left out. */
export function paramsOf(view: StudiesView): URLSearchParams {
  const params = new URLSearchParams()
  const add = (name: string, value: string | undefined): void => {
    if (value !== undefined && value !== '') params.append(name, value)
  }
  add('study', view.study)
  add('from', view.from === 'server' ? undefined : view.from)
  add('lines', view.lines === 'source' ? undefined : view.lines)
  add('panels', view.panels)
  for (const dimension of DIMENSIONS) {
    for (const value of view.chosen[dimension] ?? []) add(dimension, value)
  }
  for (const relation of view.relation) add('relation', relation)
  add('known', view.known === 'any' ? undefined : view.known)
  add('set', view.promptSet)
  add('value', view.value === 'change' ? undefined : view.value)
  if (view.picked) {
    add('line', view.picked.line)
    add('panel', view.picked.panel)
    add('layer', String(view.picked.firstLayer))
  }
  return params
}

/** A value of a dimension that a study has. */
export interface Option {
  readonly value: string
  readonly label: string
  /** Whether there are curves of it with what else is chosen. */
  readonly possible: boolean
}

/** A view of a study. */
export interface Resolved {
  readonly options: Readonly<Record<Dimension, readonly Option[]>>
  /** Values shown: of lines and panels several, else one. */
  readonly shown: Readonly<Record<Dimension, readonly string[]>>
  readonly request: CurvesRequest
}

/** What a value of a dimension without a choice is, best first. */
const PREFERRED: Readonly<Partial<Record<Dimension, string>>> = {
  window: 'default',
  source: 'subject',
  target: 'last',
  features: 'all',
}

/** In which order defaults are found: each fits what was found before. */
const ORDER = ['model', 'dataset', 'window', 'source', 'target', 'features'] as const

export function resolve(view: StudiesView, overview: StudyOverview): Resolved {
  const several = (dimension: Dimension): boolean => dimension === view.lines || dimension === view.panels
  const main = new Map(overview.modelsInfo.map(({ model, mainWindow }) => [model, mainWindow]))
  const is = (cut: StudyCut, dimension: Dimension, value: string): boolean =>
    dimension === 'window' && value === 'default'
      ? cut.window === main.get(cut.model)
      : String(cut[dimension]) === value
  const values = Object.fromEntries(
    DIMENSIONS.map((dimension) => [dimension, valuesOf(dimension, overview, several(dimension))]),
  ) as unknown as Record<Dimension, readonly string[]>
  const shown = new Map<Dimension, readonly string[]>()
  for (const dimension of ORDER) {
    const known = (view.chosen[dimension] ?? []).filter((value) => values[dimension].includes(value))
    if (several(dimension)) shown.set(dimension, known.length > 0 ? known : values[dimension])
    else if (known.length > 0) shown.set(dimension, known.slice(0, 1))
  }
  const fits = (cut: StudyCut, but: Dimension): boolean =>
    [...shown].every(
      ([dimension, wanted]) => dimension === but || wanted.some((value) => is(cut, dimension, value)),
    )
  const isPossible = (dimension: Dimension, value: string): boolean =>
    overview.cuts.some((cut) => is(cut, dimension, value) && fits(cut, dimension))
  for (const dimension of ORDER) {
    if (shown.has(dimension)) continue
    const possible = values[dimension].filter((value) => isPossible(dimension, value))
    const preferred = possible.find((value) => value === PREFERRED[dimension])
    const [first] = preferred === undefined ? possible : [preferred]
    shown.set(dimension, [first ?? values[dimension][0]!])
  }
  const chosen = Object.fromEntries(shown) as unknown as Record<Dimension, readonly string[]>
  const options = Object.fromEntries(
    DIMENSIONS.map((dimension) => [
      dimension,
      values[dimension].map((value): Option => {
        const label = optionLabel(dimension, value, chosen, main)
        return { value, label, possible: isPossible(dimension, value) }
      }),
    ]),
  ) as unknown as Record<Dimension, readonly Option[]>
  return { options, shown: chosen, request: requestOf(view, chosen) }
}

/** All values of a dimension, in the order of figures. */
function valuesOf(dimension: Dimension, overview: StudyOverview, several: boolean): string[] {
  const found = [...new Set(overview.cuts.map((cut) => String(cut[dimension])))]
  const orders: Partial<Record<Dimension, readonly string[]>> = {
    source: SOURCES,
    target: ROLES,
    features: FEATURE_CATEGORIES,
    model: overview.models,
  }
  const order = orders[dimension] ?? []
  const place = (value: string): number => (order.includes(value) ? order.indexOf(value) : order.length)
  found.sort((a, b) =>
    dimension === 'window' ? Number(a) - Number(b) : place(a) - place(b) || (a < b ? -1 : 1),
  )
  return dimension === 'window' && !several ? ['default', ...found] : found
}

function optionLabel(
  dimension: Dimension,
  value: string,
  shown: Readonly<Record<Dimension, readonly string[]>>,
  main: ReadonlyMap<string, number>,
): string {
  if (dimension === 'target') return value
  if (dimension !== 'window' || value !== 'default') return valueLabel(dimension, value)
  const windows = [...new Set(shown.model.map((model) => main.get(model)))]
  return windows.length === 1
    ? `default (${valueLabel('window', String(windows[0]))})`
    : 'each model’s default'
}

function requestOf(view: StudiesView, shown: Readonly<Record<Dimension, readonly string[]>>): CurvesRequest {
  const { model, dataset, window, source, target, features } = shown
  return {
    study: view.study ?? '',
    ...(view.relation.length > 0 && { relation: [...view.relation] }),
    known: view.known,
    ...(view.promptSet !== undefined && { promptSet: view.promptSet }),
    model: [...model],
    dataset: [...dataset],
    window: window.map((value) => (value === 'default' ? value : Number(value))),
    // Values come from a study's cuts, whose roles and features are such.
    source: source as CurvesRequest['source'],
    target: target as CurvesRequest['target'],
    features: features as CurvesRequest['features'],
  }
}

/** A line of a plot. */
export interface Line {
  readonly key: string
  readonly label: string
  /** Its place among all values that the study has: colours stay when others are hidden. */
  readonly style: number
  readonly curve: StudyCurve
}

/** A plot. */
export interface Panel {
  readonly key: string
  readonly label: string
  readonly lines: readonly Line[]
}

/** Curves in their plots, in the order of figures. */
export function panelsOf(view: StudiesView, resolved: Resolved, curves: readonly StudyCurve[]): Panel[] {
  const { lines, panels } = view
  const { options } = resolved
  const inPanel = (key: string): Line[] =>
    options[lines].flatMap(({ value }, style) => {
      const curve = curves.find(
        ({ at }) => String(at[lines]) === value && (panels === undefined || String(at[panels]) === key),
      )
      return curve ? [{ key: value, label: valueLabel(lines, value), style, curve }] : []
    })
  const keys =
    panels === undefined
      ? ['']
      : options[panels].flatMap(({ value }) => (resolved.shown[panels].includes(value) ? [value] : []))
  return keys
    .map((key) => ({
      key,
      label: panels === undefined ? '' : valueLabel(panels, key),
      lines: inPanel(key),
    }))
    .filter((panel) => panel.lines.length > 0)
}

/** The unit of the depth axis: first layers where all models have the same number of layers, else percent. */
export function depthOf(panels: readonly Panel[]): 'layers' | 'percent' {
  const layers = new Set(panels.flatMap((panel) => panel.lines.map(({ curve }) => curve.layers)))
  return layers.size > 1 ? 'percent' : 'layers'
}

/** A value of a point with its band. */
export interface Valued {
  readonly mean: number
  readonly low: number | null
  readonly high: number | null
}

/** What a plot shows of a point; undefined where nobody recorded it. */
export function plotted(value: StudiesView['value'], point: StudyPoint): Valued | undefined {
  if (value === 'change') return { mean: point.mean, low: point.low, high: point.high }
  const { accuracy, accuracyLow, accuracyHigh } = point
  return accuracy === null ? undefined : { mean: accuracy, low: accuracyLow, high: accuracyHigh }
}

/** The line and the point that are picked, if the plots have them. */
export function pickedPoint(
  picked: Picked | undefined,
  panels: readonly Panel[],
): { readonly line: Line; readonly point: StudyPoint } | undefined {
  if (!picked) return undefined
  const panel = panels.find(({ key }) => key === picked.panel)
  const line = panel?.lines.find(({ key }) => key === picked.line)
  const point = line?.curve.points.find(({ firstLayer }) => firstLayer === picked.firstLayer)
  return line && point && { line, point }
}

export function effectsRequest(
  request: CurvesRequest,
  at: StudyCut,
  firstLayer: number,
  outliers: number,
): EffectsRequest {
  const { study, relation, known, promptSet } = request
  return {
    ...{ study, known, ...at, firstLayer, outliers },
    ...(relation && { relation }),
    ...(promptSet !== undefined && { promptSet }),
  }
}

/** What is the same in all curves, in words: `tiny-mamba1, → last, window of 9 layers; known facts of country_capital`. */
export function fixedText(view: StudiesView, curves: readonly StudyCurve[], prompts: string): string {
  const varies = (dimension: Dimension): boolean => dimension === view.lines || dimension === view.panels
  const [first] = curves
  if (!first) return ''
  const { model, source, target, features, dataset } = first.at
  const windows = [...new Set(curves.map(({ at }) => at.window))]
  const cut = varies('source')
    ? varies('target')
      ? undefined
      : `sources → ${target}`
    : varies('target')
      ? `${source} → targets`
      : `${source} → ${target}`
  const parts = [
    varies('model') ? undefined : model,
    varies('dataset') ? undefined : dataset,
    cut,
    varies('features') || features === 'all' ? undefined : `${features} features`,
    varies('window')
      ? undefined
      : windows.length === 1
        ? `window of ${valueLabel('window', String(windows[0]))}`
        : 'each model’s default window',
  ]
  return `${parts.filter((part) => part !== undefined).join(', ')}; ${prompts}`
}

/** `known facts of capital, currency in all-correct`, `all prompts` */
export function promptsText({ known, relation, promptSet }: StudiesView): string {
  const of = relation.length === 0 ? '' : ` of ${relation.join(', ')}`
  const among = promptSet === undefined ? '' : ` in ${promptSet}`
  if (known === 'any') return `${of === '' && among === '' ? 'all ' : ''}prompts${of}${among}`
  return `${known} facts${of}${among}`
}
