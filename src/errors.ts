/**
 * What the user gave cannot be used: a file, an argument, a line of input.
 *
 * The message is one line of the form `where: rule, got value; what to do`. Anything else that is thrown is a
 * fault of factflow itself.
 */
export class InputError extends Error {
  override name = 'InputError'

  constructor(message: string, options?: ErrorOptions) {
    super(oneLine(message), options)
  }
}

/** The most characters of a message: names and values that it quotes may be of any length. */
const MOST_CHARACTERS = 2000

/** A message on one line, whatever it quotes; a long one lacks its middle. */
function oneLine(message: string): string {
  const line = escaped(message)
  if (line.length <= MOST_CHARACTERS) return line
  const half = (MOST_CHARACTERS - 1) / 2
  return `${line.slice(0, Math.ceil(half))}…${line.slice(-Math.floor(half))}`
}

/** Control characters and line ends of all kinds, some of which JSON leaves as they are, in JSON's own way. */
function escaped(text: string): string {
  return text.replace(
    /[\p{Cc}\p{Zl}\p{Zp}]/gu,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

/** Shorten a value for an error message: at most `max` characters, quotes around strings. */
export function show(value: unknown, max = 60): string {
  let text: string
  try {
    // JSON has no word for NaN and the infinities.
    text = typeof value === 'number' ? String(value) : (JSON.stringify(value) ?? String(value))
  } catch {
    // Circular or too deep.
    text = Object.prototype.toString.call(value)
  }
  const line = escaped(text)
  return line.length > max ? `${line.slice(0, max - 1)}…` : line
}

/** The system's name for what went wrong, ENOENT for instance, where the error has one. */
export function errorCode(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error)
}

/** What Node, ONNX Runtime, GPUs and DuckDB (of a data chunk) say when memory has run out. */
const OUT_OF_MEMORY =
  /ERR_WORKER_OUT_OF_MEMORY|std::bad_alloc|bad allocation|failed to allocate memory|array buffer allocation failed|out of memory|ENOMEM|cannot (allocate memory|map zero-fill pages|create child process)|unable to allocate|cannot create a data chunk/i

/**
 * The error for memory that has run out; undefined for any other.
 * @param what the memory was for
 */
export function outOfMemory(error: unknown, what = 'the work'): InputError | undefined {
  if (error instanceof InputError) return undefined
  const text = error instanceof Error ? `${errorCode(error)} ${error.message}` : String(error)
  const [reason] = OUT_OF_MEMORY.exec(text) ?? []
  if (reason === undefined) return undefined
  return new InputError(
    `memory: must suffice for ${what}, got ${show(reason)}; give factflow less of it with --memory, take fewer --threads, or give the process more`,
    { cause: error },
  )
}
