/** What the comparison says: do both give the same probabilities, and what does each take. */
import { tableLines } from '../../src/cli/table.js'
import type { FactflowResult, PeerResult, SweepTime } from './results.js'

export interface Agreement {
  /** Largest difference of a probability. */
  readonly absolute: number
  /** Largest difference as a part of the value. */
  readonly relative: number
  /** Largest change of the probability by a knockout, as a part of the baseline's: what the difference is small beside. */
  readonly effect: number
  readonly agrees: boolean
}

/**
 * Of a probability's value, and so of 1, too: with random weights a probability is about 1 / vocabulary, where an
 * absolute 1e-4 would let anything pass. Two float32 computations differ by about 1e-5 of it.
 */
const TOLERANCE = 1e-4

type Probabilities = Pick<FactflowResult, 'base' | 'probs'>

/** Compare the probabilities of the same knockouts. */
export function agreement(theirs: Probabilities, ours: Probabilities): Agreement {
  const values = [theirs.base, ...theirs.probs]
  const differences = [ours.base, ...ours.probs].map((prob, i) => Math.abs(prob - values[i]!))
  const relative = Math.max(...differences.map((difference, i) => difference / values[i]!))
  const changes = theirs.probs.map((prob) => Math.abs(prob - theirs.base) / theirs.base)
  return {
    absolute: Math.max(...differences),
    relative,
    effect: Math.max(...changes),
    // NaN agrees with nothing.
    agrees: relative <= TOLERANCE,
  }
}

function seconds(value: number): string {
  return value < 1 ? `${(1000 * value).toPrecision(3)} ms` : `${value.toPrecision(3)} s`
}

function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1e6).toLocaleString('en')} MB`
}

function machine({ machine: { processor, threads, device }, versions }: FactflowResult | PeerResult): string {
  const where = device === 'cpu' ? `${threads} thread${threads === 1 ? '' : 's'}` : device
  const with_ = Object.entries(versions).map(([name, version]) => `${name} ${version}`)
  return `${processor}, ${where}; ${with_.join(', ')}`
}

/** The tables and what they are of, as lines for a terminal. */
export function report(theirs: PeerResult, ours: FactflowResult): string[] {
  const { perPrompt, ids, knockouts } = ours.work
  const { absolute, relative, effect, agrees } = agreement(theirs, ours)
  const oneMachine =
    theirs.machine.processor === ours.machine.processor &&
    (theirs.machine.device === 'cpu') === (ours.machine.device === 'cpu')
  const sweep = ({ prompts, secondsPerPrompt }: SweepTime): string[] => [
    prompts === 1 ? 'factflow, 1 prompt' : `factflow, ${prompts} prompts at once`,
    seconds(secondsPerPrompt),
    seconds(secondsPerPrompt / perPrompt),
    `${(theirs.secondsPerPrompt / secondsPerPrompt).toPrecision(3)} x`,
  ]
  const memory = (name: string, { peakBytes, programBytes }: FactflowResult | PeerResult): string[] => [
    name,
    megabytes(peakBytes),
    megabytes(programBytes),
  ]
  const times = [
    ['', 'per prompt', 'per knockout', 'faster'],
    ["authors' code", seconds(theirs.secondsPerPrompt), seconds(theirs.secondsPerKnockout), '1 x'],
    ...ours.sweeps.map(sweep),
  ]
  const memories = [
    ['', 'peak memory', 'before the model'],
    memory("authors' code", theirs),
    memory('factflow', ours),
  ]
  const device =
    theirs.peakDeviceBytes === null ? [] : [`of the GPU, authors' code: ${megabytes(theirs.peakDeviceBytes)}`]
  return [
    `${theirs.size}, random weights of seed ${theirs.seed}; prompts of ${ids.length} tokens, window ${knockouts[0]!.layers.length}, ${perPrompt} knockouts per prompt`,
    `authors' code: ${machine(theirs)}`,
    `  timed on ${knockouts.length} knockouts, fastest of ${theirs.roundSeconds.length} rounds; per prompt: times ${perPrompt}`,
    `  packages with faster kernels: ${theirs.kernels.join(', ') || 'none'}`,
    `factflow: ${machine(ours)}`,
    `  ${ours.runtime}; fastest of ${ours.sweeps[0]!.roundSeconds.length} rounds`,
    ...(oneMachine ? [] : ['measured on different machines: the ratios compare those, too']),
    '',
    ...tableLines(times, new Set([0])),
    '',
    ...tableLines(memories, new Set([0])),
    ...device,
    '',
    `largest difference of a probability: ${absolute.toExponential(1)}, ${relative.toExponential(1)} of its value (a knockout changes it by up to ${effect.toPrecision(2)} of its value)`,
    agrees ? 'the two agree' : `THE TWO DO NOT AGREE within ${TOLERANCE} of the value`,
  ]
}
