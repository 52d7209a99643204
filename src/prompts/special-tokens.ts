import { isId, type Json, object, unsupported } from './tokenizer-fields.js'

const RULE = 'put special tokens only in front of the text'

/**
 * The special tokens that the post-processor puts in front of every text, first to last: `<s>` in Llama 2 and
 * Mistral, `<|begin_of_text|>` in Llama 3, none in GPT-2, GPT-NeoX and Qwen2. `transformers` does the same when it
 * is called as `tokenizer(prompt)`.
 *
 * @throws InputError when it puts tokens elsewhere: a prompt has to end where the answer begins
 */
export function readFrontTokens(config: unknown, where: string): number[] {
  if (config === null || config === undefined) return []
  const processor = object(config, where, 'post_processor')
  switch (processor.type) {
    // Changes offsets only.
    case 'ByteLevel':
      return []
    case 'Sequence':
      if (!Array.isArray(processor.processors)) break
      // Each puts its tokens around what the one before it gave.
      return processor.processors
        .map((inner: unknown) => readFrontTokens(inner, where))
        .reverse()
        .flat()
    case 'TemplateProcessing': {
      const { single } = processor
      if (!Array.isArray(single)) break
      const pieces = single.map((piece: unknown) => object(piece, where, 'post_processor.single'))
      const text = pieces.findIndex((piece) => 'Sequence' in piece)
      if (text < 0 || text !== pieces.length - 1) break
      const special = object(processor.special_tokens ?? {}, where, 'post_processor.special_tokens')
      return pieces.slice(0, text).flatMap((piece) => specialIds(piece, special, where))
    }
  }
  throw unsupported(where, 'post_processor', RULE, config)
}

function specialIds(piece: Json, special: Json, where: string): number[] {
  const name = object(piece.SpecialToken, where, 'post_processor.single').id
  if (typeof name !== 'string') throw unsupported(where, 'post_processor', RULE, piece)
  const { ids } = object(
    Object.hasOwn(special, name) ? special[name] : undefined,
    where,
    `post_processor.special_tokens[${JSON.stringify(name)}]`,
  )
  if (!Array.isArray(ids) || !ids.every(isId)) throw unsupported(where, 'post_processor', RULE, special)
  return ids
}
