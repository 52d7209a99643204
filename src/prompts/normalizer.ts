import { type Aligned, prepend, replaceUnit, toNfc } from './alignment.js'
import { SPACE } from './sentencepiece.js'
import { object, unsupported } from './tokenizer-fields.js'

/**
 * What is done to the text between special tokens before it is cut:
 * - `nfc`: Unicode NFC (Qwen2, GPT-NeoX)
 * - `prefix`: a `▁` in front, `spaces`: spaces written as `▁` (Llama 2, Mistral)
 */
export type NormalizerStep = 'nfc' | 'prefix' | 'spaces'

/** @throws InputError when the normaliser does anything else */
export function readNormalizer(config: unknown, where: string): NormalizerStep[] {
  if (config === null || config === undefined) return []
  const { type, normalizers, prepend, pattern, content } = object(config, where, 'normalizer')
  if (type === 'Sequence' && Array.isArray(normalizers)) {
    return normalizers.flatMap((inner: unknown) => readNormalizer(inner, where))
  }
  if (type === 'NFC') return ['nfc']
  if (type === 'Prepend' && prepend === SPACE) return ['prefix']
  if (
    type === 'Replace' &&
    content === SPACE &&
    object(pattern, where, 'normalizer.pattern').String === ' '
  ) {
    return ['spaces']
  }
  throw unsupported(
    where,
    'normalizer',
    `be none, NFC, Prepend "${SPACE}" or Replace " " by "${SPACE}"`,
    config,
  )
}

/** @param begins whether the text begins here; otherwise text precedes it, and no `▁` comes in between */
export function normalize(text: Aligned, steps: readonly NormalizerStep[], begins: boolean): Aligned {
  let result = text
  for (const step of steps) {
    if (step === 'nfc') result = toNfc(result)
    else if (step === 'spaces') result = replaceUnit(result, ' ', SPACE)
    else if (begins) result = prepend(result, SPACE)
  }
  return result
}
