/**
 * How does the cost of a sweep grow: with layers, the window, prompts, their tokens, the number of runs, and targets
 * other than the last token? Random weights at the true width of published models, a small vocabulary (layers are what
 * is measured), on the CPU. Beside the measured time: what the plan says is needed.
 *
 *   npm run bench:growth                             # all families: a few minutes
 *   npm run bench:growth -- gpt2 --json growth.json
 */
import process from 'node:process'
import { type Knockout, windowLayers, windowStarts } from '../src/knockout/knockout.js'
import { type KnockoutPrompt, Model } from '../src/model.js'
import { ROLES, type Role, rolePositions } from '../src/prompts/roles.js'
import { seededRandom } from '../src/prompts/sample.js'
import { nodeRuntime } from '../src/runtime/node.js'
import { neededFor } from './needed.js'
import { namedSize, randomModel } from './random-model.js'
import { benchmarkArguments, type RowOf, writeRecord } from './record.js'

type Row = RowOf<'growth'>
type Asked = Pick<Row, 'series' | 'value'> & { readonly prompts: KnockoutPrompt[] }

const MODELS = ['mamba-130m', 'mamba2-130m', 'gpt2']
const VOCABULARY = 1024
/** Tokens of the paper's prompts. */
const SHORT = 12
const SUBJECT = [3, 4, 5]
/** Sources that are cut in every window: as many as the unit of work has. */
const SOURCES: readonly (readonly Role[])[] = [
  ['subject'],
  ['relation'],
  ['relation-minus-last'],
  ['last'],
  ['first'],
  ['first', 'last'],
  ['subject', 'last'],
  ['subject', 'first'],
]
/** Layers of the models that long prompts go through, and the window there. */
const FEW_LAYERS = 4
const FEW_WINDOW = 3
const LENGTHS = [8, 16, 32, 64, 128, 256, 512]
/** Targets whose runs are suffixes of half a prompt and more are measured with prompts of so many tokens. */
const TARGET_LENGTH = 128

interface Cuts {
  readonly nLayers: number
  readonly length: number
  readonly window: number
  readonly sources: readonly (readonly number[])[]
  readonly targets: readonly number[]
}

/** Every source cut from the targets in every window. */
function cuts({ nLayers, length, window, sources, targets }: Cuts, count = 1): KnockoutPrompt[] {
  const random = seededRandom(length)
  const knockouts: Knockout[] = sources.flatMap((positions) =>
    windowStarts(nLayers, window).map((first) => ({
      layers: windowLayers(first, window),
      sources: positions,
      targets,
      features: 'all' as const,
    })),
  )
  return Array.from({ length: count }, () => ({
    ids: Array.from({ length }, () => Math.floor(random() * VOCABULARY)),
    answer: 1,
    knockouts,
  }))
}

/** `length` tokens, and its roles as sources. */
function unit(nLayers: number, window: number, length = SHORT, targets = [length - 1]): Cuts {
  const sources = SOURCES.map((roles) =>
    roles.flatMap((role) => rolePositions(role, { length, subject: SUBJECT })),
  )
  return { nLayers, length, window, sources, targets }
}

/** Every token by itself as a source. */
function heatmap(nLayers: number, window: number, length: number): Cuts {
  const sources = Array.from({ length }, (_, token) => [token])
  return { nLayers, length, window, sources, targets: [length - 1] }
}

/** What is measured with a model of so many layers. */
const SERIES: readonly { readonly layers: number; readonly asked: () => Asked[] }[] = [
  ...[6, 12, 18].map((layers) => ({
    layers,
    asked: () => [{ series: 'layers' as const, value: layers, prompts: cuts(unit(layers, 3), 4) }],
  })),
  {
    layers: 24,
    asked: () => [
      { series: 'layers', value: 24, prompts: cuts(unit(24, 3), 4) },
      ...[1, 3, 5, 9, 15].map(
        (window): Asked => ({ series: 'window', value: window, prompts: cuts(unit(24, window), 4) }),
      ),
      ...[1, 2, 4, 8, 16].map(
        (count): Asked => ({ series: 'prompts', value: count, prompts: cuts(unit(24, 9), count) }),
      ),
    ],
  },
  {
    layers: FEW_LAYERS,
    asked: () => [
      ...LENGTHS.map(
        (length): Asked => ({
          series: 'tokens',
          value: length,
          prompts: cuts(unit(FEW_LAYERS, FEW_WINDOW, length)),
        }),
      ),
      ...LENGTHS.map(
        (length): Asked => ({
          series: 'heatmap',
          value: length,
          prompts: cuts(heatmap(FEW_LAYERS, FEW_WINDOW, length)),
        }),
      ),
      ...LENGTHS.map(
        (length): Asked => ({
          series: 'suffix',
          value: length,
          prompts: cuts(unit(FEW_LAYERS, FEW_WINDOW, length, [0, length - 1])),
        }),
      ),
      ...ROLES.map((role): Asked => {
        const targets = rolePositions(role, { length: TARGET_LENGTH, subject: SUBJECT })
        return {
          series: 'target',
          value: role,
          prompts: cuts(unit(FEW_LAYERS, FEW_WINDOW, TARGET_LENGTH, targets)),
        }
      }),
    ],
  },
]

/** Seconds that are spent on one measurement, if it takes less than a third of that. */
const PATIENCE = 1

/** Seconds of the fastest run, after one that loads what is not loaded. */
async function fastest(run: () => Promise<unknown>): Promise<number> {
  await run()
  let best = Number.POSITIVE_INFINITY
  const begin = performance.now()
  for (let runs = 0; runs < 2 || performance.now() - begin < 1000 * PATIENCE; runs++) {
    const start = performance.now()
    await run()
    best = Math.min(best, (performance.now() - start) / 1000)
  }
  return best
}

const print = (line: string): boolean => process.stdout.write(`${line}\n`)
const runtime = nodeRuntime()
const { json, rest } = benchmarkArguments(process.argv.slice(2))
const rows: Row[] = []
print(runtime.description)
print('model        varied     value              runs  layer-rows  needed GFLOP   seconds  us/layer-row')
for (const name of rest.length > 0 ? rest : MODELS) {
  const { config } = namedSize(name)
  for (const { layers, asked } of SERIES) {
    const checkpoint = randomModel({
      ...config,
      vocab_size: VOCABULARY,
      num_hidden_layers: layers,
      n_layer: layers,
    })
    const model = Model.open(checkpoint, runtime)
    for (const { series, value, prompts } of asked()) {
      const needed = neededFor(model, prompts)
      const seconds = await fastest(() => model.knockout(prompts))
      rows.push({ model: name, series, value, prompts: prompts.length, seconds, ...needed })
      const columns = [
        name.padEnd(12),
        series.padEnd(10),
        String(value).padEnd(17),
        String(needed.runs).padStart(5),
        needed.layerRows.toLocaleString('en').padStart(11),
        (needed.neededFlops / 1e9).toFixed(1).padStart(13),
        seconds.toFixed(3).padStart(9),
        ((1e6 * seconds) / needed.layerRows).toFixed(1).padStart(13),
      ]
      print(columns.join(' '))
    }
    await model.close()
  }
}
if (json !== undefined) {
  const parameters = { runtime: runtime.description, vocabulary: VOCABULARY, layers: FEW_LAYERS }
  writeRecord(json, 'growth', { parameters: { ...parameters, window: FEW_WINDOW }, roofs: [], rows })
}
