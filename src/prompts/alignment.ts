/** A normalised text, and for each of its UTF-16 code units the span of the original text it stands for. */
export interface Aligned {
  text: string
  /** Where the original characters start. */
  start: number[]
  /** Where they end (exclusive). */
  end: number[]
}

/**
 * Normalise a stretch of text to Unicode NFC, or leave it, and say where each character comes from.
 *
 * Characters that NFC leaves alone stand for themselves; a group that it rewrites (a letter and its accents, Hangul
 * jamo) stands as a whole for the whole original group.
 *
 * @param offset where the stretch starts in the text that spans refer to
 */
export function align(original: string, offset: number, nfc: boolean): Aligned {
  const aligned: Aligned = { text: '', start: [], end: [] }
  let at = offset
  const push = (text: string, originalLength: number) => {
    for (let i = 0; i < text.length; i++) {
      aligned.start.push(at)
      aligned.end.push(at + originalLength)
    }
    aligned.text += text
    at += originalLength
  }
  const groups = nfc && original !== original.normalize('NFC') ? normalizationGroups(original) : [original]
  for (const group of groups) {
    const text = nfc ? group.normalize('NFC') : group
    if (text === group) for (const char of group) push(char, char.length)
    else push(text, group.length)
  }
  return aligned
}

/**
 * Cut a text into pieces that NFC rewrites independently: a cut lies before a character that is not a combining
 * mark and does not compose with what precedes it (UAX #15; Hangul jamo are letters that do compose).
 */
function normalizationGroups(text: string): string[] {
  const groups: string[] = []
  for (const char of text) {
    const group = groups.at(-1)
    const joins =
      group !== undefined &&
      (/^\p{M}/u.test(char) ||
        (group + char).normalize('NFC') !== group.normalize('NFC') + char.normalize('NFC'))
    if (joins) groups[groups.length - 1] += char
    else groups.push(char)
  }
  return groups
}
