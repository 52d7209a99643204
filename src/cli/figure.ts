/** `factflow figure`: draw from stored results. */
import type { Command, Option } from 'commander'
import { SIZES } from '../figures/look.js'
import { INTERVALS } from '../results/statistics.js'
import { DIMENSIONS, FIGURE_PRESETS } from '../studies/names.js'
import type { FigureCommandOptions } from './figure-action.js'
import { choice } from './options.js'

export function figureCommand(program: Command): void {
  const dimension = (flags: string, text: string): Option => choice(flags, text, DIMENSIONS)
  program
    .command('figure')
    .description('draw from stored results: one of the paper’s figures, or any rows x columns x lines')
    .argument('<runs...>', 'run folders; several are drawn together')
    .addOption(choice('-p, --preset <name>', 'a figure of the paper', [...FIGURE_PRESETS]))
    .addOption(
      choice('--kind <kind>', 'kind of a figure of one’s own', ['curves', 'heatmaps', 'decay']).default(
        'curves',
      ),
    )
    .addOption(dimension('--lines <dimension>', 'what lines are (default: source)'))
    .addOption(dimension('--columns <dimension>', 'what columns are'))
    .addOption(dimension('--rows <dimension>', 'what rows are'))
    .addOption(dimension('--each <dimension>', 'one figure for each of its values'))
    .option(
      '-w, --where <field=values...>',
      'which results, such as window=9 source=subject,last model=a,b; fields: run, model, family, dataset, promptSet, window, source, target, features, relation, known',
    )
    .addOption(choice('--value <quantity>', 'what is drawn', ['change', 'accuracy']))
    .option('--minus <value>', 'a value of --lines: the others become paired differences from it')
    .addOption(choice('--interval <method>', 'the band (default: t)', [...INTERVALS, 'none']))
    .option('--level <share>', 'its level (default: 0.95)', Number)
    .addOption(choice('--depth <unit>', 'the depth axis (default: percent)', ['percent', 'layers']))
    .option('--prompts <ids...>', 'heatmaps: of these prompts')
    .addOption(choice('--unit <unit>', 'heatmaps: percent of p, or its difference', ['relative', 'absolute']))
    .addOption(choice('--plot <plot>', 'decay: how', ['histograms', 'boxes']))
    .option('--models <labels...>', 'decay: of these models')
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
      const { figureAction } = await import('./figure-action.js')
      await figureAction(runs, options)
    })
}
