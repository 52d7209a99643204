import { InputError, show } from '../errors.js'
import type { Aligned } from './alignment.js'
import { type Bpe, ByteLevelDecoder, type Decoder, type PreTokenizer } from './hf-tokenizers.js'
import type { Segmenter, Span } from './segmenter.js'

/**
 * Byte-level BPE: the vocabulary is spelled in 256 characters that stand for bytes.
 *
 * Each token stands for a known number of UTF-8 bytes, so what it covers follows from counting bytes.
 */
export class ByteLevel implements Segmenter {
  readonly prefixed = false
  readonly #bpe: Bpe
  readonly #preTokenizer: PreTokenizer
  readonly #decoder: Decoder
  readonly #where: string

  /**
   * @param preTokenizer text to pieces, each spelled in the characters for bytes
   * @param added what is text as it is, not spelled in characters for bytes
   */
  constructor(bpe: Bpe, preTokenizer: PreTokenizer, added: { content: string }[], where: string) {
    this.#bpe = bpe
    this.#preTokenizer = preTokenizer
    this.#decoder = new ByteLevelDecoder({ type: 'ByteLevel' })
    this.#decoder.added_tokens = added
    this.#where = where
  }

  encode({ text, start, end }: Aligned): Span[] {
    const spans: Span[] = []
    const unitOfByte = bytesToUnits(text)
    let byte = 0
    for (const token of this.#bpe.encode(this.#preTokenizer.pre_tokenize(text))) {
      // A token is spelled with one character per byte.
      const first = unitOfByte[byte]
      const last = unitOfByte[byte + token.length - 1]
      byte += token.length
      spans.push({ id: this.#bpe.tokens_to_ids.get(token)!, start: start[first], end: end[last] })
    }
    if (byte !== unitOfByte.length) {
      // The library leaves out what the vocabulary lacks; the model would read another text than was given.
      throw new InputError(
        `${this.#where}: the vocabulary must have a token for every byte, got text ${show(text)} with bytes it lacks; leave those characters out or use the model's full tokenizer.json`,
      )
    }
    return spans
  }

  decode(tokens: string[]): string {
    return this.#decoder.decode(tokens)
  }
}

/** For every UTF-8 byte of a text, the UTF-16 code unit at which its character starts. */
function bytesToUnits(text: string): number[] {
  const units: number[] = []
  let unit = 0
  for (const char of text) {
    const code = char.codePointAt(0)!
    const bytes = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4
    for (let i = 0; i < bytes; i++) units.push(unit)
    unit += char.length
  }
  return units
}
