/** `factflow study`: all of a study, from its models and data to figures and a report. */
import type { Command } from 'commander'
import { STAGES, STUDY_PRESETS } from '../studies/names.js'
import { choice, withThreadOptions } from './options.js'
import { withShareOptions } from './store-options.js'
import type { StudyCommandOptions } from './study-action.js'

export function studyCommand(program: Command): void {
  const command = program
    .command('study')
    .description(
      'models x data x experiments x figures from one file: computes what is missing, draws the figures, writes a report',
    )
    .argument('[study]', `a study file (docs/studies.md), or a preset: ${STUDY_PRESETS.join(', ')}`)
    .option('-o, --out <folder>', 'run folder (default: runs/NAME)')
    .option(
      '--models <labels...>',
      'compute these of the study’s models only, and draw what there is (after the file)',
    )
    .addOption(
      choice('--stage <name>', 'do one stage alone; sweep includes evaluations that are missing', STAGES),
    )
    .option('--offline', 'make no request: use models and data in the cache alone')
  withShareOptions(command)
  withThreadOptions(command)
    .option('--dry-run', 'say what it takes (runs, rows, time, memory), and stop')
    .option('--restart', 'set results of other models, data or versions aside, and begin anew')
    .option('--show', 'print the study as JSON, to make your own of it, and stop')
    .option('--schema', 'print the JSON Schema of study files, and stop')
    .option('--json', 'print what was done, or the estimate, as JSON')
    .addHelpText(
      'after',
      `
Whatever stops it (Ctrl-C, a crash, a power cut), the same command goes on where
it was and gives the same numbers; after SIGTERM it first finishes the unit of
work that it is in, and ends with 75. In the run folder: run.json, Parquet
parts, figures/, report.html.

Examples:
  factflow study demo
  factflow study paper --dry-run
  factflow study paper --models mamba-130m-hf -o runs/paper
  factflow study my-study.json
  factflow study paper --shard 3/8 -o runs/paper   (see docs/cluster.md)`,
    )
    .action(async (name: string | undefined, options: StudyCommandOptions) => {
      const { studyAction } = await import('./study-action.js')
      await studyAction(name, options)
    })
}
