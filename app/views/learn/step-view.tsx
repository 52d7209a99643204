/** A step: what it says, its figures, what they show, and what one can change. */
import { useEffect, useMemo, useState } from 'preact/hooks'
import { PAPER_FLOWS } from '../../../src/experiments/flows.js'
import type { PackedRelation, WordedFact } from '../../../src/ui/packed-facts.js'
import type { FlowRef } from '../../../src/ui/protocol.js'
import { CallStatus, Range, Segments, Select, sentence } from '../../components/basics.js'
import { CurveLegend, Curves } from '../../components/curves.js'
import { duration, signed } from '../../components/format.js'
import { addressOf } from '../../state/address.js'
import { relations } from '../../state/facts.js'
import { flowText, paramsOf, type Question } from '../../state/question.js'
import { drawFacts, FACT_COUNTS } from './facts.js'
import { type Measured, measured, strongest, windowFor } from './measured.js'
import type { Verdict } from './seen.js'
import { guessWords, modelsOf, STEPS, type Step, type Tour, toStep } from './steps.js'
import { type FlowsQuestion, type Gathered, useAhead, useFlows } from './use-flows.js'

const MARKS: Readonly<Record<Verdict, string>> = { shown: '✓', 'not-shown': '✗', open: '?' }

interface StepProps {
  readonly step: Step
  readonly tour: Tour
  readonly onChange: (changes: Partial<Tour>) => void
}

export function StepView({ step, tour, onChange }: StepProps) {
  const { all, problem } = useRelations()
  const models = modelsOf(step, tour)
  const question = useStepQuestion(all, tour)
  const facts = question?.facts
  const flows = useFlows(question)
  const next = useStepQuestion(all, toStep(tour, tour.step + 1))
  useAhead(flows.busy || flows.error ? undefined : next)
  const gathered = flows.result
  const shown = useMemo(() => (gathered?.results ?? []).map(measured), [gathered])
  const complete =
    shown.length > 0 && shown.every((one) => one !== undefined) ? (shown as Measured[]) : undefined
  const domain = useMemo(() => domainOf(shown), [shown])
  const names = gathered?.question.models ?? models

  return (
    <>
      <div class="learn-head">
        <p class="learn-text">{step.text}</p>
        {problem ? (
          <div class="call-status is-error" role="alert">
            {sentence(problem)}
          </div>
        ) : (
          <CallStatus call={flows} waiting="computing" />
        )}
      </div>
      <div class={`learn-body${models.length === 1 ? ' is-single' : ''}`}>
        <div class={`learn-figures${flows.stale ? ' is-stale' : ''}`} style={{ '--figures': names.length }}>
          {names.map((name, m) => (
            <Figure key={name} name={name} measured={shown[m]} step={step} tour={tour} domain={domain} />
          ))}
        </div>
        <SeenPanel
          step={step}
          tour={tour}
          flows={flows}
          complete={complete}
          stopped={problem !== undefined || flows.error !== undefined}
        />
        <TryPanel step={step} tour={tour} facts={facts} shown={shown} onChange={onChange} />
      </div>
      {gathered && complete && <FactTable gathered={gathered} measured={complete} />}
      {!complete && <div class="learn-facts" />}
    </>
  )
}

export function useRelations(): { all?: readonly PackedRelation[]; problem?: string } {
  const [state, setState] = useState<{ all?: readonly PackedRelation[]; problem?: string }>({})
  useEffect(() => {
    relations().then(
      (all) => setState({ all }),
      (reason: unknown) => setState({ problem: reason instanceof Error ? reason.message : String(reason) }),
    )
  }, [])
  return state
}

/** What a step asks; undefined until the facts are there, and where there is no such step. */
export function useStepQuestion(
  all: readonly PackedRelation[] | undefined,
  tour: Tour,
): FlowsQuestion | undefined {
  const step = STEPS[tour.step - 1]
  const facts = useMemo(
    () => (all && step ? drawFacts(all, tour.facts, tour.sample) : undefined),
    [all, step, tour.facts, tour.sample],
  )
  return useMemo(
    () => facts && step && { models: modelsOf(step, tour), facts, window: tour.window, flows: step.flows },
    [facts, step, tour.model, tour.window],
  )
}

/** One axis for all figures, which does not move while facts come in. */
function domainOf(shown: readonly (Measured | undefined)[]): readonly [number, number] {
  const highest = shown.flatMap(
    (one) => one?.curves.flatMap(({ points }) => points.map(({ mean }) => mean)) ?? [],
  )
  return [-100, Math.max(10, ...highest)]
}

function styleOf(flow: FlowRef): number {
  return PAPER_FLOWS.findIndex((known) => flowText(known) === flowText(flow))
}

interface FigureProps {
  readonly name: string
  readonly measured: Measured | undefined
  readonly step: Step
  readonly tour: Tour
  readonly domain: readonly [number, number]
}

function Figure({ name, measured: own, step, tour, domain }: FigureProps) {
  const [at, setAt] = useState<number>()
  const nLayers = own?.nLayers ?? 24
  const window = own?.window ?? windowFor(tour.window, nLayers)
  const curves = useMemo(
    () =>
      (own?.curves ?? []).map(({ label, flow, points }) => ({
        label,
        style: styleOf(flow),
        points: points.map(({ firstLayer, mean, low, high, n }) => ({
          firstLayer,
          mean,
          n,
          // One fact has no band.
          low: Number.isFinite(low) ? low : null,
          high: Number.isFinite(high) ? high : null,
        })),
      })),
    [own],
  )
  return (
    <section class="panel learn-figure" aria-label={`Figure: ${name}`}>
      <header>
        <h2>{name}</h2>
        <span class="hint">
          {own ? `mean of ${own.used.length} facts, windows of ${window} of ${nLayers} layers` : ' '}
        </span>
      </header>
      <Curves
        label={`${name}: mean change of the answer’s probability by first layer of the window; arrow keys move`}
        nLayers={nLayers}
        window={window}
        curves={curves}
        domain={domain}
        height={260}
        aligned
        middle
        at={at}
        onHover={setAt}
      />
      <p class="axis-title">first layer; dotted: half of the depth</p>
      <CurveLegend
        curves={step.flows.map((flow) => ({
          label: `${flow.source} → last${flow.features === 'all' ? '' : ` (${flow.features})`}`,
          style: styleOf(flow),
          shown: true,
        }))}
        values={step.flows.map((_, c) => {
          const point = at === undefined ? undefined : own?.curves[c]?.points[at]
          return point && signed(point.mean)
        })}
      />
    </section>
  )
}

interface SeenProps {
  readonly step: Step
  readonly tour: Tour
  readonly flows: ReturnType<typeof useFlows>
  readonly complete: readonly Measured[] | undefined
  /** Nothing will come. */
  readonly stopped: boolean
}

function SeenPanel({ step, tour, flows, complete, stopped }: SeenProps) {
  const seen = useMemo(() => complete && step.seen(complete), [complete, step])
  const gathered = flows.result
  const guessed = guessWords(step.guess, tour.guess, flows.busy ? undefined : seen?.right)
  return (
    <section class="panel learn-seen" aria-label="What you see">
      <h2>What you see</h2>
      <div aria-live="polite" aria-busy={flows.busy}>
        <p class={`learn-verdict is-${seen?.verdict ?? 'waiting'}`}>
          {seen ? (
            <>
              <span aria-hidden="true">{MARKS[seen.verdict]}</span> {seen.title}
              {gathered && gathered.done < gathered.question.facts.length && ', so far'}
            </>
          ) : stopped ? (
            'Nothing is computed.'
          ) : (
            'Computing the first facts…'
          )}
        </p>
        <p class="learn-words">{seen?.text ?? ' '}</p>
        {tour.guess !== undefined && <p class="learn-guessed">{flows.busy ? ' ' : guessed}</p>}
      </div>
      <p class="hint learn-took">{gathered && complete ? tookWords(gathered, complete) : ' '}</p>
      <p class="learn-note">{step.note}</p>
    </section>
  )
}

function tookWords({ results, done, question }: Gathered, complete: readonly Measured[]): string {
  const all = results.flat()
  const knockouts = all.reduce((sum, one) => sum + one.knockouts, 0)
  const took = all.reduce((sum, one) => sum + one.took, 0)
  const left = complete.some(({ used, asked }) => used.length < asked)
    ? `; facts that a model gets wrong are left out`
    : ''
  const { length } = question.facts
  const so = done < length ? `${done} of ${length} facts so far: ` : ''
  return `${so}${knockouts.toLocaleString('en')} knockouts in ${duration(took)} on ${all[0]!.model.runtime}${left}.`
}

/** A fact as Explore asks about it. */
function questionAbout(
  { prompt, start, end, answer }: WordedFact,
  model: string,
  window: number | undefined,
  flows: readonly FlowRef[],
): Question {
  const subject = { start, end }
  return {
    model,
    prompt,
    subject,
    answer,
    target: 'last',
    features: 'all',
    flows,
    ...(window !== undefined && { window }),
  }
}

interface TryProps extends StepProps {
  readonly facts: readonly WordedFact[] | undefined
  readonly shown: readonly (Measured | undefined)[]
}

function TryPanel({ step, tour, facts, shown, onChange }: TryProps) {
  const models = modelsOf(step, tour)
  const fact = facts?.[0]
  const asked = (m: number): Question | undefined =>
    fact && questionAbout(fact, models[m]!, shown[m]?.window, step.flows)
  const [a, b] = [asked(0), asked(models.length - 1)]
  return (
    <section class="panel learn-try" aria-label="Try it yourself">
      <h2>Try it yourself</h2>
      {step.choose && (
        <Segments
          label="Model"
          value={models[0]!}
          options={step.models.map((name) => ({ value: name, label: name }))}
          onChange={(model) => onChange({ model })}
        />
      )}
      <Range
        label="Window"
        value={tour.window}
        min={1}
        max={24}
        unit={(value) => `${value} of 24 layers`}
        onChange={(window) => onChange({ window })}
      />
      <div class="learn-sample">
        <Select
          label="Mean of"
          value={String(tour.facts)}
          options={FACT_COUNTS.map((count) => ({ value: String(count), label: `${count} facts` }))}
          onChange={(count) => onChange({ facts: Number(count) as Tour['facts'] })}
        />
        <button type="button" class="button" onClick={() => onChange({ sample: (tour.sample % 999) + 1 })}>
          Draw other facts
        </button>
      </div>
      <div class="learn-open">
        {models.length === 1
          ? a && (
              <a class="button" href={addressOf('explore', paramsOf(a))}>
                Open one fact in Explore
              </a>
            )
          : a &&
            b && (
              <a class="button" href={addressOf('compare', { ...paramsOf(a, 'a.'), ...paramsOf(b, 'b.') })}>
                Compare on one fact
              </a>
            )}
      </div>
    </section>
  )
}

/** The facts one by one, with what cutting the first curve's source costs in the window where it costs most on average. */
function FactTable({ gathered, measured: all }: { gathered: Gathered; measured: readonly Measured[] }) {
  const { facts, flows } = gathered.question
  const flow = flows[0]!
  const windows = all.map(({ curves }) => strongest(curves[0]!.points).firstLayer)
  return (
    <details class="panel learn-facts">
      <summary>The {facts.length} facts, one by one</summary>
      <p class="hint">
        Change of the answer’s probability when the {flow.source} is cut where that costs most on average. A
        fact opens in Explore.
      </p>
      <div class="learn-table">
        <table>
          <thead>
            <tr>
              <th scope="col">Fact</th>
              {all.map(({ model, window }, m) => (
                <th scope="col" key={model} class="is-number">
                  {model}, layers {windows[m]}–{windows[m]! + window - 1}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {facts.map((fact, f) => (
              <tr key={fact.prompt}>
                <th scope="row">
                  <a
                    href={addressOf(
                      'explore',
                      paramsOf(questionAbout(fact, all[0]!.model, all[0]!.window, flows)),
                    )}
                  >
                    {fact.prompt.slice(0, fact.start)}
                    <mark>{fact.subject}</mark>
                    {fact.prompt.slice(fact.end)}
                  </a>{' '}
                  <b>{fact.answer}</b>
                </th>
                {all.map(({ model, used, curves }, m) => {
                  const row = used.indexOf(f)
                  return (
                    <td key={model} class="is-number">
                      {row < 0 ? '–' : signed(curves[0]!.values[row]![windows[m]!]!)}
                    </td>
                  )
                })}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </details>
  )
}
