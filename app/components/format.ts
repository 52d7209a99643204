/** Numbers and tokens for people. */
import { visibleToken } from '../../src/figures/text.js'

/** `97.3 %`, `0.04 %`, `< 0.01 %` */
export function percent(prob: number): string {
  const value = prob * 100
  if (value === 0) return '0\u00a0%'
  if (value < 0.01) return '<\u00a00.01\u00a0%'
  return `${value >= 99.95 && value < 100 ? '>\u00a099.9' : value.toPrecision(value >= 10 ? 3 : 2)}\u00a0%`
}

/** A relative change in percent with its sign: `−87.5 %`, `+12 %`, `±0 %`. */
export function signed(change: number): string {
  if (Number.isNaN(change)) return 'not defined'
  const size = Math.abs(change)
  const text =
    size >= 1000
      ? size.toExponential(1)
      : size >= 99.95 && size < 100
        ? // Not rounded up to all of it.
          (Math.floor(size * 100) / 100).toFixed(2)
        : size.toFixed(size >= 10 ? 1 : 2)
  if (Number(text) === 0) return '±0\u00a0%'
  return `${change < 0 ? '−' : '+'}${text}\u00a0%`
}

/** A token as a reader sees it: spaces and line ends are shown. */
export function tokenLabel(text: string): string {
  return visibleToken(text)
}

/** A token in a sentence: `“Paris”`. */
export function quoted(text: string): string {
  const trimmed = text.trim()
  return `“${trimmed === '' ? tokenLabel(text) : trimmed}”`
}

/** `layers 3–11`, `layer 4` */
export function layersText(first: number, window: number): string {
  return window === 1 ? `layer ${first}` : `layers ${first}–${first + window - 1}`
}

/** `1.2 s`, `84 ms` */
export function duration(milliseconds: number): string {
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`
  const seconds = milliseconds / 1000
  return seconds < 90 ? `${seconds.toFixed(1)} s` : `${Math.round(seconds / 60)} min`
}

/** `6.7 MB` */
export function bytes(count: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  const power = count < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(count) / 3))
  const value = count / 1000 ** power
  return `${value >= 100 || power === 0 ? Math.round(value) : value.toPrecision(2)} ${units[power]}`
}

/** `130 M`, `2.8 B` */
export function parameters(count: number): string {
  if (count >= 1e9) return `${(count / 1e9).toPrecision(2)} B`
  return count >= 1e6
    ? `${(count / 1e6).toPrecision(count >= 1e8 ? 3 : 2)} M`
    : `${Math.round(count / 1000)} k`
}
