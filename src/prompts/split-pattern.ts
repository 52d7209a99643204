/**
 * Which patterns of a tokenizer.json are run. A pattern comes with the model, and JavaScript's engine goes back over
 * a text for every way in which a pattern can match it: `(a+)+$` takes years for 40 characters. So patterns are of the
 * form that those of all supported tokenizers have, for which few ways are left.
 */

/** Ways that are left without `*`, `+` and `{n,}`; published patterns have at most 12 (`(?i:'s|'t|...)` and the like). */
const MOST_WAYS = 1000
/** Each `*`, `+` or `{n,}` that follows another may share a stretch of text with it in as many ways as it is long. */
const MOST_OPEN = 2
/** Repetitions of one character, `{1,3}`; published patterns have at most 3. */
const MOST_COUNT = 64

/** What can match a part of a pattern: in how many ways, and how many unbounded repetitions follow one another. */
interface Cost {
  readonly ways: number
  readonly open: number
}

/**
 * What keeps a pattern from being run, in words that follow "got", or undefined.
 *
 * A repetition stands behind one character or class; behind a group only `?`.
 */
export function patternProblem(pattern: string): string | undefined {
  try {
    const reader = new PatternReader(pattern)
    const { ways, open } = reader.alternatives()
    if (!reader.ended) return 'one with a group that has no beginning'
    if (ways > MOST_WAYS) return `one with ${ways} alternatives in a row`
    return open > MOST_OPEN ? `one with ${open} repetitions in a row` : undefined
  } catch (error) {
    if (error instanceof PatternError) return error.message
    throw error
  }
}

class PatternError extends Error {}

/** Goes through a pattern once, from left to right. */
class PatternReader {
  #at = 0

  constructor(private readonly pattern: string) {}

  get ended(): boolean {
    return this.#at >= this.pattern.length
  }

  /** `a|b|c`, up to the end or a closing bracket. */
  alternatives(depth = 0): Cost {
    // Deeper than anybody writes, and less than the stack holds.
    if (depth > 20) throw new PatternError('one with groups in groups in groups')
    let all = this.#sequence(depth)
    while (this.pattern[this.#at] === '|') {
      this.#at++
      const next = this.#sequence(depth)
      all = { ways: all.ways + next.ways, open: Math.max(all.open, next.open) }
    }
    return all
  }

  #sequence(depth: number): Cost {
    let ways = 1
    let open = 0
    while (!this.ended && this.pattern[this.#at] !== '|' && this.pattern[this.#at] !== ')') {
      const next = this.#repeated(depth)
      ways *= next.ways
      open += next.open
    }
    return { ways, open }
  }

  /** A character, class or group with what says how often. */
  #repeated(depth: number): Cost {
    const group = this.pattern[this.#at] === '('
    const one = group ? this.#group(depth) : this.#character()
    const times = /^(?:[*+?]|\{(\d+)(,?)(\d*)\})[?+]?/.exec(this.pattern.slice(this.#at, this.#at + 40))
    if (!times) return one
    this.#at += times[0].length
    if (times[0].startsWith('?')) return { ways: one.ways + 1, open: one.open }
    if (group) throw new PatternError('one with a group that is repeated')
    const [, least, comma, most] = times
    if (least === undefined || (comma !== '' && most === '')) return { ways: 1, open: 1 }
    const count = comma === '' ? 0 : Number(most) - Number(least)
    if (Math.max(Number(least), Number(most)) > MOST_COUNT) {
      throw new PatternError(`one with more than ${MOST_COUNT} repetitions`)
    }
    return { ways: 1 + Math.max(0, count), open: 0 }
  }

  #group(depth: number): Cost {
    this.#at += /^\((?:\?(?:[a-z]*:|<?[=!]|>))?/.exec(this.pattern.slice(this.#at, this.#at + 12))![0].length
    const inside = this.alternatives(depth + 1)
    if (this.pattern[this.#at] !== ')') throw new PatternError('one with a group that has no end')
    this.#at++
    return inside
  }

  #character(): Cost {
    const start = this.#at
    if (this.pattern[start] === '\\') {
      const escaped = /^\\(?:[pP]\{[^}]*\}|x\{[0-9a-fA-F]+\}|.)/su.exec(
        this.pattern.slice(start, start + 60),
      )?.[0]
      if (escaped === undefined) throw new PatternError('one that ends in a backslash')
      if (/^\\[1-9kg]/.test(escaped)) throw new PatternError('one that refers back to what it matched')
      this.#at += escaped.length
    } else if (this.pattern[start] === '[') this.#class()
    else this.#at += String.fromCodePoint(this.pattern.codePointAt(start)!).length
    return { ways: 1, open: 0 }
  }

  /** `[...]`, in which Oniguruma allows classes in classes. */
  #class(): void {
    let depth = 0
    do {
      const character = this.pattern[this.#at]
      if (character === undefined) throw new PatternError('one with a class that has no end')
      if (character === '\\') this.#at++
      if (character === '[') {
        depth++
        // A closing bracket that comes first stands for itself.
        this.#at += /^\[\^?\]?/.exec(this.pattern.slice(this.#at, this.#at + 3))![0].length
        continue
      }
      if (character === ']') depth--
      this.#at++
    } while (depth > 0)
  }
}
