/** Model, prompt, subject and answer of a question. */
import { useEffect, useRef, useState } from 'preact/hooks'
import type { EncodedPrompt } from '../../src/ui/protocol.js'
import type { Called } from '../state/call.js'
import { factOf, relations, subjectIn } from '../state/facts.js'
import type { Question } from '../state/question.js'
import { CallStatus } from './basics.js'
import { FactPicker } from './fact-picker.js'
import { tokenLabel } from './format.js'
import { ModelPicker } from './model-picker.js'
import { TokenStrip } from './token-strip.js'

export interface QuestionEditorProps {
  readonly question: Question
  readonly encoded: Called<EncodedPrompt>
  readonly hovered?: number | undefined
  /** Said in front of labels where there are two editors. */
  readonly name?: string
  readonly onChange: (changes: Partial<Question>) => void
}

/** Typing that pauses this long has ended, in milliseconds. */
const PAUSE = 350

export function QuestionEditor({ question, encoded, hovered, name, onChange }: QuestionEditorProps) {
  const [prompt, setPrompt] = useState(question.prompt)
  const [answer, setAnswer] = useState(question.answer ?? '')
  useEffect(() => setPrompt(question.prompt), [question.prompt])
  useEffect(() => setAnswer(question.answer ?? ''), [question.answer])
  const labelled = (text: string): string => (name === undefined ? text : `${text}, ${name}`)

  // What is typed is told after a pause, to whom it concerns then.
  const now = useRef({ question, answer, onChange })
  now.current = { question, answer, onChange }

  useEffect(() => {
    if (prompt === question.prompt) return
    let wanted = true
    const timer = setTimeout(async () => {
      const all = await relations().catch(() => [])
      if (!wanted) return
      const fact = factOf(all, prompt)
      const subject = fact ? { start: fact.start, end: fact.end } : subjectIn(all, prompt)
      const { question: current, answer: typed } = now.current
      // An answer that was typed meanwhile goes before the fact's.
      const own = typed === (current.answer ?? '') ? fact?.answer : typed.trim() || undefined
      now.current.onChange({ prompt, subject, answer: own, cell: undefined })
    }, PAUSE)
    return () => {
      wanted = false
      clearTimeout(timer)
    }
  }, [prompt])
  useEffect(() => {
    if (answer === (question.answer ?? '')) return
    const timer = setTimeout(() => now.current.onChange({ answer: answer.trim() || undefined }), PAUSE)
    return () => clearTimeout(timer)
  }, [answer])

  const tokens = encoded.result?.tokens ?? []
  return (
    <section class="question" aria-label={labelled('The question')}>
      <div class="question-row">
        <ModelPicker
          label={labelled('Model')}
          value={question.model}
          onChange={(model) => onChange({ model, revision: undefined, window: undefined })}
        />
        <label class="field question-prompt">
          <span>{labelled('Prompt')}: the model says what comes next</span>
          <input
            type="text"
            value={prompt}
            maxLength={20_000}
            spellcheck={false}
            autocomplete="off"
            onInput={(event) => setPrompt(event.currentTarget.value)}
          />
        </label>
        <label class="field question-answer">
          <span>{labelled('Answer')}</span>
          <input
            type="text"
            value={answer}
            placeholder="the model’s own"
            spellcheck={false}
            autocomplete="off"
            onInput={(event) => setAnswer(event.currentTarget.value)}
          />
        </label>
        <FactPicker
          onPick={({ prompt: text, start, end, answer: right }) =>
            onChange({ prompt: text, subject: { start, end }, answer: right, cell: undefined })
          }
        />
      </div>
      <div class="question-tokens">
        {tokens.length > 0 ? (
          <TokenStrip
            label={labelled('Tokens; drag over the subject')}
            tokens={tokens}
            subject={encoded.result?.subject ?? []}
            hovered={hovered}
            onMark={(subject) => onChange({ subject, cell: undefined })}
          />
        ) : (
          <WordStrip prompt={question.prompt} />
        )}
        {question.subject ? (
          <button type="button" class="button is-quiet" onClick={() => onChange({ subject: undefined })}>
            Unmark the subject
          </button>
        ) : (
          <span class="hint">Drag over the words that the prompt is about.</span>
        )}
      </div>
      {question.prompt.trim() === '' && (
        <div class="call-status is-error" role="alert">
          The prompt is empty: type words that the model completes.
        </div>
      )}
      {encoded.error && <CallStatus call={encoded} waiting="reading the prompt" />}
    </section>
  )
}

/** Holds the place of tokens that are not known yet: most are words. */
function WordStrip({ prompt }: { prompt: string }) {
  return (
    <div class="token-strip is-waiting" aria-hidden="true">
      {prompt.match(/ ?[^ ]+/g)?.map((word, i) => (
        <span key={i} class="token">
          {tokenLabel(word)}
        </span>
      ))}
    </div>
  )
}
