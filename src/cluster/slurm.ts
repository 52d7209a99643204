/**
 * A study as jobs of Slurm: an array of workers that evaluate, an array of workers that put prompts under knockouts, and
 * a job that draws figures and writes the report. What is here is pure: settings to scripts and to sbatch's arguments.
 */
import { EXIT_GO_ON, EXIT_TERMINATED } from '../exit-codes.js'
import type { Stage } from '../studies/names.js'
import { computeArguments } from './compute.js'
import { shellLine, shellQuote } from './shell.js'
import { type SlurmSettings, sbatchSettings, slurmDevice } from './slurm-settings.js'

/** What jobs are of. */
export interface SlurmRun {
  /** The study's name. */
  readonly study: string
  /** The study's file as it was when it was submitted; absolute, as the following. */
  readonly file: string
  /** The run folder. */
  readonly out: string
  /** Where relative paths of the study begin. */
  readonly cwd: string
  /** What runs factflow, words of a command; `settings.command` goes before. */
  readonly factflow: readonly string[]
  readonly settings: SlurmSettings
}

/** Processors of the job that writes the report: it has one thread. */
const REPORT_CPUS = 1

/** The name of a stage's script. */
export function scriptName(stage: Stage): string {
  return `${stage}.sh`
}

/** The batch script of a stage, the same for all tasks of its array. */
export function stageScript(run: SlurmRun, stage: Stage): string {
  const { study, cwd, settings } = run
  const tasks = stage === 'report' ? '' : `, a task for each of ${settings.shards} shards`
  const parts = [
    `#!/bin/bash
# Study ${study}, stage ${stage}${tasks}. Written by factflow slurm; submitted in this folder as
# sbatch ${shellLine(sbatchArguments(run, stage, { shards: allShards(settings) }))}
cd ${shellQuote(cwd)} || exit 2`,
    ...settings.setup,
    `
# A step has the processors of its job only when it is told so.
export SRUN_CPUS_PER_TASK=$SLURM_CPUS_PER_TASK
# As a step: what Slurm sends before the time limit goes to steps, not to this script.
srun --nodes=1 --ntasks=1 --export=ALL \\
  ${workerCommand(run, stage).join(' \\\n  ')}
code=$?
${stage === 'report' ? '' : backToTheQueue(settings)}
exit "$code"
`,
  ]
  return parts.join('\n')
}

/**
 * What a task does when its worker was told to stop or waits for others: it goes on later. Where Slurm itself ends a task
 * (scancel, the time limit, preemption without a time of grace) it ends the script, too, and puts it back into the queue
 * where that is to be: to ask for it once more would bring cancelled tasks back.
 */
function backToTheQueue({ requeues }: SlurmSettings): string {
  return `
# ${EXIT_GO_ON}: told to stop, or others are not so far yet (${EXIT_TERMINATED}: told while it started). The task goes on later, unless Slurm is
# already ending it.
# (The number of the job alone would mean all tasks of the array.)
task=\${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID
if [[ "$code" =~ ^(${EXIT_GO_ON}|${EXIT_TERMINATED})$ && "$(squeue --noheader --jobs="$task" --format=%T)" = RUNNING ]]; then
  if [ "\${SLURM_RESTART_COUNT:-0}" -lt ${requeues} ]; then
    echo "factflow: task $task goes back to the queue and will go on from where it is"
    scontrol requeue "$task" && sleep 60
  else
    echo "factflow: task $task has been back in the queue ${requeues} times and stays out of it; factflow slurm --resubmit goes on"
  fi
fi`
}

/** The lines of shell that run a worker, or that write the report. */
function workerCommand({ file, out, factflow, settings }: SlurmRun, stage: Stage): string[] {
  const lines = [settings.command ?? shellLine(factflow), shellLine(['study', file, '-o', out])]
  if (stage === 'report') return [...lines, '--stage report']
  const compute = computeArguments({ ...settings, device: slurmDevice(settings) })
  const words = [
    `--stage ${stage} --shard "$SLURM_ARRAY_TASK_ID/${settings.shards}"`,
    ...(stage === 'sweep' && settings.wait > 0 ? [`--wait ${settings.wait}`] : []),
    `--threads ${settings.threads ?? '"$SLURM_CPUS_PER_TASK"'}`,
    ...(compute.length > 0 ? [shellLine(compute)] : []),
  ]
  return [...lines, words.join(' ')]
}

/** Which tasks, and behind which jobs. */
export interface Submission {
  /** Indices from 1, ascending; none: all. Not for the report. */
  readonly shards: readonly number[]
  /** Ids of jobs that must have ended before, however they did. */
  readonly after?: readonly string[]
}

/** What sbatch is called with, in the folder of the scripts: there are no paths in it. */
export function sbatchArguments(run: SlurmRun, stage: Stage, { shards, after = [] }: Submission): string[] {
  const { study, settings } = run
  const workers = stage !== 'report'
  const throttle = settings.throttle === undefined ? '' : `%${settings.throttle}`
  return [
    '--parsable',
    `--job-name=${study}-${stage}`,
    `--output=${workers ? '%x-%A_%a.log' : '%x-%j.log'}`,
    '--open-mode=append',
    '--requeue',
    `--signal=TERM@${settings['signal-before']}`,
    ...sbatchSettings(settings, { workers }),
    `--cpus-per-task=${workers ? settings['cpus-per-task'] : REPORT_CPUS}`,
    ...settings.sbatch,
    ...(workers ? [`--array=${indexList(shards)}${throttle}`] : settings['report-sbatch']),
    ...(after.length > 0 ? [`--dependency=${['afterany', ...after].join(':')}`] : []),
    scriptName(stage),
  ]
}

/** 1 to n. */
export function allShards({ shards }: Pick<SlurmSettings, 'shards'>): number[] {
  return Array.from({ length: shards }, (_, i) => i + 1)
}

/** `1-3,5` of 1, 2, 3 and 5. */
export function indexList(indices: readonly number[]): string {
  const ranges: [from: number, to: number][] = []
  for (const index of indices) {
    const last = ranges.at(-1)
    if (last && index === last[1] + 1) last[1] = index
    else ranges.push([index, index])
  }
  return ranges.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`)).join(',')
}
