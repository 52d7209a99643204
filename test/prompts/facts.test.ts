/** Data sets: reading them, putting facts into tokens, and the one that ships. */
import { readFileSync } from 'node:fs'
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

  test.each<[string, string, string]>([
    ['no JSON', '{"id": ', 'x.jsonl:2: a line must be JSON, got "{\\"id\\": "'],
    ['no object', '[1]', 'x.jsonl:2: a line must be a JSON object, got [1]'],
    ['null', 'null', 'x.jsonl:2: a line must be a JSON object, got null'],
    ['no id', line({ id: undefined }), 'x.jsonl:2: id must be a text that is not empty, got undefined'],
    ['a number as id', line({ id: 7 }), 'x.jsonl:2: id must be a text that is not empty, got 7'],
    ['an empty prompt', line({ id: 'b', prompt: '' }), 'x.jsonl:2: prompt must be a text'],
    ['a blank answer', line({ id: 'b', answer: ' ' }), 'x.jsonl:2: answer must be a text'],
    ['no subject', line({ id: 'b', subject: null }), 'x.jsonl:2: subject must be a text'],
    ['a relation that is no text', line({ id: 'b', relation: 3 }), 'x.jsonl:2: relation must be a text'],
    ['a foreign subject', line({ id: 'b', subject: 'Rome' }), 'x.jsonl:2: subject must stand in the prompt'],
    ['an id again', line(), 'x.jsonl:2: id must be unique, got "a" of line 1 again'],
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
    expect(oracle.length).toBe(31)
    for (const { prompt, subject, answer, tokens, subjectTokens, answerToken } of oracle) {
      for (const spelled of [answer, ` ${answer}`]) {
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

  test('that cannot be made names its fact', () => {
    expect(inputError(() => answerOf({ subject: 'Rome' }))).toContain(
      'fact "a": subject must stand in the prompt',
    )
    expect(inputError(() => answerOf({ answer: ' ' }))).toContain(
      'fact "a": answer must not be empty, got " "',
    )
  })
})

describe('data/atlas.jsonl', () => {
  const facts = parseFacts(readFileSync('data/atlas.jsonl', 'utf8'), 'data/atlas.jsonl')

  test('has the relations and counts that its README says', () => {
    const counts: Record<string, number> = {}
    for (const { relation } of facts) counts[relation!] = (counts[relation!] ?? 0) + 1
    const readme = readFileSync('data/README.md', 'utf8')
    const rows = [...readme.matchAll(/^\| `(\w+)` \| (\d+) \|/gm)].map(([, name, count]) => [
      name,
      Number(count),
    ])
    expect(Object.fromEntries(rows)).toEqual(counts)
    expect(readme).toContain(`${facts.length.toLocaleString('en-US')} facts in ${rows.length} relations`)
  })

  test('has ids of relation and number, and answers that continue the prompt', () => {
    for (const { id, relation, prompt, answer } of facts) {
      expect(id).toMatch(new RegExp(`^${relation}/\\d{4}$`))
      expect(prompt).toBe(prompt.trim())
      expect(answer).toMatch(/^ \S/)
    }
  })

  test('fits the embedded tokenizer: every subject leaves a relation, and text comes back', () => {
    const tokenizer = tinyTokenizer()
    for (const fact of facts) {
      const { ids, subject } = preparePrompt(tokenizer, fact)
      expect(tokenizer.decode(ids)).toBe(fact.prompt)
      expect(tokenizer.decode(subject.map((position) => ids[position])).trim()).toContain(fact.subject)
      expect(subject.length).toBeLessThan(ids.length)
    }
  })
})
