/** `factflow results`: what is stored, and questions to it. */
import type { Command } from 'commander'
import { TABLE_NAMES } from '../results/rows.js'
import { choice } from './options.js'
import type { ResultsOptions } from './results-action.js'

export function resultsCommand(program: Command): void {
  program
    .command('results')
    .description('stored results: list the runs, show what is in one, export tables as CSV, ask in SQL')
    .argument('[runs...]', 'run folders (default: list those in runs/); several are asked together')
    .option('--sql <query>', 'ask in SQL (DuckDB); `-` reads the query from standard input')
    .addOption(choice('--table <name>', 'print or export a table', [...TABLE_NAMES, 'models', 'datasets']))
    .option('--csv <file>', 'write the table, or the rows of the query, as CSV')
    .option(
      '--verify',
      'compare all bytes of all parts with their checksums; exit code 1 when one is damaged',
    )
    .option('--json', 'print as JSON: one object, or with --sql or --table one array of rows')
    .addHelpText(
      'after',
      `
Tables: knockouts, evaluations, prompt_sets, features, unusable, models,
datasets; each has a column run, the folder's name (docs/studies.md).

Examples:
  factflow results
  factflow results runs/demo
  factflow results runs/demo --table knockouts --csv knockouts.csv
  factflow results runs/demo --sql "SELECT model, source, avg(relative_change)
    FROM knockouts WHERE source <> 'token' GROUP BY ALL ORDER BY ALL"`,
    )
    .action(async (runs: readonly string[], options: ResultsOptions) => {
      const { resultsAction } = await import('./results-action.js')
      await resultsAction(runs, options)
    })
}
