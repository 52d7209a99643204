/** The progress bar: rate and time left, on standard error, when that is a terminal. */
import process from 'node:process'
import { SingleBar } from 'cli-progress'
import type { Progress } from '../model.js'

/** Run a long task with a bar; `onProgress` is for a sweep's settings. */
export async function withProgress<T>(
  label: string,
  task: (onProgress: (progress: Progress) => void) => Promise<T>,
): Promise<T> {
  let begin = performance.now()
  let last = 0
  const bar = new SingleBar({
    stream: process.stderr,
    clearOnComplete: true,
    // Neither hide the cursor nor switch line wrapping off: an interrupt (Ctrl-C) would leave the terminal so.
    hideCursor: false,
    linewrap: true,
    format: (_options, { value, total }) => {
      const seconds = (performance.now() - begin) / 1000
      // A terminal that does not know its size says 0.
      return progressLine(label, { done: value, total }, seconds, process.stderr.columns || 80)
    },
  })
  let started = false
  const onProgress = ({ done, total }: Progress): void => {
    if (!started) bar.start(total, done)
    started = true
    // The next sweep of the same task.
    if (done < last) begin = performance.now()
    last = done
    bar.setTotal(total)
    bar.update(done)
  }
  try {
    return await task(onProgress)
  } finally {
    if (started) bar.stop()
  }
}

const MIN_BAR = 8
const MAX_BAR = 24
/** Before this share is done nothing is said of the time left: loading the model is in it. */
const FIRST_ESTIMATE = 0.02

/**
 * `sweep ━━━━━━━━────────────────  33 %  5 s left  63,133 layer-rows/s`, in at most `width` columns less one: the rate
 * goes first where it does not fit, then the bar.
 *
 * @param seconds since the task began
 */
export function progressLine(
  label: string,
  { done, total }: Progress,
  seconds: number,
  width: number,
): string {
  const share = total > 0 ? Math.min(1, done / total) : 0
  const rate = done / Math.max(seconds, 1e-3)
  const percent = `${String(Math.floor(100 * share)).padStart(3)} %`
  const left = share < FIRST_ESTIMATE ? '' : `  ${duration((total - done) / rate)} left`
  const speed = `  ${Math.round(rate).toLocaleString('en')} layer-rows/s`
  // The last column stays free: terminals differ in whether writing to it moves on.
  const room = (tail: string): number => width - 1 - `${label}  ${percent}${tail}`.length
  const tail = room(left + speed) < MIN_BAR ? left : left + speed
  const columns = Math.min(MAX_BAR, room(tail))
  if (columns < MIN_BAR) return `${label} ${percent}${left}`.slice(0, Math.max(0, width - 1))
  const filled = Math.round(share * columns)
  return `${label} ${'━'.repeat(filled)}${'─'.repeat(columns - filled)} ${percent}${tail}`
}

/** Seconds for people: `42 s`, `3 min 20 s`, `2 h 5 min`. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.ceil(seconds))
  if (whole < 60) return `${whole} s`
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`
}
