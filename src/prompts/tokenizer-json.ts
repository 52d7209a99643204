import { InputError, show } from '../errors.js'
import {
  BPE,
  type Bpe,
  type PreTokenizer,
  type PreTokenizerConfig,
  SequencePreTokenizer,
} from './hf-tokenizers.js'

/** An entry of `added_tokens`: text that is one token wherever it stands, outside the BPE merges. */
export interface AddedToken {
  id: number
  content: string
  /** Only as a word of its own. */
  singleWord: boolean
  /** Takes the white space before it into the token. */
  lstrip: boolean
  /** Takes the white space after it into the token. */
  rstrip: boolean
  /** Searched in the normalised text; otherwise in the text as given. */
  normalized: boolean
}

/** What a tokenizer.json of the byte-level BPE kind says. */
export interface ByteLevelBpe {
  bpe: Bpe
  /** Text to pieces; each piece spelled in the 256 characters that stand for bytes. */
  preTokenizer: PreTokenizer
  /** Text is brought to Unicode NFC first. */
  nfc: boolean
  added: AddedToken[]
}

type Json = Record<string, unknown>

const SUPPORTED =
  'supported are byte-level BPE tokenizers (GPT-2, GPT-NeoX, Mamba, Falcon, Llama 3, Qwen2), not SentencePiece, WordPiece or Unigram ones'

/** How GPT-2's byte-level pre-tokenizer splits text; in Oniguruma's syntax, which the library translates. */
const GPT2_SPLIT = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"

/**
 * Check a parsed tokenizer.json (the file format of Hugging Face tokenizers) and build its parts.
 *
 * The post-processor and the decoder are not read: the first adds special tokens, which prompts here do without;
 * the second follows from the byte-level alphabet.
 *
 * @param where the file's name, for errors
 * @throws InputError when the file is malformed or of another kind than byte-level BPE
 */
export function readTokenizerJson(json: unknown, where: string): ByteLevelBpe {
  const root = object(json, where, 'the file')
  const model = object(root.model, where, 'model')
  // Older files leave the type out; merges tell a BPE model from the other kinds.
  if ((model.type ?? 'BPE') !== 'BPE' || !('merges' in model)) {
    throw new InputError(
      `${where}: model must be a BPE with merges, got type ${show(model.type)}; ${SUPPORTED}`,
    )
  }
  for (const name of ['continuing_subword_prefix', 'end_of_word_suffix', 'byte_fallback']) {
    if (model[name]) {
      throw new InputError(`${where}: model.${name} must be off, got ${show(model[name])}; ${SUPPORTED}`)
    }
  }
  const steps = preTokenizerSteps(root.pre_tokenizer, where)
  if (steps.filter((step) => step.type === 'ByteLevel').length !== 1) {
    throw new InputError(
      `${where}: pre_tokenizer must hold one ByteLevel step, got ${show(root.pre_tokenizer)}; ${SUPPORTED}`,
    )
  }
  const nfc = usesNfc(root.normalizer, where)
  const added = addedTokens(root.added_tokens ?? [], where)
  const vocab = vocabulary(model.vocab, where)
  const merges = mergePairs(model.merges, where)
  try {
    return {
      bpe: new BPE({ type: 'BPE', vocab, merges, ignore_merges: model.ignore_merges === true }),
      preTokenizer: new SequencePreTokenizer({ type: 'Sequence', pretokenizers: steps }),
      nfc,
      added,
    }
  } catch (error) {
    // What is left to fail is a Split pattern without a JavaScript equivalent.
    throw new InputError(
      `${where}: pre_tokenizer cannot be used, got ${show(String(error), 200)}; ${SUPPORTED}`,
    )
  }
}

function object(value: unknown, where: string, name: string): Json {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new InputError(
      `${where}: ${name} must be an object, got ${show(value)}; give the tokenizer.json that belongs to the model`,
    )
  }
  return value as Json
}

/**
 * The pre-tokenizer as a flat list of steps of which the library and the reference implementation agree.
 *
 * The library's own ByteLevel, Punctuation and Digits split differently from the Rust library (JavaScript's `\s`
 * and `\d` are not Unicode's, and the behaviour of Punctuation is not read), so they are spelled as Split.
 */
function preTokenizerSteps(config: unknown, where: string): PreTokenizerConfig[] {
  if (config === null || config === undefined) return []
  const step = object(config, where, 'pre_tokenizer')
  switch (step.type) {
    case 'Sequence': {
      if (!Array.isArray(step.pretokenizers)) {
        throw new InputError(
          `${where}: pre_tokenizer.pretokenizers must be a list, got ${show(step.pretokenizers)}; ${SUPPORTED}`,
        )
      }
      return step.pretokenizers.flatMap((inner: unknown) => preTokenizerSteps(inner, where))
    }
    case 'ByteLevel': {
      if (step.add_prefix_space === true) {
        throw new InputError(
          `${where}: pre_tokenizer.add_prefix_space must be false, got true; save the tokenizer without it`,
        )
      }
      const bytes: PreTokenizerConfig = { type: 'ByteLevel', add_prefix_space: false, use_regex: false }
      return step.use_regex === false ? [bytes] : [isolate(GPT2_SPLIT), bytes]
    }
    case 'Digits':
      return [isolate(step.individual_digits === true ? '\\p{N}' : '\\p{N}+')]
    case 'Punctuation': {
      const punctuation = '[\\x21-\\x2F\\x3A-\\x40\\x5B-\\x60\\x7B-\\x7E\\p{P}]'
      const behavior = step.behavior ?? 'Isolated'
      if (behavior === 'Isolated') return [isolate(punctuation)]
      if (behavior === 'Contiguous') return [isolate(`${punctuation}+`)]
      break
    }
    case 'Split': {
      const { Regex, String: literal } = object(step.pattern, where, 'pre_tokenizer.pattern')
      if (step.behavior !== 'Isolated' || step.invert === true) break
      if (typeof Regex === 'string') return [isolate(Regex)]
      if (typeof literal === 'string') {
        return [{ type: 'Split', pattern: { String: literal }, behavior: 'Isolated', invert: false }]
      }
      break
    }
  }
  throw new InputError(
    `${where}: pre_tokenizer must be of ByteLevel, isolating Split, Punctuation and Digits steps, got ${show(step)}; ${SUPPORTED}`,
  )
}

/** Split so that every match is a piece and so is every stretch between matches. */
function isolate(pattern: string): PreTokenizerConfig {
  return { type: 'Split', pattern: { Regex: pattern }, behavior: 'Isolated', invert: false }
}

function usesNfc(config: unknown, where: string): boolean {
  if (config === null || config === undefined) return false
  const { type, normalizers } = object(config, where, 'normalizer')
  if (type === 'NFC') return true
  if (type === 'Sequence' && Array.isArray(normalizers)) {
    return normalizers.map((inner: unknown) => usesNfc(inner, where)).includes(true)
  }
  throw new InputError(`${where}: normalizer must be NFC or none, got ${show(config)}; ${SUPPORTED}`)
}

function addedTokens(list: unknown, where: string): AddedToken[] {
  if (!Array.isArray(list)) {
    throw new InputError(
      `${where}: added_tokens must be a list, got ${show(list)}; give the tokenizer.json that belongs to the model`,
    )
  }
  return list.map((entry: unknown, i) => {
    const token = object(entry, where, `added_tokens[${i}]`)
    const { id, content } = token
    if (!isId(id) || typeof content !== 'string' || content === '') {
      throw new InputError(
        `${where}: added_tokens[${i}] must have an id (a whole number from 0 to 2^24) and a content, got ${show(entry)}; give the tokenizer.json that belongs to the model`,
      )
    }
    return {
      id,
      content,
      singleWord: token.single_word === true,
      lstrip: token.lstrip === true,
      rstrip: token.rstrip === true,
      normalized: (token.normalized ?? token.special !== true) === true,
    }
  })
}

function vocabulary(value: unknown, where: string): Record<string, number> {
  const vocab = object(value, where, 'model.vocab')
  for (const [token, id] of Object.entries(vocab)) {
    if (!isId(id)) {
      throw new InputError(
        `${where}: model.vocab must map tokens to ids (whole numbers from 0 to 2^24), got ${show(id)} for ${show(token)}; give the tokenizer.json that belongs to the model`,
      )
    }
  }
  return vocab as Record<string, number>
}

/** Merges come as `"a b"` or, in newer files, as `["a", "b"]`. */
function mergePairs(value: unknown, where: string): [string, string][] {
  const pairs = Array.isArray(value) ? value : [value]
  return pairs.map((merge: unknown, i) => {
    const parts: unknown[] = typeof merge === 'string' ? merge.split(' ') : Array.isArray(merge) ? merge : []
    const [left, right] = parts
    if (parts.length !== 2 || typeof left !== 'string' || typeof right !== 'string') {
      throw new InputError(
        `${where}: model.merges[${i}] must be two tokens, got ${show(merge)}; give the tokenizer.json that belongs to the model`,
      )
    }
    return [left, right]
  })
}

/** No vocabulary comes near; a table by id of a damaged file should not fill the memory. */
const MAX_ID = 2 ** 24

function isId(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) < MAX_ID
}
