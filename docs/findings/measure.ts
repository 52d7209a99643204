/** What docs/findings.md rests on: measured once per model, stored beside it, measured anew when an input changes. */
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ATLAS_FILE, embeddedModels } from '../../src/checkpoints/embedded.js'
import { openFolder } from '../../src/checkpoints/folder.js'
import { evaluate } from '../../src/experiments/evaluate.js'
import { type Flow, PAPER_FLOWS } from '../../src/experiments/flows.js'
import { heatmapFigure, heatmapQuestion } from '../../src/experiments/heatmap.js'
import { type FlowPoint, infoFlowQuestion } from '../../src/experiments/info-flow.js'
import { ask } from '../../src/experiments/question.js'
import type { HeatmapFigure } from '../../src/figures/data.js'
import { loadModel } from '../../src/load.js'
import type { Model } from '../../src/model.js'
import { featureNorms } from '../../src/models/features.js'
import { type Fact, parseFacts, preparePrompt } from '../../src/prompts/facts.js'
import { spread } from '../../src/prompts/sample.js'

export const MODELS = ['tiny-mamba1', 'tiny-mamba2', 'tiny-gpt2'] as const
export const WINDOWS = [1, 3, 5, 9, 12] as const
/** The window of the figures that show one: three eighths of the layers of a model of 24. */
export function mainWindow(nLayers: number): (typeof WINDOWS)[number] {
  return nLayers < 24 ? 5 : 9
}
/** Facts, drawn by seed among those that all models know, the same number of each of the 17 relations. */
const FACTS = 17 * 30
const SEED = 0
/** The facts whose heatmaps are shown, `[relation, subject]`. */
const HEATMAPS = [
  ['country_capital', 'Egypt'],
  ['country_currency', 'Japan'],
  ['capital_of', 'Nairobi'],
  ['landmark_country', 'Eiger'],
]

const RESULTS = join(import.meta.dirname, 'results')

export interface StoredCurve extends Flow {
  readonly window: number
  readonly points: readonly FlowPoint[]
}

/** The results of one model; changes and accuracies in percent. */
export interface Findings {
  readonly model: string
  readonly nLayers: number
  /** SHA-256 of the weights, of the facts and of what was asked: when one changes, the results are not valid. */
  readonly inputs: { readonly weights: string; readonly facts: string; readonly asked: string }
  /** Facts in the sample. */
  readonly facts: number
  readonly knockouts: number
  /** Of the held-out prompts: how many there are, how many are right. */
  readonly evaluated: { readonly n: number; readonly right: number }
  /**
   * State-space models: how many times larger the least norm (paper, section 5: L1 of exp(A)) of the slowest third of a
   * layer's features is than the largest norm of the fastest third; the mean over layers. 1: they do not differ.
   */
  readonly thirdsApart?: number
  readonly curves: readonly StoredCurve[]
  readonly heatmaps: readonly HeatmapFigure[]
}

/** A curve to the last token, where a model has it. */
export function curveOf(
  { curves }: Findings,
  source: string,
  window: number,
  features = 'all',
): StoredCurve | undefined {
  return curves.find(
    (c) => c.source === source && c.target === 'last' && c.window === window && c.features === features,
  )
}

/** The middle of a window as a share of the model's depth, 0 to 1. */
export function depth({ firstLayer }: FlowPoint, window: number, nLayers: number): number {
  return (firstLayer + window / 2) / nLayers
}

/** The stored results of a model, if there are any and its inputs are those of today. */
export async function stored(name: string): Promise<Findings | undefined> {
  if (!existsSync(file(name))) return undefined
  const result = JSON.parse(readFileSync(file(name), 'utf8')) as Findings
  return JSON.stringify(result.inputs) === JSON.stringify(await inputsOf(name)) ? result : undefined
}

/** The findings of all models, from the store or, where an input changed, measured. */
export async function findings(say: (line: string) => void): Promise<Findings[]> {
  const there = await Promise.all(MODELS.map(stored))
  if (there.every((result) => result !== undefined)) return there
  say('the results are missing or of other inputs: measuring')
  const atlas = parseFacts(readFileSync(ATLAS_FILE, 'utf8'), ATLAS_FILE)
  const heldOut = atlas.filter(({ split }) => split === 'held-out')
  const known = await knownToAll(heldOut, say)
  const sample = spread(known.facts, ({ relation }) => relation, FACTS, SEED)
  for (const name of MODELS) {
    const begin = performance.now()
    const evaluated = { n: heldOut.length, right: known.right.get(name)! }
    const result = await measure(name, sample, heldOut, {
      model: name,
      inputs: await inputsOf(name),
      evaluated,
    })
    writeFileSync(file(name), `${JSON.stringify(result, rounded)}\n`)
    say(`${name}: ${result.knockouts} knockouts in ${((performance.now() - begin) / 1000).toFixed(0)} s`)
  }
  return (await Promise.all(MODELS.map(stored))) as Findings[]
}

function file(model: string): string {
  return join(RESULTS, `${model}.json`)
}

/** Four digits after the point are more than a 95 % interval has. */
function rounded(_key: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isInteger(value) ? Number(value.toFixed(4)) : value
}

async function inputsOf(name: string): Promise<Findings['inputs']> {
  const asked = JSON.stringify({ WINDOWS, FACTS, SEED, HEATMAPS, PAPER_FLOWS })
  return {
    weights: sha256(readFileSync(join(await folderOf(name), 'model.safetensors'))),
    facts: sha256(readFileSync(ATLAS_FILE)),
    asked: sha256(asked),
  }
}

async function folderOf(name: string): Promise<string> {
  return (await embeddedModels()).find((model) => model.name === name)!.dir
}

function sha256(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex')
}

async function withModel<T>(name: string, use: (model: Model) => Promise<T>): Promise<T> {
  const model = await loadModel(name)
  try {
    return await use(model)
  } finally {
    await model.close()
  }
}

async function knownToAll(
  facts: readonly Fact[],
  say: (line: string) => void,
): Promise<{ facts: Fact[]; right: Map<string, number> }> {
  const right = new Map<string, number>()
  let known = new Set(facts.map(({ id }) => id))
  for (const name of MODELS) {
    const correct = await withModel(name, async (model) => {
      const tokenizer = await model.tokenizer()
      const evaluations = await evaluate(
        model,
        facts.map((fact) => preparePrompt(tokenizer, fact)),
      )
      return new Set(evaluations.filter(({ correct }) => correct).map(({ prompt }) => prompt.fact.id))
    })
    right.set(name, correct.size)
    say(`${name}: ${correct.size} of ${facts.length} held-out prompts right`)
    known = new Set([...known].filter((id) => correct.has(id)))
  }
  return { facts: facts.filter(({ id }) => known.has(id)), right }
}

async function measure(
  name: string,
  sample: readonly Fact[],
  heldOut: readonly Fact[],
  known: Pick<Findings, 'model' | 'inputs' | 'evaluated'>,
): Promise<Findings> {
  return withModel(name, async (model) => {
    const { spec } = model
    const tokenizer = await model.tokenizer()
    const prompts = sample.map((fact) => preparePrompt(tokenizer, fact))
    const questions = WINDOWS.map((window) => infoFlowQuestion(spec, prompts, { window }))
    const flows = await ask(model, prompts, questions, {})
    const shown = HEATMAPS.map(
      ([relation, subject]) =>
        heldOut.find((fact) => fact.relation === relation && fact.subject === subject)!,
    )
    const shownPrompts = shown.map((fact) => preparePrompt(tokenizer, fact))
    const window = mainWindow(spec.nLayers)
    const [maps] = await ask(model, shownPrompts, [heatmapQuestion(spec, shownPrompts, { window })], {})
    return {
      ...known,
      nLayers: spec.nLayers,
      facts: sample.length,
      ...(spec.featureCategories.length > 1 && { thirdsApart: await thirdsApart(name, spec.nLayers) }),
      knockouts: flows.reduce((sum, { measurements }) => sum + measurements.length, 0),
      curves: flows.flatMap(({ window, curves }) =>
        curves.map(({ flow, points }) => ({ ...flow, window, points })),
      ),
      heatmaps: maps.map((map) =>
        heatmapFigure(map, name, `${map.prompt.fact.prompt} →${map.prompt.fact.answer}`),
      ),
    }
  })
}

async function thirdsApart(name: string, nLayers: number): Promise<number> {
  const checkpoint = await openFolder(await folderOf(name), name)
  const ratios = await Promise.all(
    Array.from({ length: nLayers }, async (_, layer) => {
      const aLog = `backbone.layers.${layer}.mixer.A_log`
      const shape = checkpoint.shape(aLog)
      const norms = featureNorms(await checkpoint.tensor(aLog, shape), shape[0]!).sort()
      const third = Math.floor(norms.length / 3)
      return norms[norms.length - third]! / norms[third - 1]!
    }),
  )
  await checkpoint.close()
  return ratios.reduce((sum, ratio) => sum + ratio, 0) / ratios.length
}
