/** `factflow status`: how a study stands. */
import { type Command, Option } from 'commander'
import { wholeNumber } from './options.js'
import type { StatusOptions } from './status-action.js'

export function statusCommand(program: Command): void {
  program
    .command('status')
    .description(
      'what of a study is done, running, missing, failed: by model, by shard, with rate and time left',
    )
    .argument('<run>', 'run folder')
    .option('--models <labels...>', 'only these models of the study (after the folder)')
    .addOption(
      new Option('--shards <n>', 'as n shares of the work (default: as its workers share it)').argParser(
        wholeNumber('--shards', 1, 100_000),
      ),
    )
    .option('--watch', 'again and again, until all is done')
    .option('--json', 'print it as JSON')
    .addHelpText(
      'after',
      `
Reads what is stored and what the workers say of themselves; loads no model.

Examples:
  factflow status runs/paper
  factflow status runs/paper --watch`,
    )
    .action(async (run: string, options: StatusOptions) => {
      const { statusAction } = await import('./status-action.js')
      await statusAction(run, options)
    })
}
