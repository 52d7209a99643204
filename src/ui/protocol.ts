/**
 * What the web app asks of what computes for it: a worker in the page, or the local server. Both answer the same calls
 * (`Workbench`); every input is checked by its schema where it arrives from outside.
 */
import { z } from 'zod'
import { FEATURE_CATEGORIES, type FeatureCategory } from '../models/architecture.js'
import type { ModelNeeds } from '../models/known.js'
import { ROLES, type Role } from '../prompts/roles.js'
import { SIZED } from '../sized.js'
import type { StudyCalls } from './study-protocol.js'

const role = z.enum(ROLES)
const features = z.enum(FEATURE_CATEGORIES)
const position = z.int().min(0)
/** Characters of a prompt, and tokens or ids in a list: what a page sends is never longer. */
const text = z.string().max(20_000, SIZED)
const positions = z.array(position).min(1, SIZED).max(4096, SIZED)

/** Which model: an embedded one, a folder that the server was given, or one of the Hub. */
const modelRef = z.strictObject({
  name: z.string().min(1, SIZED).max(300, SIZED),
  revision: z.string().min(1, SIZED).max(200, SIZED).optional(),
})

/** A prompt and what it is about. */
const promptText = {
  prompt: text,
  /** The subject's characters, `[start, end)` in UTF-16 code units; without it no role but the last has tokens. */
  subject: z.strictObject({ start: position, end: position }).optional(),
  /** What continues the prompt; its first token counts. Default: what the model finds most probable. */
  answer: text.optional(),
}
const promptRef = { model: modelRef, ...promptText }

const flow = z.strictObject({ source: role, target: role, features })

export const SCHEMAS = {
  models: z.strictObject({}),
  open: z.strictObject({ model: modelRef }),
  encode: z.strictObject({ model: promptRef.model, prompt: promptRef.prompt, subject: promptRef.subject }),
  explore: z.strictObject({
    ...promptRef,
    window: z.int().min(1),
    target: role,
    features,
    flows: z.array(flow).max(50, SIZED),
  }),
  flows: z.strictObject({
    model: modelRef,
    prompts: z.array(z.strictObject(promptText)).min(1, SIZED).max(64, SIZED),
    window: z.int().min(1),
    flows: z.array(flow).min(1, SIZED).max(50, SIZED),
  }),
  cut: z.strictObject({
    ...promptRef,
    knockouts: z
      .array(
        z.strictObject({
          layers: z.array(z.int().min(0)).min(1, SIZED).max(1000, SIZED),
          sources: positions,
          targets: positions,
          features,
        }),
      )
      .max(1000, SIZED),
  }),
} as const

export type ModelRef = z.infer<typeof modelRef>
export type EncodeRequest = z.infer<typeof SCHEMAS.encode>
export type PromptRef = EncodeRequest & { readonly answer?: string }
export type ExploreRequest = z.infer<typeof SCHEMAS.explore>
export type FlowsRequest = z.infer<typeof SCHEMAS.flows>
export type CutRequest = z.infer<typeof SCHEMAS.cut>

/** A model that can be opened, and what it needs. */
export interface ModelEntry extends ModelNeeds {
  readonly name: string
  /** It comes with factflow, was given to the server, is one of the paper's, or another one in the cache. */
  readonly source: 'embedded' | 'folder' | 'paper' | 'cache'
  /** As the paper calls it. */
  readonly family: string
  /** Whether nothing must be downloaded to open it. */
  readonly cached: boolean
  /** Whether its licence must be accepted on the Hub first. */
  readonly gated: boolean
}

/** An open model. */
export interface ModelInfo {
  readonly name: string
  readonly family: string
  readonly modelType: string
  readonly nLayers: number
  readonly dModel: number
  readonly vocabSize: number
  readonly parameters: number
  readonly featureCategories: readonly FeatureCategory[]
  readonly defaultWindow: number
  /** What computes, for people. */
  readonly runtime: string
  /** How long opening took, in milliseconds. */
  readonly took: number
}

export interface PromptToken {
  readonly id: number
  readonly text: string
  /** The prompt's characters that it covers, `[start, end)` in UTF-16 code units; none for a token in front of the text. */
  readonly start: number
  readonly end: number
}

/** A prompt in a model's tokens. */
export interface EncodedPrompt {
  readonly tokens: readonly PromptToken[]
  /** Positions of the subject's tokens. */
  readonly subject: readonly number[]
}

/** A prompt that was computed, with the answer that was asked about. */
export interface AnsweredPrompt extends EncodedPrompt {
  readonly answer: { readonly id: number; readonly text: string }
  /** Whether the answer is the model's own choice, as none was given. */
  readonly answerIsOwn: boolean
}

/** A token among the most probable ones. */
export interface TopToken {
  readonly id: number
  readonly text: string
  /** 0 to 1. */
  readonly prob: number
}

/** What the model says at the last position. */
export interface Outcome {
  /** The answer's probability, 0 to 1. */
  readonly prob: number
  /** 1 + number of more probable tokens. */
  readonly rank: number
  /** The most probable tokens, the first first. */
  readonly top: readonly TopToken[]
}

/** An outcome under a knockout. */
export interface KnockedOutcome extends Outcome {
  /** Relative change of the answer's probability, percent. */
  readonly change: number
}

export interface FlowRef {
  readonly source: Role
  readonly target: Role
  readonly features: FeatureCategory
}

export interface Exploration extends AnsweredPrompt {
  readonly model: ModelInfo
  readonly window: number
  readonly base: Outcome
  readonly target: Role
  readonly features: FeatureCategory
  /** `[token][window start]`: that token cut from the target. */
  readonly heatmap: readonly (readonly KnockedOutcome[])[]
  /** One per flow that was asked for whose roles have tokens; a point for each window start. */
  readonly curves: readonly (FlowRef & {
    readonly label: string
    readonly points: readonly KnockedOutcome[]
  })[]
  /** Knockouts that were computed. */
  readonly knockouts: number
  /** Time of the computation in milliseconds. */
  readonly took: number
}

/** A prompt among several, with the answer that was asked about. */
export interface FlowPrompt {
  readonly answer: { readonly id: number; readonly text: string }
  /** The answer's probability without a knockout, 0 to 1. */
  readonly prob: number
  /** 1 + number of tokens that are more probable without a knockout. */
  readonly rank: number
}

/** Flows of several prompts: what each has, for whoever averages them. */
export interface FlowsResult {
  readonly model: ModelInfo
  readonly window: number
  readonly prompts: readonly FlowPrompt[]
  /** One per flow that was asked for, in that order. */
  readonly curves: readonly (FlowRef & {
    readonly label: string
    /**
     * `[prompt][window start]`: relative change of the answer's probability, percent. An empty row for a prompt in
     * which a role of the flow has no token.
     */
    readonly changes: readonly (readonly number[])[]
  })[]
  /** Knockouts that were computed. */
  readonly knockouts: number
  /** Time of the computation in milliseconds. */
  readonly took: number
}

export interface CutResult extends AnsweredPrompt {
  readonly base: Outcome
  /** One per knockout. */
  readonly knocked: readonly KnockedOutcome[]
  readonly took: number
}

/** What each call takes and gives. */
export interface ComputeCalls {
  models: { input: z.infer<typeof SCHEMAS.models>; output: readonly ModelEntry[] }
  open: { input: z.infer<typeof SCHEMAS.open>; output: ModelInfo }
  encode: { input: EncodeRequest; output: EncodedPrompt }
  explore: { input: ExploreRequest; output: Exploration }
  flows: { input: FlowsRequest; output: FlowsResult }
  cut: { input: CutRequest; output: CutResult }
}

export type Calls = ComputeCalls & StudyCalls
export type CallName = keyof Calls

/** How far a call is. */
export interface CallProgress {
  /** For people: `loading tiny-mamba1`. */
  readonly what: string
  readonly done: number
  readonly total: number
  /** Of `done` and `total`. */
  readonly unit: 'bytes' | 'rows'
}

export interface CallOptions {
  readonly signal?: AbortSignal
  readonly onProgress?: (progress: CallProgress) => void
}

/** What answers calls: errors of the input are `InputError`s with a text for people. */
export interface Engine {
  call<Name extends CallName>(
    name: Name,
    input: Calls[Name]['input'],
    options?: CallOptions,
  ): Promise<Calls[Name]['output']>
}

/** A line of a streamed answer: any number of `progress`, then one `result` or `error`. */
export type CallEvent =
  | { readonly progress: CallProgress }
  | { readonly result: unknown }
  /** `input`: the question was wrong, and the text says how; `fault`: factflow is. */
  | { readonly error: string; readonly kind: 'input' | 'fault' | 'aborted' }
