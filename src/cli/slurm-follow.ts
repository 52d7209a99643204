/** Follow the jobs of a run until they end. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { shellLine } from '../cluster/shell.js'
import { indexList } from '../cluster/slurm.js'
import type { SlurmSettings } from '../cluster/slurm-settings.js'
import { isReportStale, missingShards, type QueuedPart } from '../cluster/slurm-submit.js'
import { InputError } from '../errors.js'
import { EXIT_INTERRUPTED, EXIT_SOME_FAILED } from '../exit-codes.js'
import { visibleText } from '../figures/text.js'
import { RUN_FILE } from '../results/run-schema.js'
import { sleep } from '../sleep.js'
import { STAGES } from '../studies/names.js'
import { chooseModels } from '../studies/run.js'
import { missingText, type Standing, studyStanding } from '../studies/standing.js'
import { modelLabel, type Study } from '../studies/study.js'
import { duration } from './progress.js'
import { note, plural, print } from './terminal.js'

/** Seconds between two looks: the controller of a cluster has others to answer, too. */
const EVERY_IN_TERMINAL = 15
const EVERY = 60
/** Looks in a row that may fail before it is given up: controllers restart now and then. */
const PATIENCE = 10

export interface Followed {
  /** The run folder, and what the user calls it. */
  readonly out: string
  readonly shown: string
  readonly study: Study
  readonly settings: SlurmSettings
  /** What of the run is in the queue. */
  queued(): Promise<readonly QueuedPart[]>
}

/** @param interval seconds between two looks */
export async function follow(run: Followed, interval?: number): Promise<void> {
  const stop = new AbortController()
  const onInterrupt = (): void => stop.abort(new Error('interrupted'))
  process.once('SIGINT', onInterrupt)
  const folder = visibleText(shellLine([run.shown]))
  try {
    await untilTheEnd(
      run,
      1000 * (interval ?? (process.stderr.isTTY ? EVERY_IN_TERMINAL : EVERY)),
      stop.signal,
    )
    const standing = await standingOf(run)
    if (standing?.complete && !(await isReportStale(run.out))) {
      print(`all of it is done, report in ${visibleText(join(run.shown, 'report.html'))}`)
    } else {
      for (const line of lacking(standing)) print(visibleText(line))
      print(`the logs are in ${visibleText(join(run.shown, 'slurm'))}; to go on with what is missing:`)
      print(`  factflow slurm ${folder} --resubmit`)
      process.exitCode = EXIT_SOME_FAILED
    }
  } catch (error) {
    if (!stop.signal.aborted || error !== stop.signal.reason) throw error
    note(`no longer followed, the jobs go on: factflow slurm ${folder} --follow, or --cancel`)
    process.exitCode = EXIT_INTERRUPTED
  } finally {
    process.off('SIGINT', onInterrupt)
  }
}

/** Show how far it is, again and again, until none of the jobs is in the queue. */
async function untilTheEnd(run: Followed, milliseconds: number, signal: AbortSignal): Promise<void> {
  const block = new Block()
  let failures = 0
  while (true) {
    try {
      const queued = await run.queued()
      if (queued.length === 0) return
      const standing = await standingOf(run)
      signal.throwIfAborted()
      block.show(followLines(standing, queued))
      failures = 0
    } catch (error) {
      if (!(error instanceof InputError) || ++failures === PATIENCE) throw error
      block.show([`looks again: ${error.message}`])
    }
    await sleep(milliseconds, signal)
  }
}

/** Undefined before the first worker has begun. */
async function standingOf({ out, study, settings }: Followed): Promise<Standing | undefined> {
  if (!existsSync(join(out, RUN_FILE))) return undefined
  const models = settings.models && chooseModels(study, settings.models).map(modelLabel)
  return studyStanding(study, out, { shards: settings.shards, models })
}

/** How far it is, and what is in the queue. */
export function followLines(
  standing: Pick<Standing, 'complete' | 'share' | 'secondsLeft' | 'models'> | undefined,
  queued: readonly QueuedPart[],
): [done: string, queue: string] {
  const stages = STAGES.flatMap((stage) => {
    const states = new Map<string, number>()
    for (const part of queued) {
      if (part.stage !== stage) continue
      const state = part.state.toLowerCase()
      states.set(state, (states.get(state) ?? 0) + 1)
    }
    const counts = [...states].map(([state, n]) => `${n} ${state}`)
    return counts.length > 0 ? [`${stage} ${counts.join(', ')}`] : []
  })
  return [progress(standing), `in the queue: ${stages.join('; ')}`]
}

function progress(standing: Parameters<typeof followLines>[0]): string {
  if (!standing) return 'nothing has begun'
  if (standing.complete) return 'all is computed'
  const { share, secondsLeft, models } = standing
  const stage = models.some(({ swept }) => swept === undefined) ? 'evaluation' : 'knockouts'
  const left = secondsLeft === undefined ? '' : `, ${duration(secondsLeft)} left at this rate`
  return `${(100 * share).toFixed(1)} % of the ${stage} done${left}`
}

/** What is missing in the end, and what workers said of it. */
function lacking(standing: Standing | undefined): string[] {
  if (!standing) return ['nothing was computed']
  if (standing.complete) return ['all is computed, but the report is missing or older than the results']
  const { evaluate, sweep } = missingShards(standing, false)
  const shards = [...new Set([...evaluate, ...sweep])].sort((a, b) => a - b)
  const errors = standing.workers.flatMap(({ now, shard, error, failed }) => [
    ...(now === 'failed' && error !== undefined ? [`shard ${shard}: ${error}`] : []),
    ...failed.map(({ model, message }) => `${model}: ${message}`),
  ])
  return [
    `${missingText(standing)}, in ${plural(shards.length, 'shard')} of ${standing.shards.length}: ${indexList(shards)}`,
    ...new Set(errors),
  ]
}

/** Lines that replace those before them in a terminal; elsewhere each time one line, with the time. */
class Block {
  #lines = 0

  show(lines: readonly string[]): void {
    if (!process.stderr.isTTY) {
      note(`${new Date().toTimeString().slice(0, 8)} ${visibleText(lines.join('; '))}`)
      return
    }
    // A terminal that does not know its size says 0. The last column stays free.
    const width = (process.stderr.columns || 80) - 1
    const up = this.#lines > 0 ? `\r\x1b[${this.#lines}A\x1b[J` : ''
    process.stderr.write(up + lines.map((line) => `${visibleText(line).slice(0, width)}\n`).join(''))
    this.#lines = lines.length
  }
}
