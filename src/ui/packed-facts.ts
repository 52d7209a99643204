/** The embedded facts in a small form for the page: wordings once, each fact's subject and answer. */
import type { Fact } from '../prompts/facts.js'

export interface PackedRelation {
  readonly relation: string
  /** Wordings, `{}` for the subject. */
  readonly wordings: readonly string[]
  /** `[subject, answer, wording held out of training]` */
  readonly facts: readonly (readonly [string, string, number])[]
}

/** All wordings of a fact stand one after the other in `facts`, as in data/atlas.jsonl. */
export function packFacts(facts: readonly Fact[]): PackedRelation[] {
  const relations = new Map<string, { wordings: string[]; facts: Map<string, [string, string, number]> }>()
  for (const { relation = '', phrasing = 0, prompt, subject, answer, split } of facts) {
    const packed = relations.get(relation) ?? { wordings: [], facts: new Map() }
    relations.set(relation, packed)
    packed.wordings[phrasing] ??= prompt.replace(subject, () => '{}')
    const fact = packed.facts.get(subject) ?? [subject, answer.trim(), 0]
    packed.facts.set(subject, fact)
    if (split === 'held-out') fact[2] = phrasing
  }
  return [...relations].map(([relation, packed]) => ({
    relation,
    wordings: packed.wordings,
    facts: [...packed.facts.values()],
  }))
}

/** A fact in one of its relation's wordings; the subject stands in the prompt at `[start, end)`. */
export interface WordedFact {
  readonly relation: string
  readonly prompt: string
  readonly start: number
  readonly end: number
  readonly subject: string
  readonly answer: string
}

/** A packed fact in words; by default those that training never saw. */
export function worded(
  relation: PackedRelation,
  fact: PackedRelation['facts'][number],
  wording = fact[2],
): WordedFact {
  const [subject, answer] = fact
  const template = relation.wordings[wording]!
  const start = template.indexOf('{}')
  return {
    relation: relation.relation,
    prompt: template.replace('{}', () => subject),
    start,
    end: start + subject.length,
    subject,
    answer,
  }
}
