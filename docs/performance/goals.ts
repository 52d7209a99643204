/** The goals that speed is held against, and whether the stored records meet them. */
import type { RowOf } from '../../bench/record.js'
import type { Records } from './records.js'

export interface Verdict {
  readonly goal: string
  /** Undefined: there is no record. */
  readonly met: boolean | undefined
  /** What was measured, and where it is missed what bounds it. */
  readonly measured: string
}

/** `0.182 s`, `85 ms`, `1.5 µs` */
export function time(seconds: number): string {
  const [unit, name] = seconds >= 1 ? [1, 's'] : seconds >= 1e-3 ? [1e-3, 'ms'] : [1e-6, 'µs']
  return `${Number((seconds / unit).toPrecision(3))} ${name}`
}

/** `1.3 GB`, `65 MB` */
export function size(bytes: number): string {
  const [unit, name] = bytes >= 1e9 ? [1e9, 'GB'] : [1e6, 'MB']
  return `${Number((bytes / unit).toPrecision(2))} ${name}`
}

export function percent(share: number): string {
  return `${(100 * share).toFixed(0)} %`
}

type WithTime = { readonly seconds: number; readonly prompts: number }
const perPrompt = ({ seconds, prompts }: WithTime): number => seconds / prompts

/** The row of the least time per prompt: the largest batch is not always the best. */
export function best<T extends WithTime>(rows: readonly T[]): T | undefined {
  return rows.reduce<T | undefined>((a, b) => (a && perPrompt(a) <= perPrompt(b) ? a : b), undefined)
}

function rowsOf(records: Records, model: string): RowOf<'sweep'>[] {
  return records.sweep.flatMap(({ rows }) => rows.filter((row) => row.model === model))
}

const CPU_SECONDS = 0.12
const CPU_SHARE = 0.8
const CPU_RATIO = 150
const GPU_SECONDS = 0.085
const GPU_RATIO = 500
const GPU_DIFFERENCE = 1e-4
const STREAM_PROMPTS = 16
const STREAM_BYTES = 8e9
/** Of the larger of the disk's time and that of the matrix products: what else may cost. */
const STREAM_SHARE = 0.8

function unknown(goal: string): Verdict {
  return { goal, met: undefined, measured: 'no record' }
}

/** `mamba-130m` on the CPU: time per prompt. */
function cpuTime(records: Records): Verdict {
  const goal = `mamba-130m on the CPU: at most ${time(CPU_SECONDS)} per prompt`
  const row = best(rowsOf(records, 'mamba-130m'))
  if (!row) return unknown(goal)
  const products = time(row.productSeconds / row.prompts)
  return {
    goal,
    met: perPrompt(row) <= CPU_SECONDS,
    measured: `${time(perPrompt(row))} with ${row.prompts} prompts at once; the matrix products alone take ${products} of it at this machine's rate`,
  }
}

/** The share of the machine's own matrix-product rate, for each family. */
function cpuShare(model: string, records: Records): Verdict {
  const goal = `${model} on the CPU: at least ${percent(CPU_SHARE)} of the matrix-product rate`
  const row = best(rowsOf(records, model))
  if (!row) return unknown(goal)
  const rest = (row.seconds - row.productSeconds) / row.prompts
  return {
    goal,
    met: row.productSeconds / row.seconds >= CPU_SHARE,
    measured: `${percent(row.productSeconds / row.seconds)}: ${time(rest)} of ${time(perPrompt(row))} per prompt go to what is no product of the layers' weights (token mixers, norms, gates, copies)`,
  }
}

/** How many times faster than the authors' code on the CPU, in the same record: one run on one machine. */
function cpuRatio(records: Records): Verdict {
  const goal = `mamba-130m on the CPU: at least ${CPU_RATIO} times the authors' code in the same run`
  const of = (row: RowOf<'peer'>): boolean => row.model === 'mamba-130m' && row.device === 'cpu'
  const ratios = records.peer.flatMap(({ rows }) => {
    const [theirs] = rows.filter((row) => row.program === 'authors' && of(row))
    const ours = rows
      .filter((row) => row.program === 'factflow' && of(row))
      .map((row) => row.secondsPerPrompt)
    return theirs && ours.length > 0 ? [{ theirs: theirs.secondsPerPrompt, ours: Math.min(...ours) }] : []
  })
  const found = ratios.reduce<(typeof ratios)[0] | undefined>(
    (a, b) => (a && a.theirs / a.ours >= b.theirs / b.ours ? a : b),
    undefined,
  )
  if (!found) return unknown(goal)
  const times = found.theirs / found.ours
  return {
    goal,
    met: times >= CPU_RATIO,
    measured: `${times.toFixed(0)} times: ${time(found.theirs)} against ${time(found.ours)} per prompt`,
  }
}

/** The cards that were measured. */
function gpuNames(records: Records): string {
  return [...new Set(records.gpu.map(({ machine }) => machine.gpu ?? 'unknown'))].join(', ')
}

/** Rows of mamba-2.8b in float32: the goals are for the arithmetic of the CPU. */
function largeInFloat32({ rows }: Records['gpu'][number]): Records['gpu'][number]['rows'][number][] {
  return rows.filter(({ model, arithmetic }) => model === 'mamba-2.8b' && arithmetic === 'float32')
}

function gpuTime(records: Records): Verdict {
  const goal = `mamba-2.8b on an H200: at most ${time(GPU_SECONDS)} per prompt`
  const row = best(records.gpu.flatMap(largeInFloat32))
  if (!row) return unknown(goal)
  const rate = (row.neededFlops / row.seconds / 1e12).toFixed(1)
  return {
    goal,
    met: perPrompt(row) <= GPU_SECONDS,
    measured: `${time(perPrompt(row))} (${row.device}, ${row.arithmetic}, ${row.prompts} prompts at once, ${gpuNames(records)}), ${rate} TFLOP/s of needed operations`,
  }
}

/** The authors' code on the GPU, in a record of its own: it runs without factflow on a host without Node. */
function gpuRatio(records: Records): Verdict {
  const goal = `mamba-2.8b on an H200: at least ${GPU_RATIO} times the authors' code`
  const theirs = records.peer.flatMap(({ rows }) =>
    rows.filter(
      ({ program, model, device }) => program === 'authors' && model === 'mamba-2.8b' && device !== 'cpu',
    ),
  )
  const ours = best(records.gpu.flatMap(largeInFloat32))
  if (theirs.length === 0 || !ours) return unknown(goal)
  const seconds = Math.min(...theirs.map(({ secondsPerPrompt }) => secondsPerPrompt))
  const times = seconds / perPrompt(ours)
  return {
    goal,
    met: times >= GPU_RATIO,
    measured: `${times.toFixed(0)} times: ${time(seconds)} against ${time(perPrompt(ours))} per prompt`,
  }
}

function gpuDifference(records: Records): Verdict {
  const goal = `GPU in float32: within ${GPU_DIFFERENCE} of the CPU's probabilities`
  const rows = records.gpu.flatMap((record) => record.rows.filter((row) => row.arithmetic === 'float32'))
  if (rows.length === 0) return unknown(goal)
  const worst = Math.max(...rows.map(({ largestDifference }) => largestDifference))
  return { goal, met: worst <= GPU_DIFFERENCE, measured: `largest difference ${worst.toExponential(1)}` }
}

function stream(records: Records): Verdict[] {
  const memory = `7B from disk, ${STREAM_PROMPTS} prompts: peak memory of at most ${size(STREAM_BYTES)}`
  const bound = `7B from disk: the disk or the matrix products are at least ${percent(STREAM_SHARE)} of the time`
  const rows = records.stream.flatMap((record) => record.rows)
  const row = rows.find(({ prompts }) => prompts >= STREAM_PROMPTS)
  if (!row) return [unknown(memory), unknown(bound)]
  const [larger, what] =
    row.diskSeconds > row.productSeconds
      ? [row.diskSeconds, "the disk's rate"]
      : [row.productSeconds, 'the matrix products']
  return [
    {
      goal: memory,
      met: row.peakBytes <= STREAM_BYTES,
      measured: `${size(row.peakBytes)} with --memory ${size(row.memoryBytes)}`,
    },
    {
      goal: bound,
      met: larger / row.seconds >= STREAM_SHARE,
      measured: `${time(row.seconds)}, of which ${what} ask for ${time(larger)} (${percent(larger / row.seconds)}); disk ${time(row.diskSeconds)}, matrix products ${time(row.productSeconds)}`,
    },
  ]
}

/** All goals, in the order of the page. */
export function verdicts(records: Records): Verdict[] {
  return [
    cpuTime(records),
    ...['mamba-130m', 'mamba2-130m', 'gpt2'].map((model) => cpuShare(model, records)),
    cpuRatio(records),
    gpuTime(records),
    gpuRatio(records),
    gpuDifference(records),
    ...stream(records),
  ]
}
