/** The stored records that docs/performance.md is made of, and the commands that make them. */
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { type Benchmark, type BenchmarkRecord, ROWS, readRecord } from '../../bench/record.js'

const FOLDER = 'docs/performance/records'

/** Records by benchmark: of each, any number, files named after it: `sweep-gpt2.json`. */
export type Records = { readonly [B in Benchmark]: readonly BenchmarkRecord<B>[] }

/** The sizes whose sweeps the page shows. */
export const SWEPT = ['mamba-130m', 'mamba2-130m', 'gpt2'] as const

const file = (name: string): string => `${FOLDER}/${name}.json`

/** What makes the records of each benchmark. */
export const COMMANDS: Readonly<Record<Benchmark, readonly string[]>> = {
  sweep: SWEPT.map((size) => `npm run bench -- ${size} --json ${file(`sweep-${size}`)}`),
  growth: [`npm run bench:growth -- --json ${file('growth')}`],
  peer: [`npm run bench:peer -- --peer PATH --json ${file('peer-mamba-130m')}`],
  gpu: [`npm run bench:gpu -- --json ${file('gpu')}`],
  stream: [`npm run bench:stream -- --json ${file('stream')}`],
}

/** The place of a file in the order of the page: sizes as in `SWEPT`, then the others. */
function place(name: string): number {
  const at = SWEPT.findIndex((size) => name.endsWith(`-${size}.json`))
  return at < 0 ? SWEPT.length : at
}

function recordsOf<B extends Benchmark>(benchmark: B): BenchmarkRecord<B>[] {
  const folder = join(import.meta.dirname, 'records')
  if (!existsSync(folder)) return []
  return readdirSync(folder)
    .filter(
      (name) => name === `${benchmark}.json` || (name.startsWith(`${benchmark}-`) && name.endsWith('.json')),
    )
    .sort((a, b) => place(a) - place(b) || (a < b ? -1 : 1))
    .map((name) => readRecord(join(folder, name), benchmark))
}

/** @throws InputError when a file is not a record of the benchmark that it is named after */
export function storedRecords(): Records {
  return Object.fromEntries(
    (Object.keys(ROWS) as Benchmark[]).map((benchmark) => [benchmark, recordsOf(benchmark)]),
  ) as unknown as Records
}
