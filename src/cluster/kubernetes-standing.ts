/** How far the Jobs of a study are, by what Kubernetes says of them. */

/** What of a Job's status counts here (batch/v1 JobStatus). */
export interface JobStatus {
  readonly active?: number
  readonly failed?: number
  readonly succeeded?: number
  /** `0-3,5` */
  readonly completedIndexes?: string
  readonly failedIndexes?: string
  readonly conditions?: readonly {
    readonly type: string
    readonly status: string
    readonly reason?: string
    readonly message?: string
  }[]
}

export interface JobStanding {
  readonly line: string
  /** Undefined while it goes on. */
  readonly ended?: 'complete' | 'failed'
}

/** The numbers that a text like `0-3,5` names. */
export function indexList(text = ''): number[] {
  return text
    .split(',')
    .filter((part) => part !== '')
    .flatMap((part) => {
      const [first, last = first] = part.split('-').map(Number)
      return Array.from({ length: last! - first! + 1 }, (_, i) => first! + i)
    })
}

/** The workers' Job in a line, whose first indices evaluate and the others sweep. */
export function workerStanding(
  status: JobStatus,
  { evaluations, sweeps }: { readonly evaluations: number; readonly sweeps: number },
): JobStanding {
  const share = (index: number): string =>
    index < evaluations
      ? `evaluation ${index + 1}/${evaluations}`
      : `sweep ${index - evaluations + 1}/${sweeps}`
  const done = indexList(status.completedIndexes)
  const evaluated = done.filter((index) => index < evaluations).length
  const failed = indexList(status.failedIndexes)
  const parts = [
    `${evaluated} of ${evaluations} evaluations`,
    ...(sweeps > 0 ? [`${done.length - evaluated} of ${sweeps} sweeps`] : []),
    `${status.active ?? 0} running`,
    ...(failed.length > 0 ? [`failed: ${failed.map(share).join(', ')}`] : []),
    ...endOf(status),
  ]
  return { line: parts.join(', '), ended: ended(status) }
}

/** The report's Job in a line. */
export function reportStanding(status: JobStatus): JobStanding {
  const end = ended(status)
  const parts = [end ?? ((status.active ?? 0) > 0 ? 'waiting or running' : 'not running'), ...endOf(status)]
  return { line: parts.join(', '), ended: end }
}

function condition(status: JobStatus, type: string) {
  return status.conditions?.find((one) => one.type === type && one.status === 'True')
}

function ended(status: JobStatus): JobStanding['ended'] {
  if (condition(status, 'Complete')) return 'complete'
  return condition(status, 'Failed') ? 'failed' : undefined
}

function endOf(status: JobStatus): string[] {
  const failed = condition(status, 'Failed') ?? condition(status, 'Suspended')
  return failed ? [[failed.reason, failed.message].filter((text) => text).join(': ')] : []
}
