/** The pipelines of the paper's models, against Hugging Face's Rust library. */
import { readdirSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { preparePrompt } from '../../src/prompts/facts.js'
import { rolePositions } from '../../src/prompts/roles.js'
import { type Token, Tokenizer } from '../../src/prompts/tokenizer.js'
import { inputError, readJson } from './helpers.js'

const FOLDER = 'test/fixtures/tokenizer/families'
/** What each tokenizer puts in front of a text, and whether a space that is not in the text comes after it. */
const FAMILIES: Record<string, { front: string[]; prefixed: boolean }> = {
  falcon: { front: [], prefixed: false },
  'gpt-neox': { front: [], prefixed: false },
  gpt2: { front: [], prefixed: false },
  llama2: { front: ['<s>'], prefixed: true },
  'llama2-normalized': { front: ['<s>'], prefixed: true },
  llama3: { front: ['<|begin_of_text|>'], prefixed: false },
  'metaspace-words': { front: ['<s>'], prefixed: true },
  mistral: { front: ['<s>'], prefixed: true },
  qwen2: { front: [], prefixed: false },
}

interface Family {
  tokenizer: Record<string, unknown>
  /** Ids with special tokens, offsets without them, decoded text if it is not the special tokens and the text. */
  cases: [number[], number[], string?][]
  after: [string, string, number][]
}

const family = (name: string) => readJson(`${FOLDER}/${name}.json`) as unknown as Family
const loaded: Record<string, Tokenizer> = {}
const load = (name: string) => {
  loaded[name] ??= Tokenizer.fromJson(family(name).tokenizer, `${name}.json`)
  return loaded[name]
}
const texts = readJson(`${FOLDER}/strings.json`) as unknown as string[]
const ids = (tokens: Token[]) => tokens.map(({ id }) => id)
const spans = (tokens: Token[]) => tokens.map(({ text, start, end }) => [text, start, end])

test('every fixture has its tests', () => {
  const names = readdirSync(FOLDER)
    .filter((file) => file !== 'strings.json')
    .map((file) => file.replace('.json', ''))
  expect(names.sort()).toEqual(Object.keys(FAMILIES).sort())
})

describe.each(Object.entries(FAMILIES))('%s', (name, { front, prefixed }) => {
  const { cases, after, tokenizer: config } = family(name)
  const tokenizer = load(name)
  const nfc = JSON.stringify(config.normalizer).includes('NFC')

  test('has an answer for every text', () => {
    expect(cases.length).toBe(texts.length)
    expect(texts.length).toBeGreaterThan(250)
  })

  test("ids equal the Rust library's", () => {
    for (const [i, [expected]] of cases.entries())
      expect(ids(tokenizer.encode(texts[i])), texts[i]).toEqual(expected)
  })

  test("offsets equal the Rust library's", () => {
    for (const [i, [, offsets]] of cases.entries()) {
      const tokens = tokenizer.encode(texts[i]).slice(front.length)
      expect(tokens.length * 2).toBe(offsets.length)
      for (const [t, { text, start, end }] of tokens.entries()) {
        const [rustStart, rustEnd] = offsets.slice(2 * t, 2 * t + 2)
        if (prefixed && text === '▁' && start === end) {
          // The Rust library gives the space in front the first character's place; here it has none.
          expect(start, texts[i]).toBe(rustStart)
        } else if (nfc && texts[i] !== texts[i].normalize('NFC')) {
          // Where NFC composes a group, the Rust library gives the accent to no token; here the token has it too.
          expect(start, texts[i]).toBeLessThanOrEqual(rustStart)
          expect(end, texts[i]).toBeGreaterThanOrEqual(rustEnd)
        } else expect([start, end], texts[i]).toEqual([rustStart, rustEnd])
      }
    }
  })

  test("decodes as the Rust library's", () => {
    for (const [i, [expected, , decoded]] of cases.entries())
      expect(tokenizer.decode(expected), texts[i]).toBe(decoded ?? front.join('') + texts[i])
  })

  test('the token after a prompt is the one that the whole text has there', () => {
    expect(after.length).toBeGreaterThan(30)
    for (const [prompt, continuation, id] of after) {
      expect(tokenizer.idAfter(prompt, continuation), prompt).toBe(id)
      const fact = { id: 'a', prompt, subject: prompt.split(' ')[0], answer: continuation.trim() }
      if (prompt.indexOf(fact.subject, 1) < 0) expect(preparePrompt(tokenizer, fact).answer).toBe(id)
    }
  })

  test('special tokens stand in front, and are no part of a subject', () => {
    const fact = { id: 'a', prompt: 'Žižkov is a part of', subject: 'Žižkov', answer: 'Prague' }
    const { tokens, subject } = preparePrompt(tokenizer, fact)
    expect(spans(tokens.slice(0, front.length))).toEqual(front.map((text) => [text, 0, 0]))
    const covered = subject.map((position) => tokens[position])
    expect(covered.every(({ start, end }) => end > start && start < 6)).toBe(true)
    expect([covered[0].start, covered.at(-1)!.end]).toEqual([0, 6])
    // As in the paper's code, position 0 is `first` whatever stands there, and what precedes the subject is context.
    const prompt = { length: tokens.length, subject }
    expect(rolePositions('first', prompt)).toEqual([0])
    expect(rolePositions('context', prompt)).toEqual(
      tokens.slice(0, subject[0]).map((_, position) => position),
    )
    expect(rolePositions('relation', prompt).length).toBe(tokens.length - subject.length)
  })

  test('tokens cover any text, in order, and give it back', () => {
    const text = fc.string({ unit: 'binary', maxLength: 12 })
    const piece = fc.oneof(text, fc.constantFrom(...texts))
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 4 }), (pieces) => {
        const whole = pieces.join('')
        const tokens = tokenizer.encode(whole)
        let covered = 0
        for (const { start, end } of tokens) {
          expect(start).toBeLessThanOrEqual(covered)
          expect(end).toBeGreaterThanOrEqual(start)
          covered = Math.max(covered, end)
        }
        expect(covered).toBe(whole.length)
        const special = (config.added_tokens as { content: string }[]).some(({ content }) =>
          whole.includes(content),
        )
        // Special tokens take spaces with them, and Metaspace and ▁ put no second space in front.
        if (nfc || special || (prefixed && /^[ ▁]/.test(whole)) || (prefixed && whole.includes('▁'))) return
        expect(tokenizer.decode(ids(tokens.slice(front.length)))).toBe(whole)
      }),
      { numRuns: 100 },
    )
  })
})

describe('ids', () => {
  test('of whole words go before merges where the model says so', () => {
    const { tokenizer } = family('llama3')
    const model = tokenizer.model as Record<string, unknown>
    const merged = Tokenizer.fromJson({ ...tokenizer, model: { ...model, ignore_merges: false } }, 'merged')
    const text = 'a knockout'
    expect(spans(load('llama3').encode(text)).at(-1)).toEqual([' knockout', 1, 10])
    expect(spans(merged.encode(text)).at(-1)).not.toEqual([' knockout', 1, 10])
  })

  test('of a character that the vocabulary lacks are its bytes, and each covers it', () => {
    expect(spans(load('llama2').encode('a 🎉')).slice(-4)).toEqual(Array(4).fill(['🎉', 2, 4]))
    expect(load('llama2').tokenText(load('llama2').encode('🎉')[2].id)).toBe('\uFFFD')
  })

  test('of half a surrogate pair are those of U+FFFD', () => {
    for (const name of Object.keys(FAMILIES))
      expect(ids(load(name).encode('a\uD83Cb')), name).toEqual(ids(load(name).encode('a\uFFFDb')))
  })
})

describe('the space in front', () => {
  test('belongs to the first word, or is a token without characters', () => {
    expect(spans(load('llama2').encode('The é')).slice(0, 2)).toEqual([
      ['<s>', 0, 0],
      ['The', 0, 3],
    ])
    expect(spans(load('llama2').encode('é')).slice(0, 3)).toEqual([
      ['<s>', 0, 0],
      ['▁', 0, 0],
      ['é', 0, 1],
    ])
  })

  test('comes where the pipeline says: in every stretch, once, or unless there is one', () => {
    const begins = (name: string) =>
      ids(load(name).encode('a</s>The')).at(-1) === ids(load(name).encode('The')).at(-1)
    expect(begins('llama2')).toBe(true)
    expect(begins('metaspace-words')).toBe(true)
    expect(begins('mistral')).toBe(false)
    expect(ids(load('llama2').encode(' The')).length).toBe(3)
    expect(ids(load('mistral').encode(' The'))).toEqual(ids(load('mistral').encode('The')))
  })

  test('is left out where Metaspace never puts it', () => {
    const { tokenizer } = family('mistral')
    for (const never of [{ prepend_scheme: 'never' }, { add_prefix_space: false }]) {
      const json = {
        ...tokenizer,
        pre_tokenizer: { type: 'Metaspace', replacement: '▁', split: false, ...never },
      }
      const bare = Tokenizer.fromJson(json, 'never')
      expect(ids(bare.encode(' The'))).toEqual(ids(load('mistral').encode('The')))
      expect(bare.decode(ids(bare.encode(' The')))).toBe('<s> The')
    }
  })

  test('shows in one token, and not at the start of a text', () => {
    const [, the] = load('llama2').encode('The')
    expect(load('llama2').tokenText(the.id)).toBe(' The')
    expect(load('llama2').decode([the.id])).toBe('The')
  })
})

describe('the token after a prompt', () => {
  const first = (name: string, text: string) =>
    load(name).tokenText(load(name).idAfter('The capital is', text))

  test('has no space that the text lacks', () => {
    for (const name of Object.keys(FAMILIES)) {
      expect(first(name, ' the'), name).toMatch(/^ t/)
      expect(first(name, 'the'), name).toMatch(/^t/)
    }
  })

  test('where a token would span the border, begins the continuation', () => {
    for (const name of Object.keys(FAMILIES)) {
      const tokenizer = load(name)
      // ` the` is one token, which cannot follow a prompt that ends in the space.
      expect(tokenizer.tokenText(tokenizer.idAfter('The capital of ', 'the')), name).toMatch(/^t/)
      expect(tokenizer.tokenText(tokenizer.idAfter('The capi', 'tal of')), name).toMatch(/^t/)
    }
  })

  test('needs a continuation', () => {
    expect(inputError(() => load('gpt2').idAfter('The capital', ''))).toContain(
      'gpt2.json: what follows a prompt must have a token',
    )
  })
})
