/** To compute a study, or a share of it, so that it can be stopped and goes on: what several commands do. */
import process from 'node:process'
import { EXIT_GO_ON, EXIT_INTERRUPTED, EXIT_SOME_FAILED } from '../exit-codes.js'
import { runStudy, type StudyOptions, type StudyOutcome } from '../studies/run.js'
import { type Shard, shardName, shardOfEnvironment } from '../studies/shard.js'
import type { Study } from '../studies/study.js'
import { type ComputeOptions, onNote } from './options.js'
import { duration, withDownloads, withShare } from './progress.js'
import type { ShareOptions } from './store-options.js'
import { note, plural, print } from './terminal.js'

export const MINUTE = 60_000

/** The share that a cluster gave to this process. */
export function environmentShard(): Shard | undefined {
  const found = shardOfEnvironment(process.env)
  if (found) onNote(`share ${shardName(found.shard)} of the work, by ${found.from}`)
  return found?.shard
}

/** How a command is told to stop. */
export interface StopSignals {
  /** At once: Ctrl-C. */
  readonly signal: AbortSignal
  /** After the unit of work that it is in: SIGTERM, which clusters send before they kill. */
  readonly finish: AbortSignal
}

/** Do what can be stopped and goes on when the same command is run again. */
export async function stoppable(out: string, work: (signals: StopSignals) => Promise<void>): Promise<void> {
  const stop = new AbortController()
  const finish = new AbortController()
  const onInterrupt = (): void => stop.abort(new Error('interrupted'))
  const onTerminate = (): void => {
    // Slurm's srun passes on what its task is sent, too: the second SIGTERM is the first. Impatience is SIGKILL.
    if (finish.signal.aborted) return
    note('SIGTERM: stops when the unit of work that it is in is done and stored')
    finish.abort(new Error('terminated'))
  }
  process.once('SIGINT', onInterrupt)
  process.on('SIGTERM', onTerminate)
  try {
    await work({ signal: stop.signal, finish: finish.signal })
  } catch (error) {
    const reasons = [stop.signal.reason, finish.signal.reason]
    const stopped = stop.signal.aborted || finish.signal.aborted
    if (!stopped || (!reasons.includes(error) && !isAbort(error))) throw error
    const how = finish.signal.aborted ? 'stopped' : 'interrupted'
    note(`${how}: what is done is kept in ${out}, the same command goes on from there`)
    process.exitCode = finish.signal.aborted ? EXIT_GO_ON : EXIT_INTERRUPTED
  } finally {
    process.off('SIGINT', onInterrupt)
    process.off('SIGTERM', onTerminate)
  }
}

export async function compute(
  study: Study,
  options: ComputeOptions & ShareOptions & Pick<StudyOptions, 'out' | 'models' | 'stage'>,
  signals: StopSignals,
): Promise<StudyOutcome> {
  const { out, models, shard, stage, memory, threads, device, dtype, tf32, offline } = options
  const wait = options.wait * MINUTE
  const outcome = await withDownloads((onProgress) =>
    runStudy(study, {
      ...{ out, models, shard, stage, wait, memory, threads, device, dtype, tf32, offline },
      ...{ ...signals, onProgress, onNote, progress: withShare },
    }),
  )
  if (outcome.failed.length > 0) process.exitCode = EXIT_SOME_FAILED
  if (outcome.waiting.length > 0) process.exitCode = EXIT_GO_ON
  return outcome
}

/** Say what was computed, and whether there is more to be done. */
export function sayComputed(outcome: StudyOutcome, seconds: number): void {
  const { evaluated, knockouts, waiting } = outcome
  print(
    `${plural(evaluated, 'prompt')} evaluated and ${plural(knockouts, 'knockout')} computed${evaluated + knockouts === 0 ? ': nothing was missing' : ''}; ${duration(seconds)} in all.`,
  )
  if (waiting.length === 0) return
  note(
    `waits for other shards to evaluate ${waiting.join(', ')}: run the same command again when they have, or with --wait`,
  )
}

/** What a stopped download throws. */
function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError'
}
