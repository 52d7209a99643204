/** Writes docs/performance.md and its figures from the stored records: npm run performance. */
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { toSvg } from '../../src/figures/render.js'
import { growthRows, growthTokens, roofline } from './figures.js'
import { page } from './page.js'
import { COMMANDS, storedRecords } from './records.js'

const docs = join(import.meta.dirname, '..')
const say = (line: string): boolean => process.stderr.write(`${line}\n`)
const records = storedRecords()
const figures = {
  roofline: roofline(records),
  'growth-rows': growthRows(records),
  'growth-tokens': growthTokens(records),
}
for (const [name, spec] of Object.entries(figures)) {
  const file = join(docs, 'performance', `${name}.svg`)
  if (spec) writeFileSync(file, await toSvg(spec))
  else rmSync(file, { force: true })
}
writeFileSync(join(docs, 'performance.md'), page(records))
for (const [benchmark, commands] of Object.entries(COMMANDS)) {
  if (records[benchmark as keyof typeof records].length > 0) continue
  say(`no record of ${benchmark}; made by:\n  ${commands.join('\n  ')}`)
}
say('wrote docs/performance.md and its figures')
