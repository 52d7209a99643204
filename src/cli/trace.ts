/** `factflow trace`: one prompt, its heatmap and curves. */
import { type Command, Option } from 'commander'
import { flowLabel, parseFlows } from '../experiments/flows.js'
import { type Heatmap, heatmapFigure } from '../experiments/heatmap.js'
import { relativeChange } from '../experiments/info-flow.js'
import { type Trace, trace } from '../experiments/trace.js'
import { curvesSpec } from '../figures/curves.js'
import { heatmapSpec } from '../figures/heatmap.js'
import { stack } from '../figures/stack.js'
import { drawCurves, drawHeatmap } from '../figures/terminal.js'
import type { Model } from '../model.js'
import type { FeatureCategory } from '../models/architecture.js'
import type { PreparedPrompt } from '../prompts/facts.js'
import type { Role } from '../prompts/roles.js'
import type { Tokenizer } from '../prompts/tokenizer.js'
import { curvesOf } from './info-flow.js'
import {
  answerOption,
  type FigureOptions,
  featuresOption,
  type ModelOptions,
  saveFigure,
  targetOption,
  wholeNumber,
  windowOption,
  withModel,
  withModelOptions,
  withOutputOptions,
} from './options.js'
import { withProgress } from './progress.js'
import { colors, print, width } from './terminal.js'

interface TraceCommandOptions extends ModelOptions, FigureOptions {
  readonly subject?: string
  readonly subjectStart?: number
  readonly answer?: string
  readonly window?: number
  readonly target: Role
  readonly features: FeatureCategory
  readonly flows?: readonly string[]
}

export function traceCommand(program: Command): void {
  const command = program
    .command('trace')
    .description(
      'trace one fact: which token matters at which depth (heatmap), and what each role contributes (curves)',
    )
    .argument('<prompt>', 'text that ends where the answer begins')
    .option('-s, --subject <text>', 'what the fact is about, as it stands in the prompt')
    .addOption(
      new Option(
        '--subject-start <character>',
        'where the subject starts, from 0, if it stands there more than once',
      ).argParser(wholeNumber('--subject-start', 0)),
    )
    .addOption(answerOption())
    .addOption(windowOption())
    .addOption(targetOption())
    .addOption(featuresOption())
    .option(
      '--flows <flow...>',
      'curves, each source[>target][:features] (default: the paper’s seven), or none',
    )
  withOutputOptions(withModelOptions(command))
    .addHelpText(
      'after',
      '\nExample:\n  factflow trace "The capital city of France is" --subject France --answer Paris',
    )
    .action(async (prompt: string, options: TraceCommandOptions) => {
      const none = options.flows?.length === 1 && options.flows[0] === 'none'
      const flows = none ? [] : options.flows && parseFlows(options.flows, '--flows')
      await withModel(options, async (model) => {
        const traced = await withProgress('trace', (onProgress) =>
          trace(model, prompt, { ...options, flows, onProgress }),
        )
        await show(model, traced, options)
      })
    })
}

/** `"The capital city of Belgium is" → "Brussels" (first token "Br")` */
export function promptTitle({ fact, answer }: PreparedPrompt, tokenizer: Tokenizer): string {
  const first = tokenizer.tokenText(answer).trim()
  const whole = fact.answer.trim()
  return `"${fact.prompt}" → "${whole}"${first === whole ? '' : ` (first token "${first}")`}`
}

/** `each token cut from the last`, in words. */
export function cutOf({ target, features }: Heatmap): string {
  const from = target === 'first' || target === 'last' ? `the ${target}` : `${target} tokens`
  return `each token cut from ${from}${features === 'all' ? '' : `, ${features} features`}`
}

/** `p = 0.971, rank 1` */
export function says({ prob, rank }: { prob: number; rank: number }): string {
  return `p = ${prob.toPrecision(3)}, rank ${rank}`
}

async function show(model: Model, traced: Trace, options: TraceCommandOptions): Promise<void> {
  const tokenizer = await model.tokenizer()
  const { prompt, base, heatmap, infoFlow } = traced
  const title = promptTitle(prompt, tokenizer)
  const subtitle = `${model.name}, ${says(base)}${base.rank === 1 ? '' : `; its first choice is "${tokenizer.tokenText(base.top).trim()}"`}`
  const map = heatmapFigure(heatmap, title, `${subtitle}; ${cutOf(heatmap)}`)
  const curves = infoFlow.curves.length > 0 && curvesOf(infoFlow, title, subtitle)
  await saveFigure(curves ? stack(heatmapSpec(map), curvesSpec(curves)) : heatmapSpec(map), options)
  if (options.json) {
    print(JSON.stringify(traceJson(model, traced, (id) => tokenizer.tokenText(id))))
    return
  }
  const look = { width: width(), colors: colors() }
  print(drawHeatmap(map, look))
  if (!curves) return
  print('')
  print(drawCurves({ ...curves, title: 'What each role contributes', subtitle: undefined }, look))
}

/** The result of a trace as plain data. Probabilities from 0 to 1, changes in percent, positions and layers from 0. */
export function traceJson(
  model: Model,
  { prompt, window, base, heatmap, infoFlow }: Trace,
  text: (id: number) => string,
): object {
  const subject = new Set(prompt.subject)
  return {
    model: model.name,
    prompt: prompt.fact.prompt,
    subject: prompt.fact.subject,
    tokens: prompt.tokens.map((token, i) => ({ id: token.id, text: token.text, subject: subject.has(i) })),
    answer: { id: prompt.answer, text: text(prompt.answer) },
    base: { prob: base.prob, rank: base.rank, top: { id: base.top, text: text(base.top) } },
    nLayers: infoFlow.nLayers,
    window,
    heatmap: {
      target: heatmap.target,
      features: heatmap.features,
      prob: heatmap.knocked.map((row) => row.map(({ prob }) => prob)),
      relativeChange: heatmap.knocked.map((row) => row.map((knocked) => relativeChange(base, knocked))),
    },
    curves: infoFlow.curves
      .filter(({ points }) => points.length > 0)
      .map(({ flow }) => {
        const own = infoFlow.measurements.filter((m) => m.flow === flow)
        return {
          label: flowLabel(flow),
          ...flow,
          prob: own.map(({ knocked }) => knocked.prob),
          relativeChange: own.map(({ knocked }) => relativeChange(base, knocked)),
        }
      }),
  }
}
