/** Facts that a model cannot be asked are counted. */
import { expect, test } from 'vitest'
import { prepareFacts } from '../../src/datasets/prepare.js'
import { type Fact, preparePrompt } from '../../src/prompts/facts.js'
import { Tokenizer } from '../../src/prompts/tokenizer.js'
import { readJson, TINY, tinyTokenizer } from '../prompts/helpers.js'

const FACT: Fact = { id: 'a', prompt: 'The capital of Greece is', subject: 'Greece', answer: ' Athens' }
const ZURICH: Fact = { id: 'z', prompt: 'Zürich is in', subject: 'Zürich', answer: ' Switzerland' }

test('gives what preparePrompt gives, in order', () => {
  const { prompts, unusable } = prepareFacts(tinyTokenizer(), [ZURICH, FACT])
  expect(prompts).toEqual([ZURICH, FACT].map((fact) => preparePrompt(tinyTokenizer(), fact)))
  expect(unusable).toEqual([])
})

test('a prompt may have as many tokens as the model takes, and no more', () => {
  const { length } = tinyTokenizer().encode(FACT.prompt)
  const short = { id: 's', prompt: 'Rome', subject: 'Rome', answer: 'Italy' }
  expect(prepareFacts(tinyTokenizer(), [FACT], { maxTokens: length }).prompts).toHaveLength(1)
  const { prompts, unusable } = prepareFacts(tinyTokenizer(), [FACT, short], { maxTokens: length - 1 })
  expect(prompts.map(({ fact }) => fact.id)).toEqual(['s'])
  expect(unusable).toEqual([
    {
      id: 'a',
      where: 'fact "a"',
      reason: 'prompt too long',
      detail: `a prompt must have at most ${length - 1} tokens, got ${length}`,
    },
  ])
})

test('a text with a byte that the vocabulary lacks, in the prompt or in the answer', () => {
  const { model, ...rest } = readJson(TINY)
  const bpe = model as { merges: string[]; vocab: Record<string, number> }
  const { Ã: _, ...vocab } = bpe.vocab
  const merges = bpe.merges.filter((merge) => !merge.includes('Ã'))
  const small = Tokenizer.fromJson({ ...rest, model: { ...bpe, vocab, merges } }, 'small.json')
  const answer: Fact = { ...FACT, id: 'b', answer: 'Zürich' }
  const { prompts, unusable } = prepareFacts(small, [ZURICH, FACT, answer])
  expect(prompts.map(({ fact }) => fact.id)).toEqual(['a'])
  expect(unusable.map(({ id, reason }) => [id, reason])).toEqual([
    ['z', 'text without tokens'],
    ['b', 'text without tokens'],
  ])
  expect(unusable[0]!.detail).toBe(
    'small.json: the vocabulary must have a token for every byte, got text "Zürich is in" with bytes it lacks',
  )
})

test('a token that the model does not have, in the prompt or as the answer', () => {
  const { ids, answer } = preparePrompt(tinyTokenizer(), FACT)
  const most = Math.max(...ids)
  expect(answer).not.toBe(most)
  const reasons = (vocabSize: number) => prepareFacts(tinyTokenizer(), [FACT], { vocabSize }).unusable
  expect(reasons(Math.max(most, answer) + 1)).toEqual([])
  const [problem] = reasons(Math.max(most, answer))
  expect(problem).toMatchObject({ id: 'a', reason: 'token outside the vocabulary' })
  expect(problem!.detail).toBe(
    `token ids must be below ${Math.max(most, answer)}, got ${Math.max(most, answer)} ("${tinyTokenizer().tokenText(Math.max(most, answer))}")`,
  )
})

test('a fact that is none in itself has the reason that its data set would give', () => {
  const facts = [{ ...FACT, subject: 'Rome' }, { ...FACT, answer: '' }, { ...FACT, subjectStart: 3 }, FACT]
  const { prompts, unusable } = prepareFacts(tinyTokenizer(), facts)
  expect(prompts).toHaveLength(1)
  expect(unusable.map(({ reason }) => reason)).toEqual([
    'subject not in the prompt',
    'no answer',
    'subject not in the prompt',
  ])
})
