import { describe, expect, it } from 'vitest'
import type { FlowCurve, FlowPoint, InfoFlow } from '../../src/experiments/info-flow.js'
import { summary } from '../../src/experiments/summary.js'
import { FEATURE_CATEGORIES } from '../../src/models/architecture.js'
import type { Role } from '../../src/prompts/roles.js'

/** A point of one window: mean and interval in percent. */
function point(firstLayer: number, mean: number, low = mean - 2, high = mean + 2): FlowPoint {
  return { firstLayer, mean, low, high, accuracy: 50, n: 10 }
}

function curve(
  source: Role,
  features: (typeof FEATURE_CATEGORIES)[number],
  ...points: FlowPoint[]
): FlowCurve {
  return { flow: { source, target: 'last', features }, points, withoutRole: 0 }
}

function flow(window: number, ...curves: FlowCurve[]): InfoFlow {
  return { nLayers: 12, window, curves, measurements: [] }
}

const SUBJECT = curve('subject', 'all', point(0, -1.04), point(5, -36.14, -40.3, -31.9), point(9, -20))
const FIRST = curve('first', 'all', point(2, 3), point(4, -0.5))

describe('the strongest cut', () => {
  it('is the curve and window with the lowest mean, before the next curve', () => {
    expect(summary(flow(3, FIRST, SUBJECT))).toBe(
      "The answer's probability suffers most when subject → last is cut in layers 5-7 of 12, late in the model: " +
        '-36.1 % (95 % interval -40.3 to -31.9), before first → last (-0.5 %).',
    )
  })

  it('is early or late by the middle of its window', () => {
    const at = (firstLayer: number, window: number) =>
      summary(flow(window, curve('subject', 'all', point(firstLayer, -10))))
    expect(at(3, 4)).toContain('layers 3-6 of 12, early in the model')
    expect(at(4, 4)).toContain('layers 4-7 of 12, late in the model')
    expect(at(5, 1)).toContain('cut in layer 5 of 12, early in the model')
    expect(at(6, 1)).toContain('cut in layer 6 of 12, late in the model')
  })

  it('has no depth when the window is the whole model', () => {
    expect(summary(flow(12, curve('subject', 'all', point(0, -10))))).toContain(
      'cut in layers 0-11 of 12: -10.0 %',
    )
  })

  it('is none when every cut raises the probability', () => {
    expect(summary(flow(3, curve('first', 'all', point(2, 3), point(4, 0.5))))).toBe(
      "No cut lowers the answer's probability on average.",
    )
  })

  it('has no interval on one prompt, and tells nothing of the features', () => {
    const one = (features: (typeof FEATURE_CATEGORIES)[number], mean: number) =>
      curve('subject', features, { ...point(5, mean, Number.NaN, Number.NaN), n: 1 })
    const all = [one('all', -40), one('context-dependent', -39), one('context-independent', -2)]
    expect(summary(flow(3, ...all))).toBe(
      "The answer's probability suffers most when subject → last is cut in layers 5-7 of 12, late in the model: -40.0 % (one prompt).",
    )
  })

  it('alone has no next', () => {
    expect(summary(flow(3, SUBJECT))).toMatch(/\(95 % interval -40\.3 to -31\.9\)\.$/)
  })

  it('is none of the curves without prompts, or of some features only', () => {
    expect(summary(flow(3, curve('context', 'all'), SUBJECT))).toBe(summary(flow(3, SUBJECT)))
    const partial = curve('last', 'context-dependent', point(0, -90))
    expect(summary(flow(3, partial, SUBJECT))).toBe(summary(flow(3, SUBJECT)))
    expect(summary(flow(3, partial))).toBe('')
    expect(summary(flow(3))).toBe('')
  })
})

describe("the subject's features", () => {
  const dependent = (low: number, high: number) =>
    curve('subject', 'context-dependent', point(0, 0), point(3, (low + high) / 2, low, high))
  const independent = (low: number, high: number) =>
    curve('subject', 'context-independent', point(2, (low + high) / 2, low, high), point(5, 1))

  it('are called context-dependent where the intervals are apart', () => {
    expect(summary(flow(3, dependent(-40, -30), independent(-20, -10)))).toBe(
      "The subject's facts flow through its context-dependent features: cutting the context-dependent ones costs " +
        '-35.0 % (95 % interval -40.0 to -30.0), the context-independent ones -15.0 % (95 % interval -20.0 to -10.0).',
    )
  })

  it('are called context-independent the other way round', () => {
    expect(summary(flow(3, dependent(-20, -10), independent(-40, -30)))).toMatch(
      /^The subject's facts flow through its context-independent features: cutting the context-dependent ones costs -15\.0 %/,
    )
  })

  it('do not differ clearly where neither cut costs anything for certain', () => {
    expect(summary(flow(3, dependent(0.5, 1), independent(2, 3)))).toMatch(/do not differ clearly/)
  })

  it('do not differ clearly where the intervals meet', () => {
    for (const curves of [
      [dependent(-40, -20), independent(-20, -10)],
      [dependent(-20, -10), independent(-40, -20)],
      [dependent(-30, -20), independent(-40, -10)],
    ]) {
      expect(summary(flow(3, ...curves))).toMatch(
        /^The subject's two kinds of features do not differ clearly: cutting the context-dependent ones costs /,
      )
    }
  })

  it('follow the strongest cut, where both kinds were measured', () => {
    const both = [dependent(-40, -30), independent(-20, -10)]
    expect(summary(flow(3, SUBJECT, ...both))).toBe(
      `${summary(flow(3, SUBJECT))} ${summary(flow(3, ...both))}`,
    )
    for (const one of both) expect(summary(flow(3, SUBJECT, one))).toBe(summary(flow(3, SUBJECT)))
    const empty = curve('subject', 'context-independent')
    expect(summary(flow(3, SUBJECT, both[0], empty))).toBe(summary(flow(3, SUBJECT)))
  })

  it('are those of the subject to the last token alone', () => {
    const others: FlowCurve[] = FEATURE_CATEGORIES.slice(1).flatMap((features) => [
      curve('first', features, point(0, -50)),
      { flow: { source: 'subject', target: 'subject', features }, points: [point(0, -50)], withoutRole: 0 },
    ])
    expect(summary(flow(3, SUBJECT, ...others))).toBe(summary(flow(3, SUBJECT)))
  })
})
