/** SentencePiece tokenizers: what cannot be read is refused by name. */
import { describe, expect, test } from 'vitest'
import { Tokenizer } from '../../src/prompts/tokenizer.js'
import { inputError, readJson } from './helpers.js'

const { tokenizer } = readJson('test/fixtures/tokenizer/families/llama2.json') as {
  tokenizer: Record<string, unknown> & { model: { vocab: Record<string, number>; merges: string[] } }
}
const { model } = tokenizer
const metaspace = { type: 'Metaspace', replacement: '▁', prepend_scheme: 'first', split: false }
const { '<0xE2>': _, ...lacking } = model.vocab

describe('a SentencePiece tokenizer.json', () => {
  test.each<[string, Record<string, unknown>, string]>([
    [
      'without byte fallback',
      { model: { ...model, byte_fallback: false } },
      'pre_tokenizer must hold one ByteLevel step, got null',
    ],
    [
      'with Metaspace and without byte fallback',
      { model: { ...model, byte_fallback: false }, normalizer: null, pre_tokenizer: metaspace },
      'or Metaspace with model.byte_fallback, got {"type":"Metaspace"',
    ],
    [
      'without a token for each byte',
      { model: { ...model, vocab: lacking } },
      'model.vocab must have a token for every byte, as model.byte_fallback is on, got "no <0xE2>"',
    ],
    [
      'that leaves spaces alone',
      { normalizer: { type: 'Prepend', prepend: '▁' } },
      'pre_tokenizer must be Metaspace, or the normalizer replace spaces',
    ],
    [
      'with another sign for a space',
      { pre_tokenizer: { ...metaspace, replacement: '_' } },
      'pre_tokenizer must be Metaspace with "▁" or none',
    ],
    [
      'with a scheme nobody knows',
      { pre_tokenizer: { ...metaspace, prepend_scheme: 'last' } },
      'pre_tokenizer must be Metaspace with "▁" or none',
    ],
    [
      'with another pre-tokenizer',
      { pre_tokenizer: { type: 'Whitespace' } },
      'pre_tokenizer must be Metaspace with "▁" or none',
    ],
    [
      'with another prefix',
      { normalizer: { type: 'Prepend', prepend: '_' } },
      'normalizer must be none, NFC',
    ],
    [
      'that replaces other things',
      { normalizer: { type: 'Replace', pattern: { Regex: ' +' }, content: '▁' } },
      'normalizer must be none, NFC',
    ],
    [
      'of the Unigram kind',
      { model: { type: 'Unigram', vocab: [['a', -1]], byte_fallback: true } },
      'model must be a BPE with merges, got type "Unigram"',
    ],
  ])('%s is refused', (_, change, message) => {
    const error = inputError(() => Tokenizer.fromJson({ ...tokenizer, ...change }, 'folder/tokenizer.json'))
    expect(error).toContain(message)
    expect(error.startsWith('folder/tokenizer.json: ')).toBe(true)
  })
})

test('with normaliser and Metaspace, one space comes in front', () => {
  const both = Tokenizer.fromJson({ ...tokenizer, pre_tokenizer: metaspace }, 'both')
  const plain = Tokenizer.fromJson(tokenizer, 'plain')
  expect(both.encode('The capital')).toEqual(plain.encode('The capital'))
})
