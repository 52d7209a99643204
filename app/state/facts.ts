/** The embedded facts, fetched when they are first needed. */
import { type PackedRelation, type WordedFact, worded } from '../../src/ui/packed-facts.js'

let loading: Promise<readonly PackedRelation[]> | undefined

export function relations(): Promise<readonly PackedRelation[]> {
  loading ??= fetch(new URL('facts.json', document.baseURI)).then((response) => {
    if (response.ok) return response.json() as Promise<PackedRelation[]>
    loading = undefined
    throw new Error(`facts.json is not beside the page (HTTP status ${response.status})`)
  })
  return loading
}

/** `country_capital` as `country capital`. */
export function relationName(relation: string): string {
  return relation.replaceAll('_', ' ')
}

/**
 * Facts whose subject, answer or wording has all words of `query`: those whose subject begins with it first.
 * @param relation only of this relation
 */
export function findFacts(
  all: readonly PackedRelation[],
  query: string,
  most: number,
  relation?: string,
): WordedFact[] {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean)
  const found: { fact: WordedFact; score: number }[] = []
  for (const one of all) {
    if (relation !== undefined && one.relation !== relation) continue
    for (const packed of one.facts) {
      const fact = worded(one, packed)
      const text = `${fact.prompt} ${fact.answer}`.toLowerCase()
      if (!words.every((word) => text.includes(word))) continue
      const subject = fact.subject.toLowerCase()
      const whole = words.join(' ')
      found.push({
        fact,
        score: subject === whole ? 0 : subject.startsWith(whole) ? 1 : subject.includes(whole) ? 2 : 3,
      })
    }
  }
  return found
    .sort((a, b) => a.score - b.score)
    .slice(0, most)
    .map(({ fact }) => fact)
}

/** The fact that a prompt states, in whichever of its relation's wordings. */
export function factOf(all: readonly PackedRelation[], prompt: string): WordedFact | undefined {
  for (const relation of all) {
    for (const [wording, template] of relation.wordings.entries()) {
      const [before, after] = template.split('{}') as [string, string]
      if (!prompt.startsWith(before) || !prompt.endsWith(after)) continue
      const subject = prompt.slice(before.length, prompt.length - after.length)
      const packed = relation.facts.find(([known]) => known === subject)
      if (packed) return worded(relation, packed, wording)
    }
  }
  return undefined
}

/** Where a known subject stands in a text, the longest one; as whole words. */
export function subjectIn(
  all: readonly PackedRelation[],
  prompt: string,
): { start: number; end: number } | undefined {
  let best: { start: number; end: number } | undefined
  for (const { facts } of all) {
    for (const [subject] of facts) {
      if (best && subject.length <= best.end - best.start) continue
      const start = prompt.indexOf(subject)
      if (start < 0) continue
      const end = start + subject.length
      const inWord = (at: number): boolean => /[\p{L}\p{N}]/u.test(prompt[at] ?? ' ')
      if (!inWord(start - 1) && !inWord(end)) best = { start, end }
    }
  }
  return best
}

/** Another fact in the same wording as that of a prompt; for a prompt that states none, the first fact there is. */
export function anotherFact(all: readonly PackedRelation[], prompt: string): WordedFact | undefined {
  for (const relation of all) {
    for (const [wording, template] of relation.wordings.entries()) {
      const [before, after] = template.split('{}') as [string, string]
      if (!prompt.startsWith(before) || !prompt.endsWith(after)) continue
      const subject = prompt.slice(before.length, prompt.length - after.length)
      const at = relation.facts.findIndex(([known]) => known === subject)
      if (at < 0 || relation.facts.length < 2) continue
      return worded(relation, relation.facts[(at + 1) % relation.facts.length]!, wording)
    }
  }
  const [relation] = all
  return relation?.facts[0] && worded(relation, relation.facts[0])
}
