/** Small parts that all views use. */
import type { ComponentChildren } from 'preact'
import { useEffect, useId, useState } from 'preact/hooks'
import type { CallProgress, Outcome, TopToken } from '../../src/ui/protocol.js'
import type { Called } from '../state/call.js'
import { bytes, percent, tokenLabel } from './format.js'

interface ChoiceProps<T extends string> {
  readonly label: string
  readonly value: T
  readonly options: readonly {
    readonly value: T
    readonly label: string
    readonly disabled?: boolean
    readonly title?: string
  }[]
  readonly onChange: (value: T) => void
}

/** One of a few, all in sight. */
export function Segments<T extends string>({ label, value, options, onChange }: ChoiceProps<T>) {
  const name = useId()
  return (
    <fieldset class="segments">
      <legend>{label}</legend>
      <div>
        {options.map((option) => (
          <label key={option.value} title={option.title} class={option.disabled ? 'is-disabled' : ''}>
            <input
              type="radio"
              name={name}
              checked={option.value === value}
              disabled={option.disabled}
              onChange={() => onChange(option.value)}
            />
            <span>{option.label}</span>
          </label>
        ))}
      </div>
    </fieldset>
  )
}

/** One of many. */
export function Select<T extends string>({ label, value, options, onChange }: ChoiceProps<T>) {
  return (
    <label class="field">
      <span>{label}</span>
      <select value={value} onChange={(event) => onChange(event.currentTarget.value as T)}>
        {options.map((option) => (
          <option key={option.value} value={option.value} disabled={option.disabled}>
            {option.label}
          </option>
        ))}
      </select>
    </label>
  )
}

interface RangeProps {
  readonly label: string
  readonly value: number
  readonly min: number
  readonly max: number
  readonly unit: (value: number) => string
  readonly onChange: (value: number) => void
}

export function Range({ label, value, min, max, unit, onChange }: RangeProps) {
  return (
    <label class="field range">
      <span>
        {label} <span class="range-value">{unit(value)}</span>
      </span>
      <input
        type="range"
        min={min}
        max={max}
        value={value}
        aria-valuetext={unit(value)}
        onInput={(event) => onChange(Number(event.currentTarget.value))}
      />
    </label>
  )
}

/** Waiting that takes longer than this is shown. */
const PATIENCE = 250

function useLate(busy: boolean): boolean {
  const [late, setLate] = useState(false)
  useEffect(() => {
    if (!busy) {
      setLate(false)
      return
    }
    const timer = setTimeout(() => setLate(true), PATIENCE)
    return () => clearTimeout(timer)
  }, [busy])
  return busy && late
}

function progressText({ what, done, total, unit }: CallProgress): string {
  if (unit === 'bytes') return `${what}: ${bytes(done)} of ${bytes(total)}`
  return `${what}: ${total > 0 ? Math.floor((100 * done) / total) : 0} %`
}

/** A line that is always there: progress with a way to stop it, an error with a way on, or nothing. */
export function CallStatus({ call, waiting }: { call: Called<unknown>; waiting: string }) {
  const late = useLate(call.busy)
  const { progress, error } = call
  if (error && error.name !== 'AbortError') {
    return (
      <div class="call-status is-error" role="alert">
        <span>{sentence(error.message)}</span>
        <button type="button" onClick={call.retry}>
          Try again
        </button>
      </div>
    )
  }
  if (error) {
    return (
      <div class="call-status" role="status">
        <span>Stopped.</span>
        <button type="button" onClick={call.retry}>
          Go on
        </button>
      </div>
    )
  }
  return (
    <div class="call-status" role="status" aria-busy={call.busy}>
      {late && (
        <>
          <progress
            max={1}
            value={progress && progress.total > 0 ? progress.done / progress.total : undefined}
            aria-label={waiting}
          />
          <span>{progress ? progressText(progress) : `${waiting}…`}</span>
          <button type="button" onClick={call.cancel}>
            Cancel
          </button>
        </>
      )}
    </div>
  )
}

/** `prompt: must not be empty` as a sentence. */
export function sentence(text: string): string {
  // What begins with the name of something keeps it as it is.
  const named = /^[^\s:]+: /.test(text)
  const first = named ? text.replace(/^--/, '') : text.charAt(0).toUpperCase() + text.slice(1)
  return /[.!?]$/.test(first) ? first : `${first}.`
}

interface TopTokensProps {
  readonly title: ComponentChildren
  readonly outcome: Outcome | undefined
  readonly answer: number | undefined
  readonly rows?: number
}

/** The most probable tokens with their probabilities; the answer is marked, and below if it is not among them. */
export function TopTokens({ title, outcome, answer, rows = 5 }: TopTokensProps) {
  const top: readonly (TopToken | undefined)[] = Array.from({ length: rows }, (_, i) => outcome?.top[i])
  const below = outcome !== undefined && answer !== undefined && !outcome.top.some(({ id }) => id === answer)
  return (
    <section class="top-tokens">
      <h3>{title}</h3>
      <ol>
        {top.map((token, i) => (
          <li key={i} class={token && token.id === answer ? 'is-answer' : ''}>
            <span class="top-token-bar" style={{ inlineSize: `${100 * (token?.prob ?? 0)}%` }} />
            <span class="top-token-text">{token ? tokenLabel(token.text) : ' '}</span>
            <span class="top-token-prob">{token ? percent(token.prob) : ''}</span>
          </li>
        ))}
      </ol>
      <p class="top-tokens-below">
        {below ? `The answer has rank ${outcome.rank} with ${percent(outcome.prob)}.` : ' '}
      </p>
    </section>
  )
}

/** A button that copies a text and says so. */
export function CopyButton({ text, children }: { text: string; children: ComponentChildren }) {
  const [done, setDone] = useState(false)
  useEffect(() => {
    if (!done) return
    const timer = setTimeout(() => setDone(false), 1500)
    return () => clearTimeout(timer)
  }, [done])
  return (
    <button type="button" onClick={() => navigator.clipboard.writeText(text).then(() => setDone(true))}>
      <span aria-live="polite">{done ? 'Copied' : children}</span>
    </button>
  )
}
