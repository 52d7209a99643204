import { align } from './alignment.js'
import { type NormalizerStep, normalize } from './normalizer.js'
import { fault, isId, object } from './tokenizer-fields.js'

/** An entry of `added_tokens`: text that is one token wherever it stands, outside the BPE merges. */
export interface AddedToken {
  id: number
  /** Its name. */
  content: string
  /** What is searched and what it decodes to: the content, normalised if it is searched in the normalised text. */
  spelling: string
  /** Only as a word of its own. */
  singleWord: boolean
  /** Takes the white space before it into the token. */
  lstrip: boolean
  /** Takes the white space after it into the token. */
  rstrip: boolean
  /** Searched in the normalised text; otherwise in the text as given. */
  normalized: boolean
}

/**
 * @param normalizer what the text goes through in which normalised tokens are searched
 * @throws InputError when it is no list of added tokens
 */
export function readAddedTokens(
  list: unknown,
  normalizer: readonly NormalizerStep[],
  where: string,
): AddedToken[] {
  if (!Array.isArray(list)) throw fault(where, 'added_tokens', 'be a list', list)
  return list.map((entry: unknown, i) => {
    const token = object(entry, where, `added_tokens[${i}]`)
    const { id, content } = token
    if (!isId(id) || typeof content !== 'string' || content === '') {
      throw fault(
        where,
        `added_tokens[${i}]`,
        'have an id (a whole number from 0 to 2^20) and a content',
        entry,
      )
    }
    const normalized = (token.normalized ?? token.special !== true) === true
    return {
      id,
      content,
      spelling: normalized ? normalize(align(content, 0), normalizer, true).text : content,
      singleWord: token.single_word === true,
      lstrip: token.lstrip === true,
      rstrip: token.rstrip === true,
      normalized,
    }
  })
}

/** Finds added tokens in a text. */
export interface Finder {
  pattern: RegExp
  tokens: Map<string, AddedToken>
}

export function finder(added: readonly AddedToken[]): Finder {
  const tokens = new Map(added.map((token) => [token.spelling, token]))
  // The longest of several tokens that start at one place wins; without tokens, a pattern that never matches.
  const spellings = [...tokens.keys()].sort((a, b) => b.length - a.length)
  const escaped = spellings.map((spelling) => spelling.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&'))
  return { pattern: new RegExp(escaped.join('|') || '(?!)', 'gu'), tokens }
}

export interface Section {
  start: number
  end: number
  /** The added token that this section is; undefined for text in between. */
  token?: AddedToken
}

// What `\w` is to the Rust library.
const STARTS_WITH_WORD = /^[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]/u
const ENDS_IN_WORD = /[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]$/u

/** Cut a text at its added tokens, as `AddedVocabulary::find_matches` of the Rust library does. */
export function splitAdded(text: string, { pattern, tokens }: Finder): Section[] {
  const sections: Section[] = []
  let done = 0
  for (const match of text.matchAll(pattern)) {
    const token = tokens.get(match[0])!
    let start = match.index
    let end = start + match[0].length
    if (
      token.singleWord &&
      (ENDS_IN_WORD.test(text.slice(0, start)) || STARTS_WITH_WORD.test(text.slice(end)))
    )
      continue
    if (token.lstrip) start -= /\p{White_Space}*$/u.exec(text.slice(done, start))![0].length
    if (token.rstrip) end += /^\p{White_Space}*/u.exec(text.slice(end))![0].length
    if (done < start) sections.push({ start: done, end: start })
    sections.push({ start, end, token })
    done = end
  }
  if (done < text.length) sections.push({ start: done, end: text.length })
  return sections
}
