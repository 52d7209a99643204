import stringWidth from 'string-width'

/** What stands for characters that draw nothing, or that would break a line, an SVG or a terminal. */
const VISIBLE: Record<string, string> = { '\n': '⏎', '\t': '⇥' }

const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' })

/**
 * A text that is safe to draw on one line: line breaks and tabs become `⏎` and `⇥`; other control
 * characters and invisible format characters (direction overrides, byte order marks...) become their code point in
 * brackets, so a prompt can neither break an SVG nor send escape codes to a terminal; lone surrogates and noncharacters become `�`. Plain
 * spaces stay. Joiners inside a cluster (emoji families, Indic scripts) stay too.
 */
export function visibleText(text: string): string {
  const drawn = [...text].map(visibleCharacter).join('')
  // A mark with nothing before it would attach to whatever is drawn to its left.
  return /^\p{M}/u.test(drawn) ? `◌${drawn}` : drawn
}

function visibleCharacter(character: string, index: number, all: string[]): string {
  const code = character.codePointAt(0)!
  if (VISIBLE[character] !== undefined) return VISIBLE[character]
  if (/\p{Cs}/u.test(character) || (code & 0xfffe) === 0xfffe) return '�'
  const joins = (code === 0x200c || code === 0x200d) && index > 0 && index < all.length - 1
  if (!joins && /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(character)) {
    return `[${code.toString(16).toUpperCase().padStart(2, '0')}]`
  }
  return character
}

/** {@link visibleText} for one token: spaces are shown too (`␣`), so ` a` and `a` differ; an empty token is `∅`. */
export function visibleToken(token: string): string {
  return token === '' ? '∅' : visibleText(token).replace(/\p{Zs}/gu, '␣')
}

/** The label of a heatmap row: at most `max` columns, the subject's tokens marked with `*` as in the literature. */
export function rowLabel(token: string, inSubject: boolean, max: number): string {
  return inSubject ? `${truncate(visibleToken(token), max - 1)}*` : truncate(visibleToken(token), max)
}

/**
 * Cut a text to at most `max` terminal columns (or whatever `measure` counts), `…` at the end of what was cut; never
 * splits a grapheme.
 */
export function truncate(text: string, max: number, measure: (text: string) => number = stringWidth): string {
  return measure(text) <= max ? text : `${head(text, max - measure('…'), measure)}…`
}

/** The longest start of a text that is at most `max` wide. */
function head(text: string, max: number, measure: (text: string) => number): string {
  let kept = ''
  for (const { segment } of graphemes.segment(text)) {
    if (measure(kept + segment) > max) break
    kept += segment
  }
  return kept
}

/** Fill a text with spaces to `width` terminal columns. */
export function pad(text: string, width: number, align: 'left' | 'right' = 'left'): string {
  const fill = ' '.repeat(Math.max(0, width - stringWidth(text)))
  return align === 'left' ? text + fill : fill + text
}

/**
 * Break a text, made visible, into lines of at most `max`, after spaces and hyphens where there are any. `max` counts
 * terminal columns, or whatever `measure` does; a character that is wider stays whole.
 */
export function wrap(text: string, max: number, measure: (text: string) => number = stringWidth): string[] {
  const lines: string[] = []
  let line = ''
  for (const part of visibleText(text).split(/(?<= |\p{L}-)/u)) {
    if (measure((line + part).trimEnd()) <= max) {
      line += part
      continue
    }
    if (line !== '') lines.push(line.trimEnd())
    line = part
    while (measure(line.trimEnd()) > max) {
      const start = head(line, max, measure) || line
      lines.push(start)
      line = line.slice(start.length)
    }
  }
  return [...lines, line.trimEnd()]
}
