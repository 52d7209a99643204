import { expect, test } from 'vitest'
import { indexList, reportStanding, workerStanding } from '../../src/cluster/kubernetes-standing.js'

const INDICES = { evaluations: 4, sweeps: 4 }

test.each([
  [undefined, []],
  ['', []],
  ['3', [3]],
  ['0-2,5,7-8', [0, 1, 2, 5, 7, 8]],
])('indices %j', (text, indices) => {
  expect(indexList(text)).toEqual(indices)
})

test('workers, from nothing to the end', () => {
  expect(workerStanding({}, INDICES)).toEqual({
    line: '0 of 4 evaluations, 0 of 4 sweeps, 0 running',
    ended: undefined,
  })
  expect(workerStanding({ active: 4, completedIndexes: '0,2-4', failedIndexes: '1,7' }, INDICES)).toEqual({
    line: '3 of 4 evaluations, 1 of 4 sweeps, 4 running, failed: evaluation 2/4, sweep 4/4',
    ended: undefined,
  })
  expect(
    workerStanding(
      {
        completedIndexes: '0-6',
        failedIndexes: '7',
        conditions: [
          { type: 'FailureTarget', status: 'True', reason: 'FailedIndexes' },
          { type: 'Failed', status: 'True', reason: 'FailedIndexes', message: 'Job has failed indexes' },
        ],
      },
      INDICES,
    ),
  ).toEqual({
    line: '4 of 4 evaluations, 3 of 4 sweeps, 0 running, failed: sweep 4/4, FailedIndexes: Job has failed indexes',
    ended: 'failed',
  })
  expect(
    workerStanding(
      { completedIndexes: '0-3', conditions: [{ type: 'Complete', status: 'True' }] },
      { evaluations: 4, sweeps: 0 },
    ),
  ).toEqual({ line: '4 of 4 evaluations, 0 running', ended: 'complete' })
})

test('a queue may hold a Job back', () => {
  expect(
    workerStanding({ conditions: [{ type: 'Suspended', status: 'True', reason: 'JobSuspended' }] }, INDICES),
  ).toEqual({ line: '0 of 4 evaluations, 0 of 4 sweeps, 0 running, JobSuspended', ended: undefined })
})

test('the report', () => {
  expect(reportStanding({})).toEqual({ line: 'not running', ended: undefined })
  expect(reportStanding({ active: 1 })).toEqual({ line: 'waiting or running', ended: undefined })
  expect(reportStanding({ conditions: [{ type: 'Complete', status: 'True' }] })).toEqual({
    line: 'complete',
    ended: 'complete',
  })
  expect(
    reportStanding({ conditions: [{ type: 'Failed', status: 'True', reason: 'BackoffLimitExceeded' }] }),
  ).toEqual({ line: 'failed, BackoffLimitExceeded', ended: 'failed' })
})
