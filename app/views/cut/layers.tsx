/** The layers below the tokens: where each cut is, and the rail along which the edited cut's window is drawn. */
import { useRef } from 'preact/hooks'
import { type Cut, edgesOf, windowAt } from '../../state/cuts.js'
import { columnAt, type Layout, numberedLayers } from './layout.js'
import { cutStyle, shiftOf } from './style.js'

export interface LayersProps {
  readonly layout: Layout
  /** Tokens. */
  readonly length: number
  readonly cuts: readonly Cut[]
  readonly selected: Cut | undefined
  readonly onChange: (cut: Cut, draft?: boolean) => void
}

/** What a pointer holds: an end of the window, the whole of it, or a new one that it draws. */
type Hold =
  | { readonly what: 'end'; readonly other: number }
  | { readonly what: 'window'; readonly grip: number }

export function Layers({ layout, length, cuts, selected, onChange }: LayersProps) {
  const { row, nLayers, width, rail } = layout
  const height = row * nLayers
  const box = useRef<HTMLDivElement>(null)
  const held = useRef<{ hold: Hold; cut: Cut } | undefined>(undefined)

  const layerOf = (event: PointerEvent): number => {
    const place = (event.clientY - box.current!.getBoundingClientRect().top) / row
    return Math.max(0, Math.min(nLayers - 1, Math.floor(place)))
  }
  const take = (event: PointerEvent): void => {
    if (event.button !== 0 || !selected) return
    const inRail = event.clientX - box.current!.getBoundingClientRect().left <= rail
    // Elsewhere a finger moves the page.
    if (event.pointerType !== 'mouse' && !inRail) return
    event.preventDefault()
    const layer = layerOf(event)
    const { first, last } = selected
    const hold: Hold =
      (event.target as HTMLElement).dataset.end === 'first'
        ? { what: 'end', other: last }
        : (event.target as HTMLElement).dataset.end === 'last'
          ? { what: 'end', other: first }
          : inRail && layer >= first && layer <= last
            ? { what: 'window', grip: layer - first }
            : { what: 'end', other: layer }
    box.current!.setPointerCapture(event.pointerId)
    held.current = { hold, cut: selected }
    if (hold.what === 'end' && hold.other === layer) {
      held.current.cut = { ...selected, first: layer, last: layer }
      onChange(held.current.cut, true)
    }
  }
  const move = (event: PointerEvent): void => {
    if (!held.current) return
    const { hold, cut } = held.current
    const layer = layerOf(event)
    const span =
      hold.what === 'window'
        ? windowAt(layer - hold.grip, cut.last - cut.first + 1, nLayers)
        : { first: Math.min(layer, hold.other), last: Math.max(layer, hold.other) }
    if (span.first === cut.first && span.last === cut.last) return
    held.current.cut = { ...cut, ...span }
    onChange(held.current.cut, true)
  }
  const drop = (): void => {
    if (!held.current) return
    onChange(held.current.cut)
    held.current = undefined
  }
  const key = (event: KeyboardEvent, end: 'first' | 'last'): void => {
    if (!selected) return
    const to = {
      ArrowUp: selected[end] - 1,
      ArrowLeft: selected[end] - 1,
      ArrowDown: selected[end] + 1,
      ArrowRight: selected[end] + 1,
      PageUp: selected[end] - 5,
      PageDown: selected[end] + 5,
      Home: 0,
      End: nLayers - 1,
    }[event.key]
    if (to === undefined) return
    event.preventDefault()
    const [least, most] = end === 'first' ? [0, selected.last] : [selected.first, nLayers - 1]
    onChange({ ...selected, [end]: Math.max(least, Math.min(most, to)) })
  }

  return (
    <div
      ref={box}
      class="cut-layers"
      style={{ blockSize: `${height}px` }}
      onPointerDown={take}
      onPointerMove={move}
      onPointerUp={drop}
      onPointerCancel={drop}
    >
      <svg width={width} height={height} aria-hidden="true">
        {Array.from({ length: Math.ceil(nLayers / 2) }, (_, i) => (
          <rect key={i} class="cut-stripe" x={rail} y={2 * i * row} width={width - rail} height={row} />
        ))}
        <g class="cut-lines">
          {Array.from({ length }, (_, position) => (
            <line
              key={position}
              x1={columnAt(layout, position)}
              x2={columnAt(layout, position)}
              y1="0"
              y2={height}
            />
          ))}
        </g>
        <g class="cut-numbers">
          {numberedLayers(layout).map((layer) => (
            <text key={layer} x={rail - 24} y={(layer + 0.5) * row} dy="0.35em" text-anchor="end">
              {layer}
            </text>
          ))}
        </g>
        {cuts.map((cut) => (
          <Band
            key={cut.letter}
            cut={cut}
            layout={layout}
            length={length}
            selected={cut.letter === selected?.letter}
          />
        ))}
      </svg>
      <div class="cut-grip" style={{ inlineSize: `${rail}px` }} />
      <div class="cut-rail" style={{ insetInlineStart: `${rail - 18}px` }} />
      {selected && selected.first < nLayers && (
        <div
          class="cut-window"
          style={{
            '--cut': cutStyle(selected.letter).color,
            insetInlineStart: `${rail - 18}px`,
            insetBlockStart: `${selected.first * row}px`,
            blockSize: `${(Math.min(selected.last, nLayers - 1) - selected.first + 1) * row}px`,
          }}
        >
          {(['first', 'last'] as const).map((end) => (
            <div
              key={end}
              role="slider"
              tabIndex={0}
              class={`cut-handle is-${end}`}
              data-end={end}
              aria-label={`${end === 'first' ? 'First' : 'Last'} layer of knockout ${selected.letter}`}
              aria-orientation="vertical"
              aria-valuemin={end === 'first' ? 0 : selected.first}
              aria-valuemax={end === 'first' ? selected.last : nLayers - 1}
              aria-valuenow={selected[end]}
              aria-valuetext={`layer ${selected[end]}`}
              onKeyDown={(event) => key(event, end)}
            />
          ))}
        </div>
      )}
    </div>
  )
}

interface BandProps {
  readonly cut: Cut
  readonly layout: Layout
  readonly length: number
  readonly selected: boolean
}

/** A cut in its layers: a line from each source, which ends before the targets. */
function Band({ cut, layout, length, selected }: BandProps) {
  const { row, nLayers, edges: columns } = layout
  const edges = edgesOf(cut).filter(([, target]) => target < length)
  if (edges.length === 0 || cut.first >= nLayers) return null
  const { color } = cutStyle(cut.letter)
  const shift = shiftOf(cut.letter)
  const sources = [...new Set(edges.map(([source]) => source))]
  const targets = [...new Set(edges.map(([, target]) => target))]
  const from = columns[Math.min(...sources)]!
  const to = columns[Math.max(...targets) + 1]!
  const last = Math.min(cut.last, nLayers - 1)
  const layers = Array.from({ length: last - cut.first + 1 }, (_, i) => (cut.first + i + 0.5) * row)
  const size = Math.min(3.4, row / 2 - 0.6)
  const dot = (x: number, y: number): string =>
    `M${x - size},${y}a${size},${size} 0 1 0 ${2 * size},0a${size},${size} 0 1 0 ${-2 * size},0Z`
  const cross = (x: number, y: number): string =>
    `M${x - size},${y - size}L${x + size},${y + size}M${x - size},${y + size}L${x + size},${y - size}`
  const marks = (positions: readonly number[], mark: (x: number, y: number) => string): string =>
    positions.flatMap((at) => layers.map((y) => mark(columnAt(layout, at) + shift, y))).join('')
  return (
    <g class={`cut-band${selected ? ' is-selected' : ''}`}>
      <rect
        x={from + 1}
        y={cut.first * row + 0.5}
        width={to - from - 2}
        height={(last - cut.first + 1) * row - 1}
        rx="4"
        fill={color}
        stroke={color}
      />
      <path d={marks(sources, dot)} fill={color} />
      <path d={marks(targets, cross)} stroke={color} />
    </g>
  )
}
