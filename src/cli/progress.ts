/** The progress bar: rate and time left, on standard error, when that is a terminal. */
import process from 'node:process'
import { SingleBar } from 'cli-progress'
import type { Progress } from '../model.js'

/** Run a long task with a bar; `onProgress` is for a sweep's settings. */
export async function withProgress<T>(
  label: string,
  task: (onProgress: (progress: Progress) => void) => Promise<T>,
): Promise<T> {
  const bar = new SingleBar({
    stream: process.stderr,
    clearOnComplete: true,
    hideCursor: true,
    linewrap: false,
    barsize: 24,
    etaBuffer: 50,
    format: (_options, { progress }, { label: name, rate, left }) => {
      const filled = Math.round(progress * 24)
      const drawn = '━'.repeat(filled) + '─'.repeat(24 - filled)
      return `${name} ${drawn} ${String(Math.floor(progress * 100)).padStart(3)} %  ${rate} layer-rows/s  ${left} left`
    },
  })
  const begin = performance.now()
  let started = false
  const onProgress = ({ done, total }: Progress): void => {
    const seconds = (performance.now() - begin) / 1000
    const rate = done / Math.max(seconds, 1e-3)
    const payload = {
      label,
      rate: Math.round(rate).toLocaleString('en'),
      left: duration((total - done) / Math.max(rate, 1e-3)),
    }
    if (!started) {
      bar.start(total, 0, payload)
      started = true
    }
    bar.setTotal(total)
    bar.update(done, payload)
  }
  try {
    return await task(onProgress)
  } finally {
    if (started) bar.stop()
  }
}

/** Seconds for people: `42 s`, `3 min 20 s`, `2 h 5 min`. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.ceil(seconds))
  if (whole < 60) return `${whole} s`
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`
}
