import { readFileSync } from 'node:fs'
import { expect } from 'vitest'
import { InputError } from '../../src/errors.js'
import { Tokenizer } from '../../src/prompts/tokenizer.js'

export const TINY = 'models/tiny-mamba1/tokenizer.json'

export function readJson(path: string): Record<string, unknown> {
  return JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>
}

let tiny: Tokenizer | undefined

/** The embedded models' tokenizer: byte-level BPE of 4,096 tokens, no normaliser. */
export function tinyTokenizer(): Tokenizer {
  tiny ??= Tokenizer.fromJson(readJson(TINY), TINY)
  return tiny
}

/** The message of the InputError that `run` must throw: one line, and with something to do after the semicolon. */
export function inputError(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    expect(error).toBeInstanceOf(InputError)
    const { message } = error as InputError
    expect(message).toMatch(/^[^\n]+: [^\n]+, got [^\n]+; [^\n]+$/)
    return message
  }
  throw new Error('no error was thrown')
}
