/**
 * What the user gave cannot be used: a file, an argument, a line of input.
 *
 * The message is one line of the form `where: rule, got value; what to do`. Anything else that is thrown is a
 * fault of factflow itself.
 */
export class InputError extends Error {
  override name = 'InputError'
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
  return text.length > max ? `${text.slice(0, max - 1)}…` : text
}

/** The system's name for what went wrong, ENOENT for instance, where the error has one. */
export function errorCode(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error)
}
