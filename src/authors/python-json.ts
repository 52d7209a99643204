/** JSON as Python writes it. */

/** A string, so that what is in it stays; or one of Python's words for what is no number. */
const STRING_OR_WORD = /"[^"\\]*(?:\\.[^"\\]*)*"|NaN|-?Infinity/gs

/** Parse JSON in which `NaN` and `Infinity` may stand bare: they are null. Undefined when it is not JSON. */
export function pythonJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // Valid JSON has no such words: only now is it worth to look for them.
  }
  try {
    return JSON.parse(text.replace(STRING_OR_WORD, (part) => (part.startsWith('"') ? part : 'null')))
  } catch {
    return undefined
  }
}
