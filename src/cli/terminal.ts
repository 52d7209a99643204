/** What the terminal can show. */
import process from 'node:process'
import type { WriteStream } from 'node:tty'
import * as tty from 'node:tty'
import { type Colors, MIN_WIDTH } from '../figures/terminal.js'

/** Columns of standard output; 80 when it is not a terminal. */
export function width(): number {
  const columns = process.stdout.columns ?? Number(process.env.COLUMNS)
  return Math.max(MIN_WIDTH, Number.isFinite(columns) && columns > 0 ? columns : 80)
}

/** Colours of standard output; none when it is not a terminal or NO_COLOR is set, unless FORCE_COLOR is. */
export function colors(stream: Pick<WriteStream, 'isTTY'> = process.stdout): Colors {
  const { env } = process
  const forced = env.FORCE_COLOR !== undefined && env.FORCE_COLOR !== '0' && env.FORCE_COLOR !== 'false'
  if (!forced && (env.NO_COLOR || !stream.isTTY)) return 0
  const depth = tty.WriteStream.prototype.getColorDepth.call(stream as WriteStream, env)
  return depth === 24 ? 16777216 : depth === 8 ? 256 : depth === 4 ? 16 : 0
}

/** Print to standard output. */
export function print(text: string): void {
  process.stdout.write(`${text}\n`)
}

/** Print to standard error: what is not the result. */
export function note(text: string): void {
  process.stderr.write(`${text}\n`)
}
