/**
 * How fast is a model that is larger than memory, and how much memory does it take? A checkpoint of the shape of
 * Falcon-Mamba-7B with random weights (BF16, 14.5 GB) is written to disk and swept under a limit of memory, in a
 * process of its own: prompts of 12 tokens, the paper's window, 8 knockouts per window.
 *
 *   npm run bench:stream -- --dir FOLDER [--prompts 16] [--memory 6GB] [--layers 64] [--json FILE]
 *
 * The folder is kept and used again; without one the checkpoint goes to a temporary folder and is removed. It is taken
 * out of the page cache first, so that it comes from the disk.
 */
import { spawnSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, readSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { type Checkpoint, viewOf } from '../src/checkpoints/checkpoint.js'
import { openFolder } from '../src/checkpoints/folder.js'
import { memorySize } from '../src/cli/options.js'
import { Model } from '../src/model.js'
import { nodeRuntime } from '../src/runtime/node.js'
import type { Runtime, Session } from '../src/runtime/runtime.js'
import { type Needed, neededFor } from './needed.js'
import { layerMatrices, matrixRate } from './rates.js'
import { type RowOf, writeRecord } from './record.js'
import { writeShards } from './shards.js'
import { unitsOfWork } from './work.js'

const { values: options } = parseArgs({
  options: {
    dir: { type: 'string' },
    prompts: { type: 'string', default: '16' },
    memory: { type: 'string', default: '6GB' },
    layers: { type: 'string', default: '64' },
    json: { type: 'string' },
    /** For the process that is measured. */
    measure: { type: 'boolean', default: false },
  },
})

const GB = 1e9
/** Rows of the products that the machine's rate is measured with: those of a batch. */
const ROWS = 512
/** Bytes that the disk's rate is measured with. */
const DISK_SAMPLE = 1e9

function falconMamba7b(layers: number): Record<string, unknown> {
  return {
    model_type: 'falcon_mamba',
    hidden_size: 4096,
    intermediate_size: 8192,
    state_size: 16,
    time_step_rank: 256,
    num_hidden_layers: layers,
    vocab_size: 65_024,
    tie_word_embeddings: false,
  }
}

interface Measured {
  readonly seconds: number
  /** Seconds in ONNX Runtime. */
  readonly computing: number
  /** Seconds in which something was being read, most of them while ONNX Runtime was computing, */
  readonly reading: number
  /** and in which it was not. */
  readonly waiting: number
  /** Bytes: of weights asked for, of them from the disk (undefined where the system does not say), at the peak. */
  readonly weightBytes: number
  readonly diskBytes?: number
  readonly peakBytes: number
  readonly batches: number
  readonly needed: Needed
}

/** Seconds in which at least one thing of a sort is under way, and in which reads are and no computation is. */
class Clock {
  readonly seconds = { computing: 0, reading: 0, waiting: 0 }
  readonly #open = { computing: 0, reading: 0 }
  #last = performance.now()

  async time<T>(sort: 'computing' | 'reading', run: () => Promise<T>): Promise<T> {
    this.#pass()
    this.#open[sort]++
    try {
      return await run()
    } finally {
      this.#pass()
      this.#open[sort]--
    }
  }

  #pass(): void {
    const now = performance.now()
    const since = (now - this.#last) / 1000
    this.#last = now
    const { computing, reading } = this.#open
    if (computing > 0) this.seconds.computing += since
    if (reading > 0) this.seconds.reading += since
    if (reading > 0 && computing === 0) this.seconds.waiting += since
  }
}

/** Bytes that this process has had from disks, on Linux. */
function diskBytes(): number | undefined {
  try {
    return Number(/read_bytes: (\d+)/.exec(readFileSync('/proc/self/io', 'utf8'))?.[1])
  } catch {
    return undefined
  }
}

function timedCheckpoint(checkpoint: Checkpoint, clock: Clock, read: (values: number) => void): Checkpoint {
  return viewOf(checkpoint, {
    tensor(name, shape, into) {
      read(shape.reduce((a, b) => a * b, 1))
      return clock.time('reading', () => checkpoint.tensor(name, shape, into))
    },
    rows(name, shape, first, count, into) {
      read(shape.slice(1).reduce((a, b) => a * b, count))
      return clock.time('reading', () => checkpoint.rows(name, shape, first, count, into))
    },
  })
}

function timedRuntime(runtime: Runtime, clock: Clock): Runtime {
  return {
    ...runtime,
    async createSession(model, lane): Promise<Session> {
      const session = await runtime.createSession(model, lane)
      return {
        run: (feeds, fetches, spent) => clock.time('computing', () => session.run(feeds, fetches, spent)),
        release: () => session.release(),
      }
    },
  }
}

async function measure(dir: string, prompts: number, memory: number): Promise<Measured> {
  const clock = new Clock()
  let weights = 0
  const checkpoint = timedCheckpoint(await openFolder(dir, dir), clock, (values) => {
    weights += values
  })
  const model = Model.open(checkpoint, timedRuntime(nodeRuntime(), clock), memory)
  const work = unitsOfWork(model.spec, prompts)
  const { batches } = model.plan(work)
  const needed = neededFor(model, work)
  const before = diskBytes()
  const begin = performance.now()
  await model.knockout(work)
  const seconds = (performance.now() - begin) / 1000
  const peakBytes = process.resourceUsage().maxRSS * 1024
  const after = diskBytes()
  await model.close()
  return {
    seconds,
    ...clock.seconds,
    weightBytes: 2 * weights,
    ...(before !== undefined && after !== undefined && { diskBytes: after - before }),
    peakBytes,
    batches: batches.length,
    needed,
  }
}

/** Take a checkpoint's files out of the page cache (GNU dd does that); without it they may not come from the disk. */
function forget(dir: string): void {
  for (const name of readdirSync(dir)) spawnSync('dd', [`if=${join(dir, name)}`, 'iflag=nocache', 'count=0'])
}

/** Bytes a second at which a file is read from its disk, one piece after the other. */
function diskRate(path: string): number {
  const piece = new Uint8Array(2 ** 24)
  const file = openSync(path, 'r')
  const begin = performance.now()
  let bytes = 0
  for (let got = 1; got > 0 && bytes < DISK_SAMPLE; bytes += got) got = readSync(file, piece)
  const seconds = (performance.now() - begin) / 1000
  closeSync(file)
  return bytes / seconds
}

async function main(dir: string): Promise<void> {
  const config = falconMamba7b(Number(options.layers))
  await writeShards(dir, config)
  forget(dir)
  const disk = diskRate(join(dir, readdirSync(dir).find((name) => name.endsWith('.safetensors'))!))
  forget(dir)
  const args = ['--import', 'tsx', fileURLToPath(import.meta.url), '--measure', '--dir', dir]
  args.push('--prompts', options.prompts, '--memory', options.memory)
  const { stdout, stderr, status } = spawnSync(process.execPath, args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(stderr)
  const m = JSON.parse(stdout) as Measured

  const runtime = nodeRuntime()
  const shapes = layerMatrices({ config, configFile: 'config.json' })
  const rate = await matrixRate(runtime, ROWS, shapes, 4)
  const { neededFlops, neededBytes } = m.needed
  const products = neededFlops / rate
  const share = products / m.seconds
  const row: RowOf<'stream'> = {
    model: `falcon-mamba-7b, ${options.layers} layers`,
    prompts: Number(options.prompts),
    seconds: m.seconds,
    neededFlops,
    neededBytes,
    memoryBytes: memorySize(options.memory),
    peakBytes: m.peakBytes,
    diskBytes: m.weightBytes,
    diskSeconds: m.weightBytes / disk,
    productSeconds: products,
  }
  if (options.json !== undefined) {
    const roofs = [{ name: 'disk', flopsPerSecond: rate, bytesPerSecond: disk }]
    writeRecord(options.json, 'stream', {
      parameters: { layers: Number(options.layers) },
      roofs,
      rows: [row],
    })
  }
  const print = (line: string): boolean => process.stdout.write(`${line}\n`)
  const gb = (bytes: number): string => `${(bytes / GB).toFixed(2)} GB`
  const s = (seconds: number): string => `${seconds.toFixed(1)} s`
  print(`Falcon-Mamba-7B's shape, ${options.layers} layers, random weights; ${runtime.description}`)
  print(`${options.prompts} prompts in ${m.batches} batches, --memory ${options.memory}`)
  print(`time        ${s(m.seconds)}, ${s(m.seconds / Number(options.prompts))} a prompt`)
  print(`  computing ${s(m.computing)}, waiting for weights ${s(m.waiting)}`)
  const fromDisk = m.diskBytes === undefined ? '' : `, ${gb(m.diskBytes)} of them from the disk`
  print(
    `weights     ${gb(m.weightBytes)} read${fromDisk}; the disk alone, ${gb(disk)}/s: ${s(m.weightBytes / disk)}`,
  )
  print(`peak memory ${gb(m.peakBytes)}`)
  print(
    `products    ${(neededFlops / 1e12).toFixed(1)} TFLOP; alone, with packed weights, ${(rate / GB).toFixed(0)} GFLOP/s: ${s(products)}, ${(100 * share).toFixed(0)} % of the time`,
  )
}

if (options.measure) {
  const measured = await measure(options.dir!, Number(options.prompts), memorySize(options.memory))
  process.stdout.write(JSON.stringify(measured))
} else if (options.dir !== undefined) await main(options.dir)
else {
  const dir = mkdtempSync(join(tmpdir(), 'factflow-stream-'))
  try {
    await main(dir)
  } finally {
    rmSync(dir, { recursive: true })
  }
}
