/** A question and what the engine answers to it, as several views use it. */
import { useMemo } from 'preact/hooks'
import type {
  EncodedPrompt,
  EncodeRequest,
  Exploration,
  ExploreRequest,
  ModelInfo,
} from '../../src/ui/protocol.js'
import { type Called, useCall } from './call.js'
import { modelOf, type Question, requestOf } from './question.js'

export interface Explored {
  readonly opened: Called<ModelInfo>
  readonly encoded: Called<EncodedPrompt>
  readonly explored: Called<Exploration>
  /** What was asked; undefined until the model is open. */
  readonly request: ExploreRequest | undefined
  /** The open model of the question, not of an earlier one. */
  readonly model: ModelInfo | undefined
}

export function useOpened(question: Pick<Question, 'model' | 'revision'>): {
  opened: Called<ModelInfo>
  model: ModelInfo | undefined
} {
  const opened = useCall('open', { model: modelOf(question) })
  const model = opened.stale || opened.error ? undefined : opened.result
  return { opened, model }
}

export function useEncoded(
  question: Question,
  model: ModelInfo | undefined,
): Called<EncodedPrompt, EncodeRequest> {
  const { prompt, subject } = question
  const asked = model !== undefined && prompt.trim() !== ''
  return useCall(
    'encode',
    asked
      ? { model: modelOf(question), prompt, ...(subject && subject.end <= prompt.length && { subject }) }
      : undefined,
  )
}

export function useExploration(question: Question): Explored {
  const { opened, model } = useOpened(question)
  const encoded = useEncoded(question, model)
  const request = useMemo(
    () => (model && question.prompt.trim() !== '' ? requestOf(question, model) : undefined),
    [model, question],
  )
  const explored = useCall('explore', request)
  return { opened, encoded, explored, request, model }
}
