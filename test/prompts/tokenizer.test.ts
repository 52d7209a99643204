/** Tokens and their places in the text, against Hugging Face's Rust library. */
import { existsSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { Tokenizer } from '../../src/prompts/tokenizer.js'
import { inputError, readJson, TINY, tinyTokenizer } from './helpers.js'

const FIXTURE = 'test/fixtures/tokenizer/rust-offsets.json'
const BASES: Record<string, string> = {
  // Of the first embedded models, which the fixture was made with.
  'tiny-mamba1': 'test/fixtures/trained/first/tiny-mamba1/tokenizer.json',
  'gpt-neox-20b': '../shared/data/gpt-neox-20b-tokenizer.json',
}

interface Case {
  text: string
  ids: number[]
  offsets: [number, number][]
}
const { sets } = readJson(FIXTURE) as unknown as {
  sets: { name: string; base: string; change: Record<string, unknown>; cases: Case[] }[]
}

describe.each(sets)('$base, $name', ({ base, change, cases }) => {
  const path = BASES[base]
  const present = existsSync(path)
  const skipped = present ? '' : ` (skipped: ${path} is not there)`
  const config = present ? { ...readJson(path), ...change } : {}
  const nfc = JSON.stringify(config.normalizer ?? null).includes('NFC')
  const tokenizer = present ? Tokenizer.fromJson(config, path) : tinyTokenizer()

  test.skipIf(!present)(`ids and offsets equal the Rust library's${skipped}`, () => {
    for (const { text, ids, offsets } of cases) {
      const tokens = tokenizer.encode(text)
      expect(
        tokens.map((token) => token.id),
        text,
      ).toEqual(ids)
      if (!nfc || text === text.normalize('NFC')) {
        expect(
          tokens.map((token) => [token.start, token.end]),
          text,
        ).toEqual(offsets)
      } else {
        // Where NFC composes a group, the Rust library gives the accent to no token; here the token has it too.
        for (const [i, { start, end }] of tokens.entries()) {
          expect(start, text).toBeLessThanOrEqual(offsets[i][0])
          expect(end, text).toBeGreaterThanOrEqual(offsets[i][1])
        }
      }
    }
  })

  test.skipIf(!present)(`tokens cover the text and show what they cover${skipped}`, () => {
    for (const { text } of cases) {
      let covered = 0
      for (const token of tokenizer.encode(text)) {
        expect(token.start, text).toBeLessThanOrEqual(covered)
        expect(token.end, text).toBeGreaterThan(token.start)
        expect(token.text).toBe(text.slice(token.start, token.end))
        covered = Math.max(covered, token.end)
      }
      expect(covered, text).toBe(text.length)
    }
  })

  // Added tokens with lstrip, rstrip or an NFC-normalised spelling do not give back the text they were found in.
  if ('added_tokens' in change) return
  test.skipIf(!present)(`decoding gives the text back${skipped}`, () => {
    for (const { text, ids } of cases) {
      const decoded = tokenizer.decode(ids)
      if (nfc) expect(decoded.normalize('NFC')).toBe(text.normalize('NFC'))
      else expect(decoded).toBe(text)
    }
  })
})

describe('offsets', () => {
  const spans = (tokenizer: Tokenizer, text: string) =>
    tokenizer.encode(text).map((token) => [tokenizer.tokenText(token.id), token.start, token.end])

  test('a token with some bytes of a character spans the character', () => {
    const tokens = tinyTokenizer().encode('a🎉b')
    expect(tokens.map(({ start, end }) => [start, end])).toEqual([
      [0, 1],
      [1, 3],
      [1, 3],
      [1, 3],
      [1, 3],
      [3, 4],
    ])
    expect(tokens.map(({ text }) => text)).toEqual(['a', '🎉', '🎉', '🎉', '🎉', 'b'])
    expect(tinyTokenizer().tokenText(tokens[1].id)).toBe('\uFFFD')
  })

  test('a token that NFC composed spans the letter and its accents, in the prompt as given', () => {
    const tokenizer = Tokenizer.fromJson({ ...readJson(TINY), normalizer: { type: 'NFC' } }, TINY)
    expect(spans(tokenizer, 'e\u0301 a')).toEqual([
      ['é', 0, 2],
      [' a', 2, 4],
    ])
    // Reordered marks: q, dot below, acute. Their bytes cannot be told apart, so each spans the group.
    const [first, ...rest] = tokenizer.encode('xq\u0301\u0323y').slice(1)
    expect([first.start, first.end]).toEqual([1, 4])
    expect(rest.at(-1)).toMatchObject({ start: 4, end: 5, text: 'y' })
    // Hangul jamo are letters, not marks, and compose all the same.
    expect(tokenizer.encode('\u1112\u1161\u11ab').map(({ start, end }) => [start, end])).toEqual(
      Array.from({ length: tokenizer.encode('한').length }, () => [0, 3]),
    )
  })

  test('half a surrogate pair is one character of three bytes, as UTF-8 encoders write it', () => {
    const ids = tinyTokenizer()
      .encode('\uFFFD')
      .map(({ id }) => id)
    const tokens = tinyTokenizer().encode('a\uD83Cb')
    expect(tokens.slice(1, -1).map(({ id }) => id)).toEqual(ids)
    expect(tokens.slice(1).map(({ start, end }) => [start, end])).toEqual([...ids.map(() => [1, 2]), [2, 3]])
  })
})

describe('ids', () => {
  test('run to the largest id, added tokens included', () => {
    expect(tinyTokenizer().vocabSize).toBe(4096)
    const added = [{ id: 5000, content: '<pad>', special: true }]
    expect(Tokenizer.fromJson({ ...readJson(TINY), added_tokens: added }, TINY).vocabSize).toBe(5001)
  })

  test('without a token decode to nothing, and show as a number', () => {
    const [id] = tinyTokenizer()
      .encode(' Paris')
      .map((token) => token.id)
    expect(tinyTokenizer().decode([4096, id, 99999])).toBe(tinyTokenizer().decode([id]))
    expect(tinyTokenizer().tokenText(4096)).toBe('<4096>')
    expect(tinyTokenizer().decode([])).toBe('')
  })

  test('that are no ids are refused', () => {
    for (const id of [-1, 1.5, Number.NaN]) {
      expect(inputError(() => tinyTokenizer().decode([id]))).toContain(`${TINY}: a token id must be`)
      expect(inputError(() => tinyTokenizer().tokenText(id))).toContain(`${TINY}: a token id must be`)
    }
  })
})

describe('tokenizer.json variants', () => {
  const { model, ...rest } = readJson(TINY)
  const bpe = model as { type?: string; merges: string[] | [string, string][]; vocab: Record<string, number> }
  const text = 'The Eiffel Tower, naïve <|endoftext|>'

  test('without a model type, and with merges as pairs, mean the same', () => {
    const { type: _, ...untyped } = bpe
    const paired = bpe.merges.map((merge) => (typeof merge === 'string' ? merge.split(' ') : merge))
    const joined = bpe.merges.map((merge) => (typeof merge === 'string' ? merge : merge.join(' ')))
    const expected = tinyTokenizer().encode(text)
    for (const merges of [paired, joined]) {
      expect(Tokenizer.fromJson({ ...rest, model: { ...untyped, merges } }, 'x').encode(text)).toEqual(
        expected,
      )
    }
  })

  const change = (name: string, value: unknown) => ({ ...rest, model: { ...bpe, [name]: value } })
  const bytes = { type: 'ByteLevel', add_prefix_space: false }
  const sequence = (...pretokenizers: unknown[]) => ({
    ...rest,
    model,
    pre_tokenizer: { type: 'Sequence', pretokenizers },
  })
  const split = { type: 'Split', pattern: { Regex: 'a' }, behavior: 'Isolated', invert: false }

  test.each<[string, unknown, string]>([
    ['no object', 'text', 'the file must be an object, got "text"'],
    ['no model', { ...rest }, 'model must be an object, got undefined'],
    [
      'Unigram',
      { ...rest, model: { type: 'Unigram', vocab: [] } },
      'model must be a BPE with merges, got type "Unigram"',
    ],
    ['WordPiece without a type', { ...rest, model: { vocab: {} } }, 'model must be a BPE with merges'],
    [
      'byte fallback with byte-level',
      change('byte_fallback', true),
      'pre_tokenizer must be Metaspace with "▁" or none, as model.byte_fallback is on',
    ],
    ['dropout', change('dropout', 0.1), 'model.dropout must be off, got 0.1'],
    ['word ends', change('end_of_word_suffix', '</w>'), 'model.end_of_word_suffix must be off, got "</w>"'],
    ['vocab list', change('vocab', []), 'model.vocab must be an object, got []'],
    ['vocab ids', change('vocab', { a: -1 }), 'got -1 for "a"'],
    ['an id beyond reason', change('vocab', { a: 1e9 }), 'got 1000000000 for "a"'],
    ['merges', change('merges', ['a b', 'abc']), 'model.merges[1] must be two tokens, got "abc"'],
    [
      'merges of what is no token',
      change('merges', ['a b', 'a \u0001']),
      'merge tokens of the vocabulary into one',
    ],
    ['merges that are no list', change('merges', 7), 'model.merges[0] must be two tokens, got 7'],
    [
      'no pre-tokenizer',
      { ...rest, model, pre_tokenizer: null },
      'pre_tokenizer must hold one ByteLevel step',
    ],
    ['Metaspace', { ...rest, model, pre_tokenizer: { type: 'Metaspace' } }, 'got {"type":"Metaspace"}'],
    ['two byte levels', sequence(bytes, bytes), 'pre_tokenizer must hold one ByteLevel step'],
    [
      'sequence of nothing',
      { ...rest, model, pre_tokenizer: { type: 'Sequence' } },
      'must be a list, got undefined',
    ],
    [
      'prefix space',
      { ...rest, model, pre_tokenizer: { ...bytes, add_prefix_space: true } },
      'add_prefix_space',
    ],
    [
      'removing split',
      sequence({ ...split, behavior: 'Removed' }, bytes),
      'pre_tokenizer must be of ByteLevel',
    ],
    ['inverted split', sequence({ ...split, invert: true }, bytes), 'pre_tokenizer must be of ByteLevel'],
    [
      'bad pattern',
      sequence({ ...split, pattern: { Regex: '[b-a]' } }, bytes),
      'pre_tokenizer cannot be used',
    ],
    ['half a pattern', sequence({ ...split, pattern: { Regex: '(' } }, bytes), 'pre_tokenizer.pattern must'],
    ['slow pattern', sequence({ ...split, pattern: { Regex: '(a+)+$' } }, bytes), 'a group that is repeated'],
    [
      'lower-casing',
      { ...rest, model, normalizer: { type: 'Lowercase' } },
      'normalizer must be none, NFC, Prepend',
    ],
    ['added tokens', { ...rest, model, added_tokens: {} }, 'added_tokens must be a list, got {}'],
    [
      'added token',
      { ...rest, model, added_tokens: [{ id: 3 }] },
      'added_tokens[0] must have an id (a whole number from 0 to 2^20) and a content',
    ],
  ])('%s: refused by name', (_, json, message) => {
    const error = inputError(() => Tokenizer.fromJson(json, 'folder/tokenizer.json'))
    expect(error).toContain(message)
    expect(error.startsWith('folder/tokenizer.json: ')).toBe(true)
  })

  test('text with a byte that the vocabulary lacks is refused', () => {
    const { Ã: _, ...vocab } = bpe.vocab
    const merges = bpe.merges.filter((merge) => !merge.includes('Ã'))
    const tokenizer = Tokenizer.fromJson({ ...rest, model: { ...bpe, vocab, merges } }, 'small.json')
    expect(tokenizer.encode('Zurich').length).toBeGreaterThan(0)
    expect(inputError(() => tokenizer.encode('Zürich'))).toContain(
      'small.json: the vocabulary must have a token',
    )
  })
})
