/** Flows: which role of tokens is cut from which, through which features. */
import { InputError, show } from '../errors.js'
import { FEATURE_CATEGORIES, type FeatureCategory, type ModelSpec } from '../models/architecture.js'
import { parseRole, type Role } from '../prompts/roles.js'

/** One curve: which role is cut from which, for which features. */
export interface Flow {
  readonly source: Role
  readonly target: Role
  readonly features: FeatureCategory
}

/** The paper's curves: the subject by feature category, the relation, the last and the first token, all to the last. */
export const PAPER_FLOWS: readonly Flow[] = [
  { source: 'subject', target: 'last', features: 'all' },
  { source: 'subject', target: 'last', features: 'context-dependent' },
  { source: 'subject', target: 'last', features: 'context-independent' },
  { source: 'relation', target: 'last', features: 'all' },
  { source: 'relation-minus-last', target: 'last', features: 'all' },
  { source: 'last', target: 'last', features: 'all' },
  { source: 'first', target: 'last', features: 'all' },
]

/** The paper's curves that a model has: those by feature category only where its layers have features to tell apart. */
export function paperFlows({ featureCategories }: Pick<ModelSpec, 'featureCategories'>): readonly Flow[] {
  return PAPER_FLOWS.filter(({ features }) => featureCategories.includes(features))
}

/** `subject → last (context-dependent)`; the category `all` goes without saying. */
export function flowLabel({ source, target, features }: Flow): string {
  return `${source} → ${target}${features === 'all' ? '' : ` (${features})`}`
}

/**
 * A flow from text: `source[>target][:features]`, `subject>last:context-dependent` for instance; target `last` and
 * features `all` when left out.
 * @throws InputError when a role or the category is unknown
 */
export function parseFlow(text: string, where: string): Flow {
  const [roles, category = 'all', ...more] = text.split(':')
  const [source, target = 'last', ...rest] = roles!.split('>')
  if (more.length > 0 || rest.length > 0) {
    throw new InputError(
      `${where}: a flow is source[>target][:features], got ${show(text)}; write subject>last:all`,
    )
  }
  const features = FEATURE_CATEGORIES.find((known) => known === category.trim())
  if (!features) {
    throw new InputError(
      `${where}: features must be one of ${FEATURE_CATEGORIES.join(', ')}, got ${show(category)}; change it`,
    )
  }
  return { source: parseRole(source!.trim(), where), target: parseRole(target.trim(), where), features }
}

/**
 * Flows from texts, see `parseFlow`.
 * @throws InputError when one is wrong or stands twice
 */
export function parseFlows(texts: readonly string[], where: string): Flow[] {
  const flows = texts.map((text) => parseFlow(text, where))
  const labels = flows.map(flowLabel)
  const again = labels.findIndex((label, i) => labels.indexOf(label) < i)
  if (again >= 0) {
    throw new InputError(`${where}: a flow must be given once, got ${show(texts[again])} again; leave it out`)
  }
  return flows
}
