/** What a knockout is: a prompt's tokens, their connections to the last one, and what cutting some does. */
import type { CutRequest } from '../../../src/ui/protocol.js'
import { CallStatus, Range, TopTokens } from '../../components/basics.js'
import { layersText, percent, quoted, tokenLabel } from '../../components/format.js'
import { address, addressOf, change } from '../../state/address.js'
import { useCall } from '../../state/call.js'
import { useEncoded, useOpened } from '../../state/exploration.js'
import { FIRST, modelOf, paramsOf } from '../../state/question.js'
import { cutWords, effectWords } from '../../words.js'
import { listed } from './seen.js'
import { useRelations, useStepQuestion } from './step-view.js'
import { type IntroCut, introCutOf, introCutParams, type Tour, toStep, WINDOW } from './steps.js'
import { useAhead } from './use-flows.js'

const ROW = 36
/** The prompt's tokens, so that their place is kept until they are known. */
const ROWS = 10

export function Introduction({ tour }: { tour: Tour }) {
  const { opened, model } = useOpened(FIRST)
  const encoded = useEncoded(FIRST, model)
  const tokens = encoded.result?.tokens ?? []
  const last = tokens.length - 1
  const asIs = introCutOf(address.value.params)
  const { first } = asIs
  const sources = asIs.sources.filter((position) => position < last)
  const set = (changes: Partial<IntroCut>): void =>
    change(introCutParams({ ...introCutOf(address.peek().params), ...changes }))
  const layers = Array.from({ length: WINDOW }, (_, i) => first + i)
  const asked: CutRequest | undefined = encoded.result && {
    model: modelOf(FIRST),
    prompt: FIRST.prompt,
    subject: FIRST.subject!,
    answer: FIRST.answer!,
    knockouts:
      sources.length === 0
        ? []
        : [{ layers, sources: [...sources], targets: [last], features: 'all' as const }],
  }
  const cut = useCall('cut', asked)
  const result = cut.result
  const knocked = sources.length > 0 ? result?.knocked[0] : undefined
  const ahead = useStepQuestion(useRelations().all, toStep(tour, 1))
  useAhead(result && !cut.busy ? ahead : undefined)
  const toggle = (position: number): void => {
    const { sources: before } = introCutOf(address.peek().params)
    set({
      sources: before.includes(position)
        ? before.filter((one) => one !== position)
        : [...before, position].sort((x, y) => x - y),
    })
  }

  return (
    <>
      <div class="learn-head">
        <p class="learn-text">
          A language model carries what it knows from token to token, layer by layer, until the last token has
          what it needs to say the next word. A <b>knockout</b> cuts one of these connections in some of the
          layers and looks at the answer’s probability. If it falls, something that the answer needs went
          through there.
        </p>
        <CallStatus
          call={opened.busy || opened.error ? opened : encoded.error ? encoded : cut}
          waiting={`opening ${FIRST.model}`}
        />
      </div>
      <div class="learn-cut">
        <section class="panel" aria-label="Connections">
          <header>
            <h2>Cut a connection</h2>
            <span class="hint">Press a token: the last one no longer hears it.</span>
          </header>
          <div class="knock-figure" style={{ '--row': `${ROW}px`, minBlockSize: `${ROWS * ROW}px` }}>
            <ol class="knock-tokens" aria-label="Tokens of the prompt">
              {tokens.map(({ text }, position) => {
                const own = encoded.result!.subject.includes(position)
                const label = `${tokenLabel(text)}${own ? ', subject' : ''}`
                return (
                  <li key={position}>
                    {position === last ? (
                      <span class="token is-last">{tokenLabel(text)}</span>
                    ) : (
                      <button
                        type="button"
                        class={`token${own ? ' is-subject' : ''}`}
                        aria-pressed={sources.includes(position)}
                        aria-label={`Cut token ${position}, ${label}, from the last token`}
                        onClick={() => toggle(position)}
                      >
                        {tokenLabel(text)}
                      </button>
                    )}
                  </li>
                )
              })}
            </ol>
            <Arcs count={tokens.length} cut={sources} />
            <p class="knock-says" aria-hidden="true">
              {result ? (
                <>
                  {quoted((knocked ?? result.base).top[0]?.text ?? '')}
                  <small>{percent((knocked ?? result.base).top[0]?.prob ?? 0)}</small>
                </>
              ) : (
                ' '
              )}
            </p>
          </div>
          <Range
            label="Cut in"
            value={first}
            min={0}
            max={(model?.nLayers ?? 24) - WINDOW}
            unit={(value) => `${layersText(value, WINDOW)} of ${model?.nLayers ?? 24}`}
            onChange={(value) => set({ first: value })}
          />
        </section>
        <section class="panel learn-outcome" aria-label="What happened">
          <h2>What you see</h2>
          <p class="learn-words" aria-live="polite" aria-busy={cut.busy}>
            {result &&
              (knocked
                ? `${cutWords({
                    source: listed(sources.map((position) => quoted(tokens[position]!.text))),
                    target: 'last',
                    features: 'all',
                    first,
                    window: WINDOW,
                  })} ${effectWords(result.answer.text, result.base, knocked)}`
                : `Nothing is cut: ${FIRST.model} gives ${quoted(result.answer.text)} a probability of ${percent(result.base.prob)}. Cut the subject, then another word; then move the layers.`)}
          </p>
          <div class="explore-tops">
            <TopTokens title="As it is" outcome={result?.base} answer={result?.answer.id} rows={4} />
            <TopTokens title="Cut" outcome={knocked} answer={result?.answer.id} rows={4} />
          </div>
          <p>
            <a
              class="button"
              href={addressOf(
                'explore',
                paramsOf({
                  ...FIRST,
                  ...(sources.length === 1 && { cell: { token: sources[0]!, start: first } }),
                }),
              )}
            >
              Open in Explore
            </a>
          </p>
        </section>
      </div>
    </>
  )
}

/** Connections of all tokens to the last one, beside the tokens; those that are cut are broken. */
function Arcs({ count, cut }: { count: number; cut: readonly number[] }) {
  const width = 190
  const end = (count - 0.5) * ROW
  return (
    <svg class="knock-arcs" width={width} height={count * ROW} aria-hidden="true">
      {Array.from({ length: Math.max(0, count - 1) }, (_, position) => {
        const start = (position + 0.5) * ROW
        const bulge = 30 + ((width - 40) * (count - 1 - position)) / Math.max(1, count - 1)
        const broken = cut.includes(position)
        // The arc's middle, where it is broken.
        const [x, y] = [0.75 * bulge, (start + end) / 2]
        return (
          <g key={position} class={broken ? 'is-cut' : ''}>
            <path d={`M2,${start} C${bulge},${start} ${bulge},${end} 2,${end}`} />
            {broken && <path class="knock-mark" d={`M${x - 6},${y - 6} l12,12 m0,-12 l-12,12`} />}
          </g>
        )
      })}
    </svg>
  )
}
