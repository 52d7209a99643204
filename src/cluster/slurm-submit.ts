/** Submit a study's jobs, all of them or those that something is missing of. */
import { readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { makeFolder } from '../checkpoints/make-folder.js'
import { InputError, show } from '../errors.js'
import { systemReason, writeWhole } from '../results/whole-file.js'
import { STAGES, type Stage } from '../studies/names.js'
import type { Count, ShardStanding, Standing } from '../studies/standing.js'
import { allShards, type SlurmRun, sbatchArguments, scriptName, stageScript } from './slurm.js'
import { cancel, type QueuedTask, submit } from './slurm-client.js'
import { readJobs, type SlurmJob, slurmFolder, writeJobs } from './slurm-jobs.js'

/** Tasks of a stage's array that are to be submitted; the report has none. */
export interface Wanted {
  readonly stage: Stage
  readonly shards: readonly number[]
}

/** A job or task in the queue, with what it is of the run. */
export interface QueuedPart extends QueuedTask {
  readonly stage: Stage
}

/** What is to be submitted, and which jobs go because of it. */
export interface Plan {
  readonly wanted: readonly Wanted[]
  /** Ids of reports that wait in the queue and would come too early. */
  readonly replaced: readonly string[]
}

/**
 * All of a study. There always is a sweep: without knockouts it stores which prompts are in the named sets, and the norms
 * of features.
 */
export function wholePlan({ settings }: Pick<SlurmRun, 'settings'>): Plan {
  const all = allShards(settings)
  return { wanted: STAGES.map((stage) => ({ stage, shards: stage === 'report' ? [] : all })), replaced: [] }
}

/** Shards of which something is missing. */
export interface Missing {
  readonly evaluate: readonly number[]
  readonly sweep: readonly number[]
  /** Whether the report is not there, or older than results. */
  readonly report: boolean
}

/** Shards of which something is missing, from how a study stands. */
export function missingShards(
  { models, shards, complete }: Pick<Standing, 'models' | 'shards' | 'complete'>,
  report: boolean,
): Missing {
  const isWhole = ({ done, total }: Count): boolean => done >= total
  const indices = (lacks: (shard: ShardStanding) => boolean): number[] =>
    shards.filter(lacks).map(({ index }) => index)
  const all = indices(() => true)
  let evaluate = indices(({ evaluated }) => !isWhole(evaluated))
  // Whose the facts of a model are can only be told when its size is known here.
  if (evaluate.length === 0 && !models.every(({ evaluated }) => isWhole(evaluated))) evaluate = all
  let sweep = indices(({ swept }) => swept === undefined || !isWhole(swept))
  // Prompt sets and norms of features are nobody's in particular.
  if (!complete && evaluate.length + sweep.length === 0) sweep = all
  return { evaluate, sweep, report }
}

/** Whether there is no report, or one that is older than some results. */
export async function isReportStale(out: string): Promise<boolean> {
  const report = await stat(join(out, 'report.html')).catch(() => undefined)
  if (!report) return true
  for (const name of await readdir(out)) {
    if (!name.endsWith('.parquet')) continue
    const part = await stat(join(out, name)).catch(() => undefined)
    if (part && part.mtimeMs > report.mtimeMs) return true
  }
  return false
}

/** What is missing and not on its way; with the report behind it. */
export function missingPlan(missing: Missing, queued: readonly QueuedPart[]): Plan {
  const wanted = (['evaluate', 'sweep'] as const).flatMap((stage): Wanted[] => {
    const onTheirWay = new Set(queued.flatMap((part) => (part.stage === stage ? (part.index ?? []) : [])))
    const shards = missing[stage].filter((index) => !onTheirWay.has(index))
    return shards.length > 0 ? [{ stage, shards }] : []
  })
  const reports = queued.filter(({ stage }) => stage === 'report')
  const more = queued.length > reports.length
  if (wanted.length === 0 && (reports.length > 0 || !(more || missing.report)))
    return { wanted: [], replaced: [] }
  const replaced = reports.filter(({ state }) => state === 'PENDING').map(({ id }) => id)
  return { wanted: [...wanted, { stage: 'report', shards: [] }], replaced }
}

/** What a stage's jobs wait for: all that is there or comes of the stages before. */
export function waitsFor(
  stage: Stage,
  submitted: readonly { readonly id: string; readonly stage: Stage }[],
  queued: readonly QueuedPart[],
): string[] {
  const before: readonly Stage[] =
    stage === 'evaluate' ? [] : stage === 'sweep' ? ['evaluate'] : ['evaluate', 'sweep']
  const ids = [...queued, ...submitted].filter((one) => before.includes(one.stage)).map(({ id }) => id)
  return [...new Set(ids)]
}

/**
 * Write the scripts, submit what is planned, and note it in jobs.json. All of it is submitted, or nothing; scripts of
 * which nothing was submitted do not stay.
 * @param study JSON of the study, to be kept beside the scripts; undefined: it is there
 * @returns the new jobs
 * @throws InputError when the folder cannot be written to, or Slurm refuses
 */
export async function submitPlan(
  run: SlurmRun,
  plan: Plan,
  { study, queued }: { readonly study?: unknown; readonly queued: readonly QueuedPart[] },
): Promise<SlurmJob[]> {
  const folder = slurmFolder(run.out)
  try {
    await makeFolder(folder)
  } catch (error) {
    throw new InputError(
      `--out: must be a folder or a place for one, got ${show(run.out)} (${systemReason(error)}); choose another place`,
    )
  }
  if (study !== undefined) await writeWhole(run.file, `${JSON.stringify(study, null, 2)}\n`)
  const scripts = plan.wanted.map(({ stage }) => ({ stage, path: join(folder, scriptName(stage)) }))
  for (const { stage, path } of scripts) await writeWhole(path, stageScript(run, stage))
  const submitted: SlurmJob[] = []
  try {
    for (const { stage, shards } of plan.wanted) {
      const after = waitsFor(stage, submitted, queued)
      const id = await submit(sbatchArguments(run, stage, { shards, after }), folder)
      const tasks = stage === 'report' ? {} : { shards: [...shards] }
      submitted.push({ id, stage, ...tasks, submitted: new Date().toISOString() })
    }
    const { study: name, cwd, settings } = run
    const before = (await readJobs(run.out))?.jobs ?? []
    await writeJobs(run.out, { study: name, cwd, settings, jobs: [...before, ...submitted] })
  } catch (error) {
    // Half of it would compute and never be drawn, or be forgotten.
    await cancel(submitted.map(({ id }) => id)).catch(() => {})
    if (submitted.length === 0) await Promise.all(scripts.map(({ path }) => rm(path, { force: true })))
    throw error
  }
  await cancel(plan.replaced)
  return submitted
}
