/**
 * What a benchmark has measured, as a file: on which machine, with which versions, and the numbers. docs/performance.md
 * is made of such records (`npm run performance`).
 */
import { readFileSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import process from 'node:process'
import { parseArgs } from 'node:util'
import { env } from 'onnxruntime-node'
import { z } from 'zod'
import { InputError, show } from '../src/errors.js'
import { VERSION } from '../src/version.js'

const count = z.number().nonnegative()
const positive = z.number().positive()

/** A sweep: of which model, how long it took, and what it needed. */
const sweep = z.object({
  /** A size of random-model.ts. */
  model: z.string(),
  prompts: count,
  /** Seconds of the whole sweep: the fastest of several. */
  seconds: positive,
  /** Floating point operations of the matrix products of layers and head that the plan asks for (2 per term). */
  neededFlops: positive,
  /** Bytes that must be moved: weights once per batch, the residual stream of all rows in and out of every layer. */
  neededBytes: positive,
})

/** The rows of each benchmark's records. */
export const ROWS = {
  /** bench/sweep.ts: the unit of work on the CPU. */
  sweep: sweep.extend({
    /** Knockouts of each prompt. */
    knockouts: count,
    layerRows: count,
    /** Seconds that the needed matrix products take by themselves at the rate measured in the same run. */
    productSeconds: positive,
    /** Seconds of one whole run of the model on one prompt. */
    wholeRunSeconds: positive,
    peakBytes: positive,
  }),
  /** bench/growth.ts: how the cost grows. */
  growth: sweep.extend({
    /** What is varied, */
    series: z.enum(['layers', 'window', 'prompts', 'tokens', 'heatmap', 'suffix', 'target']),
    /** and its value. */
    value: z.union([z.number(), z.string()]),
    runs: count,
    layerRows: count,
    /** Pairs of tokens that the plan has layers look at, blocks of zeros included. */
    pairs: count,
    /** Bytes that the plan reckons with inside a layer, for its largest batch. */
    plannedBytes: positive,
  }),
  /** bench/peer: the authors' code and factflow, each a row. */
  peer: z.object({
    model: z.string(),
    program: z.enum(['authors', 'factflow']),
    /** `cpu` or the name of a GPU. */
    device: z.string(),
    /** Prompts at once. */
    prompts: count,
    secondsPerPrompt: positive,
    secondsPerKnockout: positive,
    peakBytes: positive,
    /** Memory of the GPU; null on a CPU. */
    deviceBytes: positive.nullable(),
    /** Of a probability from the authors', as a part of its value; null for the authors' own. */
    relativeDifference: count.nullable(),
  }),
  /** bench/gpu: the unit of work on a GPU. */
  gpu: sweep.extend({
    /** `webgpu` or `cuda`. */
    device: z.string(),
    /** `float32`, `tf32`, `float16`. */
    arithmetic: z.string(),
    /** Of a probability from the CPU's in float32, absolute. */
    largestDifference: count,
  }),
  /** bench/stream.ts: layers that do not fit into memory. */
  stream: sweep.extend({
    /** What `--memory` allowed, and the most that the process had. */
    memoryBytes: positive,
    peakBytes: positive,
    /** Bytes read of the checkpoint, and the seconds that reading them alone takes. */
    diskBytes: positive,
    diskSeconds: positive,
    /** Seconds of the needed matrix products alone. */
    productSeconds: positive,
  }),
} as const

export type Benchmark = keyof typeof ROWS
export type RowOf<B extends Benchmark> = z.infer<(typeof ROWS)[B]>

/** What a machine can do at most, as measured in the same run. */
const roof = z.object({
  /** `CPU`, `GPU`, `disk`. */
  name: z.string(),
  /** Rate of matrix products of the sweep's shapes by themselves. */
  flopsPerSecond: positive,
  /** Rate at which memory (a disk) is read. */
  bytesPerSecond: positive,
})
export type Roof = z.infer<typeof roof>

const head = z.object({
  benchmark: z.enum(Object.keys(ROWS) as [Benchmark, ...Benchmark[]]),
  /** Day of the measurement, `2026-01-31`. */
  date: z.iso.date(),
  machine: z.object({
    cpu: z.string(),
    cores: count,
    memoryBytes: positive,
    gpu: z.string().optional(),
  }),
  versions: z.object({ node: z.string(), onnxruntime: z.string(), factflow: z.string() }),
  /** What was asked for: threads, tokens, window... */
  parameters: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
  roofs: z.array(roof),
})

export interface BenchmarkRecord<B extends Benchmark = Benchmark> extends z.infer<typeof head> {
  readonly benchmark: B
  readonly rows: readonly RowOf<B>[]
}

/** What a benchmark says; the machine and the versions are looked up. */
export type Measured<B extends Benchmark> = Pick<BenchmarkRecord<B>, 'parameters' | 'roofs' | 'rows'> & {
  readonly gpu?: string
}

export function recordOf<B extends Benchmark>(
  benchmark: B,
  { gpu, ...measured }: Measured<B>,
): BenchmarkRecord<B> {
  return {
    benchmark,
    date: new Date().toISOString().slice(0, 10),
    machine: {
      cpu: os.cpus()[0]!.model,
      cores: os.availableParallelism(),
      memoryBytes: os.totalmem(),
      ...(gpu !== undefined && { gpu }),
    },
    versions: {
      node: process.versions.node,
      onnxruntime: env.versions.node ?? env.versions.common,
      factflow: VERSION,
    },
    ...measured,
  }
}

export function writeRecord<B extends Benchmark>(
  file: string,
  benchmark: B,
  measured: Measured<B>,
): BenchmarkRecord<B> {
  const record = recordOf(benchmark, measured)
  writeFileSync(file, `${JSON.stringify(record, null, 1)}\n`)
  return record
}

/** @throws InputError when the file is not a record of that benchmark */
export function readRecord<B extends Benchmark>(file: string, benchmark: B): BenchmarkRecord<B> {
  try {
    const schema = head.extend({ benchmark: z.literal(benchmark), rows: z.array(ROWS[benchmark]).min(1) })
    return schema.parse(JSON.parse(readFileSync(file, 'utf8'))) as unknown as BenchmarkRecord<B>
  } catch (error) {
    const [issue] = error instanceof z.ZodError ? error.issues : []
    const why = issue ? `${issue.path.join('.')}: ${issue.message}` : (error as Error).message
    throw new InputError(
      `${show(file)}: must be a record of the benchmark ${benchmark}, got another file (${why}); measure anew with --json`,
    )
  }
}

/** A benchmark's arguments: `--json FILE`, and the rest. */
export function benchmarkArguments(args: readonly string[]): { json: string | undefined; rest: string[] } {
  const { values, positionals } = parseArgs({
    args: [...args],
    options: { json: { type: 'string' } },
    allowPositionals: true,
  })
  return { json: values.json, rest: positionals }
}
