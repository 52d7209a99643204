/** The heatmap: tokens x window starts, each cell a knockout. Mouse, touch and arrow keys choose a cell. */
import { useMemo, useRef, useState } from 'preact/hooks'
import type { Cell } from '../state/question.js'
import { theme } from '../state/theme.js'
import { changeColor } from './colors.js'
import { layersText, signed, tokenLabel } from './format.js'

export interface HeatmapProps {
  readonly label: string
  readonly tokens: readonly string[]
  /** Positions of the subject's tokens. */
  readonly subject: readonly number[]
  readonly nLayers: number
  readonly window: number
  /** Relative changes in percent, `[token][window start]`. */
  readonly values: readonly (readonly number[])[]
  /** Change at which the colour ends, percent. */
  readonly limit: number
  /** Put each cell at the depth of its window's middle, so that models of other depths can be compared. */
  readonly aligned?: boolean
  readonly selected?: Cell | undefined
  readonly hovered?: Cell | undefined
  /** A depth to mark, 0 to 1 of all layers; only where cells are aligned by depth. */
  readonly depth?: number | undefined
  readonly onHover?: (cell: Cell | undefined) => void
  readonly onSelect?: (cell: Cell) => void
}

/** Columns of more windows are too narrow for gaps between them. */
const WITH_GAPS = 28

/** Least distance of numbers under the columns, in columns of at least 4 pixels. */
export function axisStarts(count: number, most = 9): number[] {
  const step = [1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 25, 50].find((one) => count / one <= most) ?? 100
  return Array.from({ length: Math.ceil(count / step) }, (_, i) => i * step)
}

export function Heatmap(props: HeatmapProps) {
  const {
    label,
    tokens,
    subject,
    nLayers,
    window,
    values,
    limit,
    aligned,
    selected,
    hovered,
    depth,
    onHover,
    onSelect,
  } = props
  const columns = nLayers - window + 1
  const grid = useRef<HTMLDivElement>(null)
  const [focus, setFocus] = useState<Cell>({ token: 0, start: 0 })
  const at = {
    token: Math.min(selected?.token ?? focus.token, tokens.length - 1),
    start: Math.min(selected?.start ?? focus.start, columns - 1),
  }
  const marked = hovered ?? selected
  // Half a window at each end has no window of its own in the middle.
  const edge = aligned ? `${((window - 1) / 2 / nLayers) * 100}%` : '0'

  const rows = useMemo(
    () =>
      values.map((row, t) => (
        <div role="row" class="heatmap-row" key={t} aria-rowindex={t + 1}>
          <div
            role="rowheader"
            class={`heatmap-token${subject.includes(t) ? ' is-subject' : ''}`}
            title={tokens[t]}
          >
            {tokenLabel(tokens[t]!)}
          </div>
          <div role="presentation" class="heatmap-cells" style={{ paddingInline: edge }}>
            {row.map((change, s) => (
              <div
                role="gridcell"
                key={s}
                class="heatmap-cell"
                tabIndex={-1}
                aria-label={`${tokenLabel(tokens[t]!)}, ${layersText(s, window)}: ${signed(change)}`}
                data-token={t}
                data-start={s}
                style={{ background: changeColor(change, limit, theme.value) }}
              />
            ))}
          </div>
        </div>
      )),
    [values, tokens, subject, window, limit, edge, theme.value],
  )

  const cellOf = (target: EventTarget | null): Cell | undefined => {
    const { token, start } = (target as HTMLElement | null)?.dataset ?? {}
    return token === undefined || start === undefined
      ? undefined
      : { token: Number(token), start: Number(start) }
  }
  const move = (event: KeyboardEvent): void => {
    const steps: Record<string, readonly [number, number]> = {
      ArrowUp: [-1, 0],
      ArrowDown: [1, 0],
      ArrowLeft: [0, -1],
      ArrowRight: [0, 1],
      Home: [0, -columns],
      End: [0, columns],
      PageUp: [-tokens.length, 0],
      PageDown: [tokens.length, 0],
    }
    const step = steps[event.key]
    const here = cellOf(event.target)
    if (!here) return
    if (event.key === 'Enter' || event.key === ' ') {
      event.preventDefault()
      onSelect?.(here)
      return
    }
    if (!step) return
    event.preventDefault()
    const within = (value: number, end: number): number => Math.max(0, Math.min(end - 1, value))
    const next = {
      token: within(here.token + step[0], tokens.length),
      start: within(here.start + step[1], columns),
    }
    setFocus(next)
    grid.current
      ?.querySelector<HTMLElement>(`[data-token="${next.token}"][data-start="${next.start}"]`)
      ?.focus()
    onHover?.(next)
  }
  // Under a finger the element that was touched first gets all moves.
  const touched = (event: PointerEvent): void => {
    if (event.pointerType === 'mouse') return
    const cell = cellOf(document.elementFromPoint(event.clientX, event.clientY))
    if (cell) onHover?.(cell)
  }

  return (
    <div class="heatmap">
      <div
        ref={grid}
        role="grid"
        aria-label={label}
        aria-rowcount={tokens.length}
        aria-colcount={columns}
        class={`heatmap-grid${columns <= WITH_GAPS ? ' has-gaps' : ''}`}
        onPointerOver={(event) => event.pointerType === 'mouse' && onHover?.(cellOf(event.target))}
        onPointerLeave={() => onHover?.(undefined)}
        onPointerMove={touched}
        onClick={(event) => {
          const cell = cellOf(event.target)
          if (!cell) return
          setFocus(cell)
          onSelect?.(cell)
        }}
        onKeyDown={move}
        onFocusIn={(event) => onHover?.(cellOf(event.target))}
        onFocusOut={() => onHover?.(undefined)}
      >
        {rows}
        <Marker cell={at} grid={grid} />
        {aligned && depth !== undefined && (
          <div class="heatmap-overlay" aria-hidden="true">
            <div class="heatmap-depth" style={{ left: `${depth * 100}%` }} />
          </div>
        )}
        {marked && (
          <Outline
            cell={marked}
            columns={columns}
            rows={tokens.length}
            edge={edge}
            pinned={marked === selected}
          />
        )}
      </div>
      <div class="heatmap-axis" aria-hidden="true">
        <span class="heatmap-axis-title">first layer</span>
        <div class="heatmap-axis-numbers" style={{ marginInline: edge }}>
          {axisStarts(columns).map((start) => (
            <span key={start} style={{ left: `${((start + 0.5) / columns) * 100}%` }}>
              {start}
            </span>
          ))}
        </div>
      </div>
    </div>
  )
}

/** Keeps one cell in the order of the Tab key. */
function Marker({ cell, grid }: { cell: Cell; grid: { current: HTMLDivElement | null } }) {
  const last = useRef<HTMLElement | null>(null)
  queueMicrotask(() => {
    const next = grid.current?.querySelector<HTMLElement>(
      `[data-token="${cell.token}"][data-start="${cell.start}"]`,
    )
    if (!next || next === last.current) return
    if (last.current) last.current.tabIndex = -1
    next.tabIndex = 0
    last.current = next
  })
  return null
}

interface OutlineProps {
  readonly cell: Cell
  readonly columns: number
  readonly rows: number
  readonly edge: string
  readonly pinned: boolean
}

/** A frame around a cell, apart from the cells so that these are not drawn again. */
function Outline({ cell, columns, rows, edge, pinned }: OutlineProps) {
  if (cell.token >= rows || cell.start >= columns) return null
  return (
    <div class="heatmap-overlay" aria-hidden="true" style={{ paddingInline: edge }}>
      <div class="heatmap-overlay-inner">
        <div
          class={`heatmap-outline${pinned ? ' is-pinned' : ''}`}
          style={{
            left: `${(cell.start / columns) * 100}%`,
            width: `${100 / columns}%`,
            top: `${(cell.token / rows) * 100}%`,
            height: `${100 / rows}%`,
          }}
        />
      </div>
    </div>
  )
}

/** What the colours mean. */
export function ChangeLegend({ limit }: { limit: number }) {
  const stops = Array.from({ length: 11 }, (_, i) => changeColor((i / 5 - 1) * limit, limit, theme.value))
  return (
    <div
      class="legend"
      role="img"
      aria-label={`colours: from ${signed(-limit)} (red) to ${signed(limit)} or more (blue)`}
    >
      <span>−{limit} %</span>
      <span class="legend-bar" style={{ background: `linear-gradient(to right, ${stops.join(', ')})` }} />
      <span>+{limit} %</span>
      <span class="legend-title">change of p(answer)</span>
    </div>
  )
}
