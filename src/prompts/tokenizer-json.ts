import { InputError, show } from '../errors.js'
import { type AddedToken, readAddedTokens } from './added-tokens.js'
import { ByteLevel } from './byte-level.js'
import { BPE, type Bpe, type BpeConfig, SequencePreTokenizer } from './hf-tokenizers.js'
import { type NormalizerStep, readNormalizer } from './normalizer.js'
import { readMetaspace, readSteps } from './pre-tokenizer.js'
import type { Segmenter } from './segmenter.js'
import { SentencePieceBpe } from './sentencepiece.js'
import { readFrontTokens } from './special-tokens.js'
import { fault, isId, object, SUPPORTED, unsupported } from './tokenizer-fields.js'

/** What a tokenizer.json says. */
export interface TokenizerParts {
  /** Tokens by id, as the vocabulary spells them; with gaps where ids are missing. */
  vocab: readonly string[]
  added: AddedToken[]
  /** Ids of the special tokens in front of every text. */
  front: number[]
  normalizer: NormalizerStep[]
  segmenter: Segmenter
}

/**
 * Check a parsed tokenizer.json (the file format of Hugging Face tokenizers) and build its parts.
 *
 * The decoder is not read: it follows from how the vocabulary is spelled.
 *
 * @param where the file's name, for errors
 * @throws InputError when the file is malformed or of another kind than byte-level BPE or SentencePiece BPE with
 *   byte fallback
 */
export function readTokenizerJson(json: unknown, where: string): TokenizerParts {
  const root = object(json, where, 'the file')
  const model = object(root.model, where, 'model')
  // Older files leave the type out; merges tell a BPE model from the other kinds.
  if ((model.type ?? 'BPE') !== 'BPE' || !('merges' in model)) {
    throw new InputError(
      `${where}: model must be a BPE with merges, got type ${show(model.type)}; ${SUPPORTED}`,
    )
  }
  for (const name of ['continuing_subword_prefix', 'end_of_word_suffix', 'dropout']) {
    if (model[name]) throw unsupported(where, `model.${name}`, 'be off', model[name])
  }
  const normalizer = readNormalizer(root.normalizer, where)
  const added = readAddedTokens(root.added_tokens ?? [], normalizer, where)
  const front = readFrontTokens(root.post_processor, where)
  const vocab = vocabulary(model.vocab, where)
  const config: BpeConfig = {
    type: 'BPE',
    vocab,
    merges: mergePairs(model.merges, vocab, where),
    ignore_merges: model.ignore_merges === true,
    byte_fallback: model.byte_fallback === true,
  }
  const bpe = new BPE(config)
  const segmenter = config.byte_fallback
    ? sentencePiece(bpe, root.pre_tokenizer, normalizer, where)
    : byteLevel(bpe, root.pre_tokenizer, normalizer, added, where)
  return { vocab: bpe.vocab, added, front, normalizer, segmenter }
}

function byteLevel(
  bpe: Bpe,
  preTokenizer: unknown,
  normalizer: readonly NormalizerStep[],
  added: AddedToken[],
  where: string,
): Segmenter {
  const steps = readSteps(preTokenizer, where)
  if (steps.filter((step) => step.type === 'ByteLevel').length !== 1) {
    throw unsupported(where, 'pre_tokenizer', 'hold one ByteLevel step', preTokenizer)
  }
  if (normalizer.some((step) => step !== 'nfc')) {
    throw unsupported(where, 'normalizer', 'be NFC or none, as the pre-tokenizer is ByteLevel', normalizer)
  }
  try {
    const pieces = new SequencePreTokenizer({ type: 'Sequence', pretokenizers: steps })
    const plain = added.map(({ spelling }) => ({ content: spelling }))
    return new ByteLevel(bpe, pieces, plain, where)
  } catch (error) {
    // What is left to fail is a Split pattern without a JavaScript equivalent.
    throw new InputError(
      `${where}: pre_tokenizer cannot be used, got ${show(String(error), 200)}; ${SUPPORTED}`,
    )
  }
}

function sentencePiece(
  bpe: Bpe,
  preTokenizer: unknown,
  normalizer: readonly NormalizerStep[],
  where: string,
): Segmenter {
  const metaspace = readMetaspace(preTokenizer, where)
  if (!metaspace && !normalizer.includes('spaces')) {
    throw unsupported(
      where,
      'pre_tokenizer',
      'be Metaspace, or the normalizer replace spaces, as model.byte_fallback is on',
      preTokenizer,
    )
  }
  for (let byte = 0; byte < 256; byte++) {
    const name = `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`
    if (!bpe.tokens_to_ids.has(name)) {
      throw fault(
        where,
        'model.vocab',
        'have a token for every byte, as model.byte_fallback is on',
        `no ${name}`,
      )
    }
  }
  const prefixed = normalizer.includes('prefix') || (metaspace !== undefined && metaspace.prepend !== 'never')
  return new SentencePieceBpe(bpe, metaspace, prefixed)
}

function vocabulary(value: unknown, where: string): Record<string, number> {
  const vocab = object(value, where, 'model.vocab')
  for (const [token, id] of Object.entries(vocab)) {
    if (!isId(id)) {
      throw new InputError(
        `${where}: model.vocab must map tokens to ids (whole numbers from 0 to 2^20), got ${show(id)} for ${show(token)}; give the tokenizer.json that belongs to the model`,
      )
    }
  }
  return vocab as Record<string, number>
}

/** Merges come as `"a b"` or, in newer files, as `["a", "b"]`; of tokens of the vocabulary, into another one. */
function mergePairs(value: unknown, vocab: Record<string, number>, where: string): [string, string][] {
  const pairs = Array.isArray(value) ? value : [value]
  return pairs.map((merge: unknown, i) => {
    const parts: unknown[] = typeof merge === 'string' ? merge.split(' ') : Array.isArray(merge) ? merge : []
    const [left, right] = parts
    if (parts.length !== 2 || typeof left !== 'string' || typeof right !== 'string') {
      throw fault(where, `model.merges[${i}]`, 'be two tokens', merge)
    }
    // The Rust library does not load such a file either.
    const stray = [left, right, left + right].find((token) => !Object.hasOwn(vocab, token))
    if (stray !== undefined) {
      throw fault(where, `model.merges[${i}]`, 'merge tokens of the vocabulary into one', stray)
    }
    return [left, right]
  })
}
