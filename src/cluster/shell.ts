/** Words as a POSIX shell reads them. */

/** Words that mean themselves without quotes. */
const PLAIN = /^[\w%+,./:=@-]+$/

/** A word that a shell reads as `text`, whatever is in it. */
export function shellQuote(text: string): string {
  return PLAIN.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}

/** A command line of these words. */
export function shellLine(words: readonly string[]): string {
  return words.map(shellQuote).join(' ')
}
