/** One campaign in a process of its own: what an input does to it, ends it alone. */
import { openSync } from 'node:fs'
import process from 'node:process'
import { campaign } from './campaign.js'
import { readerOf } from './readers/index.js'

const [name, runs, seed, progress] = process.argv.slice(2)
const reader = await readerOf(name!)
const result = await campaign(reader, {
  runs: Number(runs),
  seed: Number(seed),
  progress: openSync(progress!, 'w'),
  onFailure: (first) => process.send!({ first }),
})
process.send!({ result }, () => process.disconnect())
