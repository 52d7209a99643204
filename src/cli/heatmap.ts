/** `factflow heatmap`: heatmaps of facts of a data set, or of one prompt. */
import type { Command } from 'commander'
import { InputError, show } from '../errors.js'
import { type Heatmap, heatmapFigure, heatmaps } from '../experiments/heatmap.js'
import { relativeChange } from '../experiments/info-flow.js'
import { prepare } from '../experiments/trace.js'
import { heatmapSpec } from '../figures/heatmap.js'
import { stack } from '../figures/stack.js'
import { drawHeatmap } from '../figures/terminal.js'
import { defaultWindow } from '../knockout/knockout.js'
import type { Model } from '../model.js'
import type { FeatureCategory } from '../models/architecture.js'
import { type PreparedPrompt, preparePrompt } from '../prompts/facts.js'
import type { Role } from '../prompts/roles.js'
import type { Tokenizer } from '../prompts/tokenizer.js'
import { columnsOption, dataOption, factsById, type SourceOptions } from './facts.js'
import {
  answerOption,
  type FigureOptions,
  featuresOption,
  type ModelOptions,
  saveFigure,
  targetOption,
  windowOption,
  withModel,
  withModelOptions,
  withOutputOptions,
} from './options.js'
import { withProgress } from './progress.js'
import { type StoreOptions, withStoreOptions } from './store-options.js'
import { colors, print, width } from './terminal.js'
import { cutOf, promptTitle, says } from './trace.js'

interface HeatmapCommandOptions
  extends ModelOptions,
    FigureOptions,
    StoreOptions,
    Pick<SourceOptions, 'columns'> {
  readonly data: string
  readonly id?: readonly string[]
  readonly subject?: string
  readonly answer?: string
  readonly window?: number
  readonly target: Role
  readonly features: FeatureCategory
}

export function heatmapCommand(program: Command): void {
  const command = program
    .command('heatmap')
    .description('on single prompts, cut each token from the last in every window: token x depth')
    .argument('[prompt]', 'text that ends where the answer begins; or facts of a data set with --id')
    .option('-s, --subject <text>', 'what the fact is about, as it stands in the prompt')
    .addOption(answerOption())
    .addOption(dataOption())
    .addOption(columnsOption())
    .option(
      '--id <ids...>',
      'ids of facts of --data, in place of a prompt; in the atlas without the last part: the held-out wording',
    )
    .addOption(windowOption())
    .addOption(targetOption())
    .addOption(featuresOption())
  withStoreOptions(withOutputOptions(withModelOptions(command)), ['svg', 'png'])
    .addHelpText(
      'after',
      '\nExamples:\n  factflow heatmap "The capital city of France is" --subject France\n  factflow heatmap --id country_capital/0001 --png france.png',
    )
    .action(async (prompt: string | undefined, options: HeatmapCommandOptions) => {
      if (options.out !== undefined) return store(prompt, options, options.out)
      await withModel(options, async (model) => {
        const prompts = await choose(model, prompt, options)
        const window = options.window ?? defaultWindow(model.spec.nLayers)
        const maps = await withProgress('heatmap', (onProgress) =>
          heatmaps(model, prompts, { ...options, window, onProgress }),
        )
        await draw(model, maps, options)
      })
    })
}

async function store(prompt: string | undefined, options: HeatmapCommandOptions, out: string): Promise<void> {
  const { data, columns, window, target, features } = options
  if (prompt !== undefined || options.id === undefined) {
    throw new InputError(
      `--out: must be given with --id, as what is stored is of a data set's facts, got ${prompt === undefined ? 'no facts' : 'a prompt'}; name facts of --data`,
    )
  }
  const { storeExperiment } = await import('./store-action.js')
  const facts = await factsById(data, options.id, options)
  const ids = facts.map(({ id }) => id)
  const experiment = {
    promptSets: { heatmap: { known: 'any' } },
    heatmaps: { promptSet: 'heatmap', count: ids.length, windows: window ?? 'default', target, features },
  }
  await storeExperiment('heatmap', { data, columns, split: 'all', ids }, experiment, { ...options, out })
}

async function choose(
  model: Model,
  prompt: string | undefined,
  options: HeatmapCommandOptions,
): Promise<PreparedPrompt[]> {
  if ((prompt === undefined) === (options.id === undefined)) {
    throw new InputError(
      'heatmap: needs either a prompt or --id, got ' +
        `${prompt === undefined ? 'neither' : 'both'}; see factflow heatmap --help`,
    )
  }
  if (prompt !== undefined) {
    if (options.subject === undefined) {
      throw new InputError(
        '--subject: must be given with a prompt, got nothing; name the words of the prompt that it is about',
      )
    }
    return [await prepare(model, prompt, { subject: options.subject, answer: options.answer })]
  }
  for (const option of ['subject', 'answer'] as const) {
    if (options[option] === undefined) continue
    throw new InputError(
      `--${option}: must not be given with --id, got ${show(options[option])}; the facts have their own`,
    )
  }
  const facts = await factsById(options.data, options.id!, options)
  const tokenizer = await model.tokenizer()
  return facts.map((fact) => preparePrompt(tokenizer, fact))
}

async function draw(model: Model, maps: readonly Heatmap[], options: HeatmapCommandOptions): Promise<void> {
  const tokenizer = await model.tokenizer()
  const figures = maps.map((map) => {
    const title = promptTitle(map.prompt, tokenizer)
    return heatmapFigure(map, title, `${model.name}, ${says(map.base)}; ${cutOf(map)}`)
  })
  await saveFigure(stack(...figures.map((figure) => heatmapSpec(figure))), options)
  if (options.json) {
    print(JSON.stringify(maps.map((map) => heatmapJson(model, map, tokenizer, options.id !== undefined))))
    return
  }
  for (const figure of figures) print(`${drawHeatmap(figure, { width: width(), colors: colors() })}\n`)
}

function heatmapJson(
  model: Model,
  { prompt, nLayers, window, target, features, base, knocked }: Heatmap,
  tokenizer: Tokenizer,
  ofDataSet: boolean,
): object {
  const token = (id: number): object => ({ id, text: tokenizer.tokenText(id) })
  return {
    model: model.name,
    ...(ofDataSet && { id: prompt.fact.id }),
    prompt: prompt.fact.prompt,
    answer: token(prompt.answer),
    tokens: prompt.tokens.map((token) => token.text),
    subject: prompt.subject,
    nLayers,
    window,
    target,
    features,
    base: { prob: base.prob, rank: base.rank, top: token(base.top) },
    prob: knocked.map((row) => row.map(({ prob }) => prob)),
    relativeChange: knocked.map((row) => row.map((prediction) => relativeChange(base, prediction))),
  }
}
