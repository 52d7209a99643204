import { InputError, show } from '../errors.js'
import type { PreTokenizerConfig } from './hf-tokenizers.js'
import { PUNCTUATION } from './rust-unicode.js'
import { type Metaspace, SPACE } from './sentencepiece.js'
import { patternProblem } from './split-pattern.js'
import { object, SUPPORTED, unsupported } from './tokenizer-fields.js'

/** How GPT-2's byte-level pre-tokenizer splits text; in Oniguruma's syntax, which the library translates. */
const GPT2_SPLIT = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"

/**
 * A byte-level pre-tokenizer as a flat list of steps of which the library and the reference implementation agree.
 *
 * The library's own ByteLevel, Punctuation and Digits split differently from the Rust library (JavaScript's `\s`
 * and `\d` are not Unicode's, and the behaviour of Punctuation is not read), so they are spelled as Split.
 *
 * @throws InputError when a step is of another kind
 */
export function readSteps(config: unknown, where: string): PreTokenizerConfig[] {
  if (config === null || config === undefined) return []
  const step = object(config, where, 'pre_tokenizer')
  switch (step.type) {
    case 'Sequence': {
      if (!Array.isArray(step.pretokenizers)) {
        throw unsupported(where, 'pre_tokenizer.pretokenizers', 'be a list', step.pretokenizers)
      }
      return step.pretokenizers.flatMap((inner: unknown) => readSteps(inner, where))
    }
    case 'ByteLevel': {
      if (step.add_prefix_space === true) {
        throw new InputError(
          `${where}: pre_tokenizer.add_prefix_space must be false, got true; save the tokenizer without it`,
        )
      }
      const bytes: PreTokenizerConfig = { type: 'ByteLevel', add_prefix_space: false, use_regex: false }
      return step.use_regex === false ? [bytes] : [isolate(GPT2_SPLIT), bytes]
    }
    case 'Digits':
      return [isolate(step.individual_digits === true ? '\\p{N}' : '\\p{N}+')]
    case 'Punctuation': {
      const behavior = step.behavior ?? 'Isolated'
      if (behavior === 'Isolated') return [isolate(PUNCTUATION)]
      if (behavior === 'Contiguous') return [isolate(`${PUNCTUATION}+`)]
      break
    }
    case 'Split': {
      const { Regex, String: literal } = object(step.pattern, where, 'pre_tokenizer.pattern')
      if (step.behavior !== 'Isolated' || step.invert === true) break
      if (typeof Regex === 'string') return [isolate(checked(Regex, where))]
      if (typeof literal === 'string') {
        return [{ type: 'Split', pattern: { String: literal }, behavior: 'Isolated', invert: false }]
      }
      break
    }
  }
  throw unsupported(
    where,
    'pre_tokenizer',
    'be of ByteLevel, isolating Split, Punctuation and Digits steps, or Metaspace with model.byte_fallback',
    step,
  )
}

/** @throws InputError when the pattern may take very long */
function checked(pattern: string, where: string): string {
  const problem = patternProblem(pattern)
  if (problem === undefined) return pattern
  throw new InputError(
    `${where}: pre_tokenizer.pattern must repeat single characters and classes, two in a row at most, got ${problem}: ${show(pattern)}; ${SUPPORTED}`,
  )
}

/** Split so that every match is a piece and so is every stretch between matches. */
function isolate(pattern: string): PreTokenizerConfig {
  return { type: 'Split', pattern: { Regex: pattern }, behavior: 'Isolated', invert: false }
}

/**
 * The pre-tokenizer of a SentencePiece tokenizer; undefined when there is none.
 * @throws InputError when it is not Metaspace
 */
export function readMetaspace(config: unknown, where: string): Metaspace | undefined {
  if (config === null || config === undefined) return undefined
  const step = object(config, where, 'pre_tokenizer')
  const { replacement, add_prefix_space: spaced, prepend_scheme: scheme = 'always', split = true } = step
  const prepend = spaced === false ? 'never' : scheme
  if (
    step.type !== 'Metaspace' ||
    replacement !== SPACE ||
    typeof split !== 'boolean' ||
    (prepend !== 'first' && prepend !== 'always' && prepend !== 'never')
  ) {
    throw unsupported(
      where,
      'pre_tokenizer',
      `be Metaspace with "${SPACE}" or none, as model.byte_fallback is on`,
      config,
    )
  }
  return { prepend, split }
}
