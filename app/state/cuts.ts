/**
 * Knockouts that are drawn by hand, and their text in an address:
 * `A:s1-2.t5.l3-11;B:s0,4.t9.l0-23.f-context-dependent.hidden` are two, each with its letter, sources, targets, layers.
 */
import type { Knockout } from '../../src/knockout/knockout.js'
import { windowLayers } from '../../src/knockout/knockout.js'
import { FEATURE_CATEGORIES, type FeatureCategory } from '../../src/models/architecture.js'
import { type Role, rolePositions } from '../../src/prompts/roles.js'
import type { EncodedPrompt, ModelInfo } from '../../src/ui/protocol.js'

export interface Cut {
  /** Its name, `A` to `Z`. */
  readonly letter: string
  /** Token positions from 0, ascending, each once. */
  readonly sources: readonly number[]
  readonly targets: readonly number[]
  /** Layers from 0; the last one is cut, too. */
  readonly first: number
  readonly last: number
  readonly features: FeatureCategory
  /** Whether it is left out of the drawing. */
  readonly hidden: boolean
}

/** What cuts must fit. */
export interface CutLimits {
  /** Tokens of the prompt. */
  readonly length: number
  readonly nLayers: number
  readonly featureCategories: readonly FeatureCategory[]
}

export const LETTERS: readonly string[] = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZ']

/** Numbers in an address are not larger, so that no text makes a list of a million positions. */
const MOST = 4096

/** `0-2,4`: ascending, each once; undefined when it cannot be read. */
function parseNumbers(text: string): number[] | undefined {
  const numbers = new Set<number>()
  for (const part of text.split(',')) {
    const match = /^(\d{1,4})(?:-(\d{1,4}))?$/.exec(part)
    if (!match) return undefined
    const [from, to] = [Number(match[1]), Number(match[2] ?? match[1])]
    if (to < from || to >= MOST) return undefined
    for (let number = from; number <= to; number++) numbers.add(number)
  }
  return [...numbers].sort((a, b) => a - b)
}

/** Neighbours in a list that ascends, together: `[first, last]` of each run. */
export function runsOf(numbers: readonly number[]): [number, number][] {
  const runs: [number, number][] = []
  for (const number of numbers) {
    const run = runs.at(-1)
    if (run && number === run[1] + 1) run[1] = number
    else runs.push([number, number])
  }
  return runs
}

function numbersText(numbers: readonly number[]): string {
  return runsOf(numbers)
    .map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`))
    .join(',')
}

function parseCut(text: string, letter: string): Cut | undefined {
  let sources: number[] = []
  let targets: number[] = []
  let layers: readonly [number, number] | undefined
  let features: FeatureCategory = 'all'
  let hidden = false
  for (const field of text.split('.')) {
    const value = field.slice(1)
    if (field === 'hidden') hidden = true
    else if (field.startsWith('f-')) {
      const known = FEATURE_CATEGORIES.find((category) => category === field.slice(2))
      if (!known) return undefined
      features = known
    } else if (field.startsWith('l')) {
      const match = /^(\d{1,3})(?:-(\d{1,3}))?$/.exec(value)
      if (!match) return undefined
      layers = [Number(match[1]), Number(match[2] ?? match[1])]
    } else if (field.startsWith('s') || field.startsWith('t')) {
      const numbers = parseNumbers(value)
      if (!numbers) return undefined
      if (field.startsWith('s')) sources = numbers
      else targets = numbers
    } else return undefined
  }
  if (!layers || layers[1] < layers[0]) return undefined
  return { letter, sources, targets, first: layers[0], last: layers[1], features, hidden }
}

export interface ParsedCuts {
  readonly cuts: readonly Cut[]
  /** Parts that could not be read. */
  readonly unread: readonly string[]
}

/** What an address says; a cut without a letter, or with one that is taken, gets the next free one. */
export function parseCuts(text: string): ParsedCuts {
  const cuts: Cut[] = []
  const unread: string[] = []
  if (text === 'none') return { cuts, unread }
  for (const part of text.split(';')) {
    if (part.trim() === '') continue
    const [, given, body] = /^(?:([A-Z]):)?(.*)$/s.exec(part.trim())!
    const letter = given !== undefined && !cuts.some((cut) => cut.letter === given) ? given : freeLetter(cuts)
    const cut = letter === undefined ? undefined : parseCut(body!, letter)
    if (cut) cuts.push(cut)
    else unread.push(part.trim())
  }
  return { cuts, unread }
}

/** As `parseCuts` reads it; `none` for no cuts. */
export function formatCuts(cuts: readonly Cut[]): string {
  if (cuts.length === 0) return 'none'
  return cuts
    .map(({ letter, sources, targets, first, last, features, hidden }) =>
      [
        ...(sources.length > 0 ? [`s${numbersText(sources)}`] : []),
        ...(targets.length > 0 ? [`t${numbersText(targets)}`] : []),
        `l${first === last ? first : `${first}-${last}`}`,
        ...(features === 'all' ? [] : [`f-${features}`]),
        ...(hidden ? ['hidden'] : []),
      ]
        .join('.')
        .replace(/^/, `${letter}:`),
    )
    .join(';')
}

/** The first letter that no cut has; undefined when there are as many cuts as letters. */
export function freeLetter(cuts: readonly Cut[]): string | undefined {
  return LETTERS.find((letter) => !cuts.some((cut) => cut.letter === letter))
}

/** The connections that a cut has: nothing flows from a later token to an earlier one. */
export function edgesOf({ sources, targets }: Pick<Cut, 'sources' | 'targets'>): [number, number][] {
  return targets.flatMap((target) =>
    sources.filter((source) => source <= target).map((source): [number, number] => [source, target]),
  )
}

/** As the engine and `factflow knockout` take it. */
export function knockoutOf({ first, last, sources, targets, features }: Cut): Knockout {
  return { layers: windowLayers(first, last - first + 1), sources, targets, features }
}

/** Why a cut is not run. */
export interface CutProblem {
  /** `unfinished`: tokens must still be chosen; `misfit`: it is of another prompt or model; `backward`: it cuts nothing. */
  readonly kind: 'unfinished' | 'misfit' | 'backward'
  /** For people, a sentence. */
  readonly text: string
}

export function problemOf(cut: Cut, limits: CutLimits): CutProblem | undefined {
  const { sources, targets, first, last, features } = cut
  const { length, nLayers, featureCategories } = limits
  const missing = [...new Set([...sources, ...targets])].filter((at) => at >= length).sort((a, b) => a - b)
  const misfits = [
    ...(missing.length > 0
      ? [
          `the prompt has ${length} tokens (0 to ${length - 1}), not ${missing.length === 1 ? 'token' : 'tokens'} ${numbersText(missing).replaceAll(',', ', ')}`,
        ]
      : []),
    ...(last >= nLayers
      ? [
          `the model has ${nLayers} layers (0 to ${nLayers - 1}), not ${first === last ? first : `${first} to ${last}`}`,
        ]
      : []),
    ...(featureCategories.includes(features) ? [] : [`the model has no ${features} features to tell apart`]),
  ]
  if (misfits.length > 0) return { kind: 'misfit', text: `Not run: ${misfits.join('; ')}.` }
  if (sources.length === 0 || targets.length === 0) {
    const what = [
      ...(sources.length === 0 ? ['a source'] : []),
      ...(targets.length === 0 ? ['a target'] : []),
    ]
    return { kind: 'unfinished', text: `Choose ${what.join(' and ')}.` }
  }
  if (edgesOf(cut).length === 0) {
    return {
      kind: 'backward',
      text: 'Cuts nothing: no source stands before a target, and nothing flows from later tokens to earlier ones.',
    }
  }
  return undefined
}

/** What of a cut fits: tokens and features that are not there are left out, layers move into the model. */
export function fitted(cut: Cut, { length, nLayers, featureCategories }: CutLimits): Cut {
  const width = Math.min(cut.last - cut.first + 1, nLayers)
  const first = Math.min(cut.first, nLayers - width)
  return {
    ...cut,
    sources: cut.sources.filter((at) => at < length),
    targets: cut.targets.filter((at) => at < length),
    first,
    last: first + width - 1,
    features: featureCategories.includes(cut.features) ? cut.features : 'all',
  }
}

/** The list with one cut changed. */
export function replaced(cuts: readonly Cut[], cut: Cut): Cut[] {
  return cuts.map((one) => (one.letter === cut.letter ? cut : one))
}

/** A list of positions with one more, or one less. */
export function toggled(positions: readonly number[], position: number): number[] {
  return positions.includes(position)
    ? positions.filter((one) => one !== position)
    : joined(positions, [position])
}

export function joined(a: readonly number[], b: readonly number[]): number[] {
  return [...new Set([...a, ...b])].sort((x, y) => x - y)
}

/** A window of `width` layers that begins at `first`, moved into the model where it would end beyond it. */
export function windowAt(first: number, width: number, nLayers: number): Pick<Cut, 'first' | 'last'> {
  const size = Math.max(1, Math.min(width, nLayers))
  const start = Math.max(0, Math.min(first, nLayers - size))
  return { first: start, last: start + size - 1 }
}

/** The paper's cut of the subject: from the last token, in the last window of layers. */
export function subjectCut(letter: string, prompt: EncodedPrompt, model: ModelInfo): Cut {
  return {
    letter,
    sources: prompt.subject,
    targets: [prompt.tokens.length - 1],
    ...windowAt(model.nLayers, model.defaultWindow, model.nLayers),
    features: 'all',
    hidden: false,
  }
}

/** The role that positions are exactly those of. */
export function roleOf(
  positions: readonly number[],
  prompt: { length: number; subject: readonly number[] },
  roles: readonly Role[],
): Role | undefined {
  const text = positions.join()
  return positions.length === 0
    ? undefined
    : roles.find((role) => rolePositions(role, prompt).join() === text)
}

/** The line of the raw interface that computes cuts: `echo LINE | factflow knockout`. */
export function rawLine(
  prompt: EncodedPrompt & { readonly answer: { readonly id: number } },
  cuts: readonly Cut[],
): string {
  return JSON.stringify({
    tokens: prompt.tokens.map(({ id }) => id),
    answer: prompt.answer.id,
    knockouts: cuts.map(knockoutOf),
  })
}
