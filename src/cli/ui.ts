/** `factflow ui`: the web app, served to the browser of this machine. */
import type { Command } from 'commander'
import { Option } from 'commander'
import { wholeNumber, withThreadOptions } from './options.js'
import type { UiOptions } from './ui-action.js'

export function uiCommand(program: Command): void {
  const command = program
    .command('ui')
    .description('open the web app: see facts flow, cut by hand, browse stored results')
    .argument('[runs...]', 'run folders, and folders of run folders (default: runs)')
    .addOption(
      new Option(
        '-m, --model <name>',
        'folder or id on the Hub to have at hand, beside the embedded models; may be given several times',
      ).argParser((name: string, before: readonly string[] = []) => [...before, name]),
    )
    .option('--offline', 'make no request: use models in the cache alone')
  withThreadOptions(command)
    .addOption(
      new Option('--port <n>', 'of the server (default: 7411 where it is free)').argParser(
        wholeNumber('--port', 1, 65_535),
      ),
    )
    .option('--open', 'open the browser (default: in a terminal with a display)')
    .option('--no-open', 'do not open the browser')
    .option('--export <folder>', 'write the app as files for any web server, and stop')
    .option('--json', 'print the address, or what was exported, as JSON')
    .addHelpText(
      'after',
      `
The server answers to this machine alone, and only to who has the address that
it prints. Exported, the app computes in its visitor's browser.

Examples:
  factflow ui
  factflow ui runs/paper --model state-spaces/mamba-130m-hf
  factflow ui --export site`,
    )
    .action(async (runs: readonly string[], options: UiOptions) => {
      const { uiAction } = await import('./ui-action.js')
      await uiAction(runs, options)
    })
}
