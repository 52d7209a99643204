/** What the terminal can show. */
import process from 'node:process'
import type { WriteStream } from 'node:tty'
import * as tty from 'node:tty'
import { type Colors, MIN_WIDTH } from '../figures/terminal.js'

/** The widest that is drawn. */
const MAX_WIDTH = 400

/** Columns of standard output, or what COLUMNS says; 80 when neither does. At least 40, at most 400. */
export function width(): number {
  // A terminal that does not know its size says 0.
  const columns = process.stdout.columns || Number(process.env.COLUMNS)
  if (!Number.isInteger(columns) || columns < 1) return 80
  return Math.min(MAX_WIDTH, Math.max(MIN_WIDTH, columns))
}

/** Colours of standard output; none when it is not a terminal or NO_COLOR is set and not empty, unless FORCE_COLOR is. */
export function colors(stream: Pick<WriteStream, 'isTTY'> = process.stdout): Colors {
  const { env } = process
  const forced = env.FORCE_COLOR !== undefined && env.FORCE_COLOR !== '0' && env.FORCE_COLOR !== 'false'
  if (!forced && (env.NO_COLOR || !stream.isTTY)) return 0
  // NO_COLOR has been heard: Node takes an empty one for set, and warns when FORCE_COLOR overrules it.
  const rest = { ...env, NO_COLOR: undefined }
  const depth = tty.WriteStream.prototype.getColorDepth.call(stream as WriteStream, rest)
  return depth === 24 ? 16777216 : depth === 8 ? 256 : depth === 4 ? 16 : 0
}

/** `1 fact`, `7,959 facts` */
export function plural(n: number, noun: string): string {
  return `${n.toLocaleString('en')} ${noun}${n === 1 ? '' : 's'}`
}

/** Print to standard output. */
export function print(text: string): void {
  process.stdout.write(`${text}\n`)
}

/** Print to standard error: what is not the result. */
export function note(text: string): void {
  process.stderr.write(`${text}\n`)
}
