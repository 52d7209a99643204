/** The comparison as a record for docs/performance.md. */
import type { Measured, RowOf } from '../record.js'
import { agreement } from './report.js'
import type { FactflowResult, PeerResult } from './results.js'

/** The authors' code, then each sweep of factflow. */
export function peerRecord(theirs: PeerResult, ours: FactflowResult): Measured<'peer'> {
  const { perPrompt } = ours.work
  const row = (
    program: RowOf<'peer'>['program'],
    { machine, peakBytes }: PeerResult | FactflowResult,
    prompts: number,
    secondsPerPrompt: number,
  ) => ({
    ...{ model: theirs.size, program, device: machine.device, prompts, secondsPerPrompt },
    ...{ secondsPerKnockout: secondsPerPrompt / perPrompt, peakBytes },
  })
  const relativeDifference = agreement(theirs, ours).relative
  const { machine, versions, peakDeviceBytes, secondsPerPrompt } = theirs
  return {
    parameters: {
      threads: ours.machine.threads,
      runtime: ours.runtime,
      "the authors'": `${machine.processor}, ${Object.entries(versions).flat().join(' ')}`,
    },
    roofs: [],
    rows: [
      {
        ...row('authors', theirs, 1, secondsPerPrompt),
        deviceBytes: peakDeviceBytes,
        relativeDifference: null,
      },
      ...ours.sweeps.map((sweep) => ({
        ...row('factflow', ours, sweep.prompts, sweep.secondsPerPrompt),
        deviceBytes: null,
        relativeDifference,
      })),
    ],
  }
}
