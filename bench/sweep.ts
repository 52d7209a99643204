/**
 * How fast is the sweep? Random weights at the size of a published model; prompts of 12 tokens; the window of the
 * paper; 8 knockouts per window.
 *
 *   npm run bench             # mamba-130m
 *   npm run bench -- gpt2     # or another of random-model.ts
 *
 * Everything is measured in one run on one machine; read the ratios. See "Speed" in README.md.
 */
import process from 'node:process'
import { Tensor } from 'onnxruntime-common'
import { defaultWindow, type Knockout, windowLayers, windowStarts } from '../src/knockout/knockout.js'
import { layerRows } from '../src/knockout/sweep.js'
import { type KnockoutPrompt, Model } from '../src/model.js'
import type { FeatureCategory, ModelSpec } from '../src/models/architecture.js'
import { architectureOf } from '../src/models/registry.js'
import { Graph } from '../src/onnx/graph.js'
import { type Role, rolePositions } from '../src/prompts/roles.js'
import { seededRandom } from '../src/prompts/sample.js'
import { nodeRuntime } from '../src/runtime/node.js'
import { namedSize, randomModel } from './random-model.js'

const LENGTH = 12
const SUBJECT = [3, 4, 5]
const CURVES: readonly (readonly [Role, FeatureCategory])[] = [
  ['subject', 'all'],
  ['subject', 'context-dependent'],
  ['subject', 'context-independent'],
  ['relation', 'all'],
  ['relation-minus-last', 'all'],
  ['relation-minus-last', 'context-dependent'],
  ['last', 'all'],
  ['first', 'all'],
]

/** The curves that a model has; those of its missing feature categories cut everything of other sources instead. */
function curvesOf(categories: readonly FeatureCategory[]): (readonly [Role[], FeatureCategory])[] {
  const others: Role[][] = [
    ['first', 'last'],
    ['subject', 'last'],
    ['subject', 'first'],
  ]
  return CURVES.map(([role, features]) =>
    categories.includes(features) ? [[role], features] : [others.pop()!, 'all'],
  )
}

function prompts(
  count: number,
  { nLayers, vocabSize, featureCategories }: ModelSpec,
  window: number,
): KnockoutPrompt[] {
  const random = seededRandom(count)
  const token = (): number => Math.floor(random() * vocabSize)
  const knockouts: Knockout[] = curvesOf(featureCategories).flatMap(([roles, features]) =>
    windowStarts(nLayers, window).map((first) => ({
      layers: windowLayers(first, window),
      sources: roles.flatMap((role) => rolePositions(role, { length: LENGTH, subject: SUBJECT })),
      targets: [LENGTH - 1],
      features,
    })),
  )
  return Array.from({ length: count }, () => ({
    ids: Array.from({ length: LENGTH }, token),
    answer: token(),
    knockouts,
  }))
}

/** Milliseconds of the fastest of `repeats` runs, after one to warm up. */
async function fastest(repeats: number, run: () => Promise<unknown>): Promise<number> {
  await run()
  let best = Number.POSITIVE_INFINITY
  for (let i = 0; i < repeats; i++) {
    const begin = performance.now()
    await run()
    best = Math.min(best, performance.now() - begin)
  }
  return best
}

/** GFLOP/s of ONNX Runtime's matrix product alone, `[rows, inputs] x [outputs, inputs]^T` for each shape in turn. */
async function matrixRate(
  rows: number,
  shapes: readonly (readonly [outputs: number, inputs: number])[],
): Promise<number> {
  const sessions = await Promise.all(
    shapes.map(async ([outputs, inputs]) => {
      const g = new Graph('matrix product')
      const x = g.input('x', 'float32', ['rows', inputs])
      g.output(
        'y',
        g.linear(x, g.constant('w', new Float32Array(outputs * inputs).fill(0.01), [outputs, inputs])),
        'float32',
        ['rows', outputs],
      )
      return runtime.createSession(g.build())
    }),
  )
  const inputs = shapes.map(
    ([, width]) => new Tensor('float32', new Float32Array(rows * width).fill(0.5), [rows, width]),
  )
  const ms = await fastest(20, async () => {
    for (const [i, session] of sessions.entries()) await session.run({ x: inputs[i]! }, ['y'])
  })
  for (const session of sessions) await session.release()
  return shapes.reduce((sum, [outputs, width]) => sum + 2 * rows * outputs * width, 0) / ms / 1e6
}

const print = (line: string): boolean => process.stdout.write(`${line}\n`)
const runtime = nodeRuntime()
const name = process.argv[2] ?? 'mamba-130m'
const checkpoint = randomModel(namedSize(name).config)
const model = Model.open(checkpoint, runtime)
const { nLayers, vocabSize, dModel, costs } = model.spec
const window = defaultWindow(nLayers)
const windows = windowStarts(nLayers, window).length
const perPrompt = windows * CURVES.length

print(`factflow sweep, ${runtime.description}, ${name} size (random weights)`)
print(
  `prompts of ${LENGTH} tokens, window ${window}, ${CURVES.length} knockouts per window, ${perPrompt} per prompt`,
)
print('')

const [single] = prompts(1, model.spec, window)
const wholeRun = await fastest(8, () => model.knockout([{ ...single!, knockouts: [] }]))
print(
  `one whole run of the model on one prompt: ${wholeRun.toFixed(1)} ms; one per knockout: ${((wholeRun * perPrompt) / 1000).toFixed(2)} s per prompt`,
)
print('')
print('prompts   ms/prompt   ms/knockout   layer-rows/s   GFLOP/s   whole runs / sweep')
let last = { ms: 0, layerFlops: 0, headFlops: 0 }
for (const count of [1, 8, 32]) {
  const work = prompts(count, model.spec, window)
  const ms = await fastest(count === 32 ? 2 : 4, () => model.knockout(work))
  const plan = model.plan(work)
  const rows = plan.batches.reduce((sum, batch) => sum + layerRows(batch, nLayers), 0)
  last = { ms, layerFlops: rows * costs.layerFlops, headFlops: (plan.runs + count) * costs.headFlops }
  const columns = [
    String(count).padStart(7),
    (ms / count).toFixed(1).padStart(12),
    (ms / count / perPrompt).toFixed(2).padStart(14),
    Math.round((rows / ms) * 1000)
      .toLocaleString('en')
      .padStart(15),
    ((last.layerFlops + last.headFlops) / ms / 1e6).toFixed(0).padStart(10),
    `${((wholeRun * perPrompt) / (ms / count)).toFixed(1)} x`.padStart(21),
  ]
  print(columns.join(''))
}
print('')
const layerShapes = Object.entries(architectureOf(checkpoint).describe(checkpoint).layerTensors(0)).flatMap(
  ([tensor, shape]) =>
    shape.length === 2 && tensor.endsWith('weight') ? [[shape[0]!, shape[1]!] as const] : [],
)
const layerRate = await matrixRate(256, layerShapes)
const headRate = await matrixRate(256, [[vocabSize, dModel]])
print(
  `matrix products alone, 256 rows: layer ${layerRate.toFixed(0)} GFLOP/s, unembedding ${headRate.toFixed(0)} GFLOP/s`,
)
const products = (last.layerFlops / layerRate + last.headFlops / headRate) / 1e6
print(
  `the matrix products of the sweep over 32 prompts would take ${((100 * products) / last.ms).toFixed(0)} % of its time at these rates`,
)
print(
  `peak memory of the process: ${Math.round(process.resourceUsage().maxRSS / 1024)} MiB (weights ${Math.round((nLayers * costs.layerBytes + costs.headBytes) / 2 ** 20)} MiB)`,
)
await model.close()
