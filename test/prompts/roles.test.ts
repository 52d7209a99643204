/** Token roles: by hand, and against the positions in the knockout oracles. */
import { describe, expect, test } from 'vitest'
import {
  findSubject,
  isRole,
  parseRole,
  ROLES,
  type Role,
  rolePositions,
  subjectPositions,
} from '../../src/prompts/roles.js'
import { inputError, readJson, tinyTokenizer } from './helpers.js'

describe('roles', () => {
  const positions = (subject: number[], length = 6) =>
    Object.fromEntries(ROLES.map((role) => [role, rolePositions(role, { length, subject })]))

  test('with the subject in the middle', () => {
    expect(positions([2, 3])).toEqual({
      first: [0],
      last: [5],
      subject: [2, 3],
      relation: [0, 1, 4, 5],
      'relation-minus-last': [0, 1, 4],
      context: [0, 1],
      all: [0, 1, 2, 3, 4, 5],
    })
  })

  test('with the subject first there is no context', () => {
    expect(positions([0, 1])).toMatchObject({ first: [0], context: [], relation: [2, 3, 4, 5] })
  })

  test('with the subject last, nothing of the relation is last', () => {
    expect(positions([4, 5])).toMatchObject({ relation: [0, 1, 2, 3], 'relation-minus-last': [0, 1, 2, 3] })
  })

  test('when the subject is everything, nothing is left for the relation', () => {
    expect(positions([0, 1], 2)).toMatchObject({ relation: [], 'relation-minus-last': [], subject: [0, 1] })
  })

  test('without a subject everything is relation, and nothing context', () => {
    expect(positions([])).toMatchObject({ subject: [], context: [], relation: [0, 1, 2, 3, 4, 5] })
  })

  test('come ascending whatever the order of the subject', () => {
    expect(positions([3, 2])).toEqual(positions([2, 3]))
  })

  test('have the positions that the oracles were cut at', () => {
    const { cases } = readJson('test/fixtures/oracle/mamba1-hf/cases.json') as unknown as {
      cases: {
        tokens: number[]
        subject: number[]
        knockouts: { source: Role; target: Role; sources: number[]; targets: number[] }[]
      }[]
    }
    const seen = new Set<string>()
    for (const { tokens, subject, knockouts } of cases) {
      for (const { source, target, sources, targets } of knockouts) {
        const prompt = { length: tokens.length, subject }
        expect(rolePositions(source, prompt)).toEqual(sources)
        expect(rolePositions(target, prompt)).toEqual(targets)
        seen.add(source).add(target)
      }
    }
    expect([...seen].sort()).toEqual(ROLES.filter((role) => role !== 'all').sort())
  })

  test('are known by name', () => {
    for (const role of ROLES) {
      expect(isRole(role)).toBe(true)
      expect(parseRole(role, '--source')).toBe(role)
    }
    expect(isRole('Subject')).toBe(false)
    expect(inputError(() => parseRole('subjet', '--source'))).toBe(
      '--source: a role must be known, got "subjet"; choose from first, last, subject, relation, relation-minus-last, context, all',
    )
  })
})

describe('the subject', () => {
  const at = (prompt: string, subject: string) => {
    const tokens = tinyTokenizer().encode(prompt)
    return subjectPositions(tokens, prompt, subject).map((position) => tokens[position].text)
  }

  test('has the tokens that the oracle has, for 40 prompts', () => {
    const oracle = readJson('test/fixtures/trained/tiny-mamba1.json') as unknown as {
      prompt: string
      subject: string
      tokens: number[]
      subjectTokens: number[]
    }[]
    expect(oracle.length).toBe(40)
    for (const { prompt, subject, tokens, subjectTokens } of oracle) {
      const encoded = tinyTokenizer().encode(prompt)
      expect(encoded.map((token) => token.id)).toEqual(tokens)
      expect(subjectPositions(encoded, prompt, subject), prompt).toEqual(subjectTokens)
    }
  })

  test('takes the token with its leading space, and not the space of the next token', () => {
    expect(at('The capital of Greece is', 'Greece').join('')).toBe(' Greece')
    expect(at('The capital of Greece is', ' Greece ').join('')).toBe(' Greece')
  })

  test('takes a token that it shares with other text', () => {
    expect(at('Greeks', 'reek')).toEqual(['Gre', 'ek'])
    // One character in four tokens of a byte each.
    expect(at('x🎉y', '🎉')).toEqual(['🎉', '🎉', '🎉', '🎉'])
  })

  test('stands where it stands', () => {
    expect(findSubject('ab cd ab', ' cd ', 'x')).toEqual({ start: 3, end: 5 })
  })

  test('must be in the prompt, once', () => {
    expect(inputError(() => at('The capital of Greece', 'Rome'))).toBe(
      'subject: subject must stand in the prompt, got subject "Rome" and prompt "The capital of Greece"; spell it as the prompt does',
    )
    expect(inputError(() => at('Mali, the capital of Mali', 'Mali'))).toContain(
      'got "Mali" at characters 0 and 21 of',
    )
    expect(inputError(() => at('aaa', 'aa'))).toContain('at characters 0 and 1')
    for (const empty of ['', ' ']) {
      expect(inputError(() => at('The capital of Greece', empty))).toContain(
        'subject: subject must not be empty',
      )
    }
  })
})
