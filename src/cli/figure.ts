/** `factflow figure`: draw from stored results. */
import type { Command, Option } from 'commander'
import { InputError, show } from '../errors.js'
import { SIZES } from '../figures/look.js'
import { FEATURE_CATEGORIES } from '../models/architecture.js'
import { ROLES } from '../prompts/roles.js'
import { Results } from '../results/results.js'
import { INTERVALS } from '../results/statistics.js'
import { drawFigures, resolved } from '../studies/figures.js'
import { saveFigureFiles } from '../studies/finish.js'
import { DIMENSIONS, FIGURE_PRESETS, type Figure, figureSchema, issueError } from '../studies/study.js'
import { choice } from './options.js'
import { note, print } from './terminal.js'

interface FigureCommandOptions {
  readonly preset?: (typeof FIGURE_PRESETS)[number]
  readonly kind: string
  readonly out: string
  readonly size: (typeof SIZES)[number]
  readonly name: string
  readonly where?: readonly string[]
  readonly json?: true
  readonly [option: string]: unknown
}

/** Options that are fields of a curves figure. */
const CURVE_FIELDS = [
  'lines',
  'columns',
  'rows',
  'each',
  'value',
  'minus',
  'interval',
  'level',
  'depth',
  'title',
]

export function figureCommand(program: Command): void {
  const dimension = (flags: string, text: string): Option => choice(flags, text, DIMENSIONS)
  program
    .command('figure')
    .description('draw from stored results: one of the paper’s figures, or any rows x columns x lines')
    .argument('<runs...>', 'run folders; several are drawn together')
    .addOption(choice('-p, --preset <name>', 'a figure of the paper', [...FIGURE_PRESETS]))
    .addOption(dimension('--lines <dimension>', 'what lines are (default: source)'))
    .addOption(dimension('--columns <dimension>', 'what columns are'))
    .addOption(dimension('--rows <dimension>', 'what rows are'))
    .addOption(dimension('--each <dimension>', 'one figure for each of its values'))
    .option(
      '-w, --where <field=values...>',
      'which results, such as window=9 source=subject,last model=a,b; fields: run, model, family, dataset, promptSet, window, source, target, features',
    )
    .addOption(choice('--value <quantity>', 'what is drawn', ['change', 'accuracy']))
    .option('--minus <value>', 'a value of --lines: the others become paired differences from it')
    .addOption(choice('--interval <method>', 'the band (default: t)', [...INTERVALS, 'none']))
    .option('--level <share>', 'its level (default: 0.95)', Number)
    .addOption(choice('--depth <unit>', 'the depth axis (default: percent)', ['percent', 'layers']))
    .option('--title <text>', 'title of the figure')
    .addOption(
      choice('--size <size>', 'for a paper’s column or page, or a screen', [...SIZES]).default('page'),
    )
    .option('-n, --name <name>', 'name of its files', 'figure')
    .option('-o, --out <folder>', 'where they go', 'out')
    .option('--json', 'print the names of the files as JSON')
    .addHelpText(
      'after',
      `
Writes NAME.svg, NAME.png (and both .dark), NAME.vl.json (Vega-Lite, to restyle)
and NAME.csv (the numbers).

Examples:
  factflow figure runs/demo --preset figure-1
  factflow figure runs/demo --columns model --lines features \\
    --where source=subject target=last window=default promptSet=all-correct`,
    )
    .action(async (runs: readonly string[], options: FigureCommandOptions) => {
      const definition = options.preset ?? definitionOf(options)
      const results = await Results.open(runs)
      try {
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
    })
}

/** A definition from options; checked as one of a study file is. */
function definitionOf(options: FigureCommandOptions): Figure {
  const fields = CURVE_FIELDS.flatMap((name) => (options[name] === undefined ? [] : [[name, options[name]]]))
  const json = {
    kind: 'curves',
    name: options.name,
    where: Object.fromEntries((options.where ?? []).map(condition)),
    ...(Object.fromEntries(fields) as object),
  }
  const parsed = figureSchema.safeParse(json, { reportInput: true })
  if (parsed.success) return parsed.data
  throw issueError(parsed.error.issues[0]!, 'figure')
}

const FIELDS = ['run', 'model', 'family', 'dataset', 'promptSet', 'window', 'source', 'target', 'features']

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
