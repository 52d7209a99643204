/** What `factflow figure` does; apart from its definition, since Vega and DuckDB take long to load. */
import { InputError, show } from '../errors.js'
import type { Size } from '../figures/look.js'
import { FEATURE_CATEGORIES } from '../models/architecture.js'
import { ROLES } from '../prompts/roles.js'
import { Results } from '../results/results.js'
import { drawFigures, resolved } from '../studies/figures.js'
import { saveFigureFiles } from '../studies/finish.js'
import type { FigurePreset } from '../studies/names.js'
import { type Figure, figureSchema, issueError } from '../studies/study.js'
import { onNote } from './options.js'
import { note, print } from './terminal.js'

export interface FigureCommandOptions {
  readonly preset?: FigurePreset
  readonly kind: string
  readonly out: string
  readonly size: Size
  readonly name: string
  readonly where?: readonly string[]
  readonly json?: true
  readonly [option: string]: unknown
}

/** Options that are fields of each kind of figure. */
const FIELDS_OF: Readonly<Record<string, readonly string[]>> = {
  curves: ['lines', 'columns', 'rows', 'each', 'value', 'minus', 'interval', 'level', 'depth', 'title'],
  heatmaps: ['columns', 'each', 'prompts', 'unit', 'title'],
  decay: ['plot', 'models', 'title'],
}
const EVERY_FIELD = [...new Set(Object.values(FIELDS_OF).flat())]

export async function figureAction(runs: readonly string[], options: FigureCommandOptions): Promise<void> {
  if (options.preset !== undefined) {
    const stray = [...EVERY_FIELD, 'where'].find((field) => options[field] !== undefined)
    if (stray !== undefined || options.name !== 'figure') {
      throw new InputError(
        `--${stray ?? 'name'}: must not be given with --preset, got ${show(options[stray ?? 'name'])}; leave one out`,
      )
    }
  }
  const definition = options.preset ?? definitionOf(options)
  const results = await Results.open(runs)
  try {
    for (const text of results.leftOut) onNote(text)
    const figures = await drawFigures(await resolved(definition, results), results, options.size)
    const names: string[] = []
    for (const figure of figures) {
      await saveFigureFiles(figure, options.out)
      const { name } = figure
      names.push(name)
      if (!options.json) note(`wrote ${options.out}/${name}.svg, .png, .vl.json, .csv`)
    }
    if (options.json) print(JSON.stringify({ folder: options.out, figures: names }))
  } finally {
    results.close()
  }
}

/** A definition from options; checked as one of a study file is. */
function definitionOf(options: FigureCommandOptions): Figure {
  const { kind, name, where } = options
  const stray = EVERY_FIELD.find((field) => options[field] !== undefined && !FIELDS_OF[kind]!.includes(field))
  if (stray !== undefined) {
    throw new InputError(
      `--${stray}: must not be given for a figure of kind ${kind}, got ${show(options[stray])}; leave it out`,
    )
  }
  const fields = FIELDS_OF[kind]!.filter((field) => options[field] !== undefined)
  const json = {
    kind,
    name,
    ...(kind !== 'decay' && { where: Object.fromEntries((where ?? []).map(condition)) }),
    ...Object.fromEntries(fields.map((field) => [field, options[field]])),
  }
  const parsed = figureSchema.safeParse(json, { reportInput: true })
  if (parsed.success) return parsed.data
  throw issueError(parsed.error.issues[0]!, 'figure')
}

const FIELDS = [
  'run',
  'model',
  'family',
  'dataset',
  'promptSet',
  'window',
  'source',
  'target',
  'features',
  'relation',
  'known',
]

/** `window=1,9` */
function condition(text: string): [string, unknown[]] {
  const at = text.indexOf('=')
  const [field, values] = [text.slice(0, at), text.slice(at + 1).split(',')]
  if (at < 1 || !FIELDS.includes(field)) {
    throw new InputError(
      `--where: must be a field (${FIELDS.join(', ')}), = and values, got ${show(text)}; write source=${ROLES[2]} or features=${FEATURE_CATEGORIES[0]}`,
    )
  }
  return [
    field,
    field === 'window' ? values.map((value) => (value === 'default' ? value : Number(value))) : values,
  ]
}
