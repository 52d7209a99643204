/** One prompt, seen whole: its heatmap and its information-flow curves. */

import type { Prediction } from '../knockout/head.js'
import { defaultWindow, windowStarts } from '../knockout/knockout.js'
import type { Model, SweepSettings } from '../model.js'
import type { FeatureCategory } from '../models/architecture.js'
import { answerTokens, ownPrompt, type PreparedPrompt } from '../prompts/facts.js'
import { type Role, subjectPositions } from '../prompts/roles.js'
import type { Flow } from './flows.js'
import { type Heatmap, heatmapQuestion } from './heatmap.js'
import { type InfoFlow, infoFlowQuestion } from './info-flow.js'
import { ask } from './question.js'

/** What a prompt is about, and what completes it. */
export interface PromptParts {
  /**
   * What the fact is about; must stand in the prompt, exactly once unless it is said where. Without it no token is the
   * subject's, and flows from or to it have no curve.
   */
  readonly subject?: string
  /** Where the subject starts in the prompt, in UTF-16 code units. */
  readonly subjectStart?: number
  /** The right answer; its first token counts. Default: what the model itself finds most probable. */
  readonly answer?: string
}

export interface TraceOptions extends SweepSettings, PromptParts {
  /** Layers of a window, default 9 or, in smaller models, a third of the layers. */
  readonly window?: number
  /** Target of the heatmap, default `last`. */
  readonly target?: Role
  /** Features cut in the heatmap, default `all`. */
  readonly features?: FeatureCategory
  /** Curves, default the paper's. */
  readonly flows?: readonly Flow[]
}

export interface Trace {
  readonly prompt: PreparedPrompt
  readonly window: number
  readonly base: Prediction
  readonly heatmap: Heatmap
  readonly infoFlow: InfoFlow
}

/**
 * A prompt in the model's tokens; without an answer, the model's own first choice is the answer.
 * @throws InputError when the subject is not exactly once in the prompt, or the answer is empty
 */
export async function prepare(
  model: Model,
  prompt: string,
  { subject, subjectStart, answer }: PromptParts,
): Promise<PreparedPrompt> {
  const tokenizer = await model.tokenizer()
  const tokens = tokenizer.encode(prompt)
  const positions =
    subject === undefined ? [] : subjectPositions(tokens, prompt, subject, '--subject', subjectStart)
  const ids = tokens.map((token) => token.id)
  const answerIds =
    answer === undefined
      ? [(await model.knockout([{ ids, knockouts: [] }]))[0]!.base.top]
      : answerTokens(tokenizer, prompt, answer, '--answer')
  return ownPrompt(tokenizer, { prompt, tokens, subject, subjectStart, positions, answer, answerIds })
}

/**
 * Trace a fact through a model.
 * @throws InputError when the subject is not exactly once in the prompt, the answer is empty or the window does not fit
 */
export async function trace(model: Model, text: string, options: TraceOptions): Promise<Trace> {
  const { window = defaultWindow(model.spec.nLayers), target, features, flows } = options
  windowStarts(model.spec.nLayers, window)
  const prompt = await prepare(model, text, options)
  const questions = [
    infoFlowQuestion(model.spec, [prompt], { window, flows }),
    heatmapQuestion(model.spec, [prompt], { window, target, features }),
  ] as const
  const [flow, [heatmap]] = await ask(model, [prompt], questions, options)
  return { prompt, window, base: heatmap!.base, heatmap: heatmap!, infoFlow: flow }
}
