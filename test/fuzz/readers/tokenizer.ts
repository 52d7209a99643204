/** `tokenizer.json` of every family, and texts put into tokens and back by what it describes. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { decodeText, parseJson } from '../../../src/checkpoints/json.js'
import { prepareFacts } from '../../../src/datasets/prepare.js'
import { Tokenizer } from '../../../src/prompts/tokenizer.js'
import type { Reader } from '../harness.js'
import { asBytes, damagedJson, damagedText } from '../mutate.js'

const FAMILIES = join(import.meta.dirname, '..', '..', 'fixtures', 'tokenizer', 'families')

/** A family's tokenizer with a vocabulary that is small: bytes, and a few merges. */
function small(family: string): unknown {
  const { tokenizer } = JSON.parse(readFileSync(join(FAMILIES, `${family}.json`), 'utf8')) as {
    tokenizer: { model: { vocab: Record<string, number>; merges: unknown[] }; added_tokens: { id: number }[] }
  }
  const { vocab, merges } = tokenizer.model
  const kept = merges.slice(0, 8)
  const merged = kept.flatMap((merge) => {
    const [left, right] = (typeof merge === 'string' ? merge.split(' ') : merge) as [string, string]
    return [left, right, left + right]
  })
  const names = Object.keys(vocab).filter(
    (token) => /^[ -~Ġ▁éĉĊ]$|^<0x..>$/.test(token) || merged.includes(token),
  )
  return {
    ...tokenizer,
    model: {
      ...tokenizer.model,
      vocab: Object.fromEntries(names.map((name, id) => [name, id])),
      merges: kept,
    },
    added_tokens: tokenizer.added_tokens.slice(0, 2).map((token, i) => ({ ...token, id: names.length + i })),
  }
}

const SEEDS = ['gpt2', 'llama2', 'llama3', 'qwen2', 'falcon', 'mistral', 'metaspace-words', 'gpt-neox'].map(
  small,
)

/** Parts of tokenizers of all families, patterns that are hard on engines, and what belongs elsewhere. */
const VALUES = [
  ...SEEDS.flatMap((seed) => {
    const { pre_tokenizer, normalizer, post_processor } = seed as Record<string, unknown>
    return [pre_tokenizer, normalizer, post_processor]
  }),
  ...[
    '(a+)+$',
    '(a|a)*$',
    '(?:\\s*)*x',
    '[^\\s]+',
    '',
    '(',
    '\\p{L}',
    '(?i:a)',
    '(?<=a)b',
    '\\1',
    'a{1,99999}',
  ].map((Regex) => ({ type: 'Split', pattern: { Regex }, behavior: 'Isolated', invert: false })),
  ...['', ' ', 'a', '\n'].map((literal) => ({
    type: 'Split',
    pattern: { String: literal },
    behavior: 'Isolated',
    invert: false,
  })),
  { type: 'Digits', individual_digits: true },
  { type: 'Punctuation', behavior: 'Isolated' },
  { id: 1, content: 'a', normalized: true, lstrip: true, rstrip: true, single_word: true },
  { SpecialToken: { id: { toString: 1, valueOf: 1 } } },
]

const TEXTS = [
  'The Eiffel Tower is in the city of',
  '  two  spaces\n\n\tand 1234567 …  \u00e9e\u0301 𝄞 \ud800 <s></s><|endoftext|>\0',
  'a'.repeat(40),
  '',
]

export const reader: Reader<{ readonly json: Uint8Array; readonly text: string }> = {
  name: 'tokenizer',
  inputs: fc.record({
    json: asBytes(damagedJson(SEEDS, VALUES)),
    text: damagedText(TEXTS).map((text) => text.slice(0, 200)),
  }),
  read({ json, text }) {
    const tokenizer = Tokenizer.fromJson(
      parseJson(decodeText(json, 'tokenizer.json'), 'tokenizer.json'),
      'tokenizer.json',
    )
    const fact = { id: 'a', prompt: `${text} x`, subject: 'x', answer: 'is it' }
    prepareFacts(tokenizer, [fact, { ...fact, prompt: text, answer: text }])
    const tokens = tokenizer.encode(text)
    tokenizer.decode(tokens.map(({ id }) => id))
    tokenizer.decode([0, 1, tokenizer.vocabSize - 1, tokenizer.vocabSize + 5].filter((id) => id >= 0))
    tokenizer.tokenText(2)
  },
}
