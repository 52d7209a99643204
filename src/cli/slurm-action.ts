/** What `factflow slurm` does; apart from its definition, since what it needs takes long to load. */
import { stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { shellLine } from '../cluster/shell.js'
import { indexList, type SlurmRun, sbatchArguments, scriptName, stageScript } from '../cluster/slurm.js'
import { cancel, queue } from '../cluster/slurm-client.js'
import {
  readJobs,
  type SlurmJob,
  type SlurmJobs,
  slurmFolder,
  submittedFile,
  submittedStudy,
} from '../cluster/slurm-jobs.js'
import { parseSlurm, type SlurmInput, slurmSchema } from '../cluster/slurm-settings.js'
import {
  isReportStale,
  missingPlan,
  missingShards,
  type Plan,
  type QueuedPart,
  submitPlan,
  waitsFor,
  wholePlan,
} from '../cluster/slurm-submit.js'
import { InputError, show } from '../errors.js'
import { visibleText } from '../figures/text.js'
import { systemReason } from '../results/whole-file.js'
import { RUNS } from '../studies/names.js'
import { chooseModels } from '../studies/run.js'
import { studyStanding } from '../studies/standing.js'
import { modelLabel, type Study } from '../studies/study.js'
import { type ComputeOptions, memorySize } from './options.js'
import { readSettingsFile } from './settings-file.js'
import { follow } from './slurm-follow.js'
import { readStudy } from './study-action.js'
import { note, plural, print } from './terminal.js'

export interface SlurmCommandOptions extends ComputeOptions {
  readonly out?: string
  readonly config?: string
  readonly models?: readonly string[]
  readonly follow?: true
  readonly cancel?: true
  readonly resubmit?: true
  /** Seconds. */
  readonly interval?: number
  readonly dryRun?: true
  readonly schema?: true
  readonly json?: true
  /** Settings by the names of their options. */
  readonly [setting: string]: unknown
}

/** What a command line is about. */
interface Target {
  /** The run folder, absolute. */
  readonly out: string
  /** Where a user finds it. */
  readonly shown: string
  /** Undefined where only the run folder was named. */
  readonly study: Study | undefined
  /** What was submitted before. */
  readonly before: SlurmJobs | undefined
}

export async function slurmAction(name: string | undefined, options: SlurmCommandOptions): Promise<void> {
  if (options.schema) {
    print(JSON.stringify(z.toJSONSchema(slurmSchema, { io: 'input' }), null, 2))
    return
  }
  checkTogether(options)
  const target = await targetOf(name, options.out)
  if (options.cancel) return cancelJobs(target, options)
  if (options.resubmit) await resubmit(target, options)
  else if (!options.follow || target.before === undefined) await submitAll(target, options)
  if (options.follow) {
    const { settings, cwd } = await submittedBefore(target)
    const study = await submittedStudy(target.out)
    enter(cwd)
    await follow(
      { ...target, study, settings, queued: async () => queuedParts(await submittedBefore(target)) },
      options.interval,
    )
  }
}

function checkTogether({
  cancel: cancels,
  resubmit: again,
  follow: follows,
  dryRun,
}: SlurmCommandOptions): void {
  const other = again ? '--resubmit' : follows ? '--follow' : dryRun ? '--dry-run' : undefined
  if (cancels && other) {
    throw new InputError(`--cancel: must be given without ${other}, got both; leave one out`)
  }
  if (follows && dryRun) {
    throw new InputError('--follow: must be given without --dry-run, got both; leave one out')
  }
}

/** @throws InputError when it is neither a study nor the folder of a run */
async function targetOf(name: string | undefined, out: string | undefined): Promise<Target> {
  const isFolder = name !== undefined && (await stat(name).catch(() => undefined))?.isDirectory()
  const folder = isFolder || name === undefined ? (name ?? out) : undefined
  if (folder !== undefined) {
    if (name !== undefined && out !== undefined && resolve(name) !== resolve(out)) {
      throw new InputError(`--out: must be left out beside a run folder, got ${show(out)}; name one`)
    }
    const before = await readJobs(folder)
    if (before === undefined) {
      throw new InputError(
        `study: must be a study, or the folder of a run that was submitted before, got ${show(folder)}; name a study`,
      )
    }
    return { out: resolve(folder), shown: folder, study: undefined, before }
  }
  if (name === undefined) {
    throw new InputError(
      'study: must be given, got nothing; name a study, or the folder of a run that was submitted before',
    )
  }
  const study = await readStudy(name)
  const shown = out ?? join(RUNS, study.name)
  return { out: resolve(shown), shown, study, before: await readJobs(shown) }
}

async function submittedBefore({ out, shown }: Target): Promise<SlurmJobs> {
  const jobs = await readJobs(out)
  if (jobs) return jobs
  throw new InputError(
    `${shown}: must have been submitted before, got none of its jobs; leave --resubmit and --cancel out`,
  )
}

/** Names of settings are sbatch's: `cpus-per-task`. */
function optionName(setting: string): string {
  return setting.replace(/-./g, (dash) => dash[1]!.toUpperCase())
}

/** Settings from the file, from options, which win, and from what was submitted before. */
async function settingsOf(options: SlurmCommandOptions, before?: SlurmInput): Promise<SlurmRun['settings']> {
  const file = options.config === undefined ? {} : await readConfig(options.config)
  const said = Object.keys(slurmSchema.shape).flatMap((setting) => {
    const value = options[optionName(setting)]
    if (value === undefined) return []
    return [[setting, setting === 'memory' ? String(value) : value]]
  })
  // The file is checked by itself, so that errors in it name it.
  const settings = parseSlurm({ ...before, ...file, ...Object.fromEntries(said) }, 'options')
  if (settings.memory !== undefined) memorySize(settings.memory)
  return settings
}

async function readConfig(path: string): Promise<SlurmInput> {
  const json = await readSettingsFile(path)
  parseSlurm(json, path)
  return json as SlurmInput
}

/** What jobs of this run are of. */
function runOf(study: Study, out: string, cwd: string, settings: SlurmRun['settings']): SlurmRun {
  chooseModels(study, settings.models)
  const main = fileURLToPath(new URL('main.js', import.meta.url))
  return {
    study: study.name,
    file: submittedFile(out),
    out,
    cwd,
    factflow: [process.execPath, main],
    settings,
  }
}

/** Jobs of the run that are in the queue, and what they are of it. */
async function queuedParts({ jobs }: Pick<SlurmJobs, 'jobs'>): Promise<QueuedPart[]> {
  const stages = new Map(jobs.map(({ id, stage }) => [id, stage]))
  const tasks = await queue([...stages.keys()])
  return tasks.map((task) => ({ ...task, stage: stages.get(task.id)! }))
}

async function submitAll(target: Target, options: SlurmCommandOptions): Promise<void> {
  const { study, before, out, shown } = target
  if (!study) {
    throw new InputError(
      `study: must be given to submit all of it, got a run folder; name the study, or add --follow, --cancel or --resubmit`,
    )
  }
  const run = runOf(study, out, process.cwd(), await settingsOf(options))
  const plan = wholePlan(run)
  if (options.dryRun) return dryRun(run, plan, [], options)
  const queued = before ? await queuedParts(before) : []
  if (queued.length > 0) {
    throw new InputError(
      `${shown}: must have no jobs in the queue when it is submitted, got ${plural(queued.length, 'job')} of it there; follow them with --follow, cancel them with --cancel, or submit with --resubmit what is missing`,
    )
  }
  say(await submitPlan(run, plan, { study, queued }), target, options)
}

async function resubmit(target: Target, options: SlurmCommandOptions): Promise<void> {
  const before = await submittedBefore(target)
  const study = await submittedStudy(target.out)
  const settings = await settingsOf(options, before.settings)
  const run = runOf(study, target.out, before.cwd, settings)
  const queued = await queuedParts(before)
  if (queued.length > 0 && settings.shards !== before.settings.shards) {
    throw new InputError(
      `--shards: must be ${before.settings.shards} while jobs of the run are in the queue, got ${settings.shards}; cancel them first`,
    )
  }
  const models = settings.models && chooseModels(study, settings.models).map(modelLabel)
  enter(before.cwd)
  const standing = await studyStanding(study, target.out, { shards: settings.shards, models })
  const plan = missingPlan(missingShards(standing, await isReportStale(target.out)), queued)
  if (options.dryRun) return dryRun(run, plan, queued, options)
  if (plan.wanted.length === 0 && !options.json) {
    note(
      standing.complete
        ? 'nothing is missing, and the report is there'
        : 'what is missing is in the queue already',
    )
  }
  say(await submitPlan(run, plan, { queued }), target, options)
}

/** Go where relative paths of the study begin. @throws InputError when that is not there any more */
function enter(cwd: string): void {
  try {
    process.chdir(cwd)
  } catch (error) {
    throw new InputError(
      `${cwd}: must be there, as the study was submitted in it, got ${systemReason(error)}; submit it anew`,
    )
  }
}

async function cancelJobs(target: Target, { json }: SlurmCommandOptions): Promise<void> {
  const queued = await queuedParts(await submittedBefore(target))
  // The last ones first: they would start when those before them end.
  const ids = [...new Set(queued.map(({ id }) => id))].sort((a, b) => Number(b) - Number(a))
  await cancel(ids)
  if (json) print(JSON.stringify({ out: target.out, cancelled: ids }))
  else if (ids.length === 0) print('no job of this run is in the queue')
  else {
    print(
      `cancelled ${ids.reverse().join(', ')}: ${plural(queued.length, 'task')}; what is done is kept in ${visibleText(target.shown)}`,
    )
  }
}

/** Scripts and calls, as text that a shell could run, or as JSON. */
function dryRun(
  run: SlurmRun,
  { wanted, replaced }: Plan,
  queued: readonly QueuedPart[],
  { json }: SlurmCommandOptions,
): void {
  const folder = slurmFolder(run.out)
  const scripts = wanted.map(({ stage }) => [scriptName(stage), stageScript(run, stage)] as const)
  // Numbers of jobs that are not there yet, as a shell would remember them.
  const known: { id: string; stage: (typeof wanted)[number]['stage'] }[] = []
  const calls = wanted.map(({ stage, shards }) => {
    const args = sbatchArguments(run, stage, { shards, after: waitsFor(stage, known, queued) })
    known.push({ id: `$${stage}`, stage })
    return { stage, arguments: args }
  })
  if (json) {
    const scriptsByName = Object.fromEntries(scripts)
    print(JSON.stringify({ out: run.out, folder, scripts: scriptsByName, sbatch: calls, scancel: replaced }))
    return
  }
  for (const [name, text] of scripts) print(`# ${join(folder, name)}\n${text}`)
  print(`cd ${shellLine([folder])}`)
  for (const { stage, arguments: args } of calls) {
    const words = args.map((word) => (word.includes('$') ? `"${word}"` : shellLine([word])))
    print(`${stage}=$(sbatch ${words.join(' ')})`)
  }
  if (wanted.length === 0) print('# nothing to submit')
  if (replaced.length > 0) print(`scancel ${replaced.join(' ')}`)
}

/** Say what was submitted. */
function say(
  jobs: readonly SlurmJob[],
  { out, shown }: Target,
  { json, follow: follows }: SlurmCommandOptions,
): void {
  if (json) {
    print(JSON.stringify({ out, jobs: jobs.map(({ id, stage, shards }) => ({ id, stage, shards })) }))
    return
  }
  if (jobs.length === 0) return
  for (const { id, stage, shards } of jobs) {
    const tasks = shards && `, ${shards.length === 1 ? 'task' : 'tasks'} ${indexList(shards)}`
    print(`${stage.padEnd(8)}  job ${id}${tasks ?? ''}`)
  }
  note(`scripts and logs are in ${visibleText(shellLine([join(shown, 'slurm')]))}`)
  if (!follows) note(`to follow the jobs: factflow slurm ${visibleText(shellLine([shown]))} --follow`)
}
