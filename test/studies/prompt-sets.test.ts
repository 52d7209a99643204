import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { checkSets, choosePrompts, type SetContext } from '../../src/studies/prompt-sets.js'
import type { PromptSet } from '../../src/studies/study.js'

const facts = Array.from({ length: 12 }, (_, i) => ({
  id: `f${i}`,
  prompt: `The capital of ${i} is`,
  subject: String(i),
  answer: 'x',
  relation: i % 2 === 0 ? 'even' : 'odd',
  split: i < 6 ? 'train' : 'held-out',
}))

/** Ranks by place in `facts`; 0 is none. */
function context(ranks: Record<string, number[]>, labels = Object.keys(ranks)): SetContext {
  const byModel = Object.entries(ranks).map(([label, own]) => {
    const entries = own.flatMap((rank, i) => (rank > 0 ? [[`f${i}`, rank] as const] : []))
    return [label, new Map([['d', new Map(entries)]])] as const
  })
  return { facts: new Map([['d', facts]]), ranks: new Map(byModel), labels }
}

const ids = (set: Partial<PromptSet>, given: SetContext, model: string): string[] =>
  choosePrompts('s', { known: 'correct', ...set }, given)
    .rows.filter((row) => row.model === model)
    .map((row) => row.prompt_id)

const a = [1, 2, 3, 4, 5, 6, 1, 1, 1, 9, 1, 0]
const b = [1, 1, 3, 1, 1, 1, 1, 2, 5, 1, 1, 1]

describe('prompt sets', () => {
  it('hold what a model knows', () => {
    const both = context({ a, b })
    expect(ids({ known: 'correct' }, both, 'a')).toEqual(['f0', 'f6', 'f7', 'f8', 'f10'])
    expect(ids({ known: 'top-3' }, both, 'a')).toEqual(['f0', 'f1', 'f2', 'f6', 'f7', 'f8', 'f10'])
    expect(ids({ known: 'top-5' }, both, 'a')).toHaveLength(9)
    expect(ids({ known: 'any' }, both, 'a')).toHaveLength(11)
  })

  it('hold what every model knows, the same for each', () => {
    const both = context({ a, b })
    expect(ids({ known: 'all-correct' }, both, 'a')).toEqual(['f0', 'f6', 'f10'])
    expect(ids({ known: 'all-correct' }, both, 'b')).toEqual(['f0', 'f6', 'f10'])
    expect(ids({ known: 'all-top-3', models: ['b'] }, both, 'b')).toHaveLength(11)
    // What a cannot use is not in its set, though b alone is asked.
    expect(ids({ known: 'all-top-3', models: ['b'] }, both, 'a')).not.toContain('f11')
  })

  it('wait for models that have not been evaluated', () => {
    const given = context({ a }, ['a', 'b'])
    expect(choosePrompts('s', { known: 'all-correct' }, given)).toEqual({ rows: [], missing: ['b'] })
    expect(ids({ known: 'all-correct', models: ['a'] }, given, 'a')).toHaveLength(5)
    expect(ids({ known: 'correct' }, given, 'a')).toHaveLength(5)
  })

  it('filter by relation, split and id', () => {
    const both = context({ a, b })
    expect(ids({ relation: ['even'] }, both, 'a')).toEqual(['f0', 'f6', 'f8', 'f10'])
    expect(ids({ split: 'train' }, both, 'a')).toEqual(['f0'])
    expect(ids({ ids: ['f8', 'f6', 'f1'] }, both, 'a')).toEqual(['f6', 'f8'])
  })

  it.each([
    [{ ids: ['f99'] }, /promptSets\.s\.ids: must be ids of the data.*"f99"/],
    [{ data: 'e' }, /promptSets\.s\.data: must be one of d, got "e"/],
    [{ relation: ['evn'] }, /promptSets\.s\.relation: must be one of even, odd, got "evn"/],
    [{ split: 'test' }, /promptSets\.s\.split: must be one of held-out, train, got "test"/],
  ])('with names that are not there are refused: %j', (set, message) => {
    const check = (over: Partial<PromptSet>): void =>
      checkSets({ promptSets: { s: { known: 'correct', ...over } } }, context({ a }))
    expect(() => check(set)).toThrow(message)
    check({ ids: ['f1'], data: 'd', relation: ['odd'], split: 'all' })
  })

  it('draw samples that are subsets, depend on the seed, and are shared by models as far as they know the same', () => {
    fc.assert(
      fc.property(fc.nat(1000), fc.integer({ min: 1, max: 12 }), (seed, sample) => {
        const all = context({ a: facts.map(() => 1), b: facts.map(() => 1) })
        const drawn = ids({ sample, seed }, all, 'a')
        expect(drawn).toHaveLength(sample)
        expect(drawn).toEqual(ids({ sample, seed }, all, 'b'))
        expect(new Set(drawn).size).toBe(sample)
        // In the order of the data.
        expect(drawn).toEqual(facts.map(({ id }) => id).filter((id) => drawn.includes(id)))
        const fewer = ids({ sample: Math.max(1, sample - 1), seed }, all, 'a')
        expect(drawn).toEqual(expect.arrayContaining(fewer))
      }),
    )
    const all = context({ a: facts.map(() => 1) })
    const seeds = [0, 1, 2, 3].map((seed) => ids({ sample: 4, seed }, all, 'a').join())
    expect(new Set(seeds).size).toBeGreaterThan(1)
  })
})
