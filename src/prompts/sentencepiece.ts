import { type Aligned, prepend, replaceUnit, slice } from './alignment.js'
import type { Bpe } from './hf-tokenizers.js'
import type { Segmenter, Span } from './segmenter.js'

/** What SentencePiece vocabularies write for a space. */
export const SPACE = '\u2581'

/** The Metaspace pre-tokenizer, which newer files have in place of normalisers that do the same. */
export interface Metaspace {
  /** Which stretches between special tokens get a space in front, unless they begin with one. */
  prepend: 'first' | 'always' | 'never'
  /** Cut the text into words before merging; otherwise merges may run over the whole text. */
  split: boolean
}

/**
 * SentencePiece BPE with byte fallback: the vocabulary is spelled in characters, spaces as `▁`; a character that it
 * lacks becomes one token `<0x..>` for each of its UTF-8 bytes.
 */
export class SentencePieceBpe implements Segmenter {
  readonly prefixed: boolean
  readonly #bpe: Bpe
  readonly #metaspace: Metaspace | undefined

  /**
   * @param bpe with all 256 byte tokens, so that nothing is unknown
   * @param prefixed whether normalisers or the pre-tokenizer put a space in front of a text
   */
  constructor(bpe: Bpe, metaspace: Metaspace | undefined, prefixed: boolean) {
    this.#bpe = bpe
    this.#metaspace = metaspace
    this.prefixed = prefixed
  }

  encode(section: Aligned, begins: boolean): Span[] {
    return this.#words(section, begins).flatMap((word) => this.#encodeWord(word))
  }

  #words(section: Aligned, begins: boolean): Aligned[] {
    if (!this.#metaspace) return [section]
    const { prepend: where, split } = this.#metaspace
    let spaced = replaceUnit(section, ' ', SPACE)
    const prefix = begins && (where === 'always' || (where === 'first' && section.start[0] === 0))
    if (prefix && !spaced.text.startsWith(SPACE)) spaced = prepend(spaced, SPACE)
    if (!split) return [spaced]
    // A word begins at every space.
    const cuts = [...spaced.text.matchAll(/(?!^)\u2581/g)].map(({ index }) => index)
    return [0, ...cuts].map((from, i) => slice(spaced, from, cuts[i] ?? spaced.text.length))
  }

  #encodeWord({ text, start, end }: Aligned): Span[] {
    const { tokens_to_ids: ids } = this.#bpe
    const spans: Span[] = []
    let unit = 0
    // Bytes of the character at `unit` that have had their tokens.
    let bytes = 0
    for (const token of this.#bpe.encode([text])) {
      const char = String.fromCodePoint(text.codePointAt(unit)!)
      const isByte = !ids.has(char) && token !== text
      const length = isByte ? char.length : token.length
      spans.push({ id: ids.get(token)!, start: start[unit], end: end[unit + length - 1] })
      if (isByte && ++bytes < utf8Length(char)) continue
      bytes = 0
      unit += length
    }
    return spans
  }

  decode(tokens: string[]): string {
    let text = ''
    let bytes: number[] = []
    const flush = () => {
      text += decodeBytes(bytes)
      bytes = []
    }
    for (const token of tokens) {
      const byte = /^<0x([0-9A-F]{2})>$/.exec(token)
      if (byte) bytes.push(Number.parseInt(byte[1], 16))
      else {
        flush()
        text += token.replaceAll(SPACE, ' ')
      }
    }
    flush()
    return text
  }
}

function utf8Length(char: string): number {
  return new TextEncoder().encode(char).length
}

/** A run of byte tokens; one U+FFFD for each byte when they do not form characters, as in the Rust library. */
function decodeBytes(bytes: readonly number[]): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Uint8Array.from(bytes))
  } catch {
    return '\uFFFD'.repeat(bytes.length)
  }
}
