/** Browse stored results: curves of a study by model, relation and knowledge; what a knockout did to each prompt. */
import { useEffect, useMemo } from 'preact/hooks'
import { valueLabel } from '../../../src/studies/names.js'
import type { StudyOverview } from '../../../src/ui/study-protocol.js'
import { CallStatus } from '../../components/basics.js'
import { CurveLegend } from '../../components/curves.js'
import { layersText } from '../../components/format.js'
import { FigureMenu } from '../../export/export-menu.js'
import { address, go } from '../../state/address.js'
import { type Answerer, type Called, useCall } from '../../state/call.js'
import { theme } from '../../state/theme.js'
import { Distribution, Outliers } from './effects.js'
import { Filters } from './filters.js'
import { domainOf, Plot } from './plot.js'
import { StudySource } from './source.js'
import { dropped, useAnswerer, useServerStudies } from './sources.js'
import {
  depthOf,
  effectsRequest,
  fixedText,
  type Panel,
  panelsOf,
  paramsOf,
  pickedPoint,
  promptsText,
  type Resolved,
  resolve,
  type StudiesView,
  viewOf,
} from './view.js'

/** Prompts of each end that are listed. */
const OUTLIERS = 10

export function Studies() {
  const view = useMemo(() => viewOf(address.value.params), [address.value.params.toString()])
  const listed = useServerStudies()
  const answerer = useAnswerer(view.from)
  const { study, from } = view
  const opened = useCall('study', answerer && study !== undefined ? { study } : undefined, answerer)
  const overview = opened.result?.study === study ? opened.result : undefined
  const set = (changes: Partial<StudiesView>): void => {
    // A point stays picked as long as its plot can have it.
    go('studies', paramsOf({ ...view, ...changes }))
  }
  // Whoever comes without a study sees the newest one.
  const first = from === 'server' ? listed.result?.[0] : dropped.value.entries.at(-1)
  useEffect(() => {
    if (study === undefined && first) go('studies', paramsOf({ ...view, study: first.study }))
  }, [study, first])
  const gone = from === 'page' && study !== undefined && answerer === undefined
  return (
    <div class="studies">
      <h1 class="visually-hidden">Studies</h1>
      <StudySource
        view={view}
        studies={listed.result ?? []}
        onPick={(place, name) =>
          go('studies', paramsOf({ ...viewOf(new URLSearchParams()), from: place, study: name }), {
            step: true,
          })
        }
      />
      {overview && answerer ? (
        <Study view={view} overview={overview} answerer={answerer} onChange={set} />
      ) : (
        <Nothing
          call={listed.busy || listed.error ? listed : opened}
          text={
            gone
              ? `“${study}” was dropped on the page before it was loaded anew. Drop its files again: the page keeps nothing.`
              : study === undefined && !listed.busy
                ? 'No study is here yet. A study is a run folder that factflow study or factflow import has written: drop one on this page, or start factflow ui in the folder that holds runs.'
                : undefined
          }
        />
      )}
    </div>
  )
}

/** Holds the place of a study. */
function Nothing({ text, call }: { text: string | undefined; call: Called<unknown> }) {
  return (
    <section class="panel study-nothing" aria-label="No study">
      <CallStatus call={call} waiting="opening the study" />
      <p>{text ?? ' '}</p>
    </section>
  )
}

interface StudyProps {
  readonly view: StudiesView
  readonly overview: StudyOverview
  readonly answerer: Answerer
  readonly onChange: (changes: Partial<StudiesView>) => void
}

function Study({ view, overview, answerer, onChange }: StudyProps) {
  const resolved = useMemo(() => resolve(view, overview), [view, overview])
  const called = useCall('curves', resolved.request, answerer)
  const panels = useMemo(
    () => panelsOf(view, resolved, called.result ?? []),
    [called.result, resolved, view.lines, view.panels],
  )
  const domain = useMemo(() => domainOf(panels, view.value), [panels, view.value])
  const curves = panels.flatMap(({ lines }) => lines.map(({ curve }) => curve))
  const depth = depthOf(panels)
  const legend = called.result ? legendOf(panels) : expectedLegend(view, resolved)
  const expected =
    view.panels === undefined
      ? ['']
      : resolved.shown[view.panels].map((value) => valueLabel(view.panels!, value))
  return (
    <>
      <section class="panel" aria-label="What is shown">
        <header>
          <h2>{overview.title}</h2>
          <p class="hint">{countsText(overview)}</p>
        </header>
        <Filters view={view} resolved={resolved} overview={overview} onChange={onChange} />
      </section>
      <div
        class={`study-body${view.panels === undefined ? '' : ' has-panels'}${called.busy || called.stale ? ' is-stale' : ''}`}
      >
        <section class="panel study-curves" aria-label="Curves">
          <header>
            <h2>
              {view.value === 'change' ? 'Change of the answer’s probability' : 'Answers that stay right'}
            </h2>
            {(curves.length > 0 || called.busy) && (
              <FigureMenu
                figure={async () => {
                  const { figureCommand, figureSpec } = await import('./figure.js')
                  return {
                    spec: figureSpec(view, overview, panels, { size: 'screen', theme: theme.peek() }),
                    name: `factflow-${overview.study.replaceAll(/[^\w.-]+/g, '-')}`,
                    command: figureCommand(view, resolved, overview, panels),
                  }
                }}
              />
            )}
          </header>
          <p class="hint study-fixed">
            {curves.length > 0 ? fixedText(view, curves, promptsText(view)) : emptyText(view, called)}
          </p>
          <div class="study-panels">
            {panels.map((panel) => (
              <figure key={panel.key}>
                {view.panels !== undefined && <figcaption>{panel.label}</figcaption>}
                <Plot
                  label={`Curves${panel.label === '' ? '' : ` of ${panel.label}`} by depth`}
                  panel={panel}
                  value={view.value}
                  depth={depth}
                  domain={domain}
                  picked={view.picked?.panel === panel.key ? view.picked : undefined}
                  onPick={(line, firstLayer) => onChange({ picked: { panel: panel.key, line, firstLayer } })}
                />
              </figure>
            ))}
            {panels.length === 0 &&
              // As many as are on their way; one where there is nothing.
              (called.busy ? expected : ['']).map((label) => (
                <figure key={label} aria-hidden="true">
                  {view.panels !== undefined && <figcaption>{label || '\u00a0'}</figcaption>}
                  <div class="study-placeholder" />
                </figure>
              ))}
          </div>
          <CurveLegend curves={legend} />
          <div class="study-status">
            <CallStatus call={called} waiting="reading results" />
          </div>
        </section>
        <Effects view={view} overview={overview} resolved={resolved} panels={panels} answerer={answerer} />
      </div>
    </>
  )
}

function legendOf(panels: readonly Panel[]): { label: string; style: number; shown: boolean }[] {
  const found = new Map<string, { label: string; style: number; shown: boolean }>()
  for (const { lines } of panels) {
    for (const { key, label, style } of lines) found.set(key, { label, style, shown: true })
  }
  return [...found.values()].sort((a, b) => a.style - b.style)
}

/** The legend of curves that are on their way. */
function expectedLegend({ lines }: StudiesView, { options, shown }: Resolved): ReturnType<typeof legendOf> {
  return options[lines].flatMap(({ value, possible }, style) =>
    possible && shown[lines].includes(value) ? [{ label: valueLabel(lines, value), style, shown: true }] : [],
  )
}

function countsText({ prompts, knockouts, models, updated }: StudyOverview): string {
  const many = (n: number, what: string): string => `${n.toLocaleString('en')} ${what}${n === 1 ? '' : 's'}`
  const day = updated === null ? '' : `; updated ${updated.slice(0, 10)}`
  return `${many(models.length, 'model')}, ${many(prompts, 'prompt')}, ${many(knockouts, 'effect')}${day}`
}

function emptyText(
  { known, relation, promptSet }: StudiesView,
  { busy, error }: { busy: boolean; error?: Error },
): string {
  if (busy || error) return ' '
  const isFiltered = known !== 'any' || relation.length > 0 || promptSet !== undefined
  return isFiltered
    ? 'No stored prompt is such: choose other relations, another prompt set, or all facts.'
    : 'This was not computed: choose another model, window, source, target or features.'
}

interface EffectsProps extends Omit<StudyProps, 'onChange'> {
  readonly resolved: Resolved
  readonly panels: readonly Panel[]
}

/** The prompts behind the point that is picked. */
function Effects({ view, overview, resolved, panels, answerer }: EffectsProps) {
  const picked = pickedPoint(view.picked, panels)
  const at = picked?.line.curve.at
  const request =
    picked && at && overview.byPrompt
      ? effectsRequest(resolved.request, at, picked.point.firstLayer, OUTLIERS)
      : undefined
  const called = useCall('effects', request, answerer)
  const effects = request && called.result
  const where =
    picked && at ? `${at.source} → ${at.target}, ${layersText(picked.point.firstLayer, at.window)}` : ''
  return (
    <section class="panel study-effects" aria-label="Effects on single prompts">
      <header aria-live="polite">
        <h2>{picked ? `Prompts behind ${where}` : 'Prompts behind a point'}</h2>
        {at && (
          <p class="hint">
            {at.model}
            {at.features === 'all' ? '' : `, ${at.features} features`}
          </p>
        )}
      </header>
      {!overview.byPrompt ? (
        <p>These results are means alone. Drop the run folder of a study to see its prompts.</p>
      ) : !picked ? (
        <p>Pick a point of a curve to see what that knockout did to each prompt, and which ones stand out.</p>
      ) : (
        <>
          <div class="study-status">
            <CallStatus call={called} waiting="reading prompts" />
          </div>
          {effects && at && (
            <div class={`study-prompts${called.stale ? ' is-stale' : ''}`}>
              <Distribution effects={effects} />
              <Outliers
                title="Largest losses"
                rows={effects.lowest}
                at={at}
                firstLayer={picked.point.firstLayer}
                overview={overview}
              />
              {effects.highest.length > 0 && (
                <Outliers
                  title="Smallest losses, or gains"
                  rows={effects.highest}
                  at={at}
                  firstLayer={picked.point.firstLayer}
                  overview={overview}
                />
              )}
            </div>
          )}
        </>
      )}
    </section>
  )
}
