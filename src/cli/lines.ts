/** Input read line by line, for `factflow knockout`. */
import { createReadStream } from 'node:fs'
import process from 'node:process'
import type { Readable } from 'node:stream'
import { InputError, show } from '../errors.js'
import { systemReason } from '../results/whole-file.js'
import { note } from './terminal.js'

/** Lines in a block, answered in one sweep. */
const LINES_AT_ONCE = 256
/** Characters of a line: input without line ends must not fill the memory. */
const MOST_CHARACTERS = 2 ** 26

/** The file, or standard input. */
function open(file?: string): Readable {
  if (file !== undefined) return createReadStream(file)
  if (process.stdin.isTTY) note('reading JSON Lines from the terminal, Ctrl-D ends; --help shows their form')
  return process.stdin
}

/**
 * Lines of a file, or of standard input, as they come, in blocks: what has arrived is answered together.
 * @throws InputError when the input cannot be read
 */
export async function* lines(file?: string): AsyncGenerator<string[]> {
  const input = open(file)
  const where = file === undefined ? 'standard input' : `--input ${show(file)}`
  const waiting: string[] = []
  let rest = ''
  let ended = false
  let failure: Error | undefined
  let wake = (): void => {}
  // Not node:readline: it ends a line at U+2028 and U+2029, too, which a JSON text may hold.
  input.setEncoding('utf8')
  input.on('data', (chunk: string) => {
    const [first, ...more] = chunk.split('\n')
    rest += first
    for (const line of more) {
      waiting.push(rest)
      rest = line
    }
    if (rest.length > MOST_CHARACTERS) {
      failure = new InputError(
        `${where}: a line must have at most ${MOST_CHARACTERS} characters, got more; write one question a line`,
      )
      input.pause()
    }
    if (waiting.length >= 4 * LINES_AT_ONCE) input.pause()
    wake()
  })
  input.on('end', () => {
    waiting.push(rest)
    ended = true
    wake()
  })
  input.on('error', (error) => {
    failure = error
    wake()
  })
  try {
    for (;;) {
      if (failure) {
        if (failure instanceof InputError) throw failure
        throw new InputError(`${where}: must be readable, got ${systemReason(failure)}; check the path`)
      } else if (waiting.length > 0) {
        yield waiting.splice(0, LINES_AT_ONCE)
        input.resume()
      } else if (ended) {
        return
      } else {
        await new Promise<void>((resolve) => {
          wake = resolve
        })
        // Let the rest of what has arrived come in, so that it shares the sweep.
        await new Promise((resolve) => setImmediate(resolve))
      }
    }
  } finally {
    input.destroy()
  }
}
