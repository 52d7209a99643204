/** Special tokens that the post-processor puts in front. */
import { describe, expect, test } from 'vitest'
import { readFrontTokens } from '../../src/prompts/special-tokens.js'
import { Tokenizer } from '../../src/prompts/tokenizer.js'
import { inputError, readJson, TINY } from './helpers.js'

const token = (id: string) => ({ SpecialToken: { id, type_id: 0 } })
const text = { Sequence: { id: 'A', type_id: 0 } }
const tokens = {
  '<s>': { id: '<s>', ids: [1], tokens: ['<s>'] },
  '<t>': { id: '<t>', ids: [7, 8], tokens: [] },
}
const template = (...single: unknown[]) => ({
  type: 'TemplateProcessing',
  single,
  pair: [],
  special_tokens: tokens,
})
const byteLevel = { type: 'ByteLevel', add_prefix_space: true, trim_offsets: false }
const sequence = (...processors: unknown[]) => ({ type: 'Sequence', processors })

test.each<[string, unknown, number[]]>([
  ['no post-processor', null, []],
  ['offsets only', byteLevel, []],
  ['no special token', template(text), []],
  ['one', template(token('<s>'), text), [1]],
  ['one name of several ids', template(token('<t>'), token('<s>'), text), [7, 8, 1]],
  ['after offsets', sequence(byteLevel, template(token('<s>'), text)), [1]],
  [
    'the later goes in front',
    sequence(template(token('<s>'), text), template(token('<t>'), text)),
    [7, 8, 1],
  ],
])('%s', (_, config, ids) => {
  expect(readFrontTokens(config, 'x')).toEqual(ids)
})

describe('refused by name', () => {
  test.each<[string, unknown, string]>([
    [
      'a token at the end',
      template(token('<s>'), text, token('<t>')),
      'must put special tokens only in front',
    ],
    ['no text', template(token('<s>')), 'must put special tokens only in front'],
    ['no template', { type: 'TemplateProcessing' }, 'must put special tokens only in front'],
    [
      'BERT',
      { type: 'BertProcessing', sep: ['[SEP]', 1], cls: ['[CLS]', 2] },
      'must put special tokens only',
    ],
    ['no list', { type: 'Sequence' }, 'must put special tokens only in front'],
    [
      'a token without ids',
      template(token('<u>'), text),
      'post_processor.special_tokens["<u>"] must be an object',
    ],
    ['no post-processor at all', 'text', 'post_processor must be an object, got "text"'],
  ])('%s', (_, config, message) => {
    const error = inputError(() =>
      Tokenizer.fromJson({ ...readJson(TINY), post_processor: config }, 'folder/tokenizer.json'),
    )
    expect(error).toContain(
      `folder/tokenizer.json: ${message.startsWith('post') ? '' : 'post_processor '}${message}`,
    )
  })

  test('an id that the vocabulary lacks', () => {
    const special = { '<s>': { id: '<s>', ids: [99999], tokens: ['<s>'] } }
    const config = { ...template(token('<s>'), text), special_tokens: special }
    expect(
      inputError(() => Tokenizer.fromJson({ ...readJson(TINY), post_processor: config }, 'small.json')),
    ).toContain('small.json: post_processor must use ids of the vocabulary, got 99999')
  })
})

test('a token of the vocabulary in front shows its spelling', () => {
  const special = { a: { id: 'a', ids: [readVocab().a], tokens: ['a'] } }
  const config = { ...template(token('a'), text), special_tokens: special }
  const tokenizer = Tokenizer.fromJson({ ...readJson(TINY), post_processor: config }, 'x')
  expect(tokenizer.encode('b').map(({ text, start, end }) => [text, start, end])).toEqual([
    ['a', 0, 0],
    ['b', 0, 1],
  ])
})

function readVocab(): Record<string, number> {
  return (readJson(TINY).model as { vocab: Record<string, number> }).vocab
}
