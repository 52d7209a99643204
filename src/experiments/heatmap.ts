/**
 * Heatmap (the paper's third experiment): on one prompt, cut each single token from a target role (the last token by
 * default), in every window of layers.
 */
import { InputError, show } from '../errors.js'
import type { HeatmapFigure } from '../figures/data.js'
import type { Prediction } from '../knockout/head.js'
import { type Knockout, windowLayers, windowStarts } from '../knockout/knockout.js'
import type { Model, SweepSettings } from '../model.js'
import type { FeatureCategory } from '../models/architecture.js'
import type { PreparedPrompt } from '../prompts/facts.js'
import { type Role, rolePositions } from '../prompts/roles.js'
import { relativeChange } from './info-flow.js'
import { ask, checkFeatures, type ModelFacts, type Question } from './question.js'

export interface Heatmap {
  readonly prompt: PreparedPrompt
  readonly nLayers: number
  readonly window: number
  readonly target: Role
  readonly features: FeatureCategory
  readonly base: Prediction
  /** `[token][window start]` */
  readonly knocked: readonly (readonly Prediction[])[]
}

export interface HeatmapOptions {
  readonly window: number
  readonly target?: Role
  readonly features?: FeatureCategory
}

/**
 * The question of heatmaps, one per prompt.
 * @throws InputError when the window does not fit the model or a prompt has no token of the target role
 */
export function heatmapQuestion(
  spec: ModelFacts,
  prompts: readonly PreparedPrompt[],
  { window, target = 'last', features = 'all' }: HeatmapOptions,
): Question<Heatmap[]> {
  const { nLayers } = spec
  checkFeatures(spec, features)
  const starts = windowStarts(nLayers, window)
  const knockouts = prompts.map((prompt) => {
    const targets = rolePositions(target, { length: prompt.ids.length, subject: prompt.subject })
    if (targets.length === 0) {
      throw new InputError(
        `target: the role must have tokens in prompt ${show(prompt.fact.prompt)}, got ${target} without any; choose another role`,
      )
    }
    return prompt.ids.flatMap((_, source): Knockout[] =>
      starts.map((first) => ({ layers: windowLayers(first, window), sources: [source], targets, features })),
    )
  })
  return {
    knockouts,
    read: (answers) =>
      prompts.map((prompt, p) => {
        const { base, knockouts: all } = answers[p]!
        const knocked = prompt.ids.map((_, t) => all.slice(t * starts.length, (t + 1) * starts.length))
        return { prompt, nLayers, window, target, features, base, knocked }
      }),
  }
}

/**
 * The heatmaps of prompts, in one sweep.
 * @throws InputError when the window does not fit the model or a prompt has no token of the target role
 */
export async function heatmaps(
  model: Model,
  prompts: readonly PreparedPrompt[],
  options: HeatmapOptions & SweepSettings,
): Promise<Heatmap[]> {
  const [result] = await ask(model, prompts, [heatmapQuestion(model.spec, prompts, options)], options)
  return result
}

/** The figure of a heatmap. */
export function heatmapFigure(heatmap: Heatmap, title: string, subtitle?: string): HeatmapFigure {
  const { prompt, nLayers, window, base, knocked } = heatmap
  return {
    title,
    subtitle,
    tokens: prompt.tokens.map((token) => token.text),
    subject: [...prompt.subject],
    nLayers,
    window,
    values: knocked.map((row) => row.map((prediction) => relativeChange(base, prediction))),
  }
}
