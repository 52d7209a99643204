/** Curves of several models in one plot, over the depth of their windows' middles. */
import { scaleLinear } from 'd3-scale'
import { line } from 'd3-shape'
import { useMemo } from 'preact/hooks'
import { lineStyle } from '../../components/colors.js'
import { signed } from '../../components/format.js'
import { changeDomain, GridLines, gutter, LinePath } from '../../components/plot-parts.js'
import { useWidth } from '../../components/width.js'
import { type Depths, depthOf, startAt } from '../../state/depth.js'
import { theme } from '../../state/theme.js'

export interface DepthCurve {
  readonly label: string
  readonly depths: Depths
  /** Relative changes by window start, percent. */
  readonly changes: readonly number[]
  /** Place of its colour in the palette. */
  readonly style: number
  readonly dashed: boolean
}

export interface DepthCurvesProps {
  readonly label: string
  readonly curves: readonly DepthCurve[]
  /** The depth that is looked at, 0 to 1. */
  readonly depth: number | undefined
  readonly onHover: (depth: number | undefined) => void
}

const HEIGHT = 250
const MARGIN = { top: 10, bottom: 22 }
const TICKS = [0, 0.25, 0.5, 0.75, 1]
/** Of the arrow keys. */
const STEP = 0.02

/** The value of a curve at the window whose middle is nearest to a depth. */
export function changeAt({ changes, depths }: DepthCurve, depth: number): number {
  return changes[startAt(depth, depths)] ?? Number.NaN
}

export function DepthCurves({ label, curves, depth, onHover }: DepthCurvesProps) {
  const [ref, width] = useWidth<HTMLDivElement>()
  const left = gutter()
  const inner = Math.max(80, width - left)
  const x = (share: number): number => left + share * inner
  const y = useMemo(() => {
    const values = curves.flatMap(({ changes }) => changes)
    return scaleLinear()
      .domain(changeDomain(values))
      .range([HEIGHT - MARGIN.bottom, MARGIN.top])
  }, [curves])
  const toLine = line<readonly [number, number]>()
    .x(([share]) => x(share))
    .y(([, change]) => y(change))
    .defined(([, change]) => Number.isFinite(change))
  const said = (at: number): string =>
    `${Math.round(100 * at)} % of the depth: ${curves.map((curve) => `${curve.label} ${signed(changeAt(curve, at))}`).join(', ')}`
  const key = (event: KeyboardEvent): void => {
    const from = depth ?? 0
    const to = {
      ArrowLeft: from - STEP,
      ArrowDown: from - STEP,
      ArrowRight: from + STEP,
      ArrowUp: from + STEP,
      Home: 0,
      End: 1,
    }[event.key]
    if (to === undefined) return
    event.preventDefault()
    onHover(Math.max(0, Math.min(1, to)))
  }
  return (
    <div ref={ref} class="curves">
      <svg
        width={width}
        height={HEIGHT}
        role="slider"
        tabIndex={0}
        aria-label={label}
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={Math.round(100 * (depth ?? 0))}
        aria-valuetext={said(depth ?? 0)}
        onPointerMove={(event) => {
          const box = event.currentTarget.getBoundingClientRect()
          onHover(Math.max(0, Math.min(1, (event.clientX - box.left - left) / inner)))
        }}
        onPointerLeave={() => onHover(undefined)}
        onBlur={() => onHover(undefined)}
        onKeyDown={key}
      >
        <GridLines y={y} left={left} width={width} unit="change" zero={0} />
        <g class="curves-axis">
          {TICKS.map((tick) => (
            <text
              key={tick}
              x={x(tick)}
              y={HEIGHT - 5}
              text-anchor={tick === 0 ? 'start' : tick === 1 ? 'end' : 'middle'}
            >
              {100 * tick} %
            </text>
          ))}
        </g>
        {depth !== undefined && (
          <line
            class="curves-cursor"
            x1={x(depth)}
            x2={x(depth)}
            y1={MARGIN.top}
            y2={HEIGHT - MARGIN.bottom}
          />
        )}
        {curves.map(({ label: name, changes, depths, style, dashed }) => (
          <LinePath
            key={name}
            d={toLine(changes.map((change, start) => [depthOf(start, depths), change] as const)) ?? ''}
            color={lineStyle(style, theme.value).color}
            dash={dashed ? '6 4' : undefined}
          />
        ))}
        {depth !== undefined &&
          curves.map((curve) => {
            const change = changeAt(curve, depth)
            if (!Number.isFinite(change)) return null
            return (
              <circle
                key={curve.label}
                class="curves-dot"
                cx={x(depthOf(startAt(depth, curve.depths), curve.depths))}
                cy={y(change)}
                r="4"
                fill={lineStyle(curve.style, theme.value).color}
              />
            )
          })}
      </svg>
    </div>
  )
}
