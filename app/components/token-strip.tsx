/** A prompt's tokens; dragging over some, or Shift and the arrow keys, marks the subject. */
import { useRef, useState } from 'preact/hooks'
import type { PromptToken } from '../../src/ui/protocol.js'
import { tokenLabel } from './format.js'

export interface TokenStripProps {
  readonly label: string
  readonly tokens: readonly PromptToken[]
  /** Positions of the subject's tokens. */
  readonly subject: readonly number[]
  readonly hovered?: number | undefined
  /** Characters, `[start, end)`; undefined takes the subject away. */
  readonly onMark: (subject: { start: number; end: number } | undefined) => void
}

export function TokenStrip({ label, tokens, subject, hovered, onMark }: TokenStripProps) {
  const [range, setRange] = useState<readonly [number, number]>()
  const [focus, setFocus] = useState(0)
  const strip = useRef<HTMLFieldSetElement>(null)
  const marked = range ? [Math.min(...range), Math.max(...range)] : undefined

  const positionOf = (event: PointerEvent): number | undefined => {
    const element = document.elementFromPoint(event.clientX, event.clientY)
    const found = element?.closest<HTMLElement>('[data-position]')
    if (!found || !strip.current?.contains(found)) return undefined
    return Number(found.dataset.position)
  }
  const mark = (from: number, to: number): void => {
    const chosen = tokens
      .slice(Math.min(from, to), Math.max(from, to) + 1)
      .filter(({ start, end }) => end > start)
    if (chosen.length === 0) return
    // A token's leading space is not of the subject.
    const first = chosen[0]!
    const space = first.text.length - first.text.trimStart().length
    const start = Math.min(first.start + space, first.end - 1)
    onMark({ start, end: Math.max(...chosen.map(({ end }) => end)) })
  }
  const key = (event: KeyboardEvent, position: number): void => {
    const step = event.key === 'ArrowLeft' ? -1 : event.key === 'ArrowRight' ? 1 : 0
    if (step === 0) {
      if (event.key === 'Escape') setRange(undefined)
      return
    }
    event.preventDefault()
    const next = Math.max(0, Math.min(tokens.length - 1, position + step))
    setFocus(next)
    strip.current?.querySelector<HTMLElement>(`[data-position="${next}"]`)?.focus()
    if (event.shiftKey) {
      const from = range?.[0] ?? position
      setRange([from, next])
    }
  }

  return (
    <fieldset
      ref={strip}
      class="token-strip"
      aria-label={label}
      onPointerDown={(event) => {
        if (event.button !== 0) return
        const at = positionOf(event)
        if (at === undefined) return
        event.preventDefault()
        strip.current!.setPointerCapture(event.pointerId)
        setRange([at, at])
      }}
      onPointerMove={(event) => {
        if (!range || !strip.current?.hasPointerCapture(event.pointerId)) return
        const at = positionOf(event)
        if (at !== undefined && at !== range[1]) setRange([range[0], at])
      }}
      onPointerUp={(event) => {
        if (!range || !strip.current?.hasPointerCapture(event.pointerId)) return
        mark(...range)
        setRange(undefined)
        setFocus(range[1])
      }}
      onPointerCancel={() => setRange(undefined)}
      onKeyUp={(event) => {
        if (event.key === 'Shift' && range) {
          mark(...range)
          setRange(undefined)
        }
      }}
    >
      {tokens.map((token, position) => {
        const selecting = marked !== undefined && position >= marked[0]! && position <= marked[1]!
        const own = subject.includes(position)
        return (
          <button
            type="button"
            key={position}
            class={`token${own ? ' is-subject' : ''}${selecting ? ' is-selecting' : ''}${hovered === position ? ' is-hovered' : ''}`}
            data-position={position}
            aria-pressed={own}
            aria-label={`token ${position}, ${tokenLabel(token.text)}${own ? ', subject' : ''}`}
            tabIndex={position === Math.min(focus, tokens.length - 1) ? 0 : -1}
            onKeyDown={(event) => key(event, position)}
            // Clicks of the keyboard; those of a pointer have been seen already.
            onClick={(event) => event.detail === 0 && mark(position, position)}
          >
            {tokenLabel(token.text)}
          </button>
        )
      })}
    </fieldset>
  )
}
