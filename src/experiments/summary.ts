/** What an information-flow result shows, in words; every number comes from the result. */
import { flowLabel } from './flows.js'
import type { FlowCurve, FlowPoint, InfoFlow } from './info-flow.js'

/** The point of a curve with the largest loss. */
export function strongest(curve: Pick<FlowCurve, 'points'>): FlowPoint {
  return curve.points.reduce((a, b) => (b.mean < a.mean ? b : a))
}

/** `-36.1 % (95 % interval -40.3 to -31.9)` */
function effect({ mean, low, high, n }: FlowPoint): string {
  if (n === 1) return `${mean.toFixed(1)} % (one prompt)`
  return `${mean.toFixed(1)} % (95 % interval ${low.toFixed(1)} to ${high.toFixed(1)})`
}

function layers(point: FlowPoint, window: number): string {
  return window === 1
    ? `layer ${point.firstLayer}`
    : `layers ${point.firstLayer}-${point.firstLayer + window - 1}`
}

/**
 * One or two sentences: the cut that costs the answer most and where, and, where both were measured, which features
 * of the subject carry it (called a difference only where the 95 % intervals are apart).
 */
export function summary({ curves, window, nLayers }: InfoFlow): string {
  const measured = curves.filter(({ points }) => points.length > 0)
  const whole = measured
    .filter(({ flow }) => flow.features === 'all')
    .sort((a, b) => strongest(a).mean - strongest(b).mean)
  const sentences: string[] = []
  const [first, second] = whole
  if (first) {
    const point = strongest(first)
    const place = point.firstLayer >= (nLayers - window) / 2 ? ', late in the model' : ', early in the model'
    const next = second ? `, before ${flowLabel(second.flow)} (${strongest(second).mean.toFixed(1)} %)` : ''
    sentences.push(
      point.mean < 0
        ? `The answer's probability suffers most when ${flowLabel(first.flow)} is cut in ${layers(point, window)} of ${nLayers}${window < nLayers ? place : ''}: ${effect(point)}${next}.`
        : "No cut lowers the answer's probability on average.",
    )
  }
  const subject = (features: string): FlowCurve | undefined =>
    measured.find(
      ({ flow }) => flow.source === 'subject' && flow.target === 'last' && flow.features === features,
    )
  const [dependent, independent] = [subject('context-dependent'), subject('context-independent')]
  if (dependent && independent) {
    const [d, i] = [strongest(dependent), strongest(independent)]
    // One prompt says nothing of differences.
    if (d.n === 1 || i.n === 1) return sentences.join(' ')
    const numbers = `cutting the context-dependent ones costs ${effect(d)}, the context-independent ones ${effect(i)}`
    if (d.high < Math.min(0, i.low))
      sentences.push(`The subject's facts flow through its context-dependent features: ${numbers}.`)
    else if (i.high < Math.min(0, d.low))
      sentences.push(`The subject's facts flow through its context-independent features: ${numbers}.`)
    else sentences.push(`The subject's two kinds of features do not differ clearly: ${numbers}.`)
  }
  return sentences.join(' ')
}
