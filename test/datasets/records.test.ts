/** Records of every layout to facts, and what cannot be used. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { ColumnMap } from '../../src/datasets/layouts.js'
import { rowsToRecords } from '../../src/datasets/parse.js'
import { type Facts, factProblem, readRecords } from '../../src/datasets/records.js'
import { countReasons, type Reason } from '../../src/datasets/unusable.js'
import { type Fact, preparePrompt } from '../../src/prompts/facts.js'
import { inputError, tinyTokenizer } from '../prompts/helpers.js'

function read(rows: readonly object[], columns?: ColumnMap): Facts {
  return readRecords(rowsToRecords(rows, 'x'), 'x', { columns })
}

const OWN = { id: 'a', prompt: 'The capital of Greece is', subject: 'Greece', answer: ' Athens' }
/** Rows 0 and 1 of NeelNanda/counterfact-tracing. */
const TRACING = [
  {
    relation: 'The mother tongue of {} is',
    relation_prefix: 'The mother tongue of',
    relation_suffix: ' is',
    prompt: 'The mother tongue of Danielle Darrieux is',
    relation_id: 'P103',
    target_false_id: 'Q1860',
    target_true_id: 'Q150',
    target_true: ' French',
    target_false: ' English',
    subject: ' Danielle Darrieux',
  },
  {
    relation: '{}, the',
    relation_prefix: '',
    relation_suffix: ', the',
    prompt: 'Toko Yasuda, the',
    relation_id: 'P1303',
    target_true: ' guitar',
    target_false: ' piano',
    subject: 'Toko Yasuda',
  },
]
const ROME = {
  case_id: 7,
  pararel_idx: 2796,
  requested_rewrite: {
    prompt: 'The mother tongue of {} is',
    relation_id: 'P103',
    target_new: { str: 'English', id: 'Q1860' },
    target_true: { str: 'French', id: 'Q150' },
    subject: 'Danielle Darrieux',
  },
  paraphrase_prompts: ['Danielle Darrieux, a native'],
  neighborhood_prompts: ['The mother tongue of Léon Blum is'],
}
const KNOWN = {
  known_id: 0,
  subject: 'Vinson Massif',
  attribute: 'Antarctica',
  template: '{} is located in the continent',
  prediction: ' of Antarctica. It is the largest of the three',
  prompt: 'Vinson Massif is located in the continent of',
  relation_id: 'P30',
}

describe('layouts', () => {
  test("factflow's own: fields that are optional, and others that are not heeded", () => {
    const whole = { ...OWN, relation: 'capital', phrasing: 3, split: 'train', subjectStart: 15 }
    const { facts, unusable } = read([whole, { ...OWN, id: 'b', target_true: ' Rome', relation: '' }])
    expect(facts).toStrictEqual([whole, { ...OWN, id: 'b' }])
    expect(unusable).toEqual([])
  })

  test('CounterFact for tracing: ids are the rows, the prefix says where the subject is', () => {
    expect(read(TRACING).facts).toStrictEqual([
      {
        id: '0',
        prompt: 'The mother tongue of Danielle Darrieux is',
        subject: 'Danielle Darrieux',
        answer: ' French',
        relation: 'P103',
        subjectStart: 21,
      },
      {
        id: '1',
        prompt: 'Toko Yasuda, the',
        subject: 'Toko Yasuda',
        answer: ' guitar',
        relation: 'P1303',
        subjectStart: 0,
      },
    ])
  })

  test('CounterFact for tracing: the template says it where the prefix does not', () => {
    const { relation_prefix: _, ...row } = TRACING[0]!
    for (const prefix of ['The mother tongue', null, 'Mother tongue of']) {
      expect(read([TRACING[1]!, { ...row, relation_prefix: prefix }]).facts[1]).toMatchObject({
        subject: 'Danielle Darrieux',
        subjectStart: 21,
      })
    }
  })

  test("ROME's CounterFact: the template is filled", () => {
    expect(read([ROME]).facts).toStrictEqual([
      {
        id: '7',
        prompt: 'The mother tongue of Danielle Darrieux is',
        subject: 'Danielle Darrieux',
        answer: 'French',
        relation: 'P103',
        subjectStart: 21,
      },
    ])
  })

  test('Known-1000: its prompts begin with their templates', () => {
    expect(read([KNOWN]).facts).toStrictEqual([
      {
        id: '0',
        prompt: 'Vinson Massif is located in the continent of',
        subject: 'Vinson Massif',
        answer: 'Antarctica',
        relation: 'P30',
        subjectStart: 0,
      },
    ])
  })

  test('CounterFact, flat', () => {
    const row = {
      case_id: 3,
      prompt: 'Lyon is in',
      subject: 'Lyon',
      target_true: ' France',
      target_false: ' Peru',
    }
    const fact = { prompt: 'Lyon is in', subject: 'Lyon', answer: ' France' }
    expect(read([row]).facts).toStrictEqual([{ id: '3', ...fact }])
    const { case_id: _, ...without } = row
    expect(read([without, { ...without, relation_id: 'P17' }]).facts).toStrictEqual([
      { id: '0', ...fact },
      { id: '1', ...fact, relation: 'P17' },
    ])
  })

  test('a record that lacks a column is unusable by itself; the others say what the layout is', () => {
    const { target_true: _, ...without } = TRACING[0]!
    const { facts, unusable } = read([without, TRACING[1]!])
    expect(facts.map(({ id }) => id)).toEqual(['1'])
    expect(unusable).toEqual([
      {
        id: '0',
        where: 'x row 0',
        reason: 'no answer',
        detail: 'target_true must be a text that is not empty, got undefined',
      },
    ])
  })

  test('no layout: the error says which columns are there', () => {
    const message = inputError(() =>
      read([
        { text: 'a', entity: 'b' },
        { text: 'c', object: 'd' },
      ]),
    )
    expect(message).toBe(
      'x row 0: must have the columns prompt, subject and answer, or those of CounterFact or Known-1000, got text, entity, object; name yours with --columns prompt=...,subject=...,answer=...',
    )
    const wide = Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`c${i}`, i]))
    expect(inputError(() => read([wide]))).toContain('c28, c29 and 10 more; ')
    expect(inputError(() => read([]))).toContain('x: a data set must have facts, got none; ')
  })
})

describe('columns of one’s own', () => {
  const row = { key: 12, text: 'Lyon is in', entity: 'Lyon', object: 'France', kind: 'P17', part: 'dev' }
  const columns = { prompt: 'text', subject: 'entity', answer: 'object' }

  test('are named by field; without a column for ids they are the rows', () => {
    const fact = { prompt: 'Lyon is in', subject: 'Lyon', answer: 'France' }
    expect(read([row], columns).facts).toStrictEqual([{ id: '0', ...fact }])
    const all = { ...columns, id: 'key', relation: 'kind', split: 'part' }
    expect(read([row], all).facts).toStrictEqual([{ id: '12', ...fact, relation: 'P17', split: 'dev' }])
  })

  test('a name with dots leads into objects, unless a column is called so', () => {
    const nested = { a: { b: ['x', { text: 'Lyon is in' }] }, subject: 'Lyon', answer: 'France' }
    expect(read([nested], { prompt: 'a.b.1.text' }).facts[0]!.prompt).toBe('Lyon is in')
    const flat = { 'a.b': 'Lyon lies in', a: { b: 'Lyon' }, subject: 'Lyon', answer: 'France' }
    expect(read([flat], { prompt: 'a.b' }).facts[0]!.prompt).toBe('Lyon lies in')
  })

  test('take the place of those of a published layout, the rest of which counts', () => {
    expect(read(TRACING, { answer: 'target_false' }).facts[0]).toMatchObject({
      answer: ' English',
      relation: 'P103',
      subjectStart: 21,
    })
    expect(read([{ ...OWN, other: 'Rome' }], { answer: 'other' }).facts[0]!.answer).toBe('Rome')
  })

  test('that are not there are refused', () => {
    expect(inputError(() => read([row], { ...columns, id: 'toString' }))).toBe(
      'x row 0: the column for id must be there, got "toString" and the columns key, text, entity, object, kind, part; correct --columns',
    )
    expect(inputError(() => read([row], { prompt: 'text', subject: 'entity' }))).toContain(
      'must have the columns prompt, subject and answer',
    )
  })

  test('a prompt with {} is filled with the subject', () => {
    const template = { ...OWN, prompt: 'Greece says that the capital of {} is' }
    expect(read([template]).facts).toStrictEqual([
      { ...OWN, prompt: 'Greece says that the capital of Greece is', subjectStart: 32 },
    ])
    const [twice] = read([{ ...OWN, prompt: '{}, yes {}, lies in' }]).unusable
    expect(twice).toMatchObject({ reason: 'subject more than once in the prompt' })
  })
})

describe('unusable', () => {
  test.each<[reason: Reason, change: object, detail: string]>([
    ['no id', { id: null }, 'id must be a text that is not empty, got null'],
    ['no prompt', { prompt: undefined }, 'prompt must be a text that is not empty, got undefined'],
    ['no prompt', { prompt: '' }, 'prompt must be a text that is not empty, got ""'],
    ['no subject', { subject: ' \t' }, 'subject must be a text that is not empty, got " \\t"'],
    ['no answer', { answer: ' ' }, 'answer must be a text that is not empty, got " "'],
    [
      'subject not in the prompt',
      { subject: 'greece' },
      'subject must stand in the prompt, got subject "greece" and prompt "The capital of Greece is"',
    ],
    [
      'subject not in the prompt',
      { subjectStart: 14 },
      'subject must stand in the prompt at character 14, got subject "Greece" and prompt "The capital of Greece is"',
    ],
    [
      'subject more than once in the prompt',
      { prompt: 'Greece, Greece is in' },
      'subject must stand in the prompt once, got "Greece" at characters 0 and 8 of "Greece, Greece is in"',
    ],
    // Overlapping.
    [
      'subject more than once in the prompt',
      { prompt: 'anana is', subject: 'ana' },
      'subject must stand in the prompt once, got "ana" at characters 0 and 2 of "anana is"',
    ],
    ['id used before', { id: 'first' }, 'id must be unique, got "first" of x row 0 again'],
    ['field of another kind', { prompt: ['a'] }, 'prompt must be a text or a number, got ["a"]'],
    ['field of another kind', { id: true }, 'id must be a text or a number, got true'],
    ['field of another kind', { answer: Number.NaN }, 'answer must be a text or a number, got NaN'],
    ['field of another kind', { relation: {} }, 'relation must be a text or a number, got {}'],
    ['field of another kind', { phrasing: -1 }, 'phrasing must be a whole number from 0, got -1'],
    ['field of another kind', { phrasing: '1.5' }, 'phrasing must be a whole number from 0, got "1.5"'],
    ['field of another kind', { subjectStart: 0.5 }, 'subjectStart must be a whole number from 0, got 0.5'],
  ])('%s: %j', (reason, change, detail) => {
    const rows = [
      { ...OWN, id: 'first' },
      { ...OWN, ...change },
      { ...OWN, id: 'last' },
    ]
    const { facts, unusable } = read(rows)
    expect(facts.map(({ id }) => id)).toEqual(['first', 'last'])
    expect(unusable).toHaveLength(1)
    expect(unusable[0]).toMatchObject({ where: 'x row 1', reason, detail })
    const id = (change as { id?: unknown }).id
    expect(unusable[0]!.id).toBe(typeof id === 'string' ? id : 'id' in change ? '1' : 'a')
  })

  test('an id counts as used only by a fact that can be used', () => {
    const { facts, unusable } = read([{ ...OWN, answer: '' }, OWN, OWN])
    expect(facts).toEqual([OWN])
    expect(unusable.map(({ where, reason }) => [where, reason])).toEqual([
      ['x row 0', 'no answer'],
      ['x row 2', 'id used before'],
    ])
  })

  test('are counted, the most frequent first', () => {
    const rows = [
      OWN,
      { ...OWN, id: 'b', prompt: '' },
      { ...OWN, id: 'c', answer: '' },
      { id: 'd', prompt: 'x' },
    ]
    const { unusable } = read([...rows, { ...OWN, id: 'e', subject: '' }])
    expect([...countReasons(unusable)]).toEqual([
      ['no subject', 2],
      ['no prompt', 1],
      ['no answer', 1],
    ])
  })

  test('numbers are texts as they are written; a fact by itself is looked at in the same way', () => {
    const row = {
      id: 12n,
      prompt: '1984 was written in',
      subject: 1984,
      answer: 1949,
      relation: 3,
      phrasing: '2',
    }
    const [fact] = read([row]).facts
    expect(fact).toEqual({
      id: '12',
      prompt: '1984 was written in',
      subject: '1984',
      answer: '1949',
      relation: '3',
      phrasing: 2,
    })
    expect(factProblem(fact!)).toBeUndefined()
    expect(factProblem({ ...fact!, subject: '1985' })).toMatchObject({ reason: 'subject not in the prompt' })
  })
})

describe('where the subject is', () => {
  test('white space at its ends is taken off, and tells it from its other places', () => {
    expect(read([{ ...OWN, subject: ' Greece ' }]).facts).toStrictEqual([OWN])
    const fact = { id: 'a', prompt: 'Romeo is from Rome in', subject: ' Rome ', answer: 'Italy' }
    expect(read([fact]).facts).toStrictEqual([{ ...fact, subject: 'Rome', subjectStart: 14 }])
    const prepared = preparePrompt(tinyTokenizer(), read([fact]).facts[0]!)
    expect(prepared.subject.map((i) => prepared.tokens[i]!.text).join('')).toBe(' Rome')
  })

  // Few letters, so that names often stand in the text around them, and characters of one to four bytes.
  const some = fc.string({ unit: fc.constantFrom('a', 'b', ' ', 'é', '東', '🎉', ','), maxLength: 12 })
  const name = some.map((text) => text.trim()).filter((text) => text !== '')

  test('a template, a prefix, an offset and, where it is there once, the search find the same tokens', () => {
    let once = 0
    fc.assert(
      fc.property(some, name, some, (before, subject, after) => {
        const prompt = before + subject + after
        const rest = { id: 'a', subject, answer: 'x' }
        const known: Fact = { ...rest, prompt, subjectStart: before.length }
        const [template] = read([{ ...rest, prompt: `${before}{}${after}` }]).facts
        const tracing = {
          ...{ prompt, subject, target_true: 'x', relation: `${before}{}${after}` },
          ...{ relation_prefix: before, relation_suffix: after },
        }
        expect(template).toEqual(known)
        expect(read([known]).facts).toEqual([known])
        expect(read([tracing]).facts).toEqual([{ ...known, id: '0' }])

        const { tokens, subject: found } = preparePrompt(tinyTokenizer(), known)
        const inside = tokens.flatMap(({ start, end }, i) =>
          end > before.length && start < before.length + subject.length ? [i] : [],
        )
        expect(found).toEqual(inside)
        const searched = read([{ ...rest, prompt }])
        if (searched.facts[0]) {
          once++
          expect(preparePrompt(tinyTokenizer(), searched.facts[0]).subject).toEqual(inside)
        } else {
          expect(searched.unusable[0]!.reason).toBe('subject more than once in the prompt')
          expect(prompt.indexOf(subject)).not.toBe(prompt.lastIndexOf(subject))
        }
      }),
      { numRuns: 300 },
    )
    // Both happen.
    expect(once).toBeGreaterThan(50)
    expect(once).toBeLessThan(300)
  })
})
