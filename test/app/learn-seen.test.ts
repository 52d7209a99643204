import { describe, expect, test } from 'vitest'
import { type Measured, measured } from '../../app/views/learn/measured.js'
import {
  listed,
  seenFeatures,
  seenFirst,
  seenLate,
  seenRelation,
  seenTransformer,
} from '../../app/views/learn/seen.js'
import type { FlowRef, FlowsResult } from '../../src/ui/protocol.js'

type Rows = readonly (readonly number[])[]
const WINDOW = 3

/** A model of six layers whose four windows of three begin at the layers 0 to 3. */
function model(
  curves: Partial<Record<string, Rows>>,
  name = 'tiny-x',
  window = WINDOW,
  nLayers = 6,
): Measured {
  const all = Object.entries(curves).map(([key, changes]) => {
    const [source, features = 'all'] = key.split(':')
    return { source, target: 'last', features, label: key, changes } as FlowRef &
      FlowsResult['curves'][number]
  })
  const count = all[0]!.changes.length
  const result = {
    model: { name, nLayers },
    window,
    prompts: Array.from({ length: count }, () => ({ answer: { id: 1, text: ' a' }, prob: 1, rank: 1 })),
    curves: all,
    knockouts: 0,
    took: 0,
  } as unknown as FlowsResult
  return measured([result])!
}

/** Three facts around a curve, 1 % apart. */
function around(...curve: number[]): Rows {
  return [-1, 0, 1].map((off) => curve.map((value) => value + off))
}

const NONE = around(-1, -1, -1, -1)

describe('step 1: the subject', () => {
  test('late', () => {
    const seen = seenLate(model({ subject: around(-1, -2, -60, -80) }))
    expect(seen).toMatchObject({ verdict: 'shown', right: 'second' })
    expect(seen.text).toContain('layers 3–5 of 6: −80.0 % (−82.5 to −77.5)')
    expect(seen.text).toContain('first half of the layers the largest loss is −2.0 %')
    expect(seen.text).toContain('reaches the last token late')
  })
  test('early', () => {
    const seen = seenLate(model({ subject: around(-80, -60, -2, -1) }))
    expect(seen).toMatchObject({ verdict: 'not-shown', right: 'first' })
    expect(seen.text).toContain('reaches the last token early')
  })
  test('bands that overlap, and one fact alone, decide nothing', () => {
    for (const rows of [around(-60, -60, -61, -60), [[-1, -2, -60, -80]]]) {
      const seen = seenLate(model({ subject: rows }))
      expect(seen.verdict).toBe('open')
      expect(seen.right).toBeUndefined()
    }
    expect(seenLate(model({ subject: [[-1, -2, -60, -80]] })).text).toContain('layers 3–5 of 6: −80.0 %.')
  })
  test('no loss, or windows in one half only, are said', () => {
    expect(seenLate(model({ subject: NONE }))).toMatchObject({
      verdict: 'open',
      title: 'Hardly anything to see',
    })
    const wide = seenLate(model({ subject: around(-80) }, 'tiny-x', 6))
    expect(wide).toMatchObject({ verdict: 'open', title: 'The window is too wide to tell' })
  })
})

describe('step 2: features', () => {
  const features = (dependent: Rows, independent: Rows, all = around(-1, -1, -2, -80)): Measured =>
    model({
      subject: all,
      'subject:context-dependent': dependent,
      'subject:context-independent': independent,
    })
  test('context-dependent ones cost more', () => {
    const seen = seenFeatures(features(around(0, 0, 0, -50), around(-60, 0, 0, -10)))
    expect(seen).toMatchObject({ verdict: 'shown', right: 'dependent' })
    expect(seen.text).toContain('context-dependent features alone costs −50.0 %')
    expect(seen.text).toContain('cost 40.0 points')
  })
  test('context-independent ones cost more', () => {
    const seen = seenFeatures(features(around(0, 0, 0, -10), around(0, 0, 0, -50)))
    expect(seen).toMatchObject({ verdict: 'not-shown', right: 'independent' })
  })
  test('a difference that goes either way fact by fact decides nothing', () => {
    const seen = seenFeatures(
      features(
        [
          [0, 0, 0, -50],
          [0, 0, 0, -10],
        ],
        [
          [0, 0, 0, -10],
          [0, 0, 0, -49],
        ],
        [
          [0, 0, 0, -80],
          [0, 0, 0, -80],
        ],
      ),
    )
    expect(seen).toMatchObject({ verdict: 'open' })
    expect(seen.right).toBeUndefined()
  })
  test('facts are paired: spread that both categories share does not count', () => {
    const rows = (less: number): Rows => [0, -30, -60].map((value, f) => [0, 0, 0, value - less - f])
    expect(seenFeatures(features(rows(10), rows(0))).verdict).toBe('shown')
  })
  test('nothing to see where the subject does not count', () => {
    expect(seenFeatures(features(NONE, NONE, NONE)).title).toBe('Hardly anything to see')
  })
})

describe('step 3: the relation', () => {
  const at = (subject: Rows, relation: Rows): Measured => model({ subject, 'relation-minus-last': relation })
  test('earlier', () => {
    const seen = seenRelation(at(around(0, 0, -10, -80), around(-70, -20, 0, 0)))
    expect(seen).toMatchObject({ verdict: 'shown', right: 'earlier' })
    expect(seen.text).toContain('in layers 0–2 of 6: −70.0 % (−72.5 to −67.5)')
  })
  test('later', () => {
    expect(seenRelation(at(around(-80, 0, 0, 0), around(0, 0, 0, -70)))).toMatchObject({
      verdict: 'not-shown',
      right: 'later',
    })
  })
  test('at the same depth', () => {
    expect(seenRelation(at(around(-80, 0, 0, 0), around(-70, 0, 0, 0)))).toMatchObject({
      verdict: 'not-shown',
      right: 'same',
    })
  })
  test('a relation that does not count has no depth', () => {
    const seen = seenRelation(at(around(-80, 0, 0, 0), NONE))
    expect(seen.verdict).toBe('open')
    expect(seen.text).toContain('Cutting the relation from')
  })
})

describe('step 4: the first token', () => {
  const first = (name: string, loss: number, subject = -80): Measured =>
    model({ subject: around(0, 0, 0, subject), first: around(loss, 0, 0, 0) }, name)
  test('models that differ', () => {
    const seen = seenFirst([first('a', -20), first('b', -5), first('c', -5)])
    expect(seen).toMatchObject({ verdict: 'shown', right: 'less' })
    expect(seen.text).toContain('−20.0 % (−22.5 to −17.5) in a (layers 0–2 of 6)')
    expect(seen.text).toContain('cutting the subject −80.0 %, −80.0 % and −80.0 %')
    expect(seen.text).toContain('none leans on it')
  })
  test('a band that reaches far leaves open whether one leans on it', () => {
    const some = [-45, 0, 0].map((change) => [change, 0, 0, 0])
    const wide = model({ subject: around(0, 0, 0, -80), first: some }, 'a')
    expect(seenFirst([wide, first('b', -5)]).text).toContain('the bands are wide')
  })
  test('models that do not differ', () => {
    const seen = seenFirst([first('a', -5), first('b', -6)])
    expect(seen).toMatchObject({ verdict: 'open', right: 'less' })
    expect(seen.text).toContain('does not show on these facts')
  })
  test('models that lean on it are named', () => {
    const seen = seenFirst([first('a', -60), first('b', -5)])
    expect(seen).toMatchObject({ verdict: 'shown', right: 'much' })
    expect(seen.text).toContain('a third of the subject’s loss or more in a.')
  })
})

describe('step 5: the transformer', () => {
  const subject = (name: string, ...curve: number[]): Measured => model({ subject: around(...curve) }, name)
  const mamba = subject('mamba', 0, 0, -10, -80)
  test('earlier, and not as late as in the paper', () => {
    const seen = seenTransformer(mamba, subject('gpt', -80, -10, 0, 0))
    expect(seen).toMatchObject({ verdict: 'shown', right: 'earlier' })
    expect(seen.title).toContain('unlike the paper’s')
    expect(seen.text).toContain('so gpt does not do as they do')
  })
  test('later than a Mamba that is early', () => {
    const seen = seenTransformer(subject('mamba', -80, -10, 0, 0), subject('gpt', 0, 0, -10, -80))
    expect(seen).toMatchObject({ verdict: 'not-shown', right: 'later' })
    expect(seen.text).toContain('late, as in the paper’s transformers')
  })
  test('at the same depth', () => {
    expect(seenTransformer(mamba, subject('gpt', 0, 0, -10, -80))).toMatchObject({
      verdict: 'not-shown',
      right: 'same',
    })
  })
  test('nothing to compare where one has no loss, and no half where bands overlap', () => {
    expect(seenTransformer(mamba, subject('gpt', -1, 0, 0, 0)).text).toContain('of gpt costs next to nothing')
    expect(seenTransformer(mamba, subject('gpt', -30, -30, -30, -30)).text).toContain(
      'these facts do not decide',
    )
  })
})

test('lists in words', () => {
  expect([[], ['a'], ['a', 'b'], ['a', 'b', 'c']].map(listed)).toEqual(['', 'a', 'a and b', 'a, b and c'])
})
