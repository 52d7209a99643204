/** Answers the web app's calls about models, in a worker of the page as on the server. */
import { InputError } from '../errors.js'
import { flowLabel } from '../experiments/flows.js'
import { heatmapQuestion } from '../experiments/heatmap.js'
import { infoFlowQuestion, relativeChange } from '../experiments/info-flow.js'
import { ask, type Question } from '../experiments/question.js'
import type { Prediction } from '../knockout/head.js'
import { defaultWindow, windowStarts } from '../knockout/knockout.js'
import type { Model, SweepSettings } from '../model.js'
import { ARCHITECTURES } from '../models/registry.js'
import { answerTokens, ownPrompt, type PreparedPrompt } from '../prompts/facts.js'
import { subjectPositions } from '../prompts/roles.js'
import type { Token, Tokenizer } from '../prompts/tokenizer.js'
import type { ModelPool, OpenModel } from './model-pool.js'
import type {
  AnsweredPrompt,
  CallOptions,
  ComputeCalls,
  CutRequest,
  CutResult,
  EncodedPrompt,
  EncodeRequest,
  Exploration,
  ExploreRequest,
  FlowsRequest,
  FlowsResult,
  KnockedOutcome,
  ModelInfo,
  Outcome,
  PromptRef,
  PromptToken,
} from './protocol.js'

/** Most probable tokens that come with every outcome. */
const TOP = 5

/** A prompt in the tokens of an open model. */
interface Prepared {
  readonly prompt: PreparedPrompt
  readonly answerIsOwn: boolean
  readonly tokenizer: Tokenizer
}

type Handlers = {
  readonly [Name in keyof ComputeCalls]: (
    input: ComputeCalls[Name]['input'],
    options: CallOptions,
  ) => Promise<ComputeCalls[Name]['output']>
}

export class Workbench implements Handlers {
  constructor(private readonly pool: ModelPool) {}

  models(): Promise<ComputeCalls['models']['output']> {
    return this.pool.list()
  }

  open({ model }: ComputeCalls['open']['input'], options: CallOptions): Promise<ModelInfo> {
    return this.pool.use(model, options, async (open) => infoOf(open))
  }

  /** A prompt's tokens; computes nothing. @throws InputError when it is empty or too long, or has no such subject */
  encode(input: EncodeRequest, options: CallOptions): Promise<EncodedPrompt> {
    return this.pool.use(input.model, options, async ({ model }) => {
      const { tokens, subject } = tokenized(model, await model.tokenizer(), input)
      return { tokens: shownTokens(tokens), subject }
    })
  }

  /**
   * A prompt's heatmap and curves, in one sweep.
   * @throws InputError when the prompt is empty or too long, the window does not fit the model, or it lacks the features
   */
  explore(input: ExploreRequest, options: CallOptions): Promise<Exploration> {
    return this.pool.use(input.model, options, async (open) => {
      const { model } = open
      const { window, target, features, flows } = input
      windowStarts(model.spec.nLayers, window, 'window')
      const prepared = await prepare(model, input, options)
      const { prompt, tokenizer } = prepared
      const began = performance.now()
      const questions = [
        heatmapQuestion(model.spec, [prompt], { window, target, features }),
        infoFlowQuestion(model.spec, [prompt], { window, flows }),
      ] as const
      const [[heatmap], flow] = await ask(model, [prompt], questions, sweepSettings(options))
      const { base, knocked } = heatmap!
      const took = performance.now() - began
      const knockedOutcome = (prediction: Prediction): KnockedOutcome => changed(base, prediction, tokenizer)
      return {
        ...answered(prepared),
        model: infoOf(open),
        window,
        base: outcome(base, tokenizer),
        target,
        features,
        heatmap: knocked.map((row) => row.map(knockedOutcome)),
        curves: flow.curves
          .filter(({ points }) => points.length > 0)
          .map((curve) => ({
            ...curve.flow,
            label: flowLabel(curve.flow),
            points: flow.measurements
              .filter((measurement) => measurement.flow === curve.flow)
              .map((measurement) => knockedOutcome(measurement.knocked)),
          })),
        knockouts: questions.reduce((sum, question) => sum + question.knockouts[0]!.length, 0),
        took,
      }
    })
  }

  /**
   * Flows of several prompts, in one sweep.
   * @throws InputError when a prompt is empty or too long, the window does not fit the model, or it lacks the features
   */
  flows(input: FlowsRequest, options: CallOptions): Promise<FlowsResult> {
    return this.pool.use(input.model, options, async (open) => {
      const { model } = open
      const { window, flows } = input
      windowStarts(model.spec.nLayers, window, 'window')
      const prepared: Prepared[] = []
      for (const ref of input.prompts) {
        prepared.push(await prepare(model, { model: input.model, ...ref }, options))
      }
      const prompts = prepared.map(({ prompt }) => prompt)
      const began = performance.now()
      const question = infoFlowQuestion(model.spec, prompts, { window, flows })
      const { signal, onProgress } = sweepSettings(options)
      const [{ curves, measurements }, bases] = await ask(
        model,
        prompts,
        [question, basesQuestion(prompts)],
        {
          signal,
          onProgress,
        },
      )
      return {
        model: infoOf(open),
        window,
        prompts: prepared.map(({ prompt, tokenizer }, p) => {
          const { prob, rank } = bases[p]!
          return { answer: { id: prompt.answer, text: tokenizer.tokenText(prompt.answer) }, prob, rank }
        }),
        curves: curves.map(({ flow }) => {
          const own = measurements.filter((one) => one.flow === flow)
          return {
            ...flow,
            label: flowLabel(flow),
            changes: prompts.map((prompt) =>
              own
                .filter((one) => one.prompt === prompt)
                .map(({ base, knocked }) => relativeChange(base, knocked)),
            ),
          }
        }),
        knockouts: question.knockouts.reduce((sum, own) => sum + own.length, 0),
        took: performance.now() - began,
      }
    })
  }

  /** Predictions under knockouts that were drawn by hand. @throws InputError when one does not fit the model or prompt */
  cut(input: CutRequest, options: CallOptions): Promise<CutResult> {
    return this.pool.use(input.model, options, async ({ model }) => {
      const prepared = await prepare(model, input, options)
      const { prompt, tokenizer } = prepared
      const began = performance.now()
      const [result] = await model.knockout(
        [{ ids: prompt.ids, answer: prompt.answer, knockouts: input.knockouts }],
        sweepSettings(options),
      )
      const { base, knockouts } = result!
      return {
        ...answered(prepared),
        base: outcome(base, tokenizer),
        knocked: knockouts.map((prediction) => changed(base, prediction, tokenizer)),
        took: performance.now() - began,
      }
    })
  }
}

/** What a model says of prompts without a knockout. */
function basesQuestion(prompts: readonly PreparedPrompt[]): Question<Prediction[]> {
  return { knockouts: prompts.map(() => []), read: (answers) => answers.map(({ base }) => base) }
}

function infoOf({ model, took }: OpenModel): ModelInfo {
  const { name, modelType, nLayers, dModel, vocabSize, parameters, featureCategories } = model.spec
  const family = ARCHITECTURES.find((known) => known.modelType === modelType)?.family ?? modelType
  return {
    name,
    family,
    modelType,
    nLayers,
    dModel,
    vocabSize,
    parameters,
    featureCategories,
    defaultWindow: defaultWindow(nLayers),
    runtime: model.runtime.description,
    took,
  }
}

function sweepSettings({ signal, onProgress }: CallOptions): SweepSettings {
  return {
    topK: TOP,
    signal,
    onProgress: ({ done, total }) => onProgress?.({ what: 'computing', done, total, unit: 'rows' }),
  }
}

/** Own choices of models for prompts, which settings that a page changes do not change. */
const choices = new WeakMap<Model, Map<string, number>>()
const MOST_CHOICES = 200

/** A prompt's tokens and the positions of its subject. @throws InputError when the model cannot take it */
function tokenized(model: Model, tokenizer: Tokenizer, { prompt, subject: span }: EncodeRequest) {
  if (prompt.trim() === '') {
    throw new InputError(
      'prompt: must not be empty, got only white space; type words that the model completes',
    )
  }
  if (span && span.end > prompt.length) {
    throw new InputError(
      `subject: must end in the prompt, got character ${span.end} of ${prompt.length}; mark it again`,
    )
  }
  const tokens = tokenizer.encode(prompt)
  const ids = tokens.map(({ id }) => id)
  model.check({ ids, knockouts: [] }, 'prompt')
  const text = span ? prompt.slice(span.start, span.end) : ''
  const subject = span ? subjectPositions(tokens, prompt, text, 'subject', span.start) : []
  return { tokens, ids, text, subject }
}

async function prepare(model: Model, ref: PromptRef, { signal }: CallOptions): Promise<Prepared> {
  const { prompt: text, subject: span, answer } = ref
  const tokenizer = await model.tokenizer()
  const { tokens, ids, text: subjectText, subject } = tokenized(model, tokenizer, ref)
  const given = answer !== undefined && answer.trim() !== ''
  const answerIds = given
    ? answerTokens(tokenizer, text, answer, 'answer')
    : [await ownChoice(model, text, ids, signal)]
  const prompt = ownPrompt(tokenizer, {
    ...{
      prompt: text,
      tokens,
      subject: subjectText,
      subjectStart: span?.start,
      positions: subject,
      answerIds,
    },
    answer: given ? answer : undefined,
  })
  return { prompt, answerIsOwn: !given, tokenizer }
}

async function ownChoice(
  model: Model,
  text: string,
  ids: readonly number[],
  signal: AbortSignal | undefined,
): Promise<number> {
  const known = choices.get(model) ?? new Map<string, number>()
  choices.set(model, known)
  const before = known.get(text)
  if (before !== undefined) return before
  const [result] = await model.knockout([{ ids, knockouts: [] }], { signal })
  if (known.size >= MOST_CHOICES) known.delete(known.keys().next().value!)
  known.set(text, result!.base.top)
  return result!.base.top
}

function shownTokens(tokens: readonly Token[]): PromptToken[] {
  return tokens.map(({ id, text, start, end }) => ({ id, text, start, end }))
}

function answered({ prompt, answerIsOwn, tokenizer }: Prepared): AnsweredPrompt {
  return {
    tokens: shownTokens(prompt.tokens),
    subject: prompt.subject,
    answer: { id: prompt.answer, text: tokenizer.tokenText(prompt.answer) },
    answerIsOwn,
  }
}

function outcome({ prob, rank, topK = [] }: Prediction, tokenizer: Tokenizer): Outcome {
  return { prob, rank, top: topK.map(({ id, prob: p }) => ({ id, text: tokenizer.tokenText(id), prob: p })) }
}

function changed(base: Prediction, knocked: Prediction, tokenizer: Tokenizer): KnockedOutcome {
  return { ...outcome(knocked, tokenizer), change: relativeChange(base, knocked) }
}
