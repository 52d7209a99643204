/** The drawing: tokens with arcs above and layers below. Arcs are drawn from token to token, windows along the layers. */
import { useRef, useState } from 'preact/hooks'
import type { EncodedPrompt } from '../../../src/ui/protocol.js'
import { tokenLabel } from '../../components/format.js'
import { useWidth } from '../../components/width.js'
import { type Cut, edgesOf, toggled } from '../../state/cuts.js'
import { Layers } from './layers.js'
import { columnAt, columnWidth, type Layout, layoutOf, positionAt } from './layout.js'
import { cutStyle, shiftOf } from './style.js'

export interface DrawingProps {
  readonly prompt: EncodedPrompt
  readonly nLayers: number
  /** Those that are shown. */
  readonly cuts: readonly Cut[]
  /** The one that is edited. */
  readonly selected: Cut | undefined
  /** An arc was drawn; `from` may stand after `to`, which cuts nothing. */
  readonly onArc: (from: number, to: number) => void
  /** The edited cut is changed; `draft` while a handle is held. */
  readonly onChange: (cut: Cut, draft?: boolean) => void
}

export function Drawing({ prompt, nLayers, cuts, selected, onArc, onChange }: DrawingProps) {
  const [ref, width] = useWidth<HTMLDivElement>()
  const labels = prompt.tokens.map(({ text }) => tokenLabel(text))
  const layout = layoutOf(width, labels, nLayers)
  /** The token that an arc begins at, and the one that it would end at. */
  const [arc, setArc] = useState<readonly [number, number]>()
  return (
    <div ref={ref} class="cut-drawing">
      <div class="cut-canvas" style={{ inlineSize: `${layout.width}px` }}>
        <Arcs layout={layout} cuts={cuts} selected={selected?.letter} drawn={arc} />
        <Tokens
          layout={layout}
          labels={labels}
          subject={prompt.subject}
          arc={arc}
          onDraw={setArc}
          onArc={onArc}
        />
        <Toggles layout={layout} labels={labels} cut={selected} onChange={onChange} />
        <Layers layout={layout} length={labels.length} cuts={cuts} selected={selected} onChange={onChange} />
      </div>
    </div>
  )
}

/** Height of the arcs. */
const ARCS = 118

interface ArcsProps {
  readonly layout: Layout
  readonly cuts: readonly Cut[]
  readonly selected: string | undefined
  /** The arc that is being drawn. */
  readonly drawn: readonly [number, number] | undefined
}

/** How high an arc stands: far tokens higher, none out of the picture. */
function heightOf(layout: Layout, from: number, to: number): number {
  const distance = Math.abs(columnAt(layout, to) - columnAt(layout, from))
  return Math.min(ARCS - 26, 20 + distance * 0.28)
}

function arcPath(layout: Layout, from: number, to: number, shift: number): string {
  const height = heightOf(layout, from, to)
  const [x1, x2] = [columnAt(layout, from) + shift, columnAt(layout, to) + shift]
  // The ends of an arc at one token are apart.
  const spread = from === to ? 7 : 0
  const lift = ARCS - (height * 4) / 3
  const outer = from === to ? 16 : 0
  return `M${x1 - spread},${ARCS} C${x1 - outer},${lift} ${x2 + outer},${lift} ${x2 + spread},${ARCS}`
}

function arrowPath(layout: Layout, from: number, to: number, shift: number): string {
  const x = columnAt(layout, to) + shift + (from === to ? 7 : 0)
  return `M${x - 4.5},${ARCS - 8} L${x + 4.5},${ARCS - 8} L${x},${ARCS} Z`
}

function Arcs({ layout, cuts, selected, drawn }: ArcsProps) {
  const shown = cuts.flatMap((cut) => {
    const edges = edgesOf(cut).filter(([, target]) => target + 1 < layout.edges.length)
    return edges.length === 0 ? [] : [{ letter: cut.letter, edges }]
  })
  // The edited one above the others, and letters above all arcs.
  shown.sort((a, b) => Number(a.letter === selected) - Number(b.letter === selected))
  return (
    <svg class="cut-arc-area" width={layout.width} height={ARCS} aria-hidden="true">
      {shown.map(({ letter, edges }) => {
        const { color, dash } = cutStyle(letter)
        const shift = shiftOf(letter)
        return (
          <g key={letter} class={letter === selected ? 'is-selected' : ''}>
            <path
              class="cut-arc"
              d={edges.map(([s, t]) => arcPath(layout, s, t, shift)).join('')}
              stroke={color}
              stroke-dasharray={dash}
            />
            <path d={edges.map(([s, t]) => arrowPath(layout, s, t, shift)).join('')} fill={color} />
          </g>
        )
      })}
      {shown.map(({ letter, edges }) => {
        const [from, to] = edges.reduce((far, edge) => (edge[1] - edge[0] > far[1] - far[0] ? edge : far))
        const shift = shiftOf(letter)
        const x = (columnAt(layout, from) + columnAt(layout, to)) / 2 + 2 * shift
        const y = ARCS - heightOf(layout, from, to)
        return (
          <g key={letter} class="cut-badge" transform={`translate(${x},${y})`}>
            <circle r="10" stroke={cutStyle(letter).color} />
            <text dy="0.35em">{letter}</text>
          </g>
        )
      })}
      {drawn && (
        <g class={`cut-drawn${drawn[0] > drawn[1] ? ' is-backward' : ''}`}>
          <path d={arcPath(layout, drawn[0], drawn[1], 0)} />
          <path d={arrowPath(layout, drawn[0], drawn[1], 0)} />
        </g>
      )}
    </svg>
  )
}

interface TokensProps {
  readonly layout: Layout
  readonly labels: readonly string[]
  readonly subject: readonly number[]
  readonly arc: readonly [number, number] | undefined
  readonly onDraw: (arc: readonly [number, number] | undefined) => void
  readonly onArc: (from: number, to: number) => void
}

/** The token that an arc begins at is pressed or dragged from; the one that it ends at is pressed or dragged to. */
function Tokens({ layout, labels, subject, arc, onDraw, onArc }: TokensProps) {
  const row = useRef<HTMLDivElement>(null)
  const [focus, setFocus] = useState(0)
  /** Where a pointer went down, and whether it has left that token since. */
  const dragged = useRef<{ readonly from: number; moved: boolean } | undefined>(undefined)
  const at = Math.min(focus, labels.length - 1)

  const positionOf = (event: PointerEvent): number => {
    const box = row.current!.getBoundingClientRect()
    return positionAt(layout, event.clientX - box.left)
  }
  const finish = (from: number, to: number): void => {
    onDraw(undefined)
    onArc(from, to)
  }
  const press = (position: number): void => {
    if (arc) finish(arc[0], position)
    else onDraw([position, position])
  }
  const key = (event: KeyboardEvent, position: number): void => {
    const next = {
      ArrowLeft: position - 1,
      ArrowRight: position + 1,
      Home: 0,
      End: labels.length - 1,
    }[event.key]
    if (event.key === 'Escape') onDraw(undefined)
    if (next === undefined) return
    event.preventDefault()
    const to = Math.max(0, Math.min(labels.length - 1, next))
    setFocus(to)
    row.current?.querySelectorAll<HTMLElement>('button')[to]?.focus()
    if (arc) onDraw([arc[0], to])
  }
  return (
    <div
      ref={row}
      role="group"
      class={`cut-token-row${layout.upright ? ' is-upright' : ''}`}
      aria-label="Tokens; an arc begins at one and ends at a later one"
      style={{ paddingInlineStart: `${layout.rail}px`, blockSize: `${layout.labels}px` }}
      onPointerDown={(event) => {
        if (event.button !== 0 || !(event.target as HTMLElement).closest('button')) return
        row.current!.setPointerCapture(event.pointerId)
        dragged.current = { from: positionOf(event), moved: false }
      }}
      onPointerMove={(event) => {
        const drag = dragged.current
        const to = positionOf(event)
        if (!drag) {
          if (arc && event.pointerType === 'mouse') onDraw([arc[0], to])
          return
        }
        if (to !== drag.from) drag.moved = true
        if (drag.moved) onDraw([drag.from, to])
      }}
      onPointerUp={(event) => {
        const drag = dragged.current
        dragged.current = undefined
        if (!drag) return
        const to = positionOf(event)
        setFocus(to)
        if (drag.moved) finish(drag.from, to)
        else press(to)
      }}
      onPointerCancel={() => {
        dragged.current = undefined
        onDraw(undefined)
      }}
    >
      {labels.map((label, position) => (
        <button
          type="button"
          key={position}
          class={`cut-token${subject.includes(position) ? ' is-subject' : ''}${arc && position >= Math.min(...arc) && position <= Math.max(...arc) && arc.includes(position) ? ' is-end' : ''}`}
          style={{ inlineSize: `${columnWidth(layout, position)}px` }}
          tabIndex={position === at ? 0 : -1}
          aria-label={`token ${position}, ${label}: ${arc ? `end the arc from token ${arc[0]} here` : 'begin an arc here'}`}
          title={label}
          onKeyDown={(event) => key(event, position)}
          // Those of a pointer have been seen already.
          onClick={(event) => event.detail === 0 && press(position)}
        >
          <span>{label}</span>
        </button>
      ))}
    </div>
  )
}

interface TogglesProps {
  readonly layout: Layout
  readonly labels: readonly string[]
  readonly cut: Cut | undefined
  readonly onChange: (cut: Cut) => void
}

const SIDES = [
  { side: 'sources', word: 'from', name: 'source' },
  { side: 'targets', word: 'to', name: 'target' },
] as const

/** Sources and targets of the edited cut, one by one; arrow keys move. */
function Toggles({ layout, labels, cut, onChange }: TogglesProps) {
  const group = useRef<HTMLDivElement>(null)
  const [focus, setFocus] = useState<readonly [number, number]>([0, 0])
  const at = [focus[0], Math.min(focus[1], labels.length - 1)] as const
  const key = (event: KeyboardEvent, line: number, position: number): void => {
    const next = {
      ArrowLeft: [line, position - 1],
      ArrowRight: [line, position + 1],
      ArrowUp: [0, position],
      ArrowDown: [1, position],
      Home: [line, 0],
      End: [line, labels.length - 1],
    }[event.key] as readonly [number, number] | undefined
    if (!next) return
    event.preventDefault()
    const to = Math.max(0, Math.min(labels.length - 1, next[1]))
    setFocus([next[0], to])
    group.current?.querySelector<HTMLElement>(`[data-at="${next[0]}-${to}"]`)?.focus()
  }
  const { color } = cutStyle(cut?.letter ?? 'A')
  return (
    <div
      ref={group}
      role="group"
      class="cut-toggles"
      style={{ '--cut': color }}
      aria-label={cut ? `Sources and targets of knockout ${cut.letter}` : 'Sources and targets'}
    >
      {SIDES.map(({ side, word, name }, line) => (
        <div key={side} class={`cut-toggle-row is-${side}`}>
          <span class="cut-side" style={{ inlineSize: `${layout.rail}px` }} aria-hidden="true">
            {word}
          </span>
          {labels.map((label, position) => {
            const on = cut?.[side].includes(position) ?? false
            return (
              <button
                type="button"
                key={position}
                data-at={`${line}-${position}`}
                class="cut-toggle"
                style={{ inlineSize: `${columnWidth(layout, position)}px` }}
                disabled={!cut}
                aria-pressed={on}
                aria-label={`token ${position}, ${label}: ${name}`}
                tabIndex={line === at[0] && position === at[1] ? 0 : -1}
                onKeyDown={(event) => key(event, line, position)}
                onClick={() => cut && onChange({ ...cut, [side]: toggled(cut[side], position) })}
              />
            )
          })}
        </div>
      ))}
    </div>
  )
}
