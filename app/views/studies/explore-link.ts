/** A prompt of a study, as Explore opens it. */
import { flowLabel, PAPER_FLOWS } from '../../../src/experiments/flows.js'
import type { StudyCut, StudyEffect, StudyOverview } from '../../../src/ui/study-protocol.js'
import type { Params } from '../../state/address.js'
import { paramsOf } from '../../state/question.js'

/** Address parameters; undefined where nobody recorded the prompt or what the model was opened from. */
export function exploreParams(
  { prompt, subject, answer }: StudyEffect,
  at: StudyCut,
  firstLayer: number,
  overview: StudyOverview,
): Params | undefined {
  const from = overview.modelsInfo.find(({ model }) => model === at.model)?.openedFrom
  if (prompt === null || from == null) return undefined
  const start = subject === null || subject === '' ? -1 : prompt.indexOf(subject)
  const { source, target, features, window } = at
  const flow = { source, target, features }
  const isPaper = PAPER_FLOWS.some((known) => flowLabel(known) === flowLabel(flow))
  return paramsOf({
    model: from,
    prompt,
    ...(start >= 0 && { subject: { start, end: start + subject!.length } }),
    ...(answer !== null && { answer }),
    ...{ window, target, features },
    ...(!isPaper && { flows: [...PAPER_FLOWS, flow] }),
    point: { flow, start: firstLayer },
  })
}
