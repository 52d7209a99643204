/** `factflow demo`: the main job, on the embedded model and facts. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { type Command, Option } from 'commander'
import { evaluate } from '../experiments/evaluate.js'
import { type Heatmap, heatmapFigure, heatmapQuestion } from '../experiments/heatmap.js'
import { type InfoFlow, infoFlowFigure, infoFlowQuestion, PAPER_FLOWS } from '../experiments/info-flow.js'
import { ask } from '../experiments/question.js'
import { summary } from '../experiments/summary.js'
import { defaultWindow } from '../experiments/trace.js'
import { curvesSpec } from '../figures/curves.js'
import { heatmapSpec } from '../figures/heatmap.js'
import { drawCurves, drawHeatmap } from '../figures/terminal.js'
import type { Model } from '../model.js'
import { type PreparedPrompt, preparePrompt } from '../prompts/facts.js'
import { shuffled } from '../prompts/sample.js'
import { known, readFacts } from './facts.js'
import { type ModelOptions, saveFigure, wholeNumber, withModel, withModelOptions } from './options.js'
import { withProgress } from './progress.js'
import { colors, print, width } from './terminal.js'

interface DemoOptions extends ModelOptions {
  readonly out: string
  readonly limit: number
}

/** The fact whose heatmap is drawn, when the model knows it. */
const FAVOURITE = 'capital_of/'

export function demoCommand(program: Command): void {
  const command = program
    .command('demo')
    .description('the main job: where the facts of the embedded model flow, from evaluation to figures')
    .option('-o, --out <folder>', 'where the figures go', 'out')
    .addOption(new Option('-n, --limit <n>', 'known facts to sweep').argParser(wholeNumber(1)).default(200))
  withModelOptions(command).action(async (options: DemoOptions) => {
    await withModel(options, (model) => demo(model, options))
  })
}

async function demo(model: Model, { out, limit }: DemoOptions): Promise<void> {
  const begin = performance.now()
  const { nLayers, dModel } = model.spec
  const window = defaultWindow(nLayers)
  const facts = await readFacts('atlas')
  const tokenizer = await model.tokenizer()
  print(`${model.name}: ${nLayers} layers, width ${dModel}; ${model.runtime.description}`)

  const prompts = facts.map((fact) => preparePrompt(tokenizer, fact))
  const evaluations = await withProgress('evaluate', (onProgress) => evaluate(model, prompts, { onProgress }))
  const right = known(evaluations)
  const percent = (100 * right.length) / prompts.length
  print(
    `1. Evaluated ${count(prompts.length)} facts: ${count(right.length)} known (${percent.toFixed(1)} %), the answer's first token comes first.`,
  )

  const some = shuffled(right, 0).slice(0, limit)
  const shown = some.find(({ fact }) => fact.id.startsWith(FAVOURITE)) ?? some[0]!
  const { flow, map } = await sweep(model, some, shown, window)
  print(
    `2. Knocked out ${count(flow.measurements.length)} times on ${some.length} known facts: ${PAPER_FLOWS.length} flows, every window of ${window} layers.`,
  )
  print('')

  const subtitle = `${some.length} known facts, window of ${window} layers, mean and 95 % band`
  const curves = infoFlowFigure(flow, `Information flow in ${model.name}`, subtitle)
  const answer = tokenizer.tokenText(shown.answer)
  const heatmap = heatmapFigure(
    map,
    `"${shown.fact.prompt}" ->"${answer}"`,
    `${model.name}; each token cut from the last, window of ${window} layers`,
  )
  const look = { width: width(), colors: colors() }
  print(drawCurves(curves, { ...look, height: 18 }))
  print('')
  print(drawHeatmap(heatmap, look))
  print('')
  print(summary(flow))
  print('')
  await mkdir(out, { recursive: true })
  for (const [name, spec] of [
    ['info-flow', curvesSpec(curves)],
    ['heatmap', heatmapSpec(heatmap)],
  ] as const) {
    await saveFigure(spec, { svg: join(out, `${name}.svg`), png: join(out, `${name}.png`) })
  }
  print(
    `Done in ${((performance.now() - begin) / 1000).toFixed(1)} s. Next: factflow trace "${shown.fact.prompt}" --subject "${shown.fact.subject}"`,
  )
}

/** The curves of all prompts and the heatmap of one, in one sweep. */
async function sweep(
  model: Model,
  prompts: readonly PreparedPrompt[],
  shown: PreparedPrompt,
  window: number,
): Promise<{ flow: InfoFlow; map: Heatmap }> {
  const { nLayers } = model.spec
  const heatmap = heatmapQuestion(nLayers, [shown], { window })
  const at = prompts.indexOf(shown)
  const questions = [
    infoFlowQuestion(nLayers, prompts, { window }),
    {
      knockouts: prompts.map((_, p) => (p === at ? heatmap.knockouts[0]! : [])),
      read: (answers: Parameters<typeof heatmap.read>[0]) => heatmap.read([answers[at]!]),
    },
  ] as const
  return withProgress('sweep', async (onProgress) => {
    const [flow, [map]] = await ask(model, prompts, questions, { onProgress })
    return { flow, map: map! }
  })
}

function count(n: number): string {
  return n.toLocaleString('en')
}
