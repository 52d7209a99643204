/** Curves over the first layer of a window, with bands where there are several prompts. */
import { scaleLinear } from 'd3-scale'
import { area, line } from 'd3-shape'
import { useMemo } from 'preact/hooks'
import { theme } from '../state/theme.js'
import { lineStyle } from './colors.js'
import { layersText, signed } from './format.js'
import { axisStarts } from './heatmap.js'
import { changeDomain, GridLines, gutter, LinePath } from './plot-parts.js'
import { useWidth } from './width.js'

export interface PlottedPoint {
  readonly firstLayer: number
  readonly mean: number
  /** Of the band; null without one. */
  readonly low?: number | null
  readonly high?: number | null
  readonly n?: number
}

export interface PlottedCurve {
  readonly label: string
  readonly points: readonly PlottedPoint[]
  /** Place in the palette; default its place in the list. */
  readonly style?: number
}

export interface CurvesProps {
  readonly label: string
  readonly nLayers: number
  readonly window: number
  readonly curves: readonly PlottedCurve[]
  readonly unit?: 'change' | 'accuracy'
  readonly height?: number
  /** Put each point at the depth of its window's middle, as the heatmap does. */
  readonly aligned?: boolean
  /** With `aligned`: mark the middle of the model's depth. */
  readonly middle?: boolean
  /** Values at the ends of the axis, percent, for figures that stand beside each other; default those of the curves. */
  readonly domain?: readonly [number, number]
  /** The window that is looked at. */
  readonly at?: number | undefined
  readonly pinned?: number | undefined
  /** The curve that is looked at, by its place in the list. */
  readonly curveAt?: number | undefined
  readonly onHover?: (firstLayer: number | undefined, curve?: number) => void
  readonly onSelect?: (firstLayer: number, curve: number | undefined) => void
}

const MARGIN = { top: 10, right: 12, bottom: 22 }

export function Curves(props: CurvesProps) {
  const {
    label,
    nLayers,
    window,
    curves,
    unit = 'change',
    height = 240,
    aligned,
    middle,
    domain,
    at,
    pinned,
    curveAt,
    onHover,
    onSelect,
  } = props
  const [ref, width] = useWidth<HTMLDivElement>()
  const columns = nLayers - window + 1
  const left = gutter(ref.current ?? undefined)
  const inner = Math.max(80, width - left)
  const x = (start: number): number =>
    aligned ? left + ((start + window / 2) / nLayers) * inner : left + ((start + 0.5) / columns) * inner
  const y = useMemo(() => {
    const values = curves.flatMap(({ points }) =>
      points.flatMap(({ mean, low, high }) => [mean, low ?? mean, high ?? mean]),
    )
    return scaleLinear()
      .domain(domain ?? (unit === 'accuracy' ? [0, 100] : changeDomain(values)))
      .range([height - MARGIN.bottom, MARGIN.top])
      .clamp(domain !== undefined)
  }, [curves, unit, height, domain?.[0], domain?.[1]])

  const paths = useMemo(() => {
    const toLine = line<PlottedPoint>()
      .x(({ firstLayer }) => x(firstLayer))
      .y(({ mean }) => y(mean))
      .defined(({ mean }) => Number.isFinite(mean))
    const toBand = area<PlottedPoint>()
      .x(({ firstLayer }) => x(firstLayer))
      .y0(({ low, mean }) => y(low ?? mean))
      .y1(({ high, mean }) => y(high ?? mean))
      .defined(({ mean }) => Number.isFinite(mean))
    return curves.map((curve, c) => ({
      ...lineStyle(curve.style ?? c, theme.value),
      line: toLine([...curve.points]) ?? '',
      band: curve.points.some(({ low }) => low != null) ? (toBand([...curve.points]) ?? '') : undefined,
      single: curve.points.length === 1 ? curve.points[0] : undefined,
    }))
  }, [curves, width, window, nLayers, aligned, y, theme.value])

  const startAt = (event: PointerEvent): number => {
    const box = (event.currentTarget as SVGElement).getBoundingClientRect()
    const place = (event.clientX - box.left - left) / inner
    const start = aligned ? place * nLayers - window / 2 : place * columns - 0.5
    return Math.max(0, Math.min(columns - 1, Math.round(start)))
  }
  const nearest = (event: PointerEvent, start: number): number | undefined => {
    const box = (event.currentTarget as SVGElement).getBoundingClientRect()
    const place = event.clientY - box.top
    let best: { c: number; distance: number } | undefined
    for (const [c, { points }] of curves.entries()) {
      const point = points.find(({ firstLayer }) => firstLayer === start)
      const distance = point ? Math.abs(y(point.mean) - place) : Number.POSITIVE_INFINITY
      if (distance < (best?.distance ?? Number.POSITIVE_INFINITY)) best = { c, distance }
    }
    return best?.c
  }
  const shown = at ?? pinned
  // The curve that is looked at comes first.
  const first = curveAt === undefined ? [] : curves.slice(curveAt, curveAt + 1)
  const said = (start: number): string =>
    `${layersText(start, window)}: ${[...first, ...curves.filter((curve) => !first.includes(curve))]
      .map((curve) => {
        const point = curve.points.find(({ firstLayer }) => firstLayer === start)
        return point
          ? `${curve.label} ${unit === 'accuracy' ? `${point.mean.toFixed(0)} %` : signed(point.mean)}`
          : ''
      })
      .filter(Boolean)
      .join(', ')}`
  const key = (event: KeyboardEvent): void => {
    const from = shown ?? 0
    // Up and down go from curve to curve, where one is looked at.
    const among = curveAt !== undefined && curves.length > 1
    const step = among ? { ArrowUp: -1, ArrowDown: 1 }[event.key] : undefined
    if (step !== undefined) {
      onHover?.(from, (curveAt! + step + curves.length) % curves.length)
      event.preventDefault()
      return
    }
    const to = {
      ArrowLeft: from - 1,
      ArrowRight: from + 1,
      ArrowDown: from - 1,
      ArrowUp: from + 1,
      Home: 0,
      End: columns - 1,
    }[event.key]
    if (event.key === 'Enter' || event.key === ' ') onSelect?.(from, curveAt)
    else if (to === undefined) return
    else onHover?.(Math.max(0, Math.min(columns - 1, to)), curveAt)
    event.preventDefault()
  }

  return (
    <div ref={ref} class="curves">
      <svg
        width={width}
        height={height}
        role="slider"
        tabIndex={0}
        aria-label={label}
        aria-valuemin={0}
        aria-valuemax={columns - 1}
        aria-valuenow={shown ?? 0}
        aria-valuetext={said(shown ?? 0)}
        onPointerMove={(event) => {
          const start = startAt(event)
          onHover?.(start, nearest(event, start))
        }}
        onPointerLeave={() => onHover?.(undefined)}
        onClick={(event) => {
          const start = startAt(event as unknown as PointerEvent)
          onSelect?.(start, nearest(event as unknown as PointerEvent, start))
        }}
        onKeyDown={key}
        onBlur={() => onHover?.(undefined)}
      >
        <GridLines y={y} left={left} width={width} unit={unit} zero={unit === 'change' ? 0 : undefined} />
        {aligned && middle && (
          <line
            class="curves-middle"
            x1={left + inner / 2}
            x2={left + inner / 2}
            y1={MARGIN.top}
            y2={height - MARGIN.bottom}
          />
        )}
        <g class="curves-axis">
          {axisStarts(columns).map((start) => (
            <text key={start} x={x(start)} y={height - 5} text-anchor="middle">
              {start}
            </text>
          ))}
        </g>
        {shown !== undefined && shown < columns && (
          <line
            class="curves-cursor"
            x1={x(shown)}
            x2={x(shown)}
            y1={MARGIN.top}
            y2={height - MARGIN.bottom}
          />
        )}
        {paths.map(
          ({ band, color }, c) =>
            band && <path key={curves[c]!.label} d={band} fill={color} opacity={0.16} />,
        )}
        {paths.map(({ line: d, color, dash, single }, c) => (
          <g key={curves[c]!.label}>
            <LinePath d={d} color={color} dash={dash} />
            {single && <circle cx={x(single.firstLayer)} cy={y(single.mean)} r={4} fill={color} />}
          </g>
        ))}
        {shown !== undefined &&
          curves.map((curve, c) => {
            const point = curve.points.find(({ firstLayer }) => firstLayer === shown)
            return (
              point && (
                <circle
                  key={curve.label}
                  class="curves-dot"
                  cx={x(shown)}
                  cy={y(point.mean)}
                  r={c === curveAt ? 6 : 4}
                  fill={paths[c]!.color}
                />
              )
            )
          })}
      </svg>
    </div>
  )
}

export interface CurveLegendProps {
  readonly curves: readonly { readonly label: string; readonly style?: number; readonly shown: boolean }[]
  readonly onToggle?: (index: number) => void
  /** What each curve has at the window that is looked at. */
  readonly values?: readonly (string | undefined)[]
}

/** The names of curves; pressing one shows or hides it. */
export function CurveLegend({ curves, onToggle, values }: CurveLegendProps) {
  return (
    <ul class="curve-legend">
      {curves.map(({ label, style, shown }, c) => {
        const { color, dash } = lineStyle(style ?? c, theme.value)
        return (
          <li key={label}>
            <button type="button" aria-pressed={shown} onClick={() => onToggle?.(c)} disabled={!onToggle}>
              <svg width="26" height="10" aria-hidden="true">
                <line
                  x1="1"
                  x2="25"
                  y1="5"
                  y2="5"
                  stroke={color}
                  stroke-width="2.5"
                  stroke-dasharray={dash}
                />
              </svg>
              <span>{label}</span>
              {values && <span class="curve-legend-value">{values[c] ?? ''}</span>}
            </button>
          </li>
        )
      })}
    </ul>
  )
}
