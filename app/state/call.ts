/** Calls of the engine as a view uses them: the newest question counts, what was answered before stays meanwhile. */
import { signal } from '@preact/signals'
import { useEffect, useRef, useState } from 'preact/hooks'
import type { CallName, CallProgress, Calls, Engine } from '../../src/ui/protocol.js'
import { engine, engineKey } from '../engine/engine.js'

export interface Called<T, Q = unknown> {
  /** The newest answer; it may be that of an earlier question, see `stale`. */
  readonly result?: T
  /** The question that `result` answers. */
  readonly asked?: Q
  readonly error?: Error
  /** Whether an answer is on its way. */
  readonly busy: boolean
  /** Whether `result` answers an earlier question. */
  readonly stale: boolean
  readonly progress?: CallProgress
  /** Give up the answer that is on its way. */
  readonly cancel: () => void
  /** Ask again, after an error or a cancellation. */
  readonly retry: () => void
}

/** What computes the models that were opened last, for people. */
export const computing = signal<string | undefined>(undefined)

/** Counts how often somebody asked again: all questions that failed are, as they mostly have one cause. */
const again = signal(0)

/** Answers that were given, the ones that were used last at the end. */
const answers = new Map<string, unknown>()
const MOST_ANSWERS = 60
/** Calls whose answers stay true. */
const LASTING: ReadonlySet<CallName> = new Set<CallName>(['encode', 'explore', 'flows', 'cut'])

/** What answers, where that is not what computes. */
export interface Answerer {
  readonly engine: Engine
  /** What answers depend on beside the question. */
  readonly key: string
}

function keyOf(name: string, input: unknown, from: Answerer | undefined): string {
  return JSON.stringify([from?.key ?? engineKey.value, name, input])
}

/** Ask once, with the same memory as `useCall`. */
export async function ask<Name extends CallName>(
  name: Name,
  input: Calls[Name]['input'],
  options: { signal?: AbortSignal; onProgress?: (progress: CallProgress) => void } = {},
  from?: Answerer,
): Promise<Calls[Name]['output']> {
  const key = keyOf(name, input, from)
  const known = answers.get(key)
  if (known !== undefined) {
    answers.delete(key)
    answers.set(key, known)
    return known as Calls[Name]['output']
  }
  const result = await (from?.engine ?? engine.value).call(name, input, options)
  if (name === 'open') computing.value = (result as Calls['open']['output']).runtime
  if (LASTING.has(name)) answers.set(key, result)
  if (answers.size > MOST_ANSWERS) answers.delete(answers.keys().next().value!)
  return result
}

const none = (): void => undefined

/** Ask whenever the question changes; `undefined` asks nothing. A question that is replaced is cancelled. */
export function useCall<Name extends CallName>(
  name: Name,
  input: Calls[Name]['input'] | undefined,
  from?: Answerer,
): Called<Calls[Name]['output'], Calls[Name]['input']> {
  type Output = Calls[Name]['output']
  type Input = Calls[Name]['input']
  const [state, setState] = useState<Called<Output, Input>>({
    busy: false,
    stale: false,
    cancel: none,
    retry: none,
  })
  const [attempt, setAttempt] = useState(0)
  const key = input === undefined ? undefined : keyOf(name, input, from)
  useEffect(() => {
    if (input === undefined) return
    const retry = (): void => {
      again.value++
    }
    const known = answers.get(key!) as Output | undefined
    if (known !== undefined) {
      setState({ result: known, asked: input, busy: false, stale: false, cancel: none, retry })
      return
    }
    const stop = new AbortController()
    const cancel = (): void => stop.abort(new DOMException('cancelled', 'AbortError'))
    let current = true
    setState(({ result, asked }) => ({
      result,
      asked,
      busy: true,
      stale: result !== undefined,
      cancel,
      retry,
    }))
    const onProgress = (progress: CallProgress): void => {
      if (current) setState((before) => ({ ...before, progress }))
    }
    ask(name, input, { signal: stop.signal, onProgress }, from).then(
      (result) => {
        if (current) setState({ result, asked: input, busy: false, stale: false, cancel: none, retry })
      },
      (error: unknown) => {
        if (!current) return
        const shown =
          error instanceof Error || error instanceof DOMException
            ? (error as Error)
            : new Error(String(error))
        setState(({ result, asked }) => ({
          result,
          asked,
          error: shown,
          busy: false,
          stale: result !== undefined,
          cancel: none,
          retry,
        }))
      },
    )
    return () => {
      current = false
      cancel()
    }
  }, [name, key, attempt])
  const failed = useRef(false)
  failed.current = state.error !== undefined
  const asked = again.value
  useEffect(() => {
    if (failed.current) setAttempt((n) => n + 1)
  }, [asked])
  return state
}
