import { INERT } from './rust-unicode.js'

/** A text under way to its tokens, and for each of its UTF-16 code units the span of the original it stands for. */
export interface Aligned {
  text: string
  /** Where the original characters start. */
  start: number[]
  /** Where they end (exclusive); where they start, for what stands for no character. */
  end: number[]
}

/**
 * A stretch of text that stands for itself.
 * @param offset where the stretch starts in the text that spans refer to
 */
export function align(original: string, offset: number): Aligned {
  const aligned: Aligned = { text: original, start: [], end: [] }
  let at = offset
  // Both halves of a surrogate pair stand for the one character.
  for (const char of original) {
    for (let i = 0; i < char.length; i++) {
      aligned.start.push(at)
      aligned.end.push(at + char.length)
    }
    at += char.length
  }
  return aligned
}

/** The part from one code unit to another (exclusive). */
export function slice({ text, start, end }: Aligned, from: number, to: number): Aligned {
  return { text: text.slice(from, to), start: start.slice(from, to), end: end.slice(from, to) }
}

/** Put a text in front that stands for no character. What is empty stays empty. */
export function prepend({ text, start, end }: Aligned, prefix: string): Aligned {
  if (text === '') return { text, start, end }
  const none = Array.from(prefix, () => start[0])
  return { text: prefix + text, start: [...none, ...start], end: [...none, ...end] }
}

/** Replace every occurrence of one code unit by another, which stands for the same characters. */
export function replaceUnit(aligned: Aligned, from: string, to: string): Aligned {
  return { ...aligned, text: aligned.text.replaceAll(from, to) }
}

/**
 * Normalise to Unicode NFC.
 *
 * Characters that NFC leaves alone stand for what they stood for; a group that it rewrites (a letter and its
 * accents, Hangul jamo) stands as a whole for the whole original group.
 */
export function toNfc(aligned: Aligned): Aligned {
  if (aligned.text === aligned.text.normalize('NFC')) return aligned
  const result: Aligned = { text: '', start: [], end: [] }
  let from = 0
  for (const group of normalizationGroups(aligned.text)) {
    const to = from + group.length
    const text = group.normalize('NFC')
    result.text += text
    if (text === group) {
      result.start.push(...aligned.start.slice(from, to))
      result.end.push(...aligned.end.slice(from, to))
    } else {
      result.start.push(...Array.from({ length: text.length }, () => aligned.start[from]))
      result.end.push(...Array.from({ length: text.length }, () => aligned.end[to - 1]))
    }
    from = to
  }
  return result
}

/**
 * Cut a text into pieces that NFC rewrites independently: a cut lies before a character that is not a combining
 * mark and does not compose with what precedes it (UAX #15; Hangul jamo are letters that do compose). What the Rust library leaves alone is a piece of its own.
 */
function normalizationGroups(text: string): string[] {
  const groups: string[] = []
  for (const char of text) {
    const group = groups.at(-1)
    const joins =
      group !== undefined &&
      !INERT.test(group) &&
      !INERT.test(char) &&
      (/^\p{M}/u.test(char) ||
        (group + char).normalize('NFC') !== group.normalize('NFC') + char.normalize('NFC'))
    if (joins) groups[groups.length - 1] += char
    else groups.push(char)
  }
  return groups
}
