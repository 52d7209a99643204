/**
 * A study as jobs of Slurm: an array of workers that evaluate, an array of workers that put prompts under knockouts, and
 * a job that draws figures and writes the report. What is here is pure: settings to scripts and to sbatch's arguments.
 */
import type { Study } from '../studies/study.js'
import { computeArguments } from './compute.js'
import { shellLine, shellQuote } from './shell.js'
import { type SlurmSettings, sbatchSettings, slurmDevice } from './slurm-settings.js'

export const STAGES = ['evaluate', 'sweep', 'report'] as const
export type Stage = (typeof STAGES)[number]

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
/** The exit code of a worker that is to be run again. */
const AGAIN = 75

/** The stages of a study: without anything that is asked of knockouts or features there is no sweep. */
export function stagesOf({ infoFlow, heatmaps, figures }: Study): readonly Stage[] {
  const drawsFeatures = figures.some((figure) =>
    typeof figure === 'string' ? figure.startsWith('decay') : figure.kind === 'decay',
  )
  return infoFlow || heatmaps || drawsFeatures ? STAGES : STAGES.filter((stage) => stage !== 'sweep')
}

/** The name of a stage's script. */
export function scriptName(stage: Stage): string {
  return `${stage}.sh`
}

/** The batch script of a stage, the same for all tasks of its array. */
export function stageScript(run: SlurmRun, stage: Stage): string {
  const { study, cwd, settings } = run
  const array = stage !== 'report'
  const what = array ? `, one task for each of ${settings.shards} shards` : ''
  // Of an array the number alone would mean all of its tasks.
  const job = array ? `\${SLURM_ARRAY_JOB_ID}_\${SLURM_ARRAY_TASK_ID}` : '$SLURM_JOB_ID'
  return `#!/bin/bash
# Study ${study}, stage ${stage}${what}. Written by factflow slurm, which submits it as
# sbatch ${shellLine(sbatchArguments(run, stage, { shards: allShards(settings) }))}
cd ${shellQuote(cwd)} || exit 2
${settings.setup.map((text) => `${text}\n`).join('')}
# A step has the processors of its job only when it is told so.
export SRUN_CPUS_PER_TASK=$SLURM_CPUS_PER_TASK
# In a step: SIGTERM before the time limit goes to steps alone.
srun --nodes=1 --ntasks=1 --export=ALL ${workerCommand(run, stage)}
code=$?

# ${AGAIN}: told to stop, or others are not so far yet; to be run again. Where Slurm itself ends the job (scancel, time
# limit, preemption) this script has ended before it gets here; a job that is being ended is left alone all the same.
if [ "$code" -eq ${AGAIN} ]; then
  job="${job}"
  if [ "\${SLURM_RESTART_COUNT:-0}" -ge ${settings.requeues} ]; then
    echo "factflow: $job has been back in the queue \${SLURM_RESTART_COUNT:-0} times: not again; factflow slurm --resubmit goes on"
  elif [ "$(squeue --noheader --jobs="$job" --format=%T)" = RUNNING ]; then
    echo "factflow: $job goes back to the queue, and then on from where it was"
    # Slurm ends the script on that.
    scontrol requeue "$job" && sleep 60
  fi
fi
exit "$code"
`
}

/** The line of shell that runs a worker, or that writes the report. */
function workerCommand({ file, out, factflow, settings }: SlurmRun, stage: Stage): string {
  const study = shellLine(['study', file, '-o', out, '--stage', stage])
  const command = settings.command ?? shellLine(factflow)
  if (stage === 'report') return `${command} ${study}`
  const compute = computeArguments({ ...settings, device: slurmDevice(settings) })
  const words = [
    `--shard "$SLURM_ARRAY_TASK_ID/${settings.shards}"`,
    ...(stage === 'sweep' && settings.wait > 0 ? [`--wait ${settings.wait}`] : []),
    `--threads ${settings.threads ?? '"$SLURM_CPUS_PER_TASK"'}`,
    ...(compute.length > 0 ? [shellLine(compute)] : []),
  ]
  return `${command} ${study} ${words.join(' ')}`
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
