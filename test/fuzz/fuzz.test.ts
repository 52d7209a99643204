/** A few inputs for every reader, the same ones every time; and those that once did what none may do. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { campaign } from './campaign.js'
import { decoded, judge } from './harness.js'
import { READERS, readerOf } from './readers/index.js'

/** Those that open a database for each input, or have a disk to themselves, get fewer. */
const RUNS = 60
const FEW: Readonly<Record<string, number>> = {
  ...{
    csv: 15,
    tsv: 10,
    untold: 10,
    parquet: 20,
    'run-parts': 10,
    'page-run': 40,
    raw: 10,
    'authors-csv': 15,
  },
  ...{ 'authors-hdf5': 30, 'authors-folders': 30, 'hub-cache': 20 },
}
const SEED = 1

const SEEDS = join(import.meta.dirname, 'seeds')

interface Kept {
  readonly reader: string
  /** What it did. */
  readonly why: string
  readonly input: unknown
}

describe('damaged inputs', () => {
  it.each(READERS)('%s: a result or an InputError', { timeout: 120_000 }, async (name) => {
    const { failure, accepted, rejected } = await campaign(await readerOf(name), {
      runs: FEW[name] ?? RUNS,
      seed: SEED,
    })
    expect(failure).toBeUndefined()
    // The generator must reach what lies behind the first check.
    expect(accepted).toBeGreaterThan(0)
    if (name !== 'raw' && name !== 'web-calls') expect(rejected).toBeGreaterThan(0)
  })
})

describe('inputs that were kept', () => {
  const files = readdirSync(SEEDS).filter((file) => file.endsWith('.json'))

  it.each(files)('%s', { timeout: 60_000 }, async (file) => {
    const { reader: name, why, input } = JSON.parse(readFileSync(join(SEEDS, file), 'utf8')) as Kept
    expect(why).not.toBe('')
    const reader = await readerOf(name)
    await reader.open?.()
    try {
      await judge(reader, decoded(input))
    } finally {
      await reader.close?.()
    }
  })
})
