/** JSON as checkpoints hold it: checked text, errors that say where, Python's spellings of infinity. */
import { InputError } from '../errors.js'

/** A parsed JSON object (not null, not an array). */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** What a file of a repository that was cloned without its large files begins with. */
const LFS_POINTER = 'version https://git-lfs'

/** Whether a file that begins with `bytes` is a Git LFS pointer. */
export function isLfsPointer(bytes: Uint8Array): boolean {
  return new TextDecoder().decode(bytes.subarray(0, LFS_POINTER.length)) === LFS_POINTER
}

/** Bytes to text. @throws InputError when they are not UTF-8, or are a Git LFS pointer. */
export function decodeText(bytes: Uint8Array, file: string): string {
  if (isLfsPointer(bytes)) throw lfsError(file)
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw new InputError(`${file}: must be UTF-8 text, got other bytes; download it again`)
  }
}

/** The error for a Git LFS pointer in the place of a file. */
export function lfsError(file: string): InputError {
  return new InputError(
    `${file}: must hold the data itself, got a Git LFS pointer; run "git lfs pull" in its folder, or download it`,
  )
}

/** Parse JSON. @throws InputError when it is not. */
export function parseJson(text: string, file: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw notJson(error, text, file)
  }
}

/**
 * Parse a config.json as Hugging Face transformers reads it: `{"__float__": "Infinity"}` (version 5, also -Infinity
 * and NaN) and bare `Infinity` (earlier versions: Python's JSON) are numbers.
 */
export function parseConfig(text: string, file: string): unknown {
  const json = withoutBareInfinity(text)
  try {
    return JSON.parse(json, (_key, value: unknown) => taggedFloat(value) ?? value)
  } catch (error) {
    throw notJson(error, json, file)
  }
}

const TAGGED_FLOATS = new Map<unknown, number>([
  ['Infinity', Infinity],
  ['-Infinity', -Infinity],
  ['NaN', NaN],
])

/** transformers 5, configuration_utils.py, `_decode_special_floats`: other tags stay as they are. */
function taggedFloat(value: unknown): number | undefined {
  return isObject(value) && Object.keys(value).join() === '__float__'
    ? TAGGED_FLOATS.get(value.__float__)
    : undefined
}

/** `Infinity` outside strings, replaced by a literal of the same length that parses to it: positions stay true. */
function withoutBareInfinity(text: string): string {
  let json = ''
  let kept = 0
  for (let at = 0; at < text.length; ) {
    if (text[at] === '"') {
      at = stringEnd(text, at)
    } else if (text.startsWith('Infinity', at)) {
      json += `${text.slice(kept, at)}1e999999`
      at += 'Infinity'.length
      kept = at
    } else {
      at++
    }
  }
  return json + text.slice(kept)
}

/**
 * The first key that an object in `text` holds twice, or undefined; `JSON.parse` silently keeps the last.
 *
 * @param text valid JSON.
 */
export function duplicateKey(text: string): string | undefined {
  const keys: Set<string>[] = [] // of every object and array that is open
  let string = ''
  for (let at = 0; at < text.length; ) {
    const start = at
    switch (text[at++]) {
      case '"':
        at = stringEnd(text, start)
        string = text.slice(start, at)
        break
      case ':': {
        const key = JSON.parse(string) as string
        if (keys.at(-1)!.has(key)) return key
        keys.at(-1)!.add(key)
        break
      }
      case '{':
      case '[':
        keys.push(new Set())
        break
      case '}':
      case ']':
        keys.pop()
    }
  }
  return undefined
}

/** The position after the string that begins at `start`. (A loop: a regular expression runs out of stack.) */
export function stringEnd(text: string, start: number): number {
  let at = start + 1
  while (at < text.length && text[at] !== '"') at += text[at] === '\\' ? 2 : 1
  return at + 1
}

/** JavaScript engines word these errors differently; V8 gives a position for most of them. */
function notJson(error: unknown, text: string, file: string): InputError {
  const message = error instanceof Error ? error.message : String(error)
  const position = /(?: in JSON)? at position (\d+)/.exec(message)
  let what = message.slice(0, position?.index)
  if (position) {
    const before = text.slice(0, Number(position[1])).split('\n')
    what += ` at line ${before.length}, column ${before.at(-1)!.length + 1}`
  }
  // The message may quote the file: nothing of it may break the line or drive the terminal.
  const line = what.replace(/[\p{C}\p{Z}]+/gu, ' ')
  return new InputError(`${file}: must be JSON (${line}); correct it or download it again`)
}
