import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type Cut,
  edgesOf,
  fitted,
  formatCuts,
  freeLetter,
  knockoutOf,
  LETTERS,
  parseCuts,
  problemOf,
  rawLine,
  replaced,
  roleOf,
  runsOf,
  subjectCut,
  toggled,
  windowAt,
} from '../../app/state/cuts.js'
import { FEATURE_CATEGORIES } from '../../src/models/architecture.js'
import { ROLES } from '../../src/prompts/roles.js'

const CUT: Cut = {
  letter: 'A',
  sources: [1, 2],
  targets: [5],
  first: 3,
  last: 11,
  features: 'all',
  hidden: false,
}
const MAMBA = { length: 6, nLayers: 24, featureCategories: FEATURE_CATEGORIES }

const positions = fc
  .uniqueArray(fc.nat({ max: 4095 }), { maxLength: 12 })
  .map((all) => all.sort((a, b) => a - b))
const cuts = fc.uniqueArray(
  fc.record({
    letter: fc.constantFrom(...LETTERS),
    sources: positions,
    targets: positions,
    first: fc.nat({ max: 400 }),
    more: fc.nat({ max: 400 }),
    features: fc.constantFrom(...FEATURE_CATEGORIES),
    hidden: fc.boolean(),
  }),
  { selector: ({ letter }) => letter, maxLength: 8 },
)

describe('the text of cuts in an address', () => {
  it('is short and can be read', () => {
    expect(formatCuts([CUT])).toBe('A:s1-2.t5.l3-11')
    expect(
      formatCuts([
        CUT,
        {
          ...CUT,
          letter: 'C',
          sources: [0, 2, 3],
          first: 4,
          last: 4,
          features: 'context-dependent',
          hidden: true,
        },
        { ...CUT, letter: 'B', sources: [], targets: [] },
      ]),
    ).toBe('A:s1-2.t5.l3-11;C:s0,2-3.t5.l4.f-context-dependent.hidden;B:l3-11')
    expect(formatCuts([])).toBe('none')
  })

  it('gives back what was written, whatever it was', () => {
    fc.assert(
      fc.property(cuts, (drawn) => {
        const all: Cut[] = drawn.map(({ more, ...cut }) => ({ ...cut, last: cut.first + more }))
        expect(parseCuts(formatCuts(all))).toEqual({ cuts: all, unread: [] })
      }),
    )
  })

  it('is read without letters and in any order, too', () => {
    const { cuts: read, unread } = parseCuts('s1-2.t5.l3-11.f-all; l3-11.t5.s2,1;')
    expect(unread).toEqual([])
    expect(read).toEqual([CUT, { ...CUT, letter: 'B' }])
  })

  it('gives the next free letter to a cut whose letter is taken', () => {
    expect(parseCuts('A:s0.t1.l0;A:s0.t1.l1;s0.t1.l2').cuts.map(({ letter }) => letter)).toEqual([
      'A',
      'B',
      'C',
    ])
  })

  it.each([
    'A:s1.t2',
    's1.t2.l5-3',
    's2-1.t3.l1',
    's1.t2.l1.f-some',
    's0-99999.t2.l1',
    's.t2.l1',
    's1.t2.l1.x',
    's-1.t2.l1',
    '<script>',
  ])('says that it cannot read %s, and reads the rest', (bad) => {
    expect(parseCuts(`A:s1-2.t5.l3-11;${bad}`)).toEqual({ cuts: [CUT], unread: [bad] })
  })

  it('never fails and never makes more cuts than there are letters', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(parseCuts(text).cuts.length).toBeLessThanOrEqual(LETTERS.length)
      }),
    )
    const many = Array.from({ length: 40 }, () => 's0.t1.l0').join(';')
    const { cuts: read, unread } = parseCuts(many)
    expect(read).toHaveLength(26)
    expect(unread).toHaveLength(14)
    expect(freeLetter(read)).toBeUndefined()
  })
})

describe('what a cut cuts', () => {
  it('is every pair of a source and a target that does not stand before it', () => {
    expect(edgesOf({ sources: [1, 3], targets: [0, 3, 4] })).toEqual([
      [1, 3],
      [3, 3],
      [1, 4],
      [3, 4],
    ])
  })

  it('is given to the engine with all its layers', () => {
    expect(knockoutOf({ ...CUT, first: 3, last: 5, features: 'context-independent' })).toEqual({
      layers: [3, 4, 5],
      sources: [1, 2],
      targets: [5],
      features: 'context-independent',
    })
  })

  it('is the paper’s for the subject: from the last token, in the last window', () => {
    const prompt = { tokens: Array.from({ length: 6 }, token), subject: [1, 2] }
    const model = { nLayers: 24, defaultWindow: 9 } as Parameters<typeof subjectCut>[2]
    expect(subjectCut('B', prompt, model)).toEqual({ ...CUT, letter: 'B', first: 15, last: 23 })
  })

  it('makes a line of the raw interface', () => {
    const prompt = { tokens: [7, 8, 9].map(token), subject: [], answer: { id: 5 } }
    const cut = { ...CUT, sources: [0], targets: [2], first: 1, last: 2 }
    expect(rawLine(prompt, [cut])).toBe(
      '{"tokens":[7,8,9],"answer":5,"knockouts":[{"layers":[1,2],"sources":[0],"targets":[2],"features":"all"}]}',
    )
  })
})

function token(id: unknown) {
  return { id: Number(id ?? 0), text: 'x', start: 0, end: 1 }
}

describe('a cut that is not run', () => {
  it('is none that fits', () => {
    expect(problemOf(CUT, MAMBA)).toBeUndefined()
  })

  it('lacks a source or a target', () => {
    expect(problemOf({ ...CUT, sources: [] }, MAMBA)).toEqual({
      kind: 'unfinished',
      text: 'Choose a source.',
    })
    expect(problemOf({ ...CUT, sources: [], targets: [] }, MAMBA)?.text).toBe('Choose a source and a target.')
  })

  it('has only pairs that point backwards', () => {
    expect(problemOf({ ...CUT, sources: [5], targets: [1, 2] }, MAMBA)?.kind).toBe('backward')
    expect(problemOf({ ...CUT, sources: [2], targets: [2] }, MAMBA)).toBeUndefined()
  })

  it('is of a longer prompt, a deeper model or one with other features, and says all of it', () => {
    const gpt = { length: 3, nLayers: 8, featureCategories: ['all'] as const }
    expect(problemOf({ ...CUT, sources: [1, 3], features: 'context-dependent' }, gpt)).toEqual({
      kind: 'misfit',
      text: 'Not run: the prompt has 3 tokens (0 to 2), not tokens 3, 5; the model has 8 layers (0 to 7), not 3 to 11; the model has no context-dependent features to tell apart.',
    })
  })

  it('fits once what does not is left out, and only that', () => {
    const gpt = { length: 4, nLayers: 12, featureCategories: ['all'] as const }
    const cut = {
      ...CUT,
      sources: [1, 9],
      targets: [3, 5],
      first: 15,
      last: 23,
      features: 'context-dependent' as const,
    }
    expect(fitted(cut, gpt)).toEqual({ ...CUT, sources: [1], targets: [3], first: 3, last: 11 })
    expect(fitted(CUT, MAMBA)).toEqual(CUT)
    fc.assert(
      fc.property(cuts, (drawn) => {
        for (const { more, ...one } of drawn) {
          const after = fitted({ ...one, last: one.first + more }, gpt)
          expect(problemOf(after, gpt)?.kind).not.toBe('misfit')
          expect(after.last).toBeGreaterThanOrEqual(after.first)
          expect(after.first).toBeGreaterThanOrEqual(0)
        }
      }),
    )
  })
})

describe('edits', () => {
  it('switch positions on and off, in order', () => {
    expect(toggled([1, 4], 2)).toEqual([1, 2, 4])
    expect(toggled([1, 2, 4], 2)).toEqual([1, 4])
  })

  it('change one cut and keep the others in their places', () => {
    const other = { ...CUT, letter: 'B' }
    expect(replaced([CUT, other], { ...CUT, first: 0 })).toEqual([{ ...CUT, first: 0 }, other])
  })

  it('keep windows in the model', () => {
    expect(windowAt(20, 9, 24)).toEqual({ first: 15, last: 23 })
    expect(windowAt(-3, 9, 24)).toEqual({ first: 0, last: 8 })
    expect(windowAt(3, 30, 24)).toEqual({ first: 0, last: 23 })
  })

  it('know the roles that positions have', () => {
    const prompt = { length: 6, subject: [1, 2] }
    expect(roleOf([1, 2], prompt, ROLES)).toBe('subject')
    expect(roleOf([5], prompt, ROLES)).toBe('last')
    expect(roleOf([1, 5], prompt, ROLES)).toBeUndefined()
    expect(roleOf([], prompt, ROLES)).toBeUndefined()
  })

  it('see neighbours as runs', () => {
    expect(runsOf([0, 1, 2, 5, 7, 8])).toEqual([
      [0, 2],
      [5, 5],
      [7, 8],
    ])
  })
})
