/**
 * How long does a checkpoint take to load, and how much memory? Random weights at true sizes, written to a temporary
 * folder; each model is opened, loaded and traced (12 tokens; every token and the paper's flows cut from the last in
 * every window) in a process of its own.
 *
 *   npm run bench:load                    # all
 *   npm run bench:load -- gpt2 mamba-130m # some
 */
import { spawnSync } from 'node:child_process'
import { type FileHandle, mkdtemp, open, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { heatmapQuestion } from '../src/experiments/heatmap.js'
import { infoFlowQuestion } from '../src/experiments/info-flow.js'
import { ask } from '../src/experiments/question.js'
import { defaultWindow } from '../src/knockout/knockout.js'
import { loadModel } from '../src/load.js'
import { architectureOf } from '../src/models/registry.js'
import { modelTensors, UNEMBEDDING } from '../src/models/spec.js'
import type { PreparedPrompt } from '../src/prompts/facts.js'
import { fill, namedSize, SIZES } from './random-model.js'

const MIB = 2 ** 20

/** Values that are made up at once. */
const BLOCK = 2 ** 20

async function writeValues(
  file: FileHandle,
  name: string,
  shape: readonly number[],
  dtype: string,
): Promise<void> {
  const count = shape.reduce((a, b) => a * b, 1)
  const width = count / shape[0]!
  // One block of values over and over: what they are does not matter to time and memory.
  const rows = Math.max(1, Math.min(shape[0]!, Math.floor(BLOCK / width)))
  const values = fill(name, shape, 0, rows)
  for (let done = 0; done < shape[0]!; done += rows) {
    const some = values.subarray(0, Math.min(rows, shape[0]! - done) * width)
    if (dtype === 'F32') await file.write(new Uint8Array(some.buffer, 0, some.byteLength))
    else {
      const bits = new Uint32Array(some.buffer, 0, some.length)
      const halves = Uint16Array.from(bits, (value) => value >>> 16)
      await file.write(new Uint8Array(halves.buffer))
    }
  }
}

/** A checkpoint of random weights on disk. */
async function write(dir: string, config: Record<string, unknown>, dtype: 'F32' | 'BF16'): Promise<void> {
  await writeFile(join(dir, 'config.json'), JSON.stringify(config))
  const source = { config, configFile: 'config.json' }
  const d = architectureOf(source).describe(source)
  const shapes = Object.entries(modelTensors(d, d.tied ? d.embedding : UNEMBEDDING))
  const header: Record<string, object> = {}
  let at = 0
  for (const [name, shape] of shapes) {
    const end = at + shape.reduce((a, b) => a * b, 1) * (dtype === 'F32' ? 4 : 2)
    header[name] = { dtype, shape, data_offsets: [at, end] }
    at = end
  }
  const text = Buffer.from(JSON.stringify(header))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(text.length))
  const file = await open(join(dir, 'model.safetensors'), 'w')
  await file.write(Buffer.concat([length, text]))
  for (const [name, shape] of shapes) await writeValues(file, name, shape, dtype)
  await file.close()
}

/** In a process of its own: open, load (one token through every layer), trace; print what it took. */
async function measure(dir: string, memory: number | undefined): Promise<void> {
  const begin = performance.now()
  let last = begin
  const seconds = (): string => {
    const since = last
    last = performance.now()
    return `${((last - since) / 1000).toFixed(2)} s`
  }
  const peak = (): number => Math.round(process.resourceUsage().maxRSS / 1024)
  const before = peak()
  const model = await loadModel(dir, memory === undefined ? {} : { memory })
  const opened = seconds()
  await model.knockout([{ ids: [1], answer: 2, knockouts: [] }])
  const loaded = seconds()
  const afterLoad = peak()
  const prompt: PreparedPrompt = {
    fact: { id: 'prompt', prompt: '', subject: '', answer: '' },
    tokens: [],
    ids: Array.from({ length: 12 }, (_, i) => 100 + 7 * i),
    subject: [3, 4, 5],
    answer: 42,
    answerIds: [42],
  }
  const window = defaultWindow(model.spec.nLayers)
  const questions = [
    infoFlowQuestion(model.spec, [prompt], { window }),
    heatmapQuestion(model.spec, [prompt], { window }),
  ] as const
  await ask(model, [prompt], questions, {})
  const traced = seconds()
  const { costs, nLayers } = model.spec
  const mib = (bytes: number): number => Math.round(bytes / MIB)
  const weights = mib(nLayers * costs.layerBytes + costs.headBytes)
  process.stdout.write(
    `open ${opened}, load ${loaded}, trace ${traced}; MiB: weights in float32 ${weights} (a layer ${mib(costs.layerBytes)}), peak above the ${before} of the program: loading ${afterLoad - before}, in all ${peak() - before}\n`,
  )
  await model.close()
}

const [mode, ...rest] = process.argv.slice(2)
if (mode === '--measure') await measure(rest[0]!, rest[1] === undefined ? undefined : Number(rest[1]))
else {
  const wanted = mode === undefined ? Object.keys(SIZES) : [mode, ...rest]
  for (const name of wanted) {
    const size = namedSize(name)
    const dir = await mkdtemp(join(tmpdir(), 'factflow-load-'))
    try {
      await write(dir, size.config, size.dtype)
      const { size: bytes } = await stat(join(dir, 'model.safetensors'))
      for (const memory of [undefined, ...(process.env.MEMORY?.split(',') ?? [])]) {
        const args = ['--import', 'tsx', fileURLToPath(import.meta.url), '--measure', dir]
        if (memory !== undefined) args.push(memory)
        const { stdout, stderr, status } = spawnSync(process.execPath, args, { encoding: 'utf8' })
        const limit = memory === undefined ? '' : `, memory ${memory}`
        process.stdout.write(
          `${name} (${size.dtype}, ${Math.round(bytes / MIB)} MiB${limit}): ${status === 0 ? stdout : stderr}`,
        )
      }
    } finally {
      await rm(dir, { recursive: true })
    }
  }
}
