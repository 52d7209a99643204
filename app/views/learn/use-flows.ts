/** Flows of facts in several models, a few facts after the other, so that means show soon and sharpen. */
import { useEffect, useState } from 'preact/hooks'
import type { WordedFact } from '../../../src/ui/packed-facts.js'
import type { CallProgress, FlowRef, FlowsResult } from '../../../src/ui/protocol.js'
import { engineKey } from '../../engine/engine.js'
import { ask, type Called } from '../../state/call.js'
import { batches } from './facts.js'
import { windowFor } from './measured.js'

export interface FlowsQuestion {
  readonly models: readonly string[]
  readonly facts: readonly WordedFact[]
  /** Layers of 24. */
  readonly window: number
  readonly flows: readonly FlowRef[]
}

export interface Gathered {
  /** Of each model, in the order of the question. */
  readonly results: readonly (readonly FlowsResult[])[]
  /** What they answer; answers to an earlier question stay until there are new ones. */
  readonly question: FlowsQuestion
  /** Facts that every model has answered. */
  readonly done: number
}

const none = (): void => undefined

export function useFlows(question: FlowsQuestion | undefined): Called<Gathered> {
  const [state, setState] = useState<Called<Gathered>>({
    busy: question !== undefined,
    stale: false,
    cancel: none,
    retry: none,
  })
  const [attempt, setAttempt] = useState(0)
  const key = question && JSON.stringify([engineKey.value, question])
  useEffect(() => {
    if (!question) return
    const stop = new AbortController()
    let current = true
    const calls = {
      cancel: () => stop.abort(new DOMException('cancelled', 'AbortError')),
      retry: () => setAttempt((n) => n + 1),
    }
    setState(({ result }) => ({ result, busy: true, stale: result !== undefined, ...calls }))
    const show = (progress: CallProgress): void => {
      if (current) setState((before) => ({ ...before, progress }))
    }
    gather(question, stop.signal, show, (result, busy) => {
      if (current)
        setState(({ progress }) => ({ result, busy, stale: false, ...(busy && { progress }), ...calls }))
    }).catch((reason: unknown) => {
      if (!current) return
      const error =
        reason instanceof Error || reason instanceof DOMException
          ? (reason as Error)
          : new Error(String(reason))
      setState(({ result }) => ({
        result,
        error,
        busy: false,
        stale: result?.question !== question,
        ...calls,
      }))
    })
    return () => {
      current = false
      calls.cancel()
    }
  }, [key, attempt])
  return state
}

/** Whoever has changed nothing for this long reads, in milliseconds. */
const READING = 1000

/**
 * While the visitor reads: compute what the next step will ask for, so that it is there at once.
 * @param question undefined: not now
 */
export function useAhead(question: FlowsQuestion | undefined): void {
  const key = question && JSON.stringify([engineKey.value, question])
  useEffect(() => {
    if (!question) return
    const stop = new AbortController()
    // Whether it comes or not is seen when it is asked for.
    const timer = setTimeout(() => gather(question, stop.signal, none, none).catch(none), READING)
    return () => {
      clearTimeout(timer)
      stop.abort()
    }
  }, [key])
}

async function gather(
  question: FlowsQuestion,
  signal: AbortSignal,
  onProgress: (progress: CallProgress) => void,
  onResult: (gathered: Gathered, busy: boolean) => void,
): Promise<void> {
  const { models, facts, window, flows } = question
  const results: FlowsResult[][] = models.map(() => [])
  const total = facts.length * models.length
  let asked = 0
  for (const batch of batches(facts)) {
    const prompts = batch.map(({ prompt, start, end, answer }) => ({
      prompt,
      subject: { start, end },
      answer,
    }))
    for (const [m, name] of models.entries()) {
      const model = { name }
      const before = asked
      const { nLayers } = await ask('open', { model }, { signal, onProgress })
      const result = await ask(
        'flows',
        { model, prompts, window: windowFor(window, nLayers), flows: [...flows] },
        {
          signal,
          onProgress: ({ done, total: rows }) =>
            onProgress({
              what: `asking about ${facts.length} facts`,
              done: before + (batch.length * done) / rows,
              total,
              unit: 'rows',
            }),
        },
      )
      asked += batch.length
      results[m]!.push(result)
      const fewest = Math.min(...results.map((own) => own.reduce((sum, { prompts: p }) => sum + p.length, 0)))
      onResult({ results: results.map((own) => [...own]), question, done: fewest }, asked < total)
    }
  }
}
