/** Fields of a parsed tokenizer.json, and the errors about them. */
import { InputError, show } from '../errors.js'

export type Json = Record<string, unknown>

export const SUPPORTED =
  'supported are byte-level BPE tokenizers (GPT-2, GPT-NeoX, Mamba, Falcon, Llama 3, Qwen2) and SentencePiece BPE ones with byte fallback (Llama 2, Mistral), not WordPiece or Unigram ones'

/** The error about a damaged file. */
export function fault(where: string, name: string, rule: string, got: unknown): InputError {
  return new InputError(
    `${where}: ${name} must ${rule}, got ${show(got)}; give the tokenizer.json that belongs to the model`,
  )
}

/** The error about a kind of tokenizer that factflow does not have. */
export function unsupported(where: string, name: string, rule: string, got: unknown): InputError {
  return new InputError(`${where}: ${name} must ${rule}, got ${show(got, 200)}; ${SUPPORTED}`)
}

/** @throws InputError when the value is no object */
export function object(value: unknown, where: string, name: string): Json {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw fault(where, name, 'be an object', value)
  }
  return value as Json
}

/** No vocabulary comes near; a table by id of a damaged file should not fill the memory. */
const MAX_ID = 2 ** 20

export function isId(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) < MAX_ID
}
