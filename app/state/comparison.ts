/** Two questions as one address has them: those of `a.` and `b.`, and what is cut in both. */
import { FEATURE_CATEGORIES, type FeatureCategory } from '../../src/models/architecture.js'
import { ROLES, type Role } from '../../src/prompts/roles.js'
import type { FlowRef, ModelInfo } from '../../src/ui/protocol.js'
import type { Params } from './address.js'
import { FIRST, paramsOf, type Question, questionOf } from './question.js'

export const SIDES = ['a', 'b'] as const
export type Side = (typeof SIDES)[number]

/** Sources whose curves can be shown. */
export const CURVE_ROLES = ['subject', 'relation-minus-last', 'first', 'last', 'context'] as const
export type CurveRole = (typeof CURVE_ROLES)[number]

export interface Comparison {
  readonly a: Question
  readonly b: Question
  /** The window's share of the depth in percent; each model's default when undefined. */
  readonly share: number | undefined
  readonly target: Role
  readonly features: FeatureCategory
  readonly roles: readonly CurveRole[]
}

/** Who comes without questions sees one fact in a deep state-space model and in a transformer of half its depth. */
const MODELS = { a: 'tiny-mamba2', b: 'tiny-gpt2' } as const
const SHOWN: readonly CurveRole[] = ['subject', 'relation-minus-last']

/** Another embedded model than `model`: the one that differs most in kind. */
export function otherModel(model: string): string {
  return model === MODELS.b ? MODELS.a : MODELS.b
}

/** What parameters ask; what cannot be read is as if it was not there. */
export function comparisonOf(params: URLSearchParams): Comparison {
  const has = (side: Side): boolean => params.has(`${side}.prompt`) || params.has(`${side}.model`)
  const own = (side: Side): Question => {
    const question = questionOf(params, `${side}.`)
    return params.has(`${side}.model`) ? question : { ...question, model: MODELS[side] }
  }
  const a = own('a')
  // Alone, the first question is also asked of another model.
  const b = has('a') && !has('b') ? { ...a, model: otherModel(a.model), revision: undefined } : own('b')
  const oneOf = <T extends string>(values: readonly T[], name: string): T | undefined =>
    values.find((value) => value === params.get(name))
  const share = /^\d{1,3}$/.test(params.get('share') ?? '') ? Number(params.get('share')) : undefined
  const roles = params.get('roles')
  return {
    a,
    b,
    share: share !== undefined && share >= 1 && share <= 100 ? share : undefined,
    target: oneOf(ROLES, 'target') ?? a.target,
    features: oneOf(FEATURE_CATEGORIES, 'features') ?? a.features,
    roles:
      roles === null ? SHOWN : CURVE_ROLES.filter((role) => roles.split(',').some((one) => one === role)),
  }
}

/** The parameters of a comparison. */
export function comparisonParams({ a, b, share, target, features, roles }: Comparison): Params {
  // What both sides have in common is said once.
  const bare = ({ window: _window, flows: _flows, ...question }: Question): Question => ({
    ...question,
    target: FIRST.target,
    features: FIRST.features,
  })
  return {
    ...paramsOf(bare(a), 'a.'),
    ...paramsOf(bare(b), 'b.'),
    share,
    target: target === 'last' ? undefined : target,
    features: features === 'all' ? undefined : features,
    roles: roles.join() === SHOWN.join() ? undefined : roles.length === 0 ? 'none' : roles.join(','),
  }
}

/** How many layers a share of a model's depth is, one at least. */
export function layersOf(share: number, nLayers: number): number {
  return Math.max(1, Math.min(nLayers, Math.round((share / 100) * nLayers)))
}

/** The question of one side with what is cut in both; a model that has no such features has all of them cut. */
export function askedOf(
  { share, target, features }: Comparison,
  question: Question,
  { nLayers, featureCategories }: Pick<ModelInfo, 'nLayers' | 'featureCategories'>,
): Question {
  const own = featureCategories.includes(features) ? features : 'all'
  const flows = CURVE_ROLES.map((source): FlowRef => ({ source, target, features: own }))
  const window = share === undefined ? undefined : layersOf(share, nLayers)
  return { ...question, window, target, features: own, flows }
}
