/** What a knockout was and what it did, in words. */
import type { FeatureCategory } from '../src/models/architecture.js'
import { type Role, rolePositions } from '../src/prompts/roles.js'
import type { EncodedPrompt, KnockedOutcome, Outcome } from '../src/ui/protocol.js'
import { layersText, percent, quoted, signed } from './components/format.js'
import { type Cut, runsOf } from './state/cuts.js'

const ROLE_WORDS: Readonly<Record<Role, string>> = {
  first: 'the first token',
  last: 'the last token',
  subject: 'the subject',
  relation: 'everything but the subject',
  'relation-minus-last': 'everything but the subject and the last token',
  context: 'what stands before the subject',
  all: 'all tokens',
}

export function roleWords(role: Role): string {
  return ROLE_WORDS[role]
}

/** For menus. */
export const FEATURE_WORDS: Readonly<Record<FeatureCategory, string>> = {
  all: 'all features',
  'context-dependent': 'context-dependent features',
  'context-independent': 'context-independent features',
}

export interface CutWords {
  /** What was cut off: a token's text, or a role in words. */
  readonly source: string
  readonly target: Role
  readonly features: FeatureCategory
  readonly first: number
  readonly window: number
}

/** `In layers 3–11 the last token receives nothing from “Manila”.` */
export function cutWords({ source, target, features, first, window }: CutWords): string {
  const through = features === 'all' ? '' : ` through the ${FEATURE_WORDS[features]}`
  const verb = target === 'all' ? 'receive' : 'receives'
  const layers = layersText(first, window)
  return `In ${layers} ${roleWords(target)} ${verb} nothing from ${source}${through}.`
}

/** `The probability of “Philippines” falls from 98 % to 12 % (−87.5 %); the model now says “Indonesia”.` */
export function effectWords(answer: string, base: Outcome, knocked: KnockedOutcome): string {
  const { change } = knocked
  const size = Math.abs(change)
  const verb = size < 0.5 ? 'stays' : change < 0 ? 'falls' : 'rises'
  const numbers =
    verb === 'stays'
      ? `at ${percent(knocked.prob)}`
      : `from ${percent(base.prob)} to ${percent(knocked.prob)} (${signed(change)})`
  const [was, is] = [base.top[0], knocked.top[0]]
  const says =
    was === undefined || is === undefined
      ? ''
      : was.id === is.id
        ? `; the model still says ${quoted(is.text)}`
        : `; the model now says ${quoted(is.text)} (${percent(is.prob)})`
  return `The probability of ${quoted(answer)} ${verb} ${numbers}${says}.`
}

/** The tokens of a prompt that are meant, and whether they are spoken of as several. */
interface Named {
  readonly text: string
  readonly plural: boolean
}

/** `the subject “Manila”`, `the last token “of”`, `“city of” and “is”`; tokens whose text is there twice have their number. */
function tokensNamed(positions: readonly number[], { tokens, subject }: EncodedPrompt): Named {
  const length = tokens.length
  const textOf = (first: number, last: number): string =>
    tokens
      .slice(first, last + 1)
      .map(({ text }) => text)
      .join('')
  const is = (role: Role): boolean => rolePositions(role, { length, subject }).join() === positions.join()
  if (is('last')) return { text: `the last token ${quoted(textOf(length - 1, length - 1))}`, plural: false }
  if (is('first')) return { text: `the first token ${quoted(textOf(0, 0))}`, plural: false }
  if (is('all')) return { text: roleWords('all'), plural: true }
  if (subject.length > 0) {
    if (is('subject')) {
      const words = runsOf(subject).map(([first, last]) => quoted(textOf(first, last)))
      return { text: `the subject ${listed(words)}`, plural: false }
    }
    for (const role of ['relation', 'relation-minus-last'] as const)
      if (is(role)) return { text: roleWords(role), plural: false }
  }
  const named = runsOf(positions).map(([first, last]) => {
    if (last >= length) return first === last ? `token ${first}` : `tokens ${first}–${last}`
    const text = textOf(first, last)
    const twice = first === last && tokens.filter((token) => token.text === text).length > 1
    return `${quoted(text)}${twice ? ` (token ${first})` : ''}`
  })
  const beyond = positions.length > 1 && positions[0]! >= length
  return { text: listed(named), plural: named.length > 1 || beyond }
}

/** `a`, `a and b`, `a, b and c` */
function listed(parts: readonly string[]): string {
  return parts.length < 2 ? parts.join('') : `${parts.slice(0, -1).join(', ')} and ${parts.at(-1)}`
}

/** `In layers 15–23 the last token “of” receives nothing from the subject “Manila”.` What is not chosen yet is an ellipsis. */
export function drawnCutWords(
  cut: Pick<Cut, 'sources' | 'targets' | 'first' | 'last' | 'features'>,
  prompt: EncodedPrompt,
): string {
  const nothing: Named = { text: '…', plural: false }
  const source = cut.sources.length === 0 ? nothing : tokensNamed(cut.sources, prompt)
  const target = cut.targets.length === 0 ? nothing : tokensNamed(cut.targets, prompt)
  const through = cut.features === 'all' ? '' : ` through the ${FEATURE_WORDS[cut.features]}`
  const layers = layersText(cut.first, cut.last - cut.first + 1)
  return `In ${layers} ${target.text} ${target.plural ? 'receive' : 'receives'} nothing from ${source.text}${through}${source === nothing && through === '' ? '' : '.'}`
}
