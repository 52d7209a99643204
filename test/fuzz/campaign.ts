/** Many inputs for one reader, counted; the first that does what none may do ends it, made as small as it can be. */
import { writeSync } from 'node:fs'
import fc from 'fast-check'
import { encoded, type Input, judge, type Reader } from './harness.js'

export interface CampaignOptions {
  readonly runs: number
  readonly seed: number
  /** Where the number of the input that is being read is written, for whoever watches over a process that may die. */
  readonly progress?: number
  /** Told the first failure as it was found; making it smaller takes a while. */
  readonly onFailure?: (failure: Omit<Failure, 'path'>) => void
}

/** Milliseconds in which a failure is made smaller. */
const SHRINKING = 60_000

export interface Campaign {
  readonly reader: string
  readonly seed: number
  readonly inputs: number
  readonly accepted: number
  readonly rejected: number
  readonly seconds: number
  readonly worstMs: number
  readonly worstMb: number
  /** The largest resident size of the process. */
  readonly peakMb: number
  readonly failure?: Failure
}

export interface Failure {
  /** For fast-check, to make the same input again. */
  readonly path: string
  readonly error: string
  /** For test/fuzz/seeds. */
  readonly input: unknown
}

export async function campaign(
  reader: Reader,
  { runs, seed, progress, onFailure }: CampaignOptions,
): Promise<Campaign> {
  const counts = { inputs: 0, accepted: 0, rejected: 0, worstMs: 0, worstMb: 0 }
  const buffer = Buffer.alloc(8)
  let n = 0
  let failedAt: number | undefined
  const begin = performance.now()
  await reader.open?.()
  try {
    const result = await fc.check(
      fc.asyncProperty(reader.inputs, async (input: Input) => {
        if (failedAt !== undefined) {
          if (performance.now() - failedAt < SHRINKING) await judge(reader, input)
          return
        }
        if (progress !== undefined) {
          buffer.writeDoubleLE(n++)
          writeSync(progress, buffer, 0, 8, 0)
        }
        const { verdict, ms, mb } = await judge(reader, input).catch((error: unknown) => {
          failedAt = performance.now()
          onFailure?.({ error: textOf(error), input: encoded(input) })
          throw error
        })
        const count = reader.count?.(input) ?? 1
        counts.inputs += count
        counts[verdict] += count
        counts.worstMs = Math.max(counts.worstMs, ms)
        counts.worstMb = Math.max(counts.worstMb, mb)
      }),
      { numRuns: runs, seed },
    )
    const { counterexample, counterexamplePath, errorInstance } = result
    const failure = result.failed && {
      path: counterexamplePath ?? '',
      error: textOf(errorInstance),
      input: encoded(counterexample![0]),
    }
    return {
      reader: reader.name,
      seed,
      ...counts,
      seconds: (performance.now() - begin) / 1000,
      peakMb: process.resourceUsage().maxRSS / 1024,
      ...(failure && { failure }),
    }
  } finally {
    await reader.close?.()
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}
