import type { Aligned } from './alignment.js'

/** A token, and the characters of the original text that it stands for. */
export interface Span {
  id: number
  start: number
  end: number
}

/** Turns the text between added tokens into tokens. */
export interface Segmenter {
  /** Whether a text begins with a space that is not in it, so that its first word is spelled as any other. */
  readonly prefixed: boolean
  /**
   * The tokens of a stretch of normalised text, in order.
   * @param begins whether the stretch begins a text, or follows a special token in it; otherwise text precedes it
   * @throws InputError when the vocabulary cannot spell the text
   */
  encode(section: Aligned, begins: boolean): Span[]
  /** The text of tokens spelled as the vocabulary spells them, that space included. */
  decode(tokens: string[]): string
}
