/** What `factflow data` says of a data set. */
import type { Dataset } from '../datasets/read.js'
import { countReasons, type Unusable } from '../datasets/unusable.js'
import { truncate, visibleText } from '../figures/text.js'
import type { Fact, PreparedPrompt } from '../prompts/facts.js'
import type { ModelText } from './model-text.js'
import { tableLines } from './table.js'
import { plural, width } from './terminal.js'

/** A data set as it was asked for. */
export interface Described {
  readonly data: Dataset
  /** Those that the filters take. */
  readonly facts: readonly Fact[]
  /** The facts in a model's tokens, and those that it cannot use. */
  readonly model?: {
    readonly text: ModelText
    readonly prompts: readonly PreparedPrompt[]
    readonly unusable: readonly Unusable[]
  }
}

/** @param whole everything that cannot be used, not an example of each reason */
export function describedText({ data, facts, model }: Described, whole = false): string[] {
  const all = plural(data.facts.length, 'fact')
  const some = facts.length === data.facts.length ? '' : `${facts.length.toLocaleString('en')} of `
  const lines = [
    `${visibleText(data.name)}: ${some}${all}`,
    `source ${visibleText(data.source)}`,
    `SHA-256 ${data.fingerprint}`,
  ]
  for (const field of ['relation', 'split'] as const) {
    const named = groups(facts, field)
    if (named.every(([name]) => name === undefined)) continue
    const rows = named.map(([name, some]) => row(name === undefined ? '(none)' : visibleText(name), some))
    const head = [field.toUpperCase(), 'FACTS', 'SUBJECTS', 'ANSWERS']
    lines.push('', ...tableLines([head, ...rows, row('all', facts)], new Set([0])))
  }
  lines.push('', ...unusableLines(data.unusable, '', whole))
  if (!model) return lines
  const name = visibleText(model.text.name)
  if (model.prompts.length > 0) {
    const { tokens, subject } = tokenCounts(model.prompts)
    lines.push(
      '',
      `${name}: ${plural(model.prompts.length, 'prompt')} of ${tokens.mean.toFixed(1)} tokens on average, at most ${tokens.most}; of the subject ${subject.mean.toFixed(1)}, at most ${subject.most}`,
    )
  }
  return [...lines, '', ...unusableLines(model.unusable, ` by ${name}`, whole)]
}

function row(name: string, facts: readonly Fact[]): string[] {
  const counts = [facts.length, distinct(facts, 'subject'), distinct(facts, 'answer')]
  return [name, ...counts.map((n) => n.toLocaleString('en'))]
}

function distinct(facts: readonly Fact[], field: 'subject' | 'answer'): number {
  return new Set(facts.map((fact) => fact[field].trim())).size
}

/** The facts by one of their fields, in alphabetical order; those without it last. */
function groups(facts: readonly Fact[], field: 'relation' | 'split'): [name: string | undefined, Fact[]][] {
  const byName = new Map<string | undefined, Fact[]>()
  for (const fact of facts) {
    const group = byName.get(fact[field])
    if (group) group.push(fact)
    else byName.set(fact[field], [fact])
  }
  return [...byName].sort(([a], [b]) =>
    a === undefined ? 1 : b === undefined ? -1 : a.localeCompare(b, 'en', { numeric: true }),
  )
}

/** Mean and most over the prompts. */
function tokenCounts(prompts: readonly PreparedPrompt[]): Record<'tokens' | 'subject', MeanAndMost> {
  const of = (counts: readonly number[]): MeanAndMost => ({
    mean: counts.reduce((sum, count) => sum + count, 0) / counts.length,
    most: counts.reduce((a, b) => Math.max(a, b)),
  })
  return {
    tokens: of(prompts.map(({ ids }) => ids.length)),
    subject: of(prompts.map(({ subject }) => subject.length)),
  }
}

interface MeanAndMost {
  readonly mean: number
  readonly most: number
}

function unusableLines(unusable: readonly Unusable[], by: string, whole: boolean): string[] {
  if (unusable.length === 0) return [`All of them can be used${by}.`]
  const title = `${unusable.length.toLocaleString('en')} cannot be used${by}:`
  if (whole) {
    return [
      title,
      ...unusable.map(({ where, reason, detail }) => visibleText(`${where}: ${reason}: ${detail}`)),
    ]
  }
  const rows = Array.from(examples(unusable), ({ reason, n, where, detail }) => [
    n.toLocaleString('en'),
    reason,
    visibleText(`${where}: ${detail}`),
  ])
  const table = tableLines([['COUNT', 'WHY', 'FOR EXAMPLE'], ...rows], new Set([1, 2]))
  return [title, ...table.map((line) => truncate(line, width()))]
}

/** Each reason, the most frequent first, with the first that has it. */
function examples(unusable: readonly Unusable[]): (Unusable & { n: number })[] {
  return Array.from(countReasons(unusable), ([reason, n]) => ({
    n,
    ...unusable.find((one) => one.reason === reason)!,
  }))
}

/** @param whole as for `describedText` */
export function describedJson({ data, facts, model }: Described, whole = false): object {
  const counts = (field: 'relation' | 'split'): object =>
    Object.fromEntries(groups(facts, field).flatMap(([name, some]) => (name ? [[name, some.length]] : [])))
  return {
    name: data.name,
    source: data.source,
    fingerprint: data.fingerprint,
    facts: facts.length,
    available: data.facts.length,
    relations: counts('relation'),
    splits: counts('split'),
    unusable: unusableJson(data.unusable, whole),
    ...(model && {
      model: {
        name: model.text.name,
        prompts: model.prompts.length,
        ...(model.prompts.length > 0 && tokenCounts(model.prompts)),
        unusable: unusableJson(model.unusable, whole),
      },
    }),
  }
}

function unusableJson(unusable: readonly Unusable[], whole: boolean): object {
  return {
    n: unusable.length,
    reasons: Object.fromEntries(countReasons(unusable)),
    ...(whole ? { list: unusable } : { examples: examples(unusable).map(({ n: _, ...one }) => one) }),
  }
}
