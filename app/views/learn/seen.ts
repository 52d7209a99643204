/** What the numbers of each step say, in words: computed from them, whichever way they fall. Pure. */
import { layersText } from '../../components/format.js'
import {
  apart,
  type Curve,
  curveOf,
  difference,
  halves,
  lossDepth,
  type Measured,
  type Point,
  strongest,
} from './measured.js'

/** A mean change that matters, percent. */
const NOTABLE = 5
/** How much less depth is earlier, as a share of the model's. */
const EARLIER = 0.1

/** Whether the numbers show what the step says. */
export type Verdict = 'shown' | 'not-shown' | 'open'

export interface Seen {
  readonly verdict: Verdict
  /** The verdict in a few words. */
  readonly title: string
  /** The numbers, and what follows from them. */
  readonly text: string
  /** The right answer to the step's question, one of its options; undefined when the numbers leave it open. */
  readonly right?: string
}

/** `−53.4 % (−57.1 to −49.7)` */
function effect({ mean, low, high }: Pick<Point, 'mean' | 'low' | 'high'>): string {
  return Number.isFinite(low) ? `${short(mean)} % (${short(low)} to ${short(high)})` : `${short(mean)} %`
}

/** One digit after the point, with a sign unless it is zero. */
function short(value: number): string {
  const text = Math.abs(value).toFixed(1)
  return text === '0.0' ? '0' : `${value < 0 ? '−' : '+'}${text}`
}

function share(value: number): string {
  return `${Math.round(100 * value)} %`
}

function layers({ firstLayer }: Point, { window, nLayers }: Measured): string {
  return `${layersText(firstLayer, window)} of ${nLayers}`
}

const weak = ({ mean }: Point): boolean => mean > -NOTABLE

function hardly(what: string, measured: Measured, point: Point): Seen {
  return {
    verdict: 'open',
    title: 'Hardly anything to see',
    text: `Cutting ${what} from the last token of ${measured.model} costs next to nothing in any window of ${measured.window} ${measured.window === 1 ? 'layer' : 'layers'}: ${effect(point)} at most. Make the window wider.`,
  }
}

/** Step 1. In which half of the layers does the subject reach the last token? */
export function seenLate(measured: Measured): Seen {
  const curve = curveOf(measured, 'subject')
  const best = strongest(curve.points)
  if (weak(best)) return hardly('the subject', measured, best)
  const { lower, upper } = halves(curve, measured)
  const most = `In ${measured.model}, cutting the subject costs most in ${layers(best, measured)}: ${effect(best)}.`
  if (!lower || !upper) {
    return {
      verdict: 'open',
      title: 'The window is too wide to tell',
      text: `${most} All windows of ${measured.window} layers have their middle in the same half of the model; make the window narrower.`,
    }
  }
  const both = `With the window’s middle in the first half of the layers the largest loss is ${effect(lower)}, in the second half ${effect(upper)}.`
  const where = place(lower, upper)
  if (where === 'second') {
    return {
      verdict: 'shown',
      title: 'Late, as the paper found',
      text: `${most} ${both} The subject reaches the last token late.`,
      right: 'second',
    }
  }
  if (where === 'first') {
    return {
      verdict: 'not-shown',
      title: 'Early, not as the paper found',
      text: `${most} ${both} Here the subject reaches the last token early.`,
      right: 'first',
    }
  }
  return {
    verdict: 'open',
    title: 'These facts do not decide',
    text: `${most} ${both} The two are too close together, or there are too few facts, to say in which half it is.`,
  }
}

/** The half of the layers whose strongest loss is larger, where the two are apart. */
function place(lower: Point, upper: Point): 'first' | 'second' | undefined {
  if (!apart(lower, upper)) return undefined
  return upper.mean < lower.mean ? 'second' : 'first'
}

/** Step 2. Do context-dependent features carry the subject? */
export function seenFeatures(measured: Measured): Seen {
  const [all, dependent, independent] = (['all', 'context-dependent', 'context-independent'] as const).map(
    (features) => curveOf(measured, 'subject', features),
  ) as [Curve, Curve, Curve]
  const best = strongest(all.points)
  if (weak(best)) return hardly('the subject', measured, best)
  const [d, i] = [dependent, independent].map(({ points }) => points[best.firstLayer]!) as [Point, Point]
  const gap = difference(dependent, independent, best.firstLayer)
  const numbers = `In ${measured.model}, cutting the subject costs most in ${layers(best, measured)}: ${effect(best)}. There, cutting it in the context-dependent features alone costs ${effect(d)}, in the context-independent ones ${effect(i)}.`
  const gapText = `${Math.abs(gap.mean).toFixed(1)} points${
    Number.isFinite(gap.low) ? ` (95 % band of the difference: ${short(gap.low)} to ${short(gap.high)})` : ''
  }`
  if (gap.high < 0) {
    return {
      verdict: 'shown',
      title: 'Context-dependent features carry more',
      text: `${numbers} The context-dependent ones cost ${gapText} more.`,
      right: 'dependent',
    }
  }
  if (gap.low > 0) {
    return {
      verdict: 'not-shown',
      title: 'Context-independent features carry more',
      text: `${numbers} Here the context-independent ones cost ${gapText} more: not what the paper found.`,
      right: 'independent',
    }
  }
  return {
    verdict: 'open',
    title: 'These facts do not decide',
    text: `${numbers} They differ by ${gapText}: too little, or on too few facts, to tell them apart.`,
  }
}

/** Step 3. Is the relation read before the subject? */
export function seenRelation(measured: Measured): Seen {
  const [subject, relation] = (['subject', 'relation-minus-last'] as const).map((source) =>
    curveOf(measured, source),
  ) as [Curve, Curve]
  for (const [what, { points }] of [
    ['the subject', subject],
    ['the relation', relation],
  ] as const) {
    if (weak(strongest(points))) return hardly(what, measured, strongest(points))
  }
  const [s, r] = [lossDepth(subject, measured), lossDepth(relation, measured)]
  const [sBest, rBest] = [strongest(subject.points), strongest(relation.points)]
  const numbers = `In ${measured.model}, cutting the relation’s words costs most in ${layers(rBest, measured)}: ${effect(rBest)}; cutting the subject in ${layers(sBest, measured)}: ${effect(sBest)}. On average the relation’s loss lies at ${share(r)} of the depth, the subject’s at ${share(s)}.`
  if (r <= s - EARLIER) {
    return {
      verdict: 'shown',
      title: 'The relation comes first',
      text: `${numbers} The relation is read earlier.`,
      right: 'earlier',
    }
  }
  if (r >= s + EARLIER) {
    return {
      verdict: 'not-shown',
      title: 'The relation comes last',
      text: `${numbers} Here the relation is read later.`,
      right: 'later',
    }
  }
  return {
    verdict: 'not-shown',
    title: 'At about the same depth',
    text: `${numbers} That is less than a tenth of the depth apart: neither comes first.`,
    right: 'same',
  }
}

/** Step 4. Do models differ in what the first token gives to the last? */
export function seenFirst(all: readonly Measured[]): Seen {
  const each = all.map((measured) => ({
    measured,
    first: strongest(curveOf(measured, 'first').points),
    subject: strongest(curveOf(measured, 'subject').points),
  }))
  const numbers = `Cutting the first token costs at most ${listed(
    each.map(({ measured, first }) => `${effect(first)} in ${measured.model} (${layers(first, measured)})`),
  )}; cutting the subject ${listed(each.map(({ subject }) => `${short(subject.mean)} %`))}.`
  const small = each.every(({ first, subject }) => first.mean > subject.mean / 3)
  const sure = each.every(({ first, subject }) => first.low > subject.mean / 3)
  const few =
    'On average the first token counts far less than the subject, but the bands are wide: more facts may say otherwise.'
  const size =
    small && !sure
      ? few
      : small
        ? each.length === 1
          ? 'The first token counts far less than the subject.'
          : 'In each of them the first token counts far less than the subject: none leans on it.'
        : `The first token counts for a third of the subject’s loss or more in ${listed(
            each
              .filter(({ first, subject }) => first.mean <= subject.mean / 3)
              .map(({ measured }) => measured.model),
          )}.`
  const right = small ? 'less' : 'much'
  const differ = each.some((a, i) => each.slice(i + 1).some((b) => apart(a.first, b.first)))
  if (differ) {
    return {
      verdict: 'shown',
      title: 'The models differ',
      text: `${numbers} The bands of some do not overlap: they differ, as the paper’s models do. ${size}`,
      right,
    }
  }
  return {
    verdict: 'open',
    title: 'These facts do not tell them apart',
    text: `${numbers} The bands overlap: a difference between models, as the paper saw, does not show on these facts. ${size}`,
    right,
  }
}

/** Step 5. Does the transformer move the subject at another depth, and as late as the paper's transformers? */
export function seenTransformer(mamba: Measured, transformer: Measured): Seen {
  const sides = [mamba, transformer].map((measured) => {
    const curve = curveOf(measured, 'subject')
    const { lower, upper } = halves(curve, measured)
    return {
      measured,
      best: strongest(curve.points),
      at: lossDepth(curve, measured),
      half: lower && upper ? place(lower, upper) : undefined,
    }
  })
  for (const { measured, best } of sides) if (weak(best)) return hardly('the subject', measured, best)
  const [m, t] = sides as [(typeof sides)[0], (typeof sides)[0]]
  const numbers = sides
    .map(
      ({ measured, best, at }) =>
        `In ${measured.model}, cutting the subject costs most in ${layers(best, measured)}: ${effect(best)}; on average its loss lies at ${share(at)} of the depth.`,
    )
    .join(' ')
  const late =
    t.half === 'first'
      ? `That is early. The paper’s transformers move their subjects late, so ${transformer.model} does not do as they do.`
      : t.half === 'second'
        ? 'That is late, as in the paper’s transformers.'
        : 'In which half that is, these facts do not decide.'
  if (Math.abs(m.at - t.at) >= EARLIER) {
    const earlier = t.at < m.at
    return {
      verdict: earlier ? 'shown' : 'not-shown',
      title: earlier
        ? `The transformer is earlier${t.half === 'first' ? ', unlike the paper’s' : ''}`
        : 'The transformer is later',
      text: `${numbers} ${late}`,
      right: earlier ? 'earlier' : 'later',
    }
  }
  return {
    verdict: 'not-shown',
    title: 'At about the same depth',
    text: `${numbers} The two lie less than a tenth of the depth apart. ${late}`,
    right: 'same',
  }
}

/** `a`, `a and b`, `a, b and c` */
export function listed(parts: readonly string[]): string {
  return parts.length < 2 ? parts.join('') : `${parts.slice(0, -1).join(', ')} and ${parts[parts.length - 1]}`
}
