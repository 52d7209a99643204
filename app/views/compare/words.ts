/** How two models, or two prompts, differ: where in depth each role matters, in words. */
import type { FlowRef } from '../../../src/ui/protocol.js'
import { layersText, signed } from '../../components/format.js'
import { type Depths, type Peak, peakOf } from '../../state/depth.js'
import { FEATURE_WORDS, roleWords } from '../../words.js'

/** A curve of one side. */
export interface SideCurve {
  /** What the side is called in a sentence. */
  readonly name: string
  readonly depths: Depths
  /** Relative changes by window start, percent. */
  readonly changes: readonly number[]
}

/** Falls that are smaller hardly matter, percent. */
const LITTLE = 5
/** Depths that are nearer are the same, percent of the depth. */
const NEAR = 5

function depthText({ from, to }: Peak): string {
  const [first, last] = [Math.round(100 * from), Math.round(100 * to)]
  return first === last ? `at ${first}\u00a0%` : `at ${first}–${last}\u00a0%`
}

function peakText({ name, depths }: SideCurve, peak: Peak): string {
  return `${depthText(peak)} of the depth in ${name} (${layersText(peak.start, depths.window)}: ${signed(peak.change)})`
}

/** The middle of where a peak is, percent of the depth. */
function middle({ from, to }: Peak): number {
  return 50 * (from + to)
}

/** Where cutting one role from another lowers the answer's probability most, on either side. */
export function differenceWords({ source, target, features }: FlowRef, a: SideCurve, b: SideCurve): string {
  const off = `${roleWords(source)} from ${source === target ? 'itself' : roleWords(target)}`
  const cut = `Cutting ${off}${features === 'all' ? '' : ` (${FEATURE_WORDS[features]})`}`
  const [inA, inB] = [peakOf(a.changes, a.depths), peakOf(b.changes, b.depths)]
  const matters = (peak: Peak | undefined): peak is Peak => peak !== undefined && peak.change <= -LITTLE
  const most = (peak: Peak | undefined): string => signed(peak?.change ?? 0)
  if (!matters(inA) && !matters(inB))
    return `${cut} hardly matters: at most ${most(inA)} in ${a.name} and ${most(inB)} in ${b.name}.`
  if (!matters(inA) || !matters(inB)) {
    const [side, peak, other, little] = matters(inA) ? [a, inA, b, inB] : [b, inB as Peak, a, inA]
    return `${cut} matters most ${peakText(side, peak)}; in ${other.name} it hardly matters (at most ${most(little)}).`
  }
  const later = middle(inA) - middle(inB)
  const difference =
    Math.abs(later) < NEAR
      ? 'at about the same depth'
      : `${Math.round(Math.abs(later))} points of depth ${later > 0 ? 'later' : 'earlier'} in ${a.name}`
  return `${cut} matters most ${peakText(a, inA)} and ${peakText(b, inB)}: ${difference}.`
}
