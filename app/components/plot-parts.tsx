/** What all plots of curves have in common. */
import type { ScaleLinear } from 'd3-scale'

/** Width of the column left of heatmaps and plots, in pixels: the same, so that depths stand below each other. */
export function gutter(element: Element = document.documentElement): number {
  return Number.parseFloat(getComputedStyle(element).getPropertyValue('--gutter')) || 96
}

/** Ends of a y axis of changes: no change and all values that are numbers, with some room. */
export function changeDomain(values: readonly number[]): [number, number] {
  const finite = values.filter(Number.isFinite)
  const [least, most] = [Math.min(0, ...finite), Math.max(0, ...finite)]
  const pad = Math.max(1, (most - least) * 0.06)
  return [least - pad, most + pad]
}

interface GridLinesProps {
  readonly y: ScaleLinear<number, number>
  /** Where the lines begin and end; their numbers stand before. */
  readonly left: number
  readonly width: number
  readonly unit: 'change' | 'accuracy'
  /** The line that stands out. */
  readonly zero: number | undefined
}

export function GridLines({ y, left, width, unit, zero }: GridLinesProps) {
  return (
    <g class="curves-grid">
      {y.ticks(5).map((tick) => (
        <g key={tick}>
          <line x1={left} x2={width} y1={y(tick)} y2={y(tick)} class={tick === zero ? 'is-zero' : ''} />
          <text x={left - 8} y={y(tick)} dy="0.32em" text-anchor="end">
            {tick === 0 || unit === 'accuracy' ? `${tick}` : `${tick < 0 ? '−' : '+'}${Math.abs(tick)}`} %
          </text>
        </g>
      ))}
    </g>
  )
}

interface LinePathProps {
  readonly d: string
  readonly color: string
  readonly dash: string | undefined
}

export function LinePath({ d, color, dash }: LinePathProps) {
  return (
    <path
      d={d}
      fill="none"
      stroke={color}
      stroke-width={2.25}
      stroke-dasharray={dash}
      stroke-linejoin="round"
    />
  )
}
