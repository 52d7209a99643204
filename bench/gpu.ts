/**
 * How fast is the sweep on a GPU, and what bounds it? Random weights at the size of a published model; the work of
 * bench/work.ts. Every part is short; they can be asked for one by one.
 *
 *   node --import tsx bench/gpu.ts --device webgpu,cuda --parts sweep
 *
 *   --parts      of check, products, states, sweep (default: all)
 *   --device     of cpu, webgpu, cuda
 *   --size       of bench/random-model.ts (default mamba-2.8b)
 *   --dtype      float32 (default), float16
 *   --tf32       let CUDA's float32 products round to TF32
 *   --prompts    swept at once (default 32)
 *   --batch      rows of a batch, several to compare (default: the runtime's)
 *   --rows       rows of the matrix products (default 256,512,1024,2048,4096)
 *   --block      rows of a block of a matrix product (default 512)
 *   --json FILE    write the numbers
 *   --record FILE  write a record for docs/performance.md; it needs the parts check and sweep
 */
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import process from 'node:process'
import { parseArgs } from 'node:util'
import { Model } from '../src/model.js'
import type { GraphTarget } from '../src/onnx/graph.js'
import { nodeRuntime } from '../src/runtime/node.js'
import type { Runtime } from '../src/runtime/runtime.js'
import { differences } from './gpu/check.js'
import { type Form, productRate } from './gpu/products.js'
import { baselineTime, stateTimes } from './gpu/states.js'
import { neededFor } from './needed.js'
import { namedSize, randomModel } from './random-model.js'
import { layerMatrices } from './rates.js'
import type { RowOf } from './record.js'
import { LENGTH, unitsOfWork } from './work.js'

const { values: args } = parseArgs({
  options: {
    parts: { type: 'string', default: 'check,products,states,sweep' },
    device: { type: 'string', default: 'webgpu' },
    size: { type: 'string', default: 'mamba-2.8b' },
    dtype: { type: 'string', default: 'float32' },
    tf32: { type: 'boolean', default: false },
    prompts: { type: 'string', default: '32' },
    batch: { type: 'string' },
    rows: { type: 'string', default: '256,512,1024,2048,4096' },
    block: { type: 'string', default: '512' },
    forms: { type: 'string', default: 'gemm,matmul,blocks' },
    json: { type: 'string' },
    record: { type: 'string' },
  },
})
const numbers = (text: string): number[] => text.split(',').map(Number)
const found: Record<string, unknown>[] = []
/** For the record: sweeps, and how far a device is from the CPU, absolute, on probabilities. */
const swept: Omit<RowOf<'gpu'>, 'largestDifference'>[] = []
const furthest = new Map<string, number>()
const print = (line: string): boolean => process.stdout.write(`${line}\n`)

/** Print and keep a result. */
function record(result: Record<string, unknown>): void {
  found.push(result)
  const shown = (value: unknown): unknown =>
    typeof value === 'number' ? Number(value.toPrecision(4)) : value
  print(
    `  ${Object.entries(result)
      .map(([name, value]) => `${name} ${shown(value)}`)
      .join('  ')}`,
  )
  if (args.json) writeFileSync(args.json, JSON.stringify({ args, found }, null, 1))
}

const { config } = namedSize(args.size)
const checkpoint = randomModel(config)

/** The name of the first NVIDIA card, where its driver's tool is. */
function nvidiaName(): string | undefined {
  const { stdout, status } = spawnSync(
    'nvidia-smi',
    ['--query-gpu=name', '--format=csv,noheader', '--id=0'],
    {
      encoding: 'utf8',
    },
  )
  return status === 0 ? stdout.trim() : undefined
}

/** The shapes of a layer's matrices and of the largest part of the unembedding. */
function shapes(model: Model): [outputs: number, inputs: number][] {
  return [...layerMatrices(checkpoint), [model.spec.headParts[0]!.count, model.spec.dModel]]
}

async function products(runtime: Runtime, target: GraphTarget): Promise<void> {
  const model = Model.open(checkpoint, runtime)
  const block = Number(args.block)
  for (const shape of shapes(model)) {
    for (const rows of numbers(args.rows)) {
      for (const form of args.forms.split(',') as Form[]) {
        if (form === 'blocks' && rows <= block) continue
        record({
          part: 'products',
          ...target,
          ...(await productRate(runtime, target, form, rows, shape, block)),
        })
      }
    }
  }
}

async function states(runtime: Runtime, target: GraphTarget): Promise<void> {
  if (config.model_type !== 'mamba') return
  const dInner = 2 * (config.hidden_size as number)
  const sizes = { dInner, dState: 16 }
  const count = Math.round(2048 / 267)
  const forms =
    target.device === 'webgpu'
      ? ['exp, product', 'exp, sum', 'exp, einsum', 'power, product', 'power, einsum', 'linear attention']
      : ['exp, product', 'exp, sum', 'power, product', 'linear attention']
  for (const time of await stateTimes(runtime, target, { ...sizes, rows: 1920, sets: count * 7 }, forms)) {
    record({ part: 'states', ...target, rows: 1920, ...time })
  }
  const ms = await baselineTime(runtime, target, count, LENGTH, sizes)
  record({ part: 'baseline', ...target, prompts: count, ms })
}

async function sweep(runtime: Runtime, target: GraphTarget): Promise<void> {
  for (const batchRows of args.batch ? numbers(args.batch) : [runtime.gpu?.batchRows ?? 512]) {
    const own = { ...runtime, ...(runtime.gpu && { gpu: { ...runtime.gpu, batchRows } }) }
    const model = Model.open(checkpoint, own)
    const count = Number(args.prompts)
    const work = unitsOfWork(model.spec, count)
    const knockouts = work.reduce((sum, prompt) => sum + prompt.knockouts.length, 0)
    const { layerRows, neededFlops, neededBytes } = neededFor(model, work)
    const times: number[] = []
    // The first loads the weights and compiles the kernels.
    for (let i = 0; i < 3; i++) {
      const begin = performance.now()
      await model.knockout(work)
      times.push(performance.now() - begin)
    }
    const ms = Math.min(...times.slice(1))
    record({
      part: 'sweep',
      ...target,
      tf32: args.tf32,
      size: args.size,
      prompts: count,
      batchRows,
      batches: model.plan(work).batches.length,
      resident: model.resident,
      firstMs: times[0]!,
      msPerPrompt: ms / count,
      msPerKnockout: ms / knockouts,
      layerRowsPerPrompt: layerRows / count,
      tflopPerPrompt: neededFlops / count / 1e12,
      tflops: neededFlops / ms / 1e9,
      peakMiB: Math.round(process.resourceUsage().maxRSS / 1024),
    })
    swept.push({
      model: args.size,
      prompts: count,
      seconds: ms / 1000,
      neededFlops,
      neededBytes,
      device: target.device,
      arithmetic: args.tf32 ? 'tf32' : args.dtype,
    })
    await model.close()
  }
}

for (const device of args.device.split(',') as GraphTarget['device'][]) {
  const target: GraphTarget = { device, products: args.dtype as GraphTarget['products'] }
  const runtime = nodeRuntime({ ...target, tf32: args.tf32 })
  print(`${runtime.description}, ${args.dtype}${args.tf32 ? ', TF32' : ''}, ${args.size}`)
  for (const part of args.parts.split(',')) {
    try {
      if (part === 'check')
        for (const result of await differences(runtime)) {
          record({ part, ...target, ...result })
          furthest.set(device, Math.max(furthest.get(device) ?? 0, result.largest))
        }
      else if (part === 'products') await products(runtime, target)
      else if (part === 'states') await states(runtime, target)
      else if (part === 'sweep') await sweep(runtime, target)
      else throw new Error(`--parts: must be of check, products, states, sweep, got ${part}`)
    } catch (error) {
      record({ part, ...target, error: String(error).slice(0, 1000) })
    }
  }
}

if (args.record !== undefined) {
  const rows = swept.flatMap((row) => {
    const largestDifference = furthest.get(row.device)
    return largestDifference === undefined ? [] : [{ ...row, largestDifference }]
  })
  if (rows.length === 0)
    throw new Error('--record: must be with the parts check and sweep, which have not both succeeded')
  const { writeRecord } = await import('./record.js')
  writeRecord(args.record, 'gpu', {
    gpu: nvidiaName(),
    parameters: { tokens: LENGTH, batch: args.batch ?? 'as the runtime has it' },
    roofs: [],
    rows,
  })
}
