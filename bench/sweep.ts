/**
 * How fast is the sweep? Random weights at the size of a published model; prompts of 12 tokens; the window of the
 * paper; 8 knockouts per window.
 *
 *   npm run bench             # mamba-130m
 *   npm run bench -- gpt2     # or another of sizes.json
 *   npm run bench -- --json FILE   # and write a record for docs/performance.md
 *
 * Everything is measured in one run on one machine; read the ratios. See "Speed" in README.md.
 */
import process from 'node:process'
import { Model } from '../src/model.js'
import { nodeRuntime } from '../src/runtime/node.js'
import { neededFor } from './needed.js'
import { namedSize, randomModel } from './random-model.js'
import { fastest, layerMatrices, matrixRate, memoryRate } from './rates.js'
import { benchmarkArguments, type RowOf, writeRecord } from './record.js'
import { KINDS, LENGTH, unitsOfWork } from './work.js'

const print = (line: string): boolean => process.stdout.write(`${line}\n`)
const runtime = nodeRuntime()
const { json, rest } = benchmarkArguments(process.argv.slice(2))
const name = rest[0] ?? 'mamba-130m'
const checkpoint = randomModel(namedSize(name).config)
const model = Model.open(checkpoint, runtime)
const { nLayers, vocabSize, dModel, costs } = model.spec
const [single] = unitsOfWork(model.spec, 1)
const perPrompt = single!.knockouts.length
const window = single!.knockouts[0]!.layers.length

print(`factflow sweep, ${runtime.description}, ${name} size (random weights)`)
print(`prompts of ${LENGTH} tokens, window ${window}, ${KINDS} knockouts per window, ${perPrompt} per prompt`)
print('')

const wholeRun = await fastest(8, () => model.knockout([{ ...single!, knockouts: [] }]))
print(
  `one whole run of the model on one prompt: ${wholeRun.toFixed(1)} ms; one per knockout: ${((wholeRun * perPrompt) / 1000).toFixed(2)} s per prompt`,
)
print('')
print('prompts   ms/prompt   ms/knockout   layer-rows/s   GFLOP/s   whole runs / sweep')
const measured: Pick<RowOf<'sweep'>, 'prompts' | 'seconds' | 'layerRows' | 'neededFlops' | 'neededBytes'>[] =
  []
for (const count of [1, 8, 32]) {
  const work = unitsOfWork(model.spec, count)
  const ms = await fastest(count === 32 ? 2 : 4, () => model.knockout(work))
  const { layerRows, neededFlops, neededBytes } = neededFor(model, work)
  measured.push({ prompts: count, seconds: ms / 1000, layerRows, neededFlops, neededBytes })
  const columns = [
    String(count).padStart(7),
    (ms / count).toFixed(1).padStart(12),
    (ms / count / perPrompt).toFixed(2).padStart(14),
    Math.round((layerRows / ms) * 1000)
      .toLocaleString('en')
      .padStart(15),
    (neededFlops / ms / 1e6).toFixed(0).padStart(10),
    `${((wholeRun * perPrompt) / (ms / count)).toFixed(1)} x`.padStart(21),
  ]
  print(columns.join(''))
}
print('')
const peakBytes = 1024 * process.resourceUsage().maxRSS
const layerRate = await matrixRate(runtime, 256, layerMatrices(checkpoint))
const headRate = await matrixRate(runtime, 256, [[vocabSize, dModel]])
print(
  `matrix products alone, 256 rows: layer ${(layerRate / 1e9).toFixed(0)} GFLOP/s, unembedding ${(headRate / 1e9).toFixed(0)} GFLOP/s`,
)
/** Seconds that the matrix products of a sweep take at these rates. */
const productSeconds = ({ layerRows, neededFlops }: { layerRows: number; neededFlops: number }): number => {
  const layerFlops = layerRows * costs.layerFlops
  return layerFlops / layerRate + (neededFlops - layerFlops) / headRate
}
const last = measured.at(-1)!
print(
  `the matrix products of the sweep over ${last.prompts} prompts would take ${((100 * productSeconds(last)) / last.seconds).toFixed(0)} % of its time at these rates`,
)
const bytesPerSecond = await memoryRate(runtime)
print(`memory, a matrix times one row: ${(bytesPerSecond / 1e9).toFixed(1)} GB/s`)
print(
  `peak memory of the process: ${Math.round(peakBytes / 2 ** 20)} MiB (weights ${Math.round((nLayers * costs.layerBytes + costs.headBytes) / 2 ** 20)} MiB)`,
)
await model.close()
if (json !== undefined) {
  writeRecord(json, 'sweep', {
    parameters: { runtime: runtime.description, tokens: LENGTH, window },
    roofs: [{ name: 'CPU', flopsPerSecond: layerRate, bytesPerSecond }],
    rows: measured.map((row) => ({
      model: name,
      knockouts: perPrompt,
      ...row,
      productSeconds: productSeconds(row),
      wholeRunSeconds: wholeRun / 1000,
      peakBytes,
    })),
  })
}
