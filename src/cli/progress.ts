/** The progress bar: rate and time left, on standard error, when that is a terminal. */
import process from 'node:process'
import { SingleBar } from 'cli-progress'
import type { DownloadProgress } from '../checkpoints/hub-target.js'
import type { Progress } from '../model.js'
import { note } from './terminal.js'

/** Run a long task with a bar; `onProgress` is for a sweep's settings. */
export async function withProgress<T>(
  label: string,
  task: (onProgress: (progress: Progress) => void) => Promise<T>,
  tail: Tail = LAYER_ROWS,
): Promise<T> {
  const bar = new Bar((progress, seconds, width) => progressLine(label, progress, seconds, width, tail))
  try {
    return await task((progress) => bar.update(progress))
  } finally {
    bar.stop()
  }
}

/** The same for what is not counted in layer-rows: how much is done, and how long the rest takes. */
export function withShare<T>(
  label: string,
  task: (onProgress: (progress: Progress) => void) => Promise<T>,
): Promise<T> {
  return withProgress(label, task, { before: 0, text: () => '' })
}

/**
 * Run a task that may download models: with a bar in a terminal, with one line for each download elsewhere.
 * `onProgress` is for `loadModel`.
 */
export async function withDownloads<T>(
  task: (onProgress: (progress: DownloadProgress) => void) => Promise<T>,
): Promise<T> {
  let model: string | undefined
  let before = 0
  const bar = new Bar((progress, seconds, width) =>
    progressLine(`download ${model}`, progress, seconds, width, bytesTail(before)),
  )
  try {
    return await task((progress) => {
      if (progress.model !== model) {
        bar.stop()
        model = progress.model
        before = progress.done
        if (!process.stderr.isTTY) {
          note(`downloading ${model} (${size(progress.total)}) to ${progress.folder}`)
        }
      }
      bar.update(progress)
      if (progress.done === progress.total) bar.stop()
    })
  } finally {
    bar.stop()
  }
}

/** A bar on standard error; nothing where that is no terminal. */
class Bar {
  readonly #bar: SingleBar
  #begin = 0
  #last = 0
  #started = false

  constructor(line: (progress: Progress, seconds: number, width: number) => string) {
    this.#bar = new SingleBar({
      stream: process.stderr,
      clearOnComplete: true,
      // Neither hide the cursor nor switch line wrapping off: an interrupt (Ctrl-C) would leave the terminal so.
      hideCursor: false,
      linewrap: true,
      format: (_options, { value, total }) => {
        const seconds = (performance.now() - this.#begin) / 1000
        // A terminal that does not know its size says 0.
        return line({ done: value, total }, seconds, process.stderr.columns || 80)
      },
    })
  }

  update({ done, total }: Progress): void {
    // Also the next sweep of the same task begins anew.
    if (!this.#started || done < this.#last) this.#begin = performance.now()
    if (!this.#started) this.#bar.start(total, done)
    this.#started = true
    this.#last = done
    this.#bar.setTotal(total)
    this.#bar.update(done)
  }

  stop(): void {
    if (this.#started) this.#bar.stop()
    this.#started = false
  }
}

const MIN_BAR = 8
const MAX_BAR = 24
/** Before this share is done nothing is said of the time left: loading the model is in it. */
const FIRST_ESTIMATE = 0.02

/** What a line says of the speed. */
interface Tail {
  /** What was done before the time began to count. */
  readonly before: number
  text(progress: Progress, rate: number): string
}

const LAYER_ROWS: Tail = {
  before: 0,
  text: (_, rate) => `${Math.round(rate).toLocaleString('en')} layer-rows/s`,
}

/**
 * `120 MB of 500 MB  35 MB/s`
 *
 * @param before bytes that were there when the download began
 */
export function bytesTail(before: number): Tail {
  return {
    before,
    text: ({ done, total }, rate) => `${size(done)} of ${size(total)}  ${size(rate)}/s`,
  }
}

/** Bytes for people: `83 kB`, `5.2 MB`, `14.5 GB`. */
function size(bytes: number): string {
  const [unit, name] = bytes < 1e6 ? [1e3, 'kB'] : bytes < 1e9 ? [1e6, 'MB'] : [1e9, 'GB']
  const value = Math.max(0, bytes / unit)
  return `${value.toFixed(value < 10 && unit > 1e3 ? 1 : 0)} ${name}`
}

/**
 * `sweep ━━━━━━━━────────────────  33 %  5 s left  63,133 layer-rows/s`, in at most `width` columns less one: the rate
 * goes first where it does not fit, then the bar.
 *
 * @param seconds since the task began
 * @param tail what is said of the speed; default layer-rows
 */
export function progressLine(
  label: string,
  { done, total }: Progress,
  seconds: number,
  width: number,
  tail: Tail = LAYER_ROWS,
): string {
  const share = total > 0 ? Math.min(1, done / total) : 0
  const rate = (done - tail.before) / Math.max(seconds, 1e-3)
  const percent = `${String(Math.floor(100 * share)).padStart(3)} %`
  const left = share < FIRST_ESTIMATE || rate <= 0 ? '' : `  ${duration((total - done) / rate)} left`
  const speed = `  ${tail.text({ done, total }, rate)}`
  // The last column stays free: terminals differ in whether writing to it moves on.
  const room = (end: string): number => width - 1 - `${label}  ${percent}${end}`.length
  const end = room(left + speed) < MIN_BAR ? left : left + speed
  const columns = Math.min(MAX_BAR, room(end))
  if (columns < MIN_BAR) return `${label} ${percent}${left}`.slice(0, Math.max(0, width - 1))
  const filled = Math.round(share * columns)
  return `${label} ${'━'.repeat(filled)}${'─'.repeat(columns - filled)} ${percent}${end}`
}

/** Seconds for people: `42 s`, `3 min 20 s`, `2 h 5 min`. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.ceil(seconds))
  if (whole < 60) return `${whole} s`
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`
}
