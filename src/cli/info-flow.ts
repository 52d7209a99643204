/** `factflow info-flow`: curves over many facts. */
import type { Command } from 'commander'
import { InputError } from '../errors.js'
import { flowLabel, parseFlows } from '../experiments/flows.js'
import { type InfoFlow, infoFlow, infoFlowFigure, infoFlowSubtitle } from '../experiments/info-flow.js'
import { curvesSpec } from '../figures/curves.js'
import type { CurvesFigure } from '../figures/data.js'
import { drawCurves } from '../figures/terminal.js'
import { defaultWindow, windowStarts } from '../knockout/knockout.js'
import type { Model } from '../model.js'
import { type ChosenFacts, chooseFacts, type FactOptions, noteUnusable, withFactOptions } from './facts.js'
import {
  type FigureOptions,
  type ModelOptions,
  saveFigure,
  windowOption,
  withModel,
  withModelOptions,
  withOutputOptions,
} from './options.js'
import { withProgress } from './progress.js'
import { type StoreOptions, withStoreOptions } from './store-options.js'
import { colors, note, plural, print, width } from './terminal.js'

interface InfoFlowCommandOptions extends ModelOptions, FactOptions, FigureOptions, StoreOptions {
  readonly window?: number
  readonly flows?: readonly string[]
}

export function infoFlowCommand(program: Command): void {
  const command = program
    .command('info-flow')
    .description(
      'over many facts, cut a role of tokens from another in every window: change of p(answer) by depth',
    )
    .addOption(windowOption())
    .option('--flows <flow...>', 'curves, each source[>target][:features] (default: the paper’s seven)')
  withStoreOptions(withOutputOptions(withModelOptions(withFactOptions(command))), ['svg', 'png'])
    .addHelpText(
      'after',
      '\nExample:\n  factflow info-flow -r country_capital --flows subject:all first --png flow.png',
    )
    .action(async (options: InfoFlowCommandOptions) => {
      const flows = options.flows && parseFlows(options.flows, '--flows')
      if (options.out !== undefined) return store(options, options.out)
      await withModel(options, async (model) => {
        const window = options.window ?? defaultWindow(model.spec.nLayers)
        // An error in it shall not wait for the evaluation.
        windowStarts(model.spec.nLayers, window)
        const chosen = await withProgress('evaluate', (onProgress) =>
          chooseFacts(model, options, { onProgress }),
        )
        noteUnusable(options.data, chosen.drawn, chosen.unusable, model.name)
        if (chosen.prompts.length < options.limit)
          note(`only ${chosen.prompts.length} facts are ${options.unknown ? 'there' : 'known to the model'}`)
        const result = await withProgress('info-flow', (onProgress) =>
          infoFlow(model, chosen.prompts, { window, flows, onProgress }),
        )
        await show(model, result, chosen, options)
      })
    })
}

/** The facts are drawn from those that the model knows, so all are evaluated. */
async function store(options: InfoFlowCommandOptions, out: string): Promise<void> {
  const { data, columns, relation, split, limit, seed, window, flows, unknown } = options
  const { storeExperiment } = await import('./store-action.js')
  const set = { known: unknown ? 'any' : 'correct', sample: limit, seed }
  const experiment = {
    promptSets: { 'info-flow': set },
    infoFlow: { promptSets: 'info-flow', windows: window ?? 'default', flows },
  }
  await storeExperiment('info-flow', { data, columns, relation, split }, experiment, { ...options, out })
}

async function show(
  model: Model,
  result: InfoFlow,
  chosen: ChosenFacts,
  options: InfoFlowCommandOptions,
): Promise<void> {
  const facts = `${plural(chosen.prompts.length, options.unknown ? 'fact' : 'known fact')} of ${options.data}`
  const figure = curvesOf(result, `Information flow in ${model.name}`, infoFlowSubtitle(result, facts))
  await saveFigure(curvesSpec(figure), options)
  if (options.json) print(JSON.stringify(infoFlowJson(model, result, chosen, options.data)))
  else print(drawCurves(figure, { width: width(), height: 20, colors: colors() }))
}

/**
 * The figure of a result; what is not in it is said on standard error.
 * @throws InputError when there is no curve at all
 */
export function curvesOf(result: InfoFlow, title: string, subtitle: string): CurvesFigure {
  const missing = result.curves.filter(({ points }) => points.length === 0).map(({ flow }) => flowLabel(flow))
  const labels = missing.join(', ')
  if (missing.length === result.curves.length) {
    throw new InputError(
      `--flows: a prompt must have tokens of both roles, got none for ${labels}; choose other roles or prompts`,
    )
  }
  if (missing.length > 0) note(`left out, as no prompt has tokens of both roles: ${labels}`)
  return infoFlowFigure(result, title, subtitle)
}

/** The curves as plain data. Changes and accuracies in percent, layers from 0. */
export function infoFlowJson(model: Model, result: InfoFlow, chosen: ChosenFacts, data: string): object {
  return {
    model: model.name,
    data,
    facts: chosen.prompts.length,
    evaluated: chosen.evaluated,
    nLayers: result.nLayers,
    window: result.window,
    curves: result.curves.map(({ flow, points, withoutRole }) => ({ ...flow, withoutRole, points })),
  }
}
