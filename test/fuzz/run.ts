/**
 * Fuzz the readers: `npm run fuzz -- [readers] --runs N --seed S`. Prints what was counted; of a failure the seed, the
 * path and the smallest input, as JSON for test/fuzz/seeds.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { parseArgs } from 'node:util'
import type { Campaign, Failure } from './campaign.js'
import { blockOf, READERS } from './readers/index.js'

/** Seconds on one input after which a process is ended: it hangs. */
const HANG = 15
/** And before the first, and while a failure is made smaller. */
const SHRINKING = 90

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    runs: { type: 'string', default: '10000' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
  },
})
const runs = Number(values.runs)
const seed = Number(values.seed)
const wrong = positionals.find((name) => !READERS.includes(name))
if (wrong !== undefined || !Number.isInteger(runs) || !Number.isInteger(seed)) {
  process.stderr.write(
    `fuzz: names must be among ${READERS.join(', ')}; --runs and --seed are whole numbers\n`,
  )
  process.exit(2)
}

const folder = mkdtempSync(join(tmpdir(), 'factflow-fuzz-'))
const columns = [16, 10, 10, 10, 9, 9, 9, 9]
const print = (cells: readonly (string | number)[]): void => {
  process.stdout.write(`${cells.map((cell, i) => String(cell).padEnd(columns[i]!)).join(' ')}\n`)
}

print(['READER', 'INPUTS', 'ACCEPTED', 'REJECTED', 'PER S', 'WORST MS', 'WORST MB', 'PEAK MB'])
let failed = false
for (const name of positionals.length > 0 ? positionals : READERS) {
  failed = !(await fuzz(name)) || failed
}
rmSync(folder, { recursive: true, force: true })
process.exitCode = failed ? 1 : 0

/** @returns whether nothing was found */
async function fuzz(name: string): Promise<boolean> {
  const sum = { inputs: 0, accepted: 0, rejected: 0, seconds: 0, worstMs: 0, worstMb: 0, peakMb: 0 }
  let found: string | undefined
  const size = blockOf(name)
  for (let block = 0; block * size < runs && found === undefined; block++) {
    const ended = await oneProcess(name, Math.min(size, runs - block * size), seed + block)
    if (typeof ended === 'string') found = ended
    else {
      for (const key of ['inputs', 'accepted', 'rejected', 'seconds'] as const) sum[key] += ended[key]
      for (const key of ['worstMs', 'worstMb', 'peakMb'] as const) sum[key] = Math.max(sum[key], ended[key])
      const { failure } = ended
      if (failure) {
        found = `seed ${ended.seed}, path ${failure.path}: ${failure.error}\n${kept(name, failure.input)}`
      }
    }
  }
  const { inputs, accepted, rejected, seconds, worstMs, worstMb, peakMb } = sum
  print([
    ...[name, inputs, accepted, rejected, (inputs / seconds).toFixed(0)],
    ...[worstMs.toFixed(0), worstMb.toFixed(0), peakMb.toFixed(0)],
  ])
  if (found !== undefined) process.stdout.write(`${name}: ${found}\n`)
  return found === undefined
}

/** A campaign's counts, or what became of its process. */
async function oneProcess(name: string, count: number, own: number): Promise<Campaign | string> {
  const file = join(folder, 'progress')
  rmSync(file, { force: true })
  const child = fork(join(import.meta.dirname, 'child.ts'), [name, String(count), String(own), file], {
    stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
  })
  let errors = ''
  child.stderr!.on('data', (chunk: Buffer) => {
    errors = (errors + chunk.toString()).slice(-2000)
  })
  let failing = false
  child.on('message', (message) => {
    failing ||= 'first' in (message as object)
  })
  let last = -1
  let since = Date.now()
  const watch = setInterval(() => {
    const at = progressOf(file)
    if (at !== last) [last, since] = [at, Date.now()]
    if (Date.now() - since > 1000 * (failing || at < 0 ? SHRINKING : HANG)) child.kill('SIGKILL')
  }, 1000)
  try {
    const { result, first, end } = await ended(child)
    if (result) return result
    // As a path it makes the input that was being read once more; nothing is left of the process to make it smaller.
    const path = progressOf(file)
    const how = first ? `${first.error}\n${kept(name, first.input)}\nthen ` : ''
    return `seed ${own}, path ${path}: ${how}the process ended with ${end}\n${errors}`
  } finally {
    clearInterval(watch)
  }
}

interface Ended {
  readonly result?: Campaign
  /** As it was found. */
  readonly first?: Omit<Failure, 'path'>
  readonly end: string
}

function ended(child: ChildProcess): Promise<Ended> {
  let told: Omit<Ended, 'end'> = {}
  child.on('message', (message) => {
    told = { ...told, ...(message as Omit<Ended, 'end'>) }
  })
  return new Promise((done) => {
    child.on('exit', (code, signal) => done({ ...told, end: String(signal ?? code) }))
  })
}

/** What goes into a file of test/fuzz/seeds. */
function kept(reader: string, input: unknown): string {
  return JSON.stringify({ reader, why: '', input })
}

/** The number of the input that a process is at. */
function progressOf(file: string): number {
  try {
    const handle = openSync(file, 'r')
    const buffer = Buffer.alloc(8)
    const read = readSync(handle, buffer, 0, 8, 0)
    closeSync(handle)
    return read === 8 ? buffer.readDoubleLE() : -1
  } catch {
    return -1
  }
}
