/** `factflow slurm`: a study as jobs of a Slurm cluster. */
import { type Command, Option } from 'commander'
import { wholeNumber, withThreadOptions } from './options.js'
import type { SlurmCommandOptions } from './slurm-action.js'

/** An option that may be given several times, a value each. */
function repeated(flags: string, description: string): Option {
  return new Option(flags, description).argParser((value: string, before: readonly string[] = []) => [
    ...before,
    value,
  ])
}

export function slurmCommand(program: Command): void {
  const command = program
    .command('slurm')
    .description(
      'submit a study to a Slurm cluster: an array of workers, and the report behind them; follow, cancel, resubmit what is missing',
    )
    .argument(
      '[study]',
      'a study file or a preset; for what has been submitted before, its run folder will do',
    )
    .option('-o, --out <folder>', 'run folder, on a disk that all nodes see (default: runs/NAME)')
    .option('--config <file>', 'settings in JSON, by the names of these options, which win (docs/cluster.md)')
    .addOption(shards())
    .addOption(
      new Option('--throttle <n>', 'tasks that run at the same time, at most').argParser(
        wholeNumber('--throttle', 1),
      ),
    )
    .option('--partition <names>', 'of sbatch, as the following')
    .option('--account <name>', 'whom it is charged to')
    .option('--qos <name>', 'quality of service')
    .option('--constraint <list>', 'features that nodes must have')
    .option('--gpus <n>', 'GPUs of a worker, such as 1 or a100:1; --device is then cuda by default')
    .option('--gres <list>', 'other resources of a worker, such as gpu:1')
    .addOption(
      new Option('--cpus-per-task <n>', 'processors of a worker (default: 4)').argParser(
        wholeNumber('--cpus-per-task', 1),
      ),
    )
    .option('--mem <size>', "memory of a worker, such as 32G (default: the partition's)")
    .option('--time <limit>', "time limit of a task, such as 4:00:00 (default: the partition's)")
    .addOption(
      new Option(
        '--signal-before <seconds>',
        'before the time limit a worker is told to stop: more than a unit of work takes (default: 120)',
      ).argParser(wholeNumber('--signal-before', 1)),
    )
    .addOption(
      new Option(
        '--wait <minutes>',
        'a sweep waits for other shards, before it goes back to the queue (default: 1)',
      ).argParser(wholeNumber('--wait', 0)),
    )
    .addOption(
      new Option(
        '--requeues <n>',
        'times that a task goes back to the queue, at most (default: 100)',
      ).argParser(wholeNumber('--requeues', 0)),
    )
    .addOption(
      repeated(
        '--setup <line>',
        'a line of shell before the work, such as `module load cuda`; may be repeated',
      ),
    )
    .addOption(
      repeated('--sbatch <option>', 'any other option of sbatch, such as --exclusive; may be repeated'),
    )
    .addOption(
      repeated(
        '--report-sbatch <option>',
        'of sbatch for the report alone, such as --partition=cpu; the same',
      ),
    )
    .option(
      '--command <line>',
      'what runs factflow, such as `apptainer exec factflow.sif factflow` (default: this node and this factflow)',
    )
    .option('--models <labels...>', 'compute these of the study’s models only (after the file)')
    .option('--offline', 'workers make no request: models and data are in the cache')
  withThreadOptions(command, {
    threads: "the task's processors",
    device: 'cuda where a GPU is asked for, else cpu',
  })
    .option('--follow', 'show how far the jobs are until they end; submits them first where none ever were')
    .option('--cancel', 'cancel the jobs that are in the queue or run')
    .option('--resubmit', 'submit the shards that something is missing of and that are not in the queue')
    .addOption(
      new Option(
        '--interval <seconds>',
        'between two looks with --follow (default: 15, where output is no terminal 60)',
      ).argParser(wholeNumber('--interval', 1, 86_400)),
    )
    .option('--dry-run', 'print the scripts and the calls of sbatch, and stop')
    .option('--schema', 'print the JSON Schema of the settings, and stop')
    .option('--json', 'print what was submitted, or with --dry-run would be, as JSON')
    .addHelpText(
      'after',
      `
In the run folder: slurm/ with scripts, logs and jobs.json, beside the results.
A task that is stopped (time limit, preemption, lost node) goes back to the
queue and then on from where it was. factflow status RUN says what is done.

Examples:
  factflow slurm paper -o /scratch/me/paper --partition gpu --gpus 1 --shards 32
  factflow slurm paper -o /scratch/me/paper --config slurm.json --dry-run
  factflow slurm /scratch/me/paper --follow
  factflow slurm /scratch/me/paper --resubmit --mem 64G`,
    )
    .action(async (name: string | undefined, options: SlurmCommandOptions) => {
      const { slurmAction } = await import('./slurm-action.js')
      // Defaults are those of the settings: only what was said counts.
      const said = Object.entries(options).filter(([key]) => command.getOptionValueSource(key) === 'cli')
      await slurmAction(name, Object.fromEntries(said) as SlurmCommandOptions)
    })
}

function shards(): Option {
  return new Option('--shards <n>', 'shares of the work, tasks of the arrays (default: 8)').argParser(
    wholeNumber('--shards', 1),
  )
}
