/** A question to Explore as address parameters: model, prompt, subject, answer, window, features, target, flows, cell, point. */
import { PAPER_FLOWS, parseFlow } from '../../src/experiments/flows.js'
import { FEATURE_CATEGORIES, type FeatureCategory } from '../../src/models/architecture.js'
import { ROLES, type Role } from '../../src/prompts/roles.js'
import type { ExploreRequest, FlowRef, ModelInfo } from '../../src/ui/protocol.js'
import type { Params } from './address.js'

/** A cell of the heatmap. */
export interface Cell {
  readonly token: number
  readonly start: number
}

/** A point of a curve. */
export interface Point {
  readonly flow: FlowRef
  readonly start: number
}

export interface Question {
  readonly model: string
  readonly revision?: string
  readonly prompt: string
  /** Characters of the subject, `[start, end)`. */
  readonly subject?: { readonly start: number; readonly end: number }
  readonly answer?: string
  /** Layers; the model's default when undefined. */
  readonly window?: number
  readonly target: Role
  readonly features: FeatureCategory
  /** The paper's when undefined. */
  readonly flows?: readonly FlowRef[]
  /** What is kept in sight: a cell, or a point. */
  readonly cell?: Cell
  readonly point?: Point
}

/** What the page shows to who comes without a question. */
export const FIRST: Question = {
  model: 'tiny-mamba1',
  prompt: 'The city of Manila is the seat of government of',
  subject: { start: 12, end: 18 },
  answer: 'Philippines',
  target: 'last',
  features: 'all',
}

const oneOf = <T extends string>(values: readonly T[], text: string | null): T | undefined =>
  values.find((value) => value === text)

function pair(text: string | null, separator: string): readonly [number, number] | undefined {
  const match = new RegExp(`^(\\d{1,6})${separator}(\\d{1,6})$`).exec(text ?? '')
  return match ? [Number(match[1]), Number(match[2])] : undefined
}

function flowsOf(text: string | null): FlowRef[] | undefined {
  if (text === null) return undefined
  if (text === 'none') return []
  return text.split(',').flatMap((one) => {
    try {
      return [parseFlow(one, 'flows')]
    } catch {
      // An address that was cut or mistyped shows what can be read of it.
      return []
    }
  })
}

/** `subject>last:all,14`: a flow and the first layer of its window. */
function pointOf(text: string | null): Point | undefined {
  const [, name = '', start] = /^(.+),(\d{1,4})$/.exec(text ?? '') ?? []
  const [flow] = flowsOf(name) ?? []
  return flow && start !== undefined ? { flow, start: Number(start) } : undefined
}

/** What parameters ask; what cannot be read is as if it was not there. `prefix` tells two questions apart. */
export function questionOf(params: URLSearchParams, prefix = ''): Question {
  const get = (name: string): string | null => params.get(prefix + name)
  const prompt = get('prompt')
  const base = prompt === null ? FIRST : { target: 'last' as const, features: 'all' as const, prompt }
  const subject = pair(get('subject'), '-')
  const window = /^\d{1,4}$/.exec(get('window') ?? '') ? Number(get('window')) : undefined
  const cell = pair(get('cell'), ',')
  const point = pointOf(get('point'))
  return {
    ...base,
    model: get('model') ?? FIRST.model,
    ...(get('revision') !== null && { revision: get('revision')! }),
    ...(subject && subject[0] < subject[1] && { subject: { start: subject[0], end: subject[1] } }),
    ...(get('answer') !== null && { answer: get('answer')! }),
    ...(window !== undefined && window > 0 && { window }),
    target: oneOf(ROLES, get('target')) ?? 'last',
    features: oneOf(FEATURE_CATEGORIES, get('features')) ?? 'all',
    ...(get('flows') !== null && { flows: flowsOf(get('flows'))! }),
    ...(cell && { cell: { token: cell[0], start: cell[1] } }),
    ...(point && { point }),
  }
}

/** `subject>last:context-dependent`, as the command line takes it. */
export function flowText({ source, target, features }: FlowRef): string {
  return `${source}${target === 'last' ? '' : `>${target}`}${features === 'all' ? '' : `:${features}`}`
}

/** The parameters of a question; those that say nothing new are undefined, which takes them out of an address. */
export function paramsOf(question: Question, prefix = ''): Params {
  const { model, revision, prompt, subject, answer, window, target, features, flows, cell, point } = question
  const params = {
    model,
    revision,
    prompt,
    subject: subject && `${subject.start}-${subject.end}`,
    answer,
    window,
    target: target === 'last' ? undefined : target,
    features: features === 'all' ? undefined : features,
    flows: flows && (flows.length === 0 ? 'none' : flows.map(flowText).join(',')),
    cell: cell && `${cell.token},${cell.start}`,
    point: point && `${flowText(point.flow)},${point.start}`,
  }
  return Object.fromEntries(Object.entries(params).map(([name, value]) => [prefix + name, value]))
}

/** The curves that a model can have, of those that are asked for. */
export function flowsFor({ flows = PAPER_FLOWS }: Pick<Question, 'flows'>, model: ModelInfo): FlowRef[] {
  return flows.filter(({ features }) => model.featureCategories.includes(features))
}

/** What the engine is asked, once it is known what the model is. */
export function requestOf(question: Question, model: ModelInfo): ExploreRequest {
  const { prompt, subject, answer, target, features } = question
  return {
    model: modelOf(question),
    prompt,
    ...(subject && subject.end <= prompt.length && { subject }),
    ...(answer !== undefined && { answer }),
    window: Math.min(question.window ?? model.defaultWindow, model.nLayers),
    target: hasRole(target, question) ? target : 'last',
    features: model.featureCategories.includes(features) ? features : 'all',
    flows: flowsFor(question, model),
  }
}

/** Without a subject the roles that it makes have no tokens. */
function hasRole(role: Role, { subject }: Question): boolean {
  return subject !== undefined
    ? !(role === 'context' && subject.start === 0)
    : role !== 'subject' && role !== 'context'
}

export function modelOf({ model, revision }: Pick<Question, 'model' | 'revision'>): ExploreRequest['model'] {
  return { name: model, ...(revision !== undefined && { revision }) }
}
