/** One prompt, seen whole: its heatmap and its information-flow curves. */

import type { Prediction } from '../knockout/head.js'
import { defaultWindow, windowStarts } from '../knockout/knockout.js'
import type { Model, SweepSettings } from '../model.js'
import type { FeatureCategory } from '../models/architecture.js'
import { type PreparedPrompt, preparePrompt } from '../prompts/facts.js'
import { findSubject, type Role, subjectPositions } from '../prompts/roles.js'
import { type Heatmap, heatmapQuestion } from './heatmap.js'
import { type Flow, type InfoFlow, infoFlowQuestion } from './info-flow.js'
import { ask } from './question.js'

export interface TraceOptions extends SweepSettings {
  /** What the fact is about; must stand in the prompt exactly once. */
  readonly subject: string
  /** The right answer; its first token counts. Default: what the model itself finds most probable. */
  readonly answer?: string
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
  { subject, answer }: { subject: string; answer?: string },
): Promise<PreparedPrompt> {
  const tokenizer = await model.tokenizer()
  findSubject(prompt, subject, '--subject')
  if (answer !== undefined) return preparePrompt(tokenizer, { id: 'prompt', prompt, subject, answer })
  const tokens = tokenizer.encode(prompt)
  const ids = tokens.map((token) => token.id)
  const [result] = await model.knockout([{ ids, knockouts: [] }])
  const top = result!.base.top
  return {
    fact: { id: 'prompt', prompt, subject, answer: tokenizer.tokenText(top) },
    tokens,
    ids,
    subject: subjectPositions(tokens, prompt, subject, '--subject'),
    answer: top,
    answerIds: [top],
  }
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
