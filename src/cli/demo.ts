/** `factflow demo`: the main job, on the embedded model and facts. */
import { join } from 'node:path'
import { type Command, Option } from 'commander'
import { makeFolder } from '../checkpoints/make-folder.js'
import { InputError, show } from '../errors.js'
import { evaluate } from '../experiments/evaluate.js'
import { type Heatmap, heatmapFigure, heatmaps } from '../experiments/heatmap.js'
import { type InfoFlow, infoFlow, infoFlowFigure, infoFlowSubtitle } from '../experiments/info-flow.js'
import { summary } from '../experiments/summary.js'
import { curvesSpec } from '../figures/curves.js'
import { heatmapSpec } from '../figures/heatmap.js'
import { drawCurves, drawHeatmap } from '../figures/terminal.js'
import { wrap } from '../figures/text.js'
import { defaultWindow } from '../knockout/knockout.js'
import type { Model } from '../model.js'
import type { PreparedPrompt } from '../prompts/facts.js'
import { spread } from '../prompts/sample.js'
import { systemReason } from '../results/whole-file.js'
import { columnsOption, dataOption, known, preparedFacts, readFacts, type SourceOptions } from './facts.js'
import {
  DEFAULT_MODEL,
  type ModelOptions,
  saveFigure,
  wholeNumber,
  withModel,
  withModelOptions,
} from './options.js'
import { withProgress } from './progress.js'
import { colors, plural, print, width } from './terminal.js'
import { cutOf, promptTitle, says } from './trace.js'

interface DemoOptions extends ModelOptions, Pick<SourceOptions, 'columns'> {
  readonly data: string
  readonly out: string
  readonly limit: number
}

export function demoCommand(program: Command): void {
  const command = program
    .command('demo')
    .description(
      'the main job: where the facts that a model knows flow in it, from evaluation to figures; on the embedded model and facts, or others',
    )
    .addOption(dataOption())
    .addOption(columnsOption())
    .option('-o, --out <folder>', 'where the figures go', 'out')
    .addOption(
      new Option('-n, --limit <n>', 'known facts to sweep').argParser(wholeNumber('--limit', 1)).default(200),
    )
  withModelOptions(command).action(async (options: DemoOptions) => {
    await withModel(options, (model) => demo(model, options))
  })
}

async function demo(model: Model, options: DemoOptions): Promise<void> {
  const { model: name, data, out, limit } = options
  const begin = performance.now()
  await outFolder(out)
  const { nLayers, dModel } = model.spec
  const window = defaultWindow(nLayers)
  const facts = await readFacts(data, { columns: options.columns, offline: options.offline })
  const tokenizer = await model.tokenizer()
  say(`${model.name}: ${nLayers} layers, width ${dModel}; ${model.runtime.description}`)

  const prompts = await preparedFacts(model, facts, data)
  const evaluations = await withProgress('evaluate', (onProgress) => evaluate(model, prompts, { onProgress }))
  const right = known(evaluations)
  const percent = (100 * right.length) / prompts.length
  say(
    `1. Evaluated ${count(prompts.length)} facts. ${count(right.length)} are known (${percent.toFixed(1)} %): the answer's first token is the model's first choice.`,
  )

  const some = spread(right, ({ fact }) => fact.relation, limit, 0)
  const flow = await withProgress('sweep', (onProgress) => infoFlow(model, some, { window, onProgress }))
  const maps = await heatmaps(model, mostDependent(flow), { window })
  const map = maps.reduce((a, b) => (subjectLoss(b) > subjectLoss(a) ? b : a))
  const { fact } = map.prompt
  say(
    `2. Ran ${count(flow.measurements.length)} knockouts on ${plural(some.length, 'known fact')}: ${flow.curves.length} flows in every window of ${plural(window, 'layer')}.`,
  )
  print('')

  const subtitle = infoFlowSubtitle(flow, plural(some.length, 'known fact'))
  const curves = infoFlowFigure(flow, `Information flow in ${model.name}`, subtitle)
  const heatmap = heatmapFigure(
    map,
    promptTitle(map.prompt, tokenizer),
    `${model.name}, ${says(map.base)}; ${cutOf(map)}. Of these facts, the one that most needs one token of its subject`,
  )
  const look = { width: width(), colors: colors() }
  print(drawCurves(curves, { ...look, height: 18 }))
  print('')
  print(drawHeatmap(heatmap, look))
  print('')
  say(summary(flow))
  print('')
  for (const [name, spec] of [
    ['info-flow', curvesSpec(curves)],
    ['heatmap', heatmapSpec(heatmap)],
  ] as const) {
    await saveFigure(spec, { svg: join(out, `${name}.svg`), png: join(out, `${name}.png`) })
  }
  const same = name === DEFAULT_MODEL ? '' : ` --model "${name}"`
  print(
    `Done in ${((performance.now() - begin) / 1000).toFixed(1)} s. Next: npx factflow trace "${fact.prompt}" --subject "${fact.subject}"${same}`,
  )
}

/** @throws InputError when the folder is not there and cannot be made */
async function outFolder(out: string): Promise<void> {
  try {
    await makeFolder(out)
  } catch (error) {
    throw new InputError(
      `--out: must be a folder or a place for one, got ${show(out)} (${systemReason(error)}); choose another place`,
    )
  }
}

/** Print sentences in lines that are easy to read. */
function say(text: string): void {
  for (const line of wrap(text, Math.min(width(), 100))) print(line)
}

/** Candidates for the heatmap. */
const CANDIDATES = 12

/** The prompts whose answers lose most when the subject is cut from the last token, the first first. */
function mostDependent({ curves, measurements }: InfoFlow): PreparedPrompt[] {
  const losses = new Map<PreparedPrompt, number>()
  for (const { flow, prompt, base, knocked } of measurements) {
    // The first curve: subject to last, all features.
    if (flow !== curves[0]!.flow) continue
    losses.set(prompt, Math.max(losses.get(prompt) ?? 0, base.prob - knocked.prob))
  }
  return [...losses.keys()].sort((a, b) => losses.get(b)! - losses.get(a)!).slice(0, CANDIDATES)
}

/** The largest loss of probability that cutting a single token of the subject causes. */
function subjectLoss({ prompt, base, knocked }: Heatmap): number {
  return Math.max(...prompt.subject.flatMap((token) => knocked[token]!.map(({ prob }) => base.prob - prob)))
}

function count(n: number): string {
  return n.toLocaleString('en')
}
