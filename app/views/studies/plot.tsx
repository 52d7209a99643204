/** Curves of a study over depth: lines of any models and windows, of which points can be picked. */
import { scaleLinear } from 'd3-scale'
import { area, line } from 'd3-shape'
import { useMemo, useState } from 'preact/hooks'
import { windowDepth } from '../../../src/figures/curve-grid-data.js'
import { lineStyle } from '../../components/colors.js'
import { layersText, signed } from '../../components/format.js'
import { axisStarts } from '../../components/heatmap.js'
import { GridLines, gutter, LinePath } from '../../components/plot-parts.js'
import { useWidth } from '../../components/width.js'
import { theme } from '../../state/theme.js'
import { type Line, type Panel, plotted, type StudiesView, type Valued } from './view.js'

/** The ends of the y axis, the same for all plots that stand side by side. */
export type Domain = readonly [number, number]

/**
 * Room for all means, and for the bands: but those of two or three prompts may reach far beyond what any prompt can
 * lose, and would leave the means no room.
 */
export function domainOf(panels: readonly Panel[], value: StudiesView['value']): Domain {
  if (value === 'accuracy') return [0, 100]
  const points = panels.flatMap(({ lines }) => lines.flatMap(({ curve }) => curve.points))
  const [low, high] = [
    Math.min(0, ...points.map(({ mean }) => mean)),
    Math.max(0, ...points.map(({ mean }) => mean)),
  ]
  const room = high - low
  const least = Math.max(low - room / 2, Math.min(low, ...points.map((point) => point.low ?? 0)))
  const most = Math.min(high + room / 2, Math.max(high, ...points.map((point) => point.high ?? 0)))
  const pad = Math.max(1, (most - least) * 0.06)
  return [least - pad, most + pad]
}

export interface PlotProps {
  readonly label: string
  readonly panel: Panel
  readonly value: StudiesView['value']
  readonly depth: 'layers' | 'percent'
  readonly domain: Domain
  readonly picked: { readonly line: string; readonly firstLayer: number } | undefined
  readonly onPick: (line: string, firstLayer: number) => void
  readonly height?: number
}

const MARGIN = { top: 10, right: 14, bottom: 22 }

/** A point of a line, placed. */
interface Placed extends Valued {
  readonly firstLayer: number
  readonly n: number
  /** First layer or percent. */
  readonly at: number
}

export function Plot({ label, panel, value, depth, domain, picked, onPick, height = 300 }: PlotProps) {
  const [ref, width] = useWidth<HTMLDivElement>()
  const [hovered, setHovered] = useState<{ line: number; point: number }>()
  const left = gutter()
  const lines = useMemo(
    () => panel.lines.map((one) => ({ ...one, points: placed(one, value, depth) })),
    [panel, value, depth],
  )
  const last = Math.max(0, ...lines.flatMap(({ points }) => points.map(({ at }) => at)))
  const x = scaleLinear()
    // A single window stands in the middle.
    .domain(depth === 'percent' ? [0, 100] : last === 0 ? [-1, 1] : [0, last])
    .range([left, Math.max(left + 40, width - MARGIN.right)])
  const y = scaleLinear()
    .domain([...domain])
    .range([height - MARGIN.bottom, MARGIN.top])
    .clamp(true)
  const paths = lines.map(({ points, style }) => {
    const toLine = line<Placed>()
      .x(({ at }) => x(at))
      .y(({ mean }) => y(mean))
    const toBand = area<Placed>()
      .x(({ at }) => x(at))
      .y0(({ low, mean }) => y(low ?? mean))
      .y1(({ high, mean }) => y(high ?? mean))
    return { ...lineStyle(style, theme.value), line: toLine(points) ?? '', band: toBand(points) ?? '' }
  })
  const ticks = depth === 'percent' ? [0, 25, 50, 75, 100] : axisStarts(last + 1, width < 500 ? 6 : 9)

  const nearest = (event: MouseEvent): { line: number; point: number } | undefined => {
    const box = (event.currentTarget as SVGElement).getBoundingClientRect()
    let best: { line: number; point: number; distance: number } | undefined
    for (const [l, { points }] of lines.entries()) {
      for (const [p, { at, mean }] of points.entries()) {
        const distance = Math.hypot(x(at) - (event.clientX - box.left), y(mean) - (event.clientY - box.top))
        if (distance < (best?.distance ?? Number.POSITIVE_INFINITY)) best = { line: l, point: p, distance }
      }
    }
    return best
  }
  const pickedPlace = placeOf(lines, picked)
  const current = hovered ?? pickedPlace
  const at = current && lines[current.line]?.points[current.point]
  const pick = (place: { line: number; point: number } | undefined): void => {
    const one = place && lines[place.line]
    const point = one?.points[place!.point]
    if (one && point) onPick(one.key, point.firstLayer)
  }
  const key = (event: KeyboardEvent): void => {
    if (lines.length === 0) return
    const from = current ?? { line: 0, point: 0 }
    const toLine = (step: number): { line: number; point: number } => {
      const to = (from.line + step + lines.length) % lines.length
      return { line: to, point: Math.min(from.point, lines[to]!.points.length - 1) }
    }
    const last = (lines[from.line]?.points.length ?? 1) - 1
    const to = {
      ArrowLeft: () => ({ ...from, point: Math.max(0, from.point - 1) }),
      ArrowRight: () => ({ ...from, point: Math.min(last, from.point + 1) }),
      ArrowDown: () => toLine(1),
      ArrowUp: () => toLine(-1),
      Home: () => ({ ...from, point: 0 }),
      End: () => ({ ...from, point: last }),
    }[event.key]
    if (event.key === 'Enter' || event.key === ' ') pick(from)
    else if (to) setHovered(to())
    else return
    event.preventDefault()
  }
  const said = at && current ? pointText(lines[current.line]!, at, value) : undefined

  return (
    <div ref={ref} class="curves study-plot">
      <svg
        width={width}
        height={height}
        role="slider"
        tabIndex={0}
        aria-label={`${label}; left and right go along a line, up and down to another, Enter picks the point`}
        aria-valuemin={0}
        aria-valuemax={Math.max(0, (lines[current?.line ?? 0]?.points.length ?? 1) - 1)}
        aria-valuenow={current?.point ?? 0}
        aria-valuetext={said ?? 'no point'}
        onPointerMove={(event) => setHovered(nearest(event))}
        onPointerLeave={() => setHovered(undefined)}
        onClick={(event) => pick(nearest(event))}
        onKeyDown={key}
        onBlur={() => setHovered(undefined)}
      >
        <GridLines y={y} left={left} width={width} unit={value} zero={value === 'change' ? 0 : 100} />
        <g class="curves-axis">
          {ticks.map((tick) => (
            <text key={tick} x={x(tick)} y={height - 5} text-anchor="middle">
              {depth === 'percent' ? `${tick} %` : tick}
            </text>
          ))}
        </g>
        {paths.map(({ band, color }, l) => (
          <path key={lines[l]!.key} d={band} fill={color} opacity={0.16} />
        ))}
        {paths.map(({ line: d, color, dash }, l) => (
          <g key={lines[l]!.key}>
            <LinePath d={d} color={color} dash={dash} />
            {lines[l]!.points.length <= 40 &&
              lines[l]!.points.map((point) => (
                <circle key={point.firstLayer} cx={x(point.at)} cy={y(point.mean)} r={2.25} fill={color} />
              ))}
          </g>
        ))}
        {pickedPlace && dot(pickedPlace, 'is-picked')}
        {hovered && dot(hovered, '')}
      </svg>
      <p class="axis-title">
        {depth === 'layers' ? 'first layer of the window' : 'depth of the window’s first layer'}
      </p>
      <p class="study-point" aria-hidden="true">
        {said ?? ' '}
      </p>
    </div>
  )

  function dot(place: { line: number; point: number }, more: string) {
    const point = lines[place.line]?.points[place.point]
    return (
      point && (
        <circle
          class={`curves-dot ${more}`}
          cx={x(point.at)}
          cy={y(point.mean)}
          r={more === '' ? 4.5 : 6}
          fill={paths[place.line]!.color}
        />
      )
    )
  }
}

function placed({ curve }: Line, value: StudiesView['value'], depth: 'layers' | 'percent'): Placed[] {
  return curve.points.flatMap((point) => {
    const shown = plotted(value, point)
    if (!shown) return []
    const { firstLayer, n } = point
    const at = depth === 'layers' ? firstLayer : windowDepth(firstLayer, curve.at.window, curve.layers)
    return [{ ...shown, firstLayer, n, at }]
  })
}

function placeOf(
  lines: readonly (Line & { points: readonly Placed[] })[],
  picked: PlotProps['picked'],
): { line: number; point: number } | undefined {
  if (!picked) return undefined
  const at = lines.findIndex(({ key }) => key === picked.line)
  const point = lines[at]?.points.findIndex(({ firstLayer }) => firstLayer === picked.firstLayer) ?? -1
  return point < 0 ? undefined : { line: at, point }
}

/** `subject, layers 3–11: −45.1 % (95 % interval −47.9 to −42.3), 200 prompts` */
function pointText(
  line: Line,
  { mean, low, high, firstLayer, n }: Placed,
  value: StudiesView['value'],
): string {
  const text = (number: number): string => (value === 'change' ? signed(number) : `${number.toFixed(1)} %`)
  const band = low === null || high === null ? '' : ` (95 % interval ${text(low)} to ${text(high)})`
  const prompts = `${n.toLocaleString('en')} prompt${n === 1 ? '' : 's'}`
  return `${line.label}, ${layersText(firstLayer, line.curve.at.window)}: ${text(mean)}${band}, ${prompts}`
}
