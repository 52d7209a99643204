/** Command lines that reproduce what the page shows. */
import type { Exploration } from '../../src/ui/protocol.js'
import { flowText, type Question } from '../state/question.js'

/** A word as a POSIX shell takes it. */
export function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}

/**
 * `factflow trace 'Manila is the capital of' --subject Manila ...`: what was computed, which is not always all that the
 * address asks for.
 */
export function traceCommand(question: Question, result: Exploration): string {
  const { prompt, subject, answer, flows, revision, model } = question
  const { window, target, features, curves } = result
  const option = (name: string, value: string | number | undefined): string[] =>
    value === undefined ? [] : [name, shellWord(String(value))]
  const text = subject && prompt.slice(subject.start, subject.end)
  const again = text !== undefined && prompt.indexOf(text) !== prompt.lastIndexOf(text)
  const shown = curves.map((flow) => shellWord(flowText(flow)))
  const words = [
    'factflow trace',
    // What begins as an option does comes last.
    ...(prompt.startsWith('-') ? [] : [shellWord(prompt)]),
    ...option('--subject', text),
    ...option('--subject-start', again ? subject?.start : undefined),
    ...option('--answer', answer?.trim() === '' ? undefined : answer),
    ...option('--model', model),
    ...option('--revision', revision),
    ...option('--window', window === result.model.defaultWindow ? undefined : window),
    ...option('--target', target === 'last' ? undefined : target),
    ...option('--features', features === 'all' ? undefined : features),
    ...(flows ? ['--flows', ...(shown.length > 0 ? shown : ['none'])] : []),
    '--svg trace.svg',
    ...(prompt.startsWith('-') ? ['--', shellWord(prompt)] : []),
  ]
  return words.join(' ')
}
