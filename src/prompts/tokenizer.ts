import { InputError, show } from '../errors.js'
import { type Aligned, align } from './alignment.js'
import { ByteLevelDecoder, type Decoder } from './hf-tokenizers.js'
import { type AddedToken, type ByteLevelBpe, readTokenizerJson } from './tokenizer-json.js'

/** One token of a prompt. */
export interface Token {
  id: number
  /** The characters of the prompt that the token covers, `prompt.slice(start, end)`. */
  text: string
  /** Where its first character starts, in UTF-16 code units of the prompt as given. */
  start: number
  /** Where its last character ends (exclusive), in UTF-16 code units of the prompt as given. */
  end: number
}

/**
 * Text to token ids and back, for byte-level BPE tokenizers, equal to Hugging Face's Rust library.
 *
 * Ids come from `@huggingface/tokenizers`, which gives no character offsets. Each token of a byte-level tokenizer
 * stands for a known number of UTF-8 bytes, so offsets follow from counting bytes:
 * - a token's leading space belongs to it (as in the Rust library with `trim_offsets: false`);
 * - a token that holds some bytes of a character spans the whole character, so neighbours can overlap;
 * - where NFC rewrites characters, a token spans all original characters of the composed group (`e` and its
 *   accent); the Rust library there leaves the accent to no token.
 */
export class Tokenizer {
  /** Ids run from 0 to `vocabSize - 1`. A model's embedding can have more rows: padding, without a token. */
  readonly vocabSize: number
  readonly #where: string
  readonly #parts: ByteLevelBpe
  readonly #decoder: Decoder
  readonly #byId: (string | undefined)[]
  /** Added tokens to find in the text as given, and in the normalised text. */
  readonly #addedRaw: Finder
  readonly #addedNormalized: Finder

  private constructor(parts: ByteLevelBpe, where: string) {
    this.#where = where
    this.#parts = parts
    this.#addedRaw = finder(parts.added.filter((token) => !token.normalized))
    this.#addedNormalized = finder(
      parts.added.filter((token) => token.normalized),
      parts.nfc,
    )
    this.#byId = [...parts.bpe.vocab]
    for (const token of parts.added) this.#byId[token.id] = token.content
    this.vocabSize = this.#byId.length
    this.#decoder = new ByteLevelDecoder({ type: 'ByteLevel' })
    this.#decoder.added_tokens = parts.added
  }

  /**
   * @param json a parsed tokenizer.json
   * @param where the file's name, for errors
   * @throws InputError when the file is malformed or not a byte-level BPE tokenizer
   */
  static fromJson(json: unknown, where: string): Tokenizer {
    return new Tokenizer(readTokenizerJson(json, where), where)
  }

  /**
   * The tokens of a text, in order. No special tokens are put around it; special tokens written in the text are
   * recognised. Together the tokens cover every character.
   *
   * @throws InputError when the vocabulary has no token for a byte of the text
   */
  encode(text: string): Token[] {
    const tokens: Token[] = []
    const push = (id: number, start: number, end: number) =>
      tokens.push({ id, text: text.slice(start, end), start, end })
    for (const section of splitAdded(text, this.#addedRaw)) {
      if (section.token) {
        push(section.token.id, section.start, section.end)
        continue
      }
      const aligned = align(text.slice(section.start, section.end), section.start, this.#parts.nfc)
      for (const part of splitAdded(aligned.text, this.#addedNormalized)) {
        if (part.token) push(part.token.id, aligned.start[part.start], aligned.end[part.end - 1])
        else this.#encodeBytes(aligned, part.start, part.end, push)
      }
    }
    return tokens
  }

  /**
   * Token ids to text. Bytes that do not form a character become U+FFFD. Ids without a token (rows that pad a
   * model's embedding) give nothing, as in the Rust library.
   *
   * @throws InputError when an id is not a whole number from 0
   */
  decode(ids: readonly number[]): string {
    return this.#decoder.decode(ids.flatMap((id) => this.#piece(id) ?? []))
  }

  /** One token as text, for lists of tokens; an id without a token reads `<50279>`. */
  tokenText(id: number): string {
    return this.#piece(id) === undefined ? `<${id}>` : this.decode([id])
  }

  #piece(id: number): string | undefined {
    if (!Number.isSafeInteger(id) || id < 0) {
      throw new InputError(
        `${this.#where}: a token id must be a whole number from 0, got ${show(id)}; give ids of this tokenizer`,
      )
    }
    return this.#byId[id]
  }

  #encodeBytes(
    aligned: Aligned,
    from: number,
    to: number,
    push: (id: number, start: number, end: number) => void,
  ): void {
    const text = aligned.text.slice(from, to)
    const unitOfByte = bytesToUnits(text)
    let byte = 0
    for (const piece of this.#parts.bpe.encode(this.#parts.preTokenizer.pre_tokenize(text))) {
      // A piece is spelled with one character per byte.
      const first = from + unitOfByte[byte]
      const last = from + unitOfByte[byte + piece.length - 1]
      byte += piece.length
      push(this.#parts.bpe.tokens_to_ids.get(piece)!, aligned.start[first], aligned.end[last])
    }
    if (byte !== unitOfByte.length) {
      // The library leaves out what the vocabulary lacks; the model would read another text than was given.
      throw new InputError(
        `${this.#where}: the vocabulary must have a token for every byte, got text ${show(text)} with bytes it lacks; leave those characters out or use the model's full tokenizer.json`,
      )
    }
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

interface Finder {
  pattern: RegExp
  tokens: Map<string, AddedToken>
}

function finder(added: AddedToken[], nfc = false): Finder {
  const tokens = new Map(added.map((token) => [nfc ? token.content.normalize('NFC') : token.content, token]))
  // The longest of several tokens that start at one place wins; without tokens, a pattern that never matches.
  const contents = [...tokens.keys()].sort((a, b) => b.length - a.length)
  const escaped = contents.map((content) => content.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&'))
  return { pattern: new RegExp(escaped.join('|') || '(?!)', 'gu'), tokens }
}

interface Section {
  start: number
  end: number
  /** The added token that this section is; undefined for text in between. */
  token?: AddedToken
}

// What `\w` is to the Rust library.
const STARTS_WITH_WORD = /^[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]/u
const ENDS_IN_WORD = /[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]$/u

/** Cut a text at its added tokens, as `AddedVocabulary::find_matches` of the Rust library does. */
function splitAdded(text: string, { pattern, tokens }: Finder): Section[] {
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
