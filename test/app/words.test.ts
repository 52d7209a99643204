import { describe, expect, it } from 'vitest'
import { drawnCutWords } from '../../app/words.js'

/** The tokens of `The city of New York is in the state of`. */
const TEXTS = ['The', ' city', ' of', ' New', ' York', ' is', ' in', ' the', ' state', ' of']
const PROMPT = { tokens: TEXTS.map((text, id) => ({ id, text, start: 0, end: 1 })), subject: [3, 4] }
const CUT = { sources: [3, 4], targets: [9], first: 3, last: 11, features: 'all' as const }

const words = (
  changes: Partial<Omit<typeof CUT, 'features'>> & { features?: 'all' | 'context-dependent' },
): string => drawnCutWords({ ...CUT, ...changes }, PROMPT)

describe('a drawn cut in words', () => {
  it('names roles', () => {
    expect(words({})).toBe('In layers 3–11 the last token “of” receives nothing from the subject “New York”.')
    expect(words({ sources: [0] })).toContain('nothing from the first token “The”.')
    expect(words({ sources: [0, 1, 2, 5, 6, 7, 8] })).toContain(
      'nothing from everything but the subject and the last token.',
    )
    expect(words({ targets: [...TEXTS.keys()], sources: [3] })).toBe(
      'In layers 3–11 all tokens receive nothing from “New”.',
    )
  })

  it('names tokens by their text, together where they stand together', () => {
    expect(words({ sources: [1, 2] })).toContain('from “city of”.')
    expect(words({ sources: [1, 5, 6, 8] })).toContain('from “city”, “is in” and “state”.')
    expect(words({ targets: [6, 8] })).toContain('“in” and “state” receive nothing')
  })

  it('tells apart tokens of the same text', () => {
    expect(words({ sources: [2] })).toContain('from “of” (token 2).')
    expect(words({ sources: [8] })).toContain('from “state”.')
  })

  it('names tokens that the prompt does not have by their numbers', () => {
    expect(words({ sources: [12], targets: [14, 15] })).toBe(
      'In layers 3–11 tokens 14–15 receive nothing from token 12.',
    )
  })

  it('says one layer and features as they are', () => {
    expect(words({ first: 4, last: 4, features: 'context-dependent' })).toBe(
      'In layer 4 the last token “of” receives nothing from the subject “New York” through the context-dependent features.',
    )
  })

  it('leaves open what is not chosen yet', () => {
    expect(words({ sources: [], targets: [] })).toBe('In layers 3–11 … receives nothing from …')
  })
})
