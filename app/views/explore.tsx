/** Explore a fact: its heatmap and curves, live; every cell and point says what was cut and what happened. */
import type { ComponentChildren } from 'preact'
import { useMemo, useState } from 'preact/hooks'
import { ROLES } from '../../src/prompts/roles.js'
import type { Exploration, FlowRef, KnockedOutcome, ModelInfo } from '../../src/ui/protocol.js'
import { CallStatus, Range, Segments, Select, TopTokens } from '../components/basics.js'
import { CurveLegend, Curves } from '../components/curves.js'
import { duration, percent, quoted, signed, tokenLabel } from '../components/format.js'
import { ChangeLegend, Heatmap } from '../components/heatmap.js'
import { QuestionEditor } from '../components/question-editor.js'
import { ExportMenu } from '../export/export-menu.js'
import { address, addressOf, go } from '../state/address.js'
import { useExploration } from '../state/exploration.js'
import {
  type Cell,
  flowsFor,
  flowText,
  type Point,
  paramsOf,
  type Question,
  questionOf,
} from '../state/question.js'
import { type CutWords, cutWords, effectWords, FEATURE_WORDS, roleWords } from '../words.js'

/** Changes that are a step which the back button undoes. */
function isStep(changes: Partial<Question>): boolean {
  return 'prompt' in changes || 'model' in changes || 'subject' in changes
}

function changeQuestion(question: Question, changes: Partial<Question>): void {
  go('explore', paramsOf({ ...question, ...changes }) as Record<string, string | number | undefined>, {
    step: isStep(changes),
  })
}

export function Explore() {
  const question = useMemo(() => questionOf(address.value.params), [address.value.params.toString()])
  const { opened, encoded, explored, request, model } = useExploration(question)
  const [hovered, setHovered] = useState<Cell>()
  const [pointed, setPointed] = useState<Pointed>()
  const set = (changes: Partial<Question>): void => changeQuestion(question, changes)
  const result = explored.result
  const changes = useMemo(
    () => result?.heatmap.map((row) => row.map(({ change: value }) => value)) ?? [],
    [result],
  )
  const look = looked(question, result, hovered, pointed)

  return (
    <div class="explore">
      <h1 class="visually-hidden">Explore a fact</h1>
      <QuestionEditor question={question} encoded={encoded} hovered={hovered?.token} onChange={set} />
      <Controls question={question} model={model} onChange={set}>
        <CallStatus
          call={opened.busy || opened.error ? opened : explored}
          waiting={opened.busy ? `opening ${question.model}` : 'computing'}
        />
      </Controls>
      <div class={`explore-body${explored.stale || explored.busy || !request ? ' is-stale' : ''}`}>
        <section class="panel explore-map" aria-label="Heatmap">
          <header>
            <h2>Which token matters, at which depth</h2>
            <ChangeLegend limit={100} />
          </header>
          {result ? (
            <Heatmap
              label={`Heatmap: each token cut from ${roleWords(result.target)}, by first layer; arrow keys move, Enter keeps a cell`}
              tokens={result.tokens.map(({ text }) => text)}
              subject={result.subject}
              nLayers={result.model.nLayers}
              window={result.window}
              values={changes}
              limit={100}
              selected={inside(question.cell, result)}
              hovered={hovered}
              onHover={setHovered}
              onSelect={(picked) =>
                set({ cell: sameCell(picked, question.cell) ? undefined : picked, point: undefined })
              }
            />
          ) : (
            <Heatmapless tokens={encoded.result?.tokens.length ?? question.prompt.split(/\s+/).length} />
          )}
        </section>
        <section class="panel explore-curves" aria-label="Information flow by role">
          <header>
            <h2>What each role contributes</h2>
          </header>
          <RoleCurves
            question={question}
            result={result}
            model={model}
            at={pointed?.start ?? look?.first}
            curveAt={look?.curve}
            onPoint={setPointed}
            onKeep={(point) =>
              set({ point: samePoint(point, question.point) ? undefined : point, cell: undefined })
            }
            onFlows={(flows) => set({ flows })}
          />
        </section>
        <Details result={result} look={look} />
      </div>
      <footer class="explore-foot">
        <p role="status">
          {result && !explored.stale
            ? `${result.knockouts} knockouts in ${duration(result.took)} on ${result.model.runtime}; ${result.model.name} was opened in ${duration(result.model.took)}.`
            : ' '}
        </p>
        <div class="explore-actions">
          {result && request && (
            <>
              <a class="button" href={addressOf('cut', paramsOf(question))}>
                Cut by hand
              </a>
              <a
                class="button"
                href={addressOf('compare', {
                  ...paramsOf(question, 'a.'),
                  // A window is the same share of the depth in both models.
                  share:
                    question.window === undefined
                      ? undefined
                      : Math.round((100 * result.window) / result.model.nLayers),
                })}
              >
                Compare
              </a>
              <ExportMenu result={result} question={question} />
            </>
          )}
        </div>
      </footer>
    </div>
  )
}

/** Where on the curves somebody points: a window, and the curve that is nearest. */
interface Pointed {
  readonly start: number
  readonly curve: number
}

/** A knockout that is looked at. */
interface Look extends CutWords {
  readonly knocked: KnockedOutcome
  /** Place of its curve; undefined for a cell of the heatmap. */
  readonly curve?: number
}

/** What is pointed at, or else what was kept; nothing where the result does not have it. */
function looked(
  question: Question,
  result: Exploration | undefined,
  hovered: Cell | undefined,
  pointed: Pointed | undefined,
): Look | undefined {
  if (!result) return undefined
  const { window, target, features, heatmap, curves, tokens } = result
  const cell = pointed ? undefined : (hovered ?? question.cell)
  if (cell) {
    const knocked = heatmap[cell.token]?.[cell.start]
    const source = quoted(tokens[cell.token]?.text ?? '')
    return knocked && { knocked, source, target, features, first: cell.start, window }
  }
  const kept = question.point
  const place = pointed?.curve ?? curves.findIndex((curve) => kept && flowText(curve) === flowText(kept.flow))
  const first = pointed?.start ?? kept?.start ?? 0
  const curve = curves[place]
  const knocked = curve?.points[first]
  if (!knocked) return undefined
  const { subject, prompt } = question
  const named =
    subject && curve.source === 'subject' ? ` ${quoted(prompt.slice(subject.start, subject.end))}` : ''
  return {
    ...{ knocked, window, first, curve: place },
    source: `${roleWords(curve.source)}${named}`,
    target: curve.target,
    features: curve.features,
  }
}

function samePoint(a: Point, b: Point | undefined): boolean {
  return b !== undefined && a.start === b.start && flowText(a.flow) === flowText(b.flow)
}

function sameCell(a: Cell, b: Cell | undefined): boolean {
  return a.token === b?.token && a.start === b.start
}

/** A cell, unless the heatmap does not have it. */
function inside(cell: Cell | undefined, result: Exploration | undefined): Cell | undefined {
  return cell && result?.heatmap[cell.token]?.[cell.start] ? cell : undefined
}

/** Holds the place of a heatmap that is being computed. */
function Heatmapless({ tokens }: { tokens: number }) {
  return (
    <div class="heatmap is-empty" aria-hidden="true" style={{ '--rows': tokens }}>
      <div class="heatmap-grid" />
      <div class="heatmap-axis" />
    </div>
  )
}

interface ControlsProps {
  readonly question: Question
  readonly model: ModelInfo | undefined
  readonly onChange: (changes: Partial<Question>) => void
  readonly children: ComponentChildren
}

function Controls({ question, model, onChange, children }: ControlsProps) {
  const nLayers = model?.nLayers ?? 24
  const window = Math.min(question.window ?? model?.defaultWindow ?? 9, nLayers)
  const categories = model?.featureCategories ?? ['all']
  return (
    <section class="controls" aria-label="What is cut">
      <Range
        label="Window"
        value={window}
        min={1}
        max={nLayers}
        unit={(value) => (value === 1 ? '1 layer' : `${value} layers`)}
        onChange={(value) => onChange({ window: value, cell: undefined })}
      />
      <Segments
        label="Features cut"
        value={categories.includes(question.features) ? question.features : 'all'}
        options={(['all', 'context-dependent', 'context-independent'] as const).map((value) => ({
          value,
          label: value,
          disabled: !categories.includes(value),
          title: categories.includes(value)
            ? FEATURE_WORDS[value]
            : 'Only state-space layers have features that forget fast or slowly',
        }))}
        onChange={(features) => onChange({ features })}
      />
      <Select
        label="Cut from (target)"
        value={question.target}
        options={ROLES.map((role) => ({
          value: role,
          label: role,
          disabled: question.subject === undefined && (role === 'subject' || role === 'context'),
        }))}
        onChange={(target) => onChange({ target })}
      />
      {children}
    </section>
  )
}

interface RoleCurvesProps {
  readonly question: Question
  readonly result: Exploration | undefined
  readonly model: ModelInfo | undefined
  readonly at: number | undefined
  readonly curveAt: number | undefined
  readonly onPoint: (pointed: Pointed | undefined) => void
  readonly onKeep: (point: Point) => void
  readonly onFlows: (flows: readonly FlowRef[]) => void
}

/** Curves that can be switched on beside the paper's. */
const MORE: readonly FlowRef[] = [
  { source: 'context', target: 'last', features: 'all' },
  { source: 'all', target: 'last', features: 'all' },
  { source: 'subject', target: 'subject', features: 'all' },
  { source: 'relation', target: 'subject', features: 'all' },
]

function RoleCurves({ question, result, model, at, curveAt, onPoint, onKeep, onFlows }: RoleCurvesProps) {
  const shown = useMemo(() => (model ? flowsFor(question, model) : []), [question, model])
  const all = useMemo(() => {
    if (!model) return []
    const known = [...flowsFor({}, model), ...MORE]
    const added = shown.filter((flow) => !known.some((one) => flowText(one) === flowText(flow)))
    return [...known, ...added]
  }, [shown, model])
  const nLayers = result?.model.nLayers ?? model?.nLayers ?? 24
  const window = result?.window ?? model?.defaultWindow ?? 9
  const curves = useMemo(
    () =>
      (result?.curves ?? []).map((curve) => ({
        label: curve.label,
        style: Math.max(
          0,
          all.findIndex((flow) => flowText(flow) === flowText(curve)),
        ),
        points: curve.points.map(({ change: mean }, firstLayer) => ({ firstLayer, mean })),
      })),
    [result, all],
  )
  const on = new Set(shown.map(flowText))
  return (
    <>
      <Curves
        label="Change of the answer's probability by first layer of the window; arrow keys move along a curve and to another, Enter keeps a point"
        nLayers={nLayers}
        window={window}
        curves={curves}
        at={at}
        curveAt={curveAt}
        onHover={(start, curve) =>
          onPoint(start === undefined ? undefined : { start, curve: curve ?? curveAt ?? 0 })
        }
        onSelect={(start, curve) => {
          const { source, target, features } = result?.curves[curve ?? curveAt ?? 0] ?? {}
          if (source && target && features) onKeep({ flow: { source, target, features }, start })
        }}
      />
      <p class="axis-title">first layer of the window</p>
      <CurveLegend
        curves={all.map((flow, style) => ({ label: labelOf(flow), style, shown: on.has(flowText(flow)) }))}
        values={all.map((flow) => {
          const curve = result?.curves.find((one) => flowText(one) === flowText(flow))
          const point = at === undefined ? undefined : curve?.points[at]
          return point && signed(point.change)
        })}
        onToggle={(index) => {
          const flow = all[index]!
          const next = on.has(flowText(flow))
            ? shown.filter((one) => flowText(one) !== flowText(flow))
            : all.filter((one) => on.has(flowText(one)) || one === flow)
          onFlows(next)
        }}
      />
    </>
  )
}

function labelOf({ source, target, features }: FlowRef): string {
  return `${source} → ${target}${features === 'all' ? '' : ` (${features})`}`
}

/** What was cut and what happened: in words, and the most probable tokens before and after. */
function Details({ result, look }: { result: Exploration | undefined; look: Look | undefined }) {
  const knocked = look?.knocked
  return (
    <aside class="panel explore-details" aria-label="What happened">
      <h2>{knocked ? 'Under the knockout' : 'Without a knockout'}</h2>
      <p class="words" aria-live="polite">
        {result && look ? (
          <>
            {cutWords(look)} {effectWords(result.answer.text, result.base, look.knocked)}
          </>
        ) : result ? (
          <>
            {baseWords(result)} Point at a cell or a curve to see what that knockout does; click to keep it.
          </>
        ) : (
          ' '
        )}
      </p>
      <div class="explore-tops">
        <TopTokens title="As it is" outcome={result?.base} answer={result?.answer.id} />
        <TopTokens title="Cut" outcome={knocked} answer={result?.answer.id} />
      </div>
    </aside>
  )
}

function baseWords({ answer, answerIsOwn, base, model }: Exploration): string {
  const said = quoted(answer.text)
  if (answerIsOwn) return `${model.name} goes on with ${said} (${percent(base.prob)}).`
  const rank =
    base.rank === 1
      ? 'its first choice'
      : `rank ${base.rank}; its first choice is ${tokenLabel(base.top[0]?.text ?? '')}`
  return `${model.name} gives ${said} a probability of ${percent(base.prob)}: ${rank}.`
}
