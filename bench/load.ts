/**
 * How long does a checkpoint take to load, and how much memory? Random weights at true sizes, written to a temporary
 * folder; each model is opened, loaded and traced (12 tokens; every token and the paper's flows cut from the last in
 * every window) in a process of its own.
 *
 *   npm run bench:load                    # mamba-130m, mamba2-130m, gpt2, llama-3.2-1b
 *   npm run bench:load -- gpt2 mamba-130m # some of sizes.json
 */
import { spawnSync } from 'node:child_process'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { heatmapQuestion } from '../src/experiments/heatmap.js'
import { infoFlowQuestion } from '../src/experiments/info-flow.js'
import { ask } from '../src/experiments/question.js'
import { defaultWindow } from '../src/knockout/knockout.js'
import { loadModel } from '../src/load.js'
import type { PreparedPrompt } from '../src/prompts/facts.js'
import { namedSize, writeRandomModel } from './random-model.js'

const MIB = 2 ** 20

const DEFAULT = ['mamba-130m', 'mamba2-130m', 'gpt2', 'llama-3.2-1b']

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
  const wanted = mode === undefined ? DEFAULT : [mode, ...rest]
  for (const name of wanted) {
    const size = namedSize(name)
    const dir = await mkdtemp(join(tmpdir(), 'factflow-load-'))
    try {
      await writeRandomModel(dir, size)
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
