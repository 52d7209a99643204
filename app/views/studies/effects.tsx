/** What one knockout did to each prompt: the distribution, and the prompts at its ends. */
import { scaleLinear } from 'd3-scale'
import { useState } from 'preact/hooks'
import type { StudyCut, StudyEffect, StudyEffects, StudyOverview } from '../../../src/ui/study-protocol.js'
import { percent, quoted, signed } from '../../components/format.js'
import { useWidth } from '../../components/width.js'
import { addressOf } from '../../state/address.js'
import { type Bin, binsOf } from './bins.js'
import { exploreParams } from './explore-link.js'

const HEIGHT = 150
const MARGIN = { top: 22, bottom: 24 }

/** A histogram with the quartiles; arrow keys go from bar to bar. */
export function Distribution({ effects }: { effects: StudyEffects }) {
  const [ref, width] = useWidth<HTMLDivElement>(480)
  const [at, setAt] = useState<number>()
  const { n, changes, quartiles } = effects
  const bins = binsOf(changes, n, Math.max(8, Math.min(40, Math.floor(width / 14))))
  // Labels of the ends stand below the ends.
  const [left, right] = [24, Math.max(60, width - 24)]
  const x = scaleLinear()
    .domain([bins[0]!.from, bins.at(-1)!.to])
    .range([left, right])
  const most = Math.max(...bins.map(({ count }) => count))
  const y = (count: number): number => HEIGHT - MARGIN.bottom - barHeight(count / most)
  const step = (event: KeyboardEvent): void => {
    const from = at ?? -1
    const to = {
      ArrowLeft: Math.max(0, from - 1),
      ArrowRight: Math.min(bins.length - 1, from + 1),
      Home: 0,
      End: bins.length - 1,
    }[event.key]
    if (to === undefined) return
    setAt(to)
    event.preventDefault()
  }
  const [low, middle, high] = quartiles
  const summary = `half of ${n.toLocaleString('en')} prompts between ${precise(low)} and ${precise(high)}, median ${precise(middle)}`
  const bin = at === undefined ? undefined : bins[at]
  return (
    <div ref={ref} class="distribution">
      <svg
        width={width}
        height={HEIGHT}
        role="slider"
        tabIndex={0}
        aria-label={`Distribution of the changes: ${summary}; arrow keys go through the bars`}
        aria-valuemin={0}
        aria-valuemax={bins.length - 1}
        aria-valuenow={at ?? 0}
        aria-valuetext={bin ? binText(bin) : summary}
        onKeyDown={step}
        onBlur={() => setAt(undefined)}
        onPointerLeave={() => setAt(undefined)}
        onPointerMove={(event) => {
          const place = x.invert(event.clientX - event.currentTarget.getBoundingClientRect().left)
          const found = bins.findIndex(({ to }) => place < to)
          setAt(found < 0 ? bins.length - 1 : found)
        }}
      >
        {bins.map(({ from, to, count }, b) => (
          <rect
            key={from}
            class={b === at ? 'is-current' : ''}
            x={x(from) + 0.5}
            width={Math.max(1, x(to) - x(from) - 1)}
            y={y(count)}
            height={HEIGHT - MARGIN.bottom - y(count)}
          />
        ))}
        <line
          class="distribution-base"
          x1={left}
          x2={right}
          y1={HEIGHT - MARGIN.bottom}
          y2={HEIGHT - MARGIN.bottom}
        />
        <rect
          class="distribution-half"
          x={x(low)}
          width={Math.max(1, x(high) - x(low))}
          y={MARGIN.top - 14}
          height={6}
        />
        <line
          class="distribution-median"
          x1={x(middle)}
          x2={x(middle)}
          y1={MARGIN.top - 17}
          y2={HEIGHT - MARGIN.bottom}
        />
        {x.ticks(width < 420 ? 4 : 7).map((tick) => (
          <text key={tick} x={x(tick)} y={HEIGHT - 8} text-anchor="middle">
            {tick === 0 ? '0' : `${tick < 0 ? '−' : '+'}${Math.abs(tick)}`} %
          </text>
        ))}
      </svg>
      <p class="study-point" aria-hidden="true">
        {bin ? binText(bin) : `${summary.charAt(0).toUpperCase()}${summary.slice(1)}.`}
      </p>
    </div>
  )
}

/** Bars of a few prompts beside one of many stay visible. */
function barHeight(share: number): number {
  return share === 0 ? 0 : Math.max(2, share * (HEIGHT - MARGIN.top - MARGIN.bottom))
}

/** A change with its first digits, however near to nothing or to all it is. */
function precise(change: number): string {
  const size = Math.abs(change)
  if (size > 99.9 && size < 100)
    return `${change < 0 ? '−' : '+'}${(Math.floor(size * 1000) / 1000).toFixed(3)} %`
  if (size >= 0.01 || size < 1e-9) return signed(change)
  return `${change < 0 ? '−' : '+'}${size.toFixed(Math.min(9, 1 - Math.floor(Math.log10(size))))} %`
}

function binText({ from, to, count }: Bin): string {
  return `${precise(from)} to ${precise(to)}: ${count.toLocaleString('en')} prompt${count === 1 ? '' : 's'}`
}

export interface OutliersProps {
  readonly title: string
  readonly rows: readonly StudyEffect[]
  readonly at: StudyCut
  readonly firstLayer: number
  readonly overview: StudyOverview
}

/** Prompts at one end, each a link to Explore where that can open it. */
export function Outliers({ title, rows, at, firstLayer, overview }: OutliersProps) {
  return (
    <div class="outliers">
      <table>
        <caption>{title}</caption>
        <thead>
          <tr>
            <th scope="col">Prompt and answer</th>
            <th scope="col" class="is-number">
              p, then cut
            </th>
            <th scope="col" class="is-number">
              Change
            </th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => {
            const params = exploreParams(row, at, firstLayer, overview)
            return (
              <tr key={row.promptId}>
                <th scope="row">
                  {params ? (
                    <a href={addressOf('explore', params)} title={`Open in Explore: ${row.promptId}`}>
                      {row.prompt}
                    </a>
                  ) : (
                    (row.prompt ?? row.promptId)
                  )}{' '}
                  {row.answer !== null && <span class="outlier-answer">{quoted(row.answer)}</span>}
                </th>
                <td class="is-number">
                  <span>{percent(row.baseProb)}</span> → <span>{percent(row.prob)}</span>
                </td>
                <td class="is-number">
                  <span>{precise(row.change)}</span>
                </td>
              </tr>
            )
          })}
        </tbody>
      </table>
    </div>
  )
}
