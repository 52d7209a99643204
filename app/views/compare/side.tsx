/** One side of a comparison: its heatmap by depth, what a cell does. */
import { useMemo } from 'preact/hooks'
import type { EncodedPrompt, Exploration, ModelInfo } from '../../../src/ui/protocol.js'
import { CallStatus, TopTokens } from '../../components/basics.js'
import { percent, quoted } from '../../components/format.js'
import { ChangeLegend, Heatmap } from '../../components/heatmap.js'
import { type Called, useCall } from '../../state/call.js'
import { askedOf, type Comparison } from '../../state/comparison.js'
import { useEncoded, useOpened } from '../../state/exploration.js'
import { type Cell, type Question, requestOf } from '../../state/question.js'
import { cutWords, effectWords, roleWords } from '../../words.js'

/** What a side has computed. */
export interface SideState {
  readonly question: Question
  readonly opened: Called<ModelInfo>
  readonly encoded: Called<EncodedPrompt>
  readonly explored: Called<Exploration>
  readonly model: ModelInfo | undefined
}

export function useSide(comparison: Comparison, question: Question): SideState {
  const { opened, model } = useOpened(question)
  const encoded = useEncoded(question, model)
  const request = useMemo(
    () =>
      model && question.prompt.trim() !== ''
        ? requestOf(askedOf(comparison, question, model), model)
        : undefined,
    [comparison, question, model],
  )
  const explored = useCall('explore', request)
  return { question, opened, encoded, explored, model }
}

export interface SideProps {
  readonly name: string
  readonly side: SideState
  readonly hovered: Cell | undefined
  readonly selected: Cell | undefined
  readonly depth: number | undefined
  readonly onHover: (cell: Cell | undefined) => void
  readonly onSelect: (cell: Cell) => void
}

export function SideStatus({ side: { opened, explored, question } }: { side: SideState }) {
  return (
    <CallStatus
      call={opened.busy || opened.error ? opened : explored}
      waiting={opened.busy ? `opening ${question.model}` : `computing ${question.model}`}
    />
  )
}

export function SidePanel({ name, side, hovered, selected, depth, onHover, onSelect }: SideProps) {
  const { explored, encoded, model, question } = side
  const { result } = explored
  const values = useMemo(() => result?.heatmap.map((row) => row.map(({ change }) => change)) ?? [], [result])
  const cell = hovered ?? selected
  const knocked = cell && result?.heatmap[cell.token]?.[cell.start]
  return (
    <section
      class={`panel compare-side${explored.stale || explored.busy ? ' is-stale' : ''}`}
      aria-label={`Heatmap ${name}`}
    >
      <header>
        <h2>
          {name}: {result?.model.name ?? model?.name ?? question.model}
          {result && (
            <small>
              {' '}
              {result.model.nLayers} layers, window {result.window}
            </small>
          )}
        </h2>
        <ChangeLegend limit={100} />
      </header>
      {result ? (
        <Heatmap
          label={`Heatmap ${name}: each token cut from ${roleWords(result.target)}, by depth; arrow keys move, Enter keeps a cell`}
          tokens={result.tokens.map(({ text }) => text)}
          subject={result.subject}
          nLayers={result.model.nLayers}
          window={result.window}
          values={values}
          limit={100}
          aligned
          selected={selected}
          hovered={hovered}
          depth={depth}
          onHover={onHover}
          onSelect={onSelect}
        />
      ) : (
        <div
          class="heatmap is-empty"
          aria-hidden="true"
          style={{ '--rows': encoded.result?.tokens.length ?? 10 }}
        >
          <div class="heatmap-grid" />
          <div class="heatmap-axis" />
        </div>
      )}
      <DepthAxis />
      <p class="words" aria-live="polite">
        {result && knocked && cell ? (
          <>
            {cutWords({
              source: quoted(result.tokens[cell.token]!.text),
              target: result.target,
              features: result.features,
              first: cell.start,
              window: result.window,
            })}{' '}
            {effectWords(result.answer.text, result.base, knocked)}
          </>
        ) : result ? (
          `${result.model.name} gives ${quoted(result.answer.text)} a probability of ${percent(result.base.prob)}${result.base.rank === 1 ? ', its first choice' : ` (rank ${result.base.rank})`}. Point at a cell: the same depth is marked on the other side.`
        ) : (
          ' '
        )}
      </p>
      <div class="compare-tops">
        <TopTokens title="As it is" outcome={result?.base} answer={result?.answer.id} />
        <TopTokens title="Cut" outcome={knocked} answer={result?.answer.id} />
      </div>
    </section>
  )
}

/** Below an aligned heatmap: how deep. */
function DepthAxis() {
  return (
    <div class="heatmap-axis" aria-hidden="true">
      <span class="heatmap-axis-title">depth</span>
      <div class="heatmap-axis-numbers is-depth">
        {[0, 25, 50, 75, 100].map((share) => (
          <span key={share} style={{ left: `${share}%` }}>
            {share} %
          </span>
        ))}
      </div>
    </div>
  )
}
