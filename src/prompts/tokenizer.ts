import { InputError, show } from '../errors.js'
import { type Finder, finder, splitAdded } from './added-tokens.js'
import { align, slice } from './alignment.js'
import { normalize } from './normalizer.js'
import { readTokenizerJson, type TokenizerParts } from './tokenizer-json.js'

/** One token of a prompt. */
export interface Token {
  id: number
  /**
   * The characters of the prompt that the token covers, `prompt.slice(start, end)`. A token that covers none shows
   * its name: `<s>`, `<|begin_of_text|>`, or `▁` for the space that SentencePiece tokenizers put in front.
   */
  text: string
  /** Where its first character starts, in UTF-16 code units of the prompt as given. */
  start: number
  /** Where its last character ends (exclusive), in UTF-16 code units of the prompt as given. */
  end: number
}

/**
 * Text to token ids and back, equal to Hugging Face's Rust library, for byte-level BPE tokenizers (GPT-2, GPT-NeoX,
 * Falcon, Llama 3, Qwen2) and SentencePiece BPE ones with byte fallback (Llama 2, Mistral).
 *
 * Ids come from `@huggingface/tokenizers`, which gives no character offsets. Each token stands for a known number of
 * UTF-8 bytes, so offsets follow from counting:
 * - a token's leading space belongs to it (as in the Rust library with `trim_offsets: false`);
 * - a token that holds some bytes of a character spans the whole character, so neighbours can overlap;
 * - where NFC rewrites characters, a token spans all original characters of the composed group (`e` and its
 *   accent); the Rust library there leaves the accent to no token;
 * - special tokens in front of the text, and the space that SentencePiece tokenizers put there, cover no character
 *   (`start` and `end` are equal); the Rust library gives that space the first character's offsets.
 */
export class Tokenizer {
  /** Ids run from 0 to `vocabSize - 1`. A model's embedding can have more rows: padding, without a token. */
  readonly vocabSize: number
  readonly #where: string
  readonly #parts: TokenizerParts
  /** How each token is spelled. */
  readonly #byId: (string | undefined)[]
  /** The special tokens in front of every text. */
  readonly #front: Token[]
  /** Added tokens to find in the text as given, and in the normalised text. */
  readonly #addedRaw: Finder
  readonly #addedNormalized: Finder

  private constructor(parts: TokenizerParts, where: string) {
    this.#where = where
    this.#parts = parts
    this.#addedRaw = finder(parts.added.filter((token) => !token.normalized))
    this.#addedNormalized = finder(parts.added.filter((token) => token.normalized))
    this.#byId = [...parts.vocab]
    for (const token of parts.added) this.#byId[token.id] = token.spelling
    this.vocabSize = this.#byId.length
    this.#front = parts.front.map((id) => {
      const text = parts.added.find((token) => token.id === id)?.content ?? this.#byId[id]
      if (text !== undefined) return { id, text, start: 0, end: 0 }
      throw new InputError(
        `${where}: post_processor must use ids of the vocabulary, got ${id}; give the tokenizer.json that belongs to the model`,
      )
    })
  }

  /**
   * @param json a parsed tokenizer.json
   * @param where the file's name, for errors
   * @throws InputError when the file is malformed or a tokenizer of another kind
   */
  static fromJson(json: unknown, where: string): Tokenizer {
    return new Tokenizer(readTokenizerJson(json, where), where)
  }

  /**
   * The tokens that a model reads for a text, in order, as `tokenizer(text)` of `transformers` gives them: the
   * special tokens that the tokenizer puts in front (`<s>` in Llama 2 and Mistral, `<|begin_of_text|>` in Llama 3),
   * then the text's. Special tokens written in the text are recognised. Together the tokens cover every character.
   *
   * @throws InputError when the vocabulary has no token for a byte of the text
   */
  encode(text: string): Token[] {
    return [...this.#front.map((token) => ({ ...token })), ...this.#encode(text, true)]
  }

  /**
   * The ids of the tokens that come after a prompt when the text goes on with `continuation`, one or more: those that
   * the encoding of both together has after the prompt's own. Where one token would span the border, that token cannot
   * follow the prompt's; then they are the tokens of the continuation alone, with nothing put in front.
   *
   * @throws InputError when the continuation is empty or the vocabulary has no token for a byte of the text
   */
  idsAfter(prompt: string, continuation: string): number[] {
    if (continuation === '') {
      throw new InputError(
        `${this.#where}: what follows a prompt must have a token, got ""; give the text that continues it`,
      )
    }
    const before = this.#encode(prompt, true)
    const whole = this.#encode(prompt + continuation, true)
    const kept = before.every(({ id }, i) => whole[i]?.id === id) && whole.length > before.length
    return (kept ? whole.slice(before.length) : this.#encode(continuation, false)).map(({ id }) => id)
  }

  /** The first of `idsAfter`: the token that comes next. */
  idAfter(prompt: string, continuation: string): number {
    return this.idsAfter(prompt, continuation)[0]
  }

  /**
   * Token ids to text. Bytes that do not form a character become U+FFFD. Ids without a token (rows that pad a
   * model's embedding) give nothing, as in the Rust library. A space that the tokenizer puts in front of every text
   * is taken away again.
   *
   * @throws InputError when an id is not a whole number from 0
   */
  decode(ids: readonly number[]): string {
    const text = this.#spell(ids)
    return this.#parts.segmenter.prefixed && text.startsWith(' ') ? text.slice(1) : text
  }

  /** One token as text, a space that it begins with included; an id without a token reads `<50279>`. */
  tokenText(id: number): string {
    return this.#piece(id) === undefined ? `<${id}>` : this.#spell([id])
  }

  #spell(ids: readonly number[]): string {
    return this.#parts.segmenter.decode(ids.flatMap((id) => this.#piece(id) ?? []))
  }

  #piece(id: number): string | undefined {
    if (!Number.isSafeInteger(id) || id < 0) {
      throw new InputError(
        `${this.#where}: a token id must be a whole number from 0, got ${show(id)}; give ids of this tokenizer`,
      )
    }
    return this.#byId[id]
  }

  /** @param begins whether the text begins here; otherwise other text precedes it */
  #encode(text: string, begins: boolean): Token[] {
    const tokens: Token[] = []
    const push = (id: number, start: number, end: number) =>
      tokens.push({ id, text: start < end ? text.slice(start, end) : this.#byId[id]!, start, end })
    // Half a surrogate pair is no character; UTF-8 encoders write U+FFFD.
    const wellFormed = text.replace(/\p{Surrogate}/gu, '\uFFFD')
    for (const section of splitAdded(wellFormed, this.#addedRaw)) {
      if (section.token) {
        push(section.token.id, section.start, section.end)
        continue
      }
      const given = align(wellFormed.slice(section.start, section.end), section.start)
      const opens = begins || section.start > 0
      const normal = normalize(given, this.#parts.normalizer, opens)
      for (const part of splitAdded(normal.text, this.#addedNormalized)) {
        if (part.token) push(part.token.id, normal.start[part.start], normal.end[part.end - 1])
        else {
          const stretch = slice(normal, part.start, part.end)
          for (const { id, start, end } of this.#parts.segmenter.encode(stretch, opens || part.start > 0)) {
            push(id, start, end)
          }
        }
      }
    }
    return tokens
  }
}
