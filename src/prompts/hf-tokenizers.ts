import * as library from '@huggingface/tokenizers'

// The package's type files import each other without extensions, which Node's module resolution does not find, so
// the parts that are used are typed here (version 0.2.0).

export interface Bpe {
  /** Token by id; with gaps where ids are missing. */
  vocab: string[]
  tokens_to_ids: Map<string, number>
  /** Merge each piece into tokens. What the vocabulary cannot spell is left out. */
  encode(pieces: string[]): string[]
}

export interface BpeConfig {
  type: 'BPE'
  vocab: Record<string, number>
  merges: [string, string][]
  /** A piece that is a token as it stands is not merged from its parts. */
  ignore_merges: boolean
  /** A character that the vocabulary lacks becomes tokens `<0x..>`, one for each of its UTF-8 bytes. */
  byte_fallback: boolean
}

export interface PreTokenizer {
  pre_tokenize(text: string): string[]
}

export type PreTokenizerConfig =
  | { type: 'ByteLevel'; add_prefix_space: boolean; use_regex: boolean }
  | { type: 'Split'; pattern: { Regex: string } | { String: string }; behavior: 'Isolated'; invert: boolean }
  | { type: 'Sequence'; pretokenizers: PreTokenizerConfig[] }

export interface Decoder {
  /** Tokens that are text as they are, not spelled in byte characters. */
  added_tokens: { content: string }[]
  decode(tokens: string[]): string
}

/** The parts of `@huggingface/tokenizers` that factflow builds on. */
export const { BPE, SequencePreTokenizer, ByteLevelDecoder } = library as unknown as {
  BPE: new (config: BpeConfig) => Bpe
  SequencePreTokenizer: new (config: PreTokenizerConfig) => PreTokenizer
  ByteLevelDecoder: new (config: { type: 'ByteLevel' }) => Decoder
}
