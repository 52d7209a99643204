/** JSON as Python writes it. */
import { stringEnd } from '../checkpoints/json.js'

/** Python's words for what is no number. */
const WORDS = ['NaN', 'Infinity', '-Infinity']

/** Parse JSON in which `NaN` and `Infinity` may stand bare: they are null. Undefined when it is not JSON. */
export function pythonJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // Valid JSON has no such words: only now is it worth to look for them.
  }
  try {
    return JSON.parse(withoutWords(text))
  } catch {
    return undefined
  }
}

/** What is in strings stays. (A loop: a regular expression takes quadratic time over a string that does not end.) */
function withoutWords(text: string): string {
  let json = ''
  let kept = 0
  for (let at = 0; at < text.length; ) {
    const word = WORDS.find((one) => text.startsWith(one, at))
    if (word !== undefined) {
      json += `${text.slice(kept, at)}null`
      at += word.length
      kept = at
    } else at = text[at] === '"' ? stringEnd(text, at) : at + 1
  }
  return json + text.slice(kept)
}
