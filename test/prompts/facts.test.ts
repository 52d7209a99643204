/** Data sets: reading them, and putting facts into tokens. */
import { describe, expect, test } from 'vitest'
import { type Fact, parseFacts, preparePrompt } from '../../src/prompts/facts.js'
import { inputError, readJson, tinyTokenizer } from './helpers.js'

const FACT: Fact = { id: 'a', prompt: 'The capital of Greece is', subject: 'Greece', answer: ' Athens' }
const line = (change: Record<string, unknown> = {}) => JSON.stringify({ ...FACT, ...change })

describe('JSON Lines', () => {
  test('give facts in order; empty lines, Windows line ends, a byte order mark and other fields do no harm', () => {
    const text = `\uFEFF${line()}\r\n\r\n${line({ id: 'b', relation: 'capital', year: 7 })}\n`
    expect(parseFacts(text, 'x.jsonl')).toEqual([FACT, { ...FACT, id: 'b', relation: 'capital' }])
  })

  test('may say which wording of a relation a prompt is, and of which split', () => {
    const more = [{ phrasing: 0 }, { split: 'train' }, { phrasing: 12, split: 'held-out' }]
    const facts = more.map((fields, i) => ({ ...FACT, id: `${i}`, ...fields }))
    const read = parseFacts(facts.map((fact) => JSON.stringify(fact)).join('\n'), 'x.jsonl')
    expect(read).toStrictEqual(facts)
  })

  test.each<[string, string, string]>([
    ['no JSON', '{"id": ', 'x.jsonl:2: a line must be JSON, got "{\\"id\\": "'],
    ['no object', '[1]', 'x.jsonl:2: a line must be a JSON object, got [1]'],
    ['null', 'null', 'x.jsonl:2: a line must be a JSON object, got null'],
    ['no id', line({ id: undefined }), 'x.jsonl:2: id must be a text that is not empty, got undefined'],
    ['a list as id', line({ id: [7] }), 'x.jsonl:2: id must be a text or a number, got [7]'],
    ['an empty prompt', line({ id: 'b', prompt: '' }), 'x.jsonl:2: prompt must be a text'],
    ['a blank answer', line({ id: 'b', answer: ' ' }), 'x.jsonl:2: answer must be a text'],
    ['no subject', line({ id: 'b', subject: null }), 'x.jsonl:2: subject must be a text'],
    ['a relation that is no text', line({ id: 'b', relation: {} }), 'x.jsonl:2: relation must be a text'],
    ['a split that is no text', line({ id: 'b', split: true }), 'x.jsonl:2: split must be a text'],
    ...[-1, 0.5, 'a', []].map((phrasing): [string, string, string] => [
      `a phrasing of ${JSON.stringify(phrasing)}`,
      line({ id: 'b', phrasing }),
      `x.jsonl:2: phrasing must be a whole number from 0, got ${JSON.stringify(phrasing)}; correct the line`,
    ]),
    ['a foreign subject', line({ id: 'b', subject: 'Rome' }), 'x.jsonl:2: subject must stand in the prompt'],
    ['an id again', line(), 'x.jsonl:2: id must be unique, got "a" of x.jsonl:1 again'],
  ])('%s: the error names the line', (_, second, message) => {
    expect(inputError(() => parseFacts(`${line()}\n${second}`, 'x.jsonl'))).toContain(message)
  })

  test('without facts are refused', () => {
    expect(inputError(() => parseFacts('\n', 'x.jsonl'))).toContain('x.jsonl: a data set must have facts')
  })
})

describe('a prepared prompt', () => {
  const tokenizer = tinyTokenizer()
  const answerOf = (change: Partial<Fact>) => preparePrompt(tokenizer, { ...FACT, ...change }).answer

  test('equals the oracle, with and without the space of the answer', () => {
    const oracle = readJson('test/fixtures/trained/tiny-mamba1.json') as unknown as {
      prompt: string
      subject: string
      answer: string
      tokens: number[]
      subjectTokens: number[]
      answerToken: number
    }[]
    expect(oracle.length).toBe(40)
    for (const { prompt, subject, answer, tokens, subjectTokens, answerToken } of oracle) {
      for (const spelled of [answer.trim(), ` ${answer.trim()}`]) {
        const fact = { id: prompt, prompt, subject, answer: spelled }
        const prepared = preparePrompt(tokenizer, fact)
        expect(prepared).toMatchObject({ fact, ids: tokens, subject: subjectTokens, answer: answerToken })
        expect(prepared.tokens.map((token) => token.id)).toEqual(tokens)
      }
    }
  })

  test('gets no space in front of the answer where the prompt has one, or the answer another', () => {
    const athens = tokenizer.encode('Athens')[0].id
    expect(answerOf({})).not.toBe(athens)
    expect(answerOf({ prompt: 'The capital of Greece is ', answer: 'Athens' })).toBe(athens)
    expect(answerOf({ answer: '\nAthens' })).toBe(tokenizer.encode('\n')[0].id)
  })

  test('has the subject where the fact says that it starts', () => {
    const twice: Fact = { ...FACT, prompt: 'Rome, not New Rome, is in', subject: 'Rome' }
    const texts = (fact: Fact): string[] => {
      const { tokens, subject } = preparePrompt(tokenizer, fact)
      return subject.map((i) => `${tokens[i]!.start}${tokens[i]!.text}`)
    }
    expect(texts({ ...twice, subjectStart: 0 })[0]).toMatch(/^0/)
    expect(texts({ ...twice, subjectStart: 14 })[0]).toMatch(/^13 /)
    expect(inputError(() => texts({ ...twice, subjectStart: 5 }))).toContain(
      'fact "a": subject must stand in the prompt at character 5, got subject "Rome"',
    )
    expect(inputError(() => texts(twice))).toContain('subject must stand in the prompt once')
  })

  test('that cannot be made names its fact', () => {
    expect(inputError(() => answerOf({ subject: 'Rome' }))).toContain(
      'fact "a": subject must stand in the prompt',
    )
    expect(inputError(() => answerOf({ answer: ' ' }))).toContain(
      'fact "a": answer must not be empty, got " "',
    )
  })
})
