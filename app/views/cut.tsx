/** Cut by hand: knockouts drawn as arcs over a prompt's tokens and windows over the model's layers, each run at once. */
import { useEffect, useMemo, useState } from 'preact/hooks'
import { windowLayers } from '../../src/knockout/knockout.js'
import { rolePositions } from '../../src/prompts/roles.js'
import type {
  CutRequest,
  CutResult,
  EncodedPrompt,
  KnockedOutcome,
  ModelInfo,
} from '../../src/ui/protocol.js'
import { CallStatus, CopyButton, Segments, TopTokens } from '../components/basics.js'
import { duration } from '../components/format.js'
import { QuestionEditor } from '../components/question-editor.js'
import { shellWord } from '../export/commands.js'
import { address, addressOf, go } from '../state/address.js'
import { ask as askOnce, useCall } from '../state/call.js'
import {
  type CutLimits,
  type CutProblem,
  type Cut as Drawn,
  fitted,
  formatCuts,
  freeLetter,
  joined,
  knockoutOf,
  parseCuts,
  problemOf,
  rawLine,
  replaced,
  subjectCut,
  windowAt,
} from '../state/cuts.js'
import { useEncoded, useOpened } from '../state/exploration.js'
import { modelOf, paramsOf, type Question, questionOf } from '../state/question.js'
import { Drawing } from './cut/drawing.js'
import { Editor } from './cut/editor.js'
import { CutList, type CutOutcome } from './cut/list.js'
import { useHistory } from './cut/use-history.js'

/** A drawing that rests this long is run, in milliseconds. */
const PAUSE = 60

/** What the first letter's cut is when the address has none: the cell that Explore has kept, or the subject's. */
function firstCuts(question: Question, prompt: EncodedPrompt, model: ModelInfo): Drawn[] {
  const { cell, target, features, window = model.defaultWindow } = question
  const length = prompt.tokens.length
  if (cell && cell.token < length) {
    return [
      {
        letter: 'A',
        sources: [cell.token],
        targets: rolePositions(target, { length, subject: prompt.subject }),
        ...windowAt(cell.start, window, model.nLayers),
        features,
        hidden: false,
      },
    ]
  }
  return prompt.subject.length > 0 ? [subjectCut('A', prompt, model)] : []
}

/** The newest answers to cuts, and older ones of cuts that have changed since. */
function outcomesOf(
  cuts: readonly Drawn[],
  result: CutResult | undefined,
  asked: CutRequest | undefined,
  before: ReadonlyMap<string, KnockedOutcome>,
): Map<string, CutOutcome> {
  const byKey = new Map<string, KnockedOutcome>()
  asked?.knockouts.forEach((knockout, i) => {
    const outcome = result?.knocked[i]
    if (outcome) byKey.set(JSON.stringify(knockout), outcome)
  })
  const outcomes = new Map<string, CutOutcome>()
  for (const cut of cuts) {
    const now = byKey.get(JSON.stringify(knockoutOf(cut)))
    const outcome = now ?? before.get(cut.letter)
    if (outcome) outcomes.set(cut.letter, { outcome, old: now === undefined })
  }
  return outcomes
}

export function Cut() {
  const { params } = address.value
  const text = params.toString()
  const question = useMemo(() => questionOf(params), [text])
  const { opened, model } = useOpened(question)
  const encoded = useEncoded(question, model)
  const steps = useHistory(text)
  const [draft, setDraft] = useState<Drawn>()
  const [adding, setAdding] = useState<'new' | 'add'>('new')
  const [said, setSaid] = useState('')

  // The tokens of this question, not of the one before.
  const isOwn =
    encoded.asked?.prompt === question.prompt && encoded.asked.model.name === question.model && !encoded.error
  const prompt = model && isOwn && question.prompt.trim() !== '' ? encoded.result : undefined
  const shown = encoded.result
  const given = params.get('cuts')
  const { cuts: kept, unread } = useMemo(() => {
    if (given !== null) return parseCuts(given)
    return { cuts: prompt && model ? firstCuts(question, prompt, model) : [], unread: [] }
  }, [given, prompt, model, question])
  const cuts = useMemo(() => (draft ? replaced(kept, draft) : kept), [kept, draft])
  const selected =
    cuts.find(({ letter }) => letter === params.get('cut')) ?? cuts.find(({ hidden }) => !hidden) ?? cuts[0]
  const limits = useMemo<CutLimits | undefined>(
    () =>
      prompt &&
      model && {
        length: prompt.tokens.length,
        nLayers: model.nLayers,
        featureCategories: model.featureCategories,
      },
    [prompt, model],
  )
  const problems = useMemo(() => {
    const found = new Map<string, CutProblem>()
    for (const cut of limits ? cuts : []) {
      const problem = problemOf(cut, limits!)
      if (problem) found.set(cut.letter, problem)
    }
    return found
  }, [cuts, limits])

  const request = useMemo<CutRequest | undefined>(() => {
    if (!limits) return undefined
    const { prompt: asked, subject, answer } = question
    return {
      model: modelOf(question),
      prompt: asked,
      ...(subject && subject.end <= asked.length && { subject }),
      ...(answer !== undefined && { answer }),
      knockouts: cuts
        .filter(({ letter }) => !problems.has(letter))
        .map(knockoutOf) as CutRequest['knockouts'],
    }
  }, [limits, question, cuts, problems])
  const called = useCall('cut', useRested(request, PAUSE))
  const answersThis = called.asked !== undefined && sameQuestion(called.asked, request)
  const result = answersThis ? called.result : undefined
  const [before, setBefore] = useState<ReadonlyMap<string, KnockedOutcome>>(new Map())
  const outcomes = useMemo(
    () => outcomesOf(cuts, result, called.asked, result ? before : new Map()),
    [cuts, result, called.asked, before],
  )
  useEffect(() => {
    const fresh = [...outcomes].filter(([, { old }]) => !old)
    if (fresh.some(([letter, { outcome }]) => before.get(letter) !== outcome)) {
      setBefore(new Map([...before, ...fresh.map(([letter, { outcome }]) => [letter, outcome] as const)]))
    }
  }, [outcomes])

  useWarm(request, result !== undefined && model ? model.nLayers : undefined)

  const edit = (next: readonly Drawn[], letter: string | undefined, kind?: string): void => {
    steps.mark(kind)
    setDraft(undefined)
    const { model: name, revision, prompt: words, subject, answer } = paramsOf(question)
    go('cut', {
      ...{ model: name, revision, prompt: words, subject, answer },
      cuts: formatCuts(next),
      cut: letter,
    })
  }
  const set = (cut: Drawn, kind?: string): void => edit(replaced(kept, cut), cut.letter, kind)
  const ask = (changes: Partial<Question>): void => {
    steps.mark(undefined)
    const { model: name, revision, prompt: words, subject, answer } = paramsOf({ ...question, ...changes })
    go(
      'cut',
      {
        ...{ model: name, revision, prompt: words, subject, answer },
        // Cuts that were never touched follow the question.
        cuts: given ?? undefined,
        cut: params.get('cut') ?? undefined,
      },
      { step: 'model' in changes || 'prompt' in changes || 'subject' in changes },
    )
  }
  const letter = freeLetter(kept)
  const add = (cut: Omit<Drawn, 'letter'>): void => {
    if (letter !== undefined) edit([...kept, { ...cut, letter }], letter)
  }
  const windowOfNew = (): Pick<Drawn, 'first' | 'last' | 'features' | 'hidden'> => ({
    ...(selected && model && selected.last < model.nLayers
      ? { first: selected.first, last: selected.last }
      : windowAt(model!.nLayers, model!.defaultWindow, model!.nLayers)),
    features: selected && model!.featureCategories.includes(selected.features) ? selected.features : 'all',
    hidden: false,
  })
  const arc = (from: number, to: number): void => {
    if (from > to) {
      setSaid(
        'Nothing flows from a later token to an earlier one, so there is nothing to cut: draw from left to right.',
      )
      return
    }
    setSaid('')
    const empty = selected && selected.sources.length === 0 && selected.targets.length === 0
    if (selected && (adding === 'add' || empty)) {
      set({
        ...selected,
        sources: joined(selected.sources, [from]),
        targets: joined(selected.targets, [to]),
        hidden: false,
      })
    } else add({ sources: [from], targets: [to], ...windowOfNew() })
  }
  const outcome = selected && !problems.has(selected.letter) ? outcomes.get(selected.letter) : undefined
  const run = cuts.filter(({ letter: one }) => !problems.has(one))
  const line =
    result && prompt && run.length > 0 ? rawLine({ ...prompt, answer: result.answer }, run) : undefined
  const nLayers = model?.nLayers ?? opened.result?.nLayers ?? 24

  return (
    <div class="cut">
      <h1 class="visually-hidden">Cut by hand</h1>
      <QuestionEditor question={question} encoded={encoded} onChange={ask} />
      <CallStatus
        call={opened.busy || opened.error ? opened : called}
        waiting={opened.busy ? `opening ${question.model}` : 'computing'}
      />
      <div class="cut-body">
        <section class="panel cut-map" aria-label="Drawing">
          <header>
            <h2>Draw what is cut</h2>
            <div class="cut-steps">
              <button type="button" class="button" disabled={!steps.undo} onClick={steps.undo}>
                Undo
              </button>
              <button type="button" class="button" disabled={!steps.redo} onClick={steps.redo}>
                Redo
              </button>
            </div>
          </header>
          <p class="hint cut-how">
            Drag from a token to a later one, or press one and then the other. Drag along the layer numbers
            for the window.
          </p>
          {shown && shown.tokens.length > 0 ? (
            <Drawing
              prompt={shown}
              nLayers={nLayers}
              cuts={cuts.filter(({ hidden, letter: one }) => !hidden || one === selected?.letter)}
              selected={selected}
              onArc={arc}
              onChange={(cut, held) => (held ? setDraft(cut) : set(cut))}
            />
          ) : (
            <div class="cut-drawing is-empty" aria-hidden="true" />
          )}
          <p class="hint cut-said" role="status">
            {said || (selected && !said ? LEGEND : ' ')}
          </p>
          {selected && prompt && model && (
            <Editor cut={selected} prompt={prompt} model={model} onChange={set} />
          )}
        </section>
        <section class="panel cut-kept" aria-label="Knockouts">
          <header>
            <h2>Knockouts</h2>
          </header>
          <p class="hint">Each is a run of its own: they are compared, not added up.</p>
          <div class="cut-new">
            <button
              type="button"
              class="button"
              disabled={!prompt || letter === undefined || prompt.subject.length === 0}
              onClick={() => add(subjectCut(letter!, prompt!, model!))}
            >
              Start from the subject
            </button>
            <button
              type="button"
              class="button"
              disabled={!prompt || letter === undefined}
              onClick={() => add({ sources: [], targets: [], ...windowOfNew() })}
            >
              New, empty
            </button>
          </div>
          <Segments
            label="An arc that is drawn"
            value={adding}
            options={[
              { value: 'new', label: 'is a new knockout' },
              { value: 'add', label: selected ? `is added to ${selected.letter}` : 'is added' },
            ]}
            onChange={setAdding}
          />
          {letter === undefined && (
            <p class="hint">There are as many knockouts as letters; delete one for another.</p>
          )}
          {unread.length > 0 && (
            <p class="cut-problem is-misfit" role="alert">
              The address has {unread.length === 1 ? 'a knockout' : 'knockouts'} that cannot be read and{' '}
              {unread.length === 1 ? 'is' : 'are'} left out: <code>{unread.join('; ')}</code>
            </p>
          )}
          {shown && (
            <CutList
              cuts={cuts}
              selected={selected?.letter}
              prompt={shown}
              answered={result}
              problems={problems}
              outcomes={outcomes}
              full={letter === undefined}
              onSelect={(one) => edit(kept, one)}
              onChange={set}
              onFit={(cut) => limits && set(fitted(cut, limits))}
              onCopy={(cut) => add(cut)}
              onRemove={(cut) => {
                const at = kept.findIndex((one) => one.letter === cut.letter)
                const rest = kept.filter((one) => one.letter !== cut.letter)
                edit(rest, rest[Math.min(at, rest.length - 1)]?.letter)
              }}
            />
          )}
        </section>
        <section class="panel cut-tops" aria-label="Most probable tokens">
          <TopTokens title="As it is" outcome={result?.base} answer={result?.answer.id} />
          <TopTokens
            title={selected ? `Under ${selected.letter}` : 'Cut'}
            outcome={outcome?.outcome}
            answer={result?.answer.id}
          />
        </section>
      </div>
      <footer class="explore-foot">
        <p role="status">
          {result && !called.busy && model
            ? `${run.length} ${run.length === 1 ? 'knockout' : 'knockouts'} in ${duration(result.took)} on ${model.runtime}.`
            : ' '}
        </p>
        <div class="explore-actions">
          {line !== undefined && (
            <>
              <a class="button" href={addressOf('explore', paramsOf(question))}>
                Explore
              </a>
              <span class="export-buttons">
                <CopyButton text={line}>Copy as JSON</CopyButton>
                <CopyButton
                  text={`echo '${line}' | factflow knockout --model ${shellWord(question.model)}${question.revision === undefined ? '' : ` --revision ${shellWord(question.revision)}`}`}
                >
                  Copy the command
                </CopyButton>
              </span>
            </>
          )}
        </div>
      </footer>
    </div>
  )
}

const LEGEND =
  '● is a source, × a target: in these layers × receives nothing from ●. Every source is cut from every target.'

/** Arcs to tokens before the last need other sessions than those to it: they are made before one is drawn. */
function useWarm(request: CutRequest | undefined, nLayers: number | undefined): void {
  const model = nLayers === undefined ? undefined : JSON.stringify(request?.model)
  useEffect(() => {
    if (!request || nLayers === undefined) return
    const stop = new AbortController()
    const everywhere = {
      layers: windowLayers(0, nLayers),
      sources: [0],
      targets: [0],
      features: 'all' as const,
    }
    askOnce('cut', { ...request, knockouts: [everywhere] }, { signal: stop.signal }).catch(() => undefined)
    return () => stop.abort()
  }, [model])
}

function sameQuestion(asked: CutRequest, request: CutRequest | undefined): boolean {
  const key = ({ knockouts: _, ...rest }: CutRequest): string => JSON.stringify(rest)
  return request !== undefined && key(asked) === key(request)
}

/** A value once it has not changed for a while; the first one at once. */
function useRested<T>(value: T | undefined, pause: number): T | undefined {
  const [rested, setRested] = useState<T | undefined>(value)
  const key = JSON.stringify(value)
  useEffect(() => {
    const timer = setTimeout(() => setRested(value), rested === undefined ? 0 : pause)
    return () => clearTimeout(timer)
  }, [key])
  return rested
}
