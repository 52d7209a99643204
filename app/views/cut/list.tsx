/** The knockouts that are kept, each with what it does. */
import type { AnsweredPrompt, EncodedPrompt, KnockedOutcome, Outcome } from '../../../src/ui/protocol.js'
import { percent, quoted, signed, tokenLabel } from '../../components/format.js'
import { type Cut, type CutProblem, edgesOf } from '../../state/cuts.js'
import { drawnCutWords } from '../../words.js'
import { cutStyle } from './style.js'

export interface CutOutcome {
  readonly outcome: KnockedOutcome
  /** Whether it is that of the cut before its last change. */
  readonly old: boolean
}

export interface CutListProps {
  readonly cuts: readonly Cut[]
  readonly selected: string | undefined
  readonly prompt: EncodedPrompt
  readonly answered: (AnsweredPrompt & { readonly base: Outcome }) | undefined
  readonly problems: ReadonlyMap<string, CutProblem>
  readonly outcomes: ReadonlyMap<string, CutOutcome>
  readonly full: boolean
  readonly onSelect: (letter: string) => void
  readonly onChange: (cut: Cut) => void
  readonly onFit: (cut: Cut) => void
  readonly onCopy: (cut: Cut) => void
  readonly onRemove: (cut: Cut) => void
}

export function CutList(props: CutListProps) {
  const { cuts, selected, answered } = props
  return (
    <ol class="cut-list">
      <li class="cut-base">
        {answered && (
          <p>
            As it is, {quoted(answered.answer.text)} has <b>{percent(answered.base.prob)}</b>
            {answered.base.rank === 1
              ? ', the first choice.'
              : `, rank ${answered.base.rank}; the first choice is ${tokenLabel(answered.base.top[0]?.text ?? '')}.`}
          </p>
        )}
      </li>
      {cuts.map((cut) => (
        <Item key={cut.letter} cut={cut} current={cut.letter === selected} {...props} />
      ))}
    </ol>
  )
}

interface ItemProps extends CutListProps {
  readonly cut: Cut
  readonly current: boolean
}

function Item(props: ItemProps) {
  const { cut, current, prompt, answered, problems, outcomes, full } = props
  const { onSelect, onChange, onFit, onCopy, onRemove } = props
  const { letter, hidden } = cut
  const { color } = cutStyle(letter)
  const problem = problems.get(letter)
  const known = problem ? undefined : outcomes.get(letter)
  return (
    <li
      class={`cut-item${current ? ' is-selected' : ''}${hidden ? ' is-hidden' : ''}`}
      style={{ '--cut': color }}
    >
      <button type="button" class="cut-choose" aria-pressed={current} onClick={() => onSelect(letter)}>
        <span class="visually-hidden">Knockout </span>
        <span class="cut-letter">{letter}</span> <span class="cut-words">{drawnCutWords(cut, prompt)}</span>
      </button>
      <div class="cut-result" aria-live={current ? 'polite' : undefined}>
        {problem ? (
          <p class={`cut-problem is-${problem.kind}`}>
            {problem.text}
            {problem.kind === 'misfit' && (
              <button type="button" class="button" onClick={() => onFit(cut)}>
                Keep what fits
              </button>
            )}
          </p>
        ) : known && answered ? (
          <Result answered={answered} outcome={known.outcome} old={known.old} />
        ) : (
          <p class="hint">computing…</p>
        )}
        {!problem && backward(cut) > 0 && (
          <p class="hint">
            {backward(cut)} of its {cut.sources.length * cut.targets.length} pairs point backwards: there is
            nothing to cut.
          </p>
        )}
      </div>
      <div role="group" class="cut-actions" aria-label={`Knockout ${letter}`}>
        <button
          type="button"
          aria-label={`${hidden ? 'Show' : 'Hide'} ${letter}`}
          onClick={() => onChange({ ...cut, hidden: !hidden })}
        >
          {hidden ? 'Show' : 'Hide'}
        </button>
        <button type="button" aria-label={`Duplicate ${letter}`} disabled={full} onClick={() => onCopy(cut)}>
          Duplicate
        </button>
        <button type="button" aria-label={`Delete ${letter}`} onClick={() => onRemove(cut)}>
          Delete
        </button>
      </div>
    </li>
  )
}

function backward(cut: Cut): number {
  return cut.sources.length * cut.targets.length - edgesOf(cut).length
}

interface ResultProps {
  readonly answered: AnsweredPrompt & { readonly base: Outcome }
  readonly outcome: KnockedOutcome
  readonly old: boolean
}

function Result({ answered: { answer, base }, outcome, old }: ResultProps) {
  const first = outcome.top[0]
  const same = first?.id === base.top[0]?.id
  return (
    <dl class={`cut-numbers-list${old ? ' is-stale' : ''}`}>
      <div>
        <dt>p({quoted(answer.text)})</dt>
        <dd>
          {percent(base.prob)} → <b>{percent(outcome.prob)}</b>
        </dd>
      </div>
      <div>
        <dt>change</dt>
        <dd>
          <b>{signed(outcome.change)}</b>
        </dd>
      </div>
      <div>
        <dt>first choice</dt>
        <dd>
          {same ? 'still' : 'now'} <b>{first ? quoted(first.text) : ''}</b>
          {first && !same ? ` (${percent(first.prob)})` : ''}
        </dd>
      </div>
    </dl>
  )
}
