/** What `factflow status` does; apart from its definition, since what it needs takes long to load. */
import { existsSync } from 'node:fs'
import process from 'node:process'
import { submittedFile, submittedStudy } from '../cluster/slurm-jobs.js'
import { InputError } from '../errors.js'
import { visibleText, wrap } from '../figures/text.js'
import { sleep } from '../sleep.js'
import { chooseModels } from '../studies/run.js'
import {
  type Count,
  missingText,
  type Standing,
  type StandingOptions,
  storedStudy,
  studyStanding,
  workerOf,
} from '../studies/standing.js'
import { modelLabel, type Study } from '../studies/study.js'
import { onNote } from './options.js'
import { duration } from './progress.js'
import { tableLines } from './table.js'
import { plural, print, width } from './terminal.js'

export interface StatusOptions {
  readonly models?: readonly string[]
  readonly shards?: number
  readonly watch?: true
  readonly json?: true
}

/** Milliseconds between two looks. */
const WATCH_EVERY = 10_000

export async function statusAction(run: string, options: StatusOptions): Promise<void> {
  while (true) {
    const study = await askedStudy(run)
    const models = options.models && chooseModels(study, options.models).map(modelLabel)
    const standing = await standingOf(study, run, { shards: options.shards, models })
    if (options.json) print(JSON.stringify(standing))
    else {
      // As `watch` and `top` do: from the top of an empty screen.
      if (options.watch && process.stdout.isTTY) process.stdout.write('\x1b[H\x1b[2J')
      for (const line of standingLines(standing)) print(visibleText(line))
      for (const text of standing.leftOut) onNote(text)
    }
    if (!options.watch || standing.complete) return
    await sleep(WATCH_EVERY)
  }
}

/**
 * The study of a run; as it was submitted to Slurm where no worker has begun yet, or run.json does not say it.
 * @throws InputError as `storedStudy` does
 */
async function askedStudy(run: string): Promise<Study> {
  try {
    return await storedStudy(run)
  } catch (error) {
    if (!(error instanceof InputError) || !existsSync(submittedFile(run))) throw error
    return submittedStudy(run)
  }
}

/** @throws InputError that says where to stand, when the study's data is not found from here */
async function standingOf(study: Study, run: string, options: StandingOptions): Promise<Standing> {
  try {
    return await studyStanding(study, run, options)
  } catch (error) {
    if (!(error instanceof InputError) || !error.message.startsWith('data')) throw error
    throw new InputError(
      `${error.message} (files that a study names are looked for in the folder where it was begun: ask from there)`,
      { cause: error },
    )
  }
}

/** A standing in lines. */
export function standingLines(standing: Standing): string[] {
  const { study, dir, models, shards, workers } = standing
  const evaluated = new Set(models.flatMap((m) => (m.swept === undefined ? [] : [m.model])))
  const lines = [
    ...wrap(`${dir}: study ${study}, ${overall(standing)}`, Math.min(width(), 100)),
    '',
    ...tableLines(
      [
        ['MODEL', 'EVALUATED', 'SWEPT', ''],
        ...models.map((m) => [m.model, count(m.evaluated), count(m.swept), m.failed ? 'failed' : '']),
      ],
      new Set([0, 3]),
    ),
  ]
  if (shards.length > 0) {
    const rows = shards.map((shard) => {
      const name = `${shard.index}/${shard.count}`
      const worker = workerOf(workers, name)
      return [
        name,
        shard.state,
        count(shard.evaluated),
        count(shard.swept),
        worker ? at(worker, evaluated) : '',
      ]
    })
    lines.push('', ...tableLines([['SHARD', 'STATE', 'EVALUATED', 'SWEPT', ''], ...rows], new Set([0, 1, 4])))
  }
  const others = workers.filter(({ shard, now }) => shard === undefined && now !== 'done')
  if (others.length > 0) {
    const rows = others.map((worker) => [worker.now, at(worker, evaluated)])
    lines.push('', ...tableLines([['WORKER', ''], ...rows], new Set([0, 1])))
  }
  const failures = new Set([
    ...models.flatMap(({ model, failed }) => (failed === undefined ? [] : [`${model}: ${failed}`])),
    ...workers.flatMap(({ now, error, shard, host }) =>
      now === 'failed' && error !== undefined ? [`${shard ?? host}: ${error}`] : [],
    ),
  ])
  if (failures.size > 0) lines.push('', 'Failed:', ...[...failures].map((text) => `  ${text}`))
  return lines
}

function overall(standing: Standing): string {
  if (standing.complete) return 'all of it is done'
  const { share, secondsLeft, workers, models } = standing
  const failed = models.some((model) => model.failed !== undefined)
  const what = standing.stage === 'evaluate' ? 'evaluation' : 'knockouts'
  const stage = failed ? `${what} of the models that can be computed` : what
  const active = workers.filter(({ now }) => now === 'running' || now === 'waiting').length
  const left =
    secondsLeft !== undefined
      ? `${duration(secondsLeft)} left at this rate`
      : active > 0
        ? `${plural(active, 'worker')} at it, time left not known yet`
        : 'nobody is at it'
  return `${(100 * share).toFixed(1)} % of the ${stage} done, ${left}; ${missingText(standing)}`
}

function count(value: Count | undefined): string {
  if (value === undefined) return '-'
  return `${value.done.toLocaleString('en')} of ${value.total.toLocaleString('en')}`
}

/**
 * What a worker is at, and where.
 * @param evaluated labels of the models that are evaluated whole
 */
function at(
  {
    now,
    stage,
    model,
    done,
    total,
    host,
    job,
    updated,
    flops,
    seconds,
    error,
    failed,
    waitsFor = [],
  }: Standing['workers'][number],
  evaluated: ReadonlySet<string>,
): string {
  const where = `${host}${job === undefined ? '' : ` (${job})`}`
  if (now === 'lost') return `was last heard of on ${where} at ${updated}`
  if (now === 'stopped' && waitsFor.length > 0 && waitsFor.every((label) => evaluated.has(label))) {
    return `can go on, what it waited for is there; on ${where}`
  }
  if (now === 'stopped' && error !== undefined) return `${error}; on ${where}`
  if (now === 'failed' && failed.length > 0) {
    return `could not compute ${failed.map((one) => one.model).join(', ')}; on ${where}`
  }
  if (now !== 'running' || stage === undefined) return where
  const rate = seconds > 0 ? `, ${(flops / seconds / 1e9).toFixed(0)} Gflop/s` : ''
  return `${stage} ${model} ${done.toLocaleString('en')}/${total.toLocaleString('en')}${rate}, ${where}`
}
