import { InputError, show } from '../errors.js'
import type { Token } from './tokenizer.js'

/**
 * What a token is to the fact that a prompt asks for. Knockouts cut from the positions of one role (sources) to
 * those of another (targets). Names and meaning as in the code of *Mamba Knockout* (arXiv 2505.24244).
 */
export const ROLES = [
  'first',
  'last',
  'subject',
  'relation',
  'relation-minus-last',
  'context',
  'all',
] as const

export type Role = (typeof ROLES)[number]

export function isRole(text: string): text is Role {
  return (ROLES as readonly string[]).includes(text)
}

/**
 * @param where names the argument or the line that the text comes from, for the error
 * @throws InputError when the text is no role
 */
export function parseRole(text: string, where: string): Role {
  if (isRole(text)) return text
  throw new InputError(`${where}: a role must be known, got ${show(text)}; choose from ${ROLES.join(', ')}`)
}

/**
 * The positions that have a role, ascending; none when the prompt has no such token (`context` where the subject
 * comes first).
 *
 * - `first`, `last`: the one token at that end
 * - `subject`: the subject's tokens
 * - `relation`: every token that is not the subject's, the last one included
 * - `relation-minus-last`: the same without the last token of the prompt
 * - `context`: the tokens before the subject's first; none without a subject
 * - `all`: every token
 *
 * @param prompt its number of tokens and its subject's positions
 */
export function rolePositions(role: Role, prompt: { length: number; subject: readonly number[] }): number[] {
  const { length } = prompt
  const all = Array.from({ length }, (_, position) => position)
  const subject = new Set(prompt.subject)
  const relation = all.filter((position) => !subject.has(position))
  switch (role) {
    case 'first':
      return all.slice(0, 1)
    case 'last':
      return all.slice(-1)
    case 'subject':
      return all.filter((position) => subject.has(position))
    case 'relation':
      return relation
    case 'relation-minus-last':
      return relation.filter((position) => position !== length - 1)
    case 'context':
      return subject.size === 0 ? [] : all.slice(0, Math.min(...subject))
    case 'all':
      return all
    default:
      return role satisfies never
  }
}

/** Where a text that is not empty stands in a prompt: all its offsets in UTF-16 code units, overlapping ones too. */
export function occurrences(prompt: string, subject: string): number[] {
  const found: number[] = []
  for (let at = prompt.indexOf(subject); at >= 0; at = prompt.indexOf(subject, at + 1)) found.push(at)
  return found
}

/**
 * Where a subject stands in its prompt: `[start, end)` in UTF-16 code units, without white space at its ends.
 *
 * @param where names the fact or the argument, for errors
 * @param known where it starts, if that is known; otherwise it is searched
 * @throws InputError when the subject is empty, is not in the prompt (at `known`), or, searched, is there more than once
 */
export function findSubject(
  prompt: string,
  subject: string,
  where: string,
  known?: number,
): { start: number; end: number } {
  const visible = subject.trim()
  if (visible === '') {
    throw new InputError(
      `${where}: subject must not be empty, got ${show(subject)}; give the words of the prompt that it is about`,
    )
  }
  const all = occurrences(prompt, subject)
  const found = known === undefined ? all : all.filter((at) => at === known)
  if (found.length === 0) {
    const place = known === undefined ? '' : ` at character ${known}`
    throw new InputError(
      `${where}: subject must stand in the prompt${place}, got subject ${show(subject)} and prompt ${show(prompt, 120)}; spell it as the prompt does`,
    )
  }
  if (found.length > 1) {
    throw new InputError(
      `${where}: subject must stand in the prompt once, got ${show(subject)} at characters ${found.join(' and ')} of ${show(prompt, 120)}; give more of the words around it or reword the prompt`,
    )
  }
  const start = found[0] + subject.indexOf(visible)
  return { start, end: start + visible.length }
}

/**
 * The positions of a subject's tokens, ascending: every token that holds at least one of the subject's characters.
 *
 * A token's leading space does not matter: ` Eiffel` counts for the subject `Eiffel Tower`, and a token that has
 * only white space from the ends of the given subject does not count. This is what character overlap with the
 * offsets of Hugging Face's tokenizers gives, with and without `trim_offsets`.
 *
 * @param tokens the tokens of the whole prompt
 * @param where names the fact or the argument, for errors
 * @param known where the subject starts, as for `findSubject`
 * @throws InputError as `findSubject` does
 */
export function subjectPositions(
  tokens: readonly Token[],
  prompt: string,
  subject: string,
  where = 'subject',
  known?: number,
): number[] {
  const { start, end } = findSubject(prompt, subject, where, known)
  return tokens.flatMap((token, position) => (token.start < end && token.end > start ? [position] : []))
}
