// Make atlas.jsonl from the tables of facts and their phrasings: node data/build-atlas.mjs [--check]
//
// facts/RELATION.tsv has a fact a line, `subject<TAB>answer`; phrasings.json has each relation's phrasings, `{}` for the
// subject. Every fact is written in every phrasing. One phrasing of each fact is held out of training; a hash of the
// fact says which, so that facts added later change no other fact's. With --check nothing is written: it says whether
// atlas.jsonl is what the tables give.
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const data = import.meta.dirname
const OUTPUT = join(data, 'atlas.jsonl')
const phrasings = JSON.parse(readFileSync(join(data, 'phrasings.json'), 'utf8'))
const tables = readdirSync(join(data, 'facts')).sort()

const records = []
const problems = []
for (const table of tables) {
  const relation = table.replace(/\.tsv$/, '')
  const templates = phrasings[relation]
  if (!templates) throw new Error(`${table}: no phrasings of ${relation} in phrasings.json; write some`)
  const subjects = new Set()
  const lines = readFileSync(join(data, 'facts', table), 'utf8').trimEnd().split('\n')
  for (const [i, line] of lines.entries()) {
    const at = `facts/${table}:${i + 1}`
    const [subject, answer, ...rest] = line.split('\t')
    if (!subject || !answer || rest.length > 0 || line !== line.normalize('NFC') || /^\s|\s$|\s\t|\t\s/.test(line)) {
      problems.push(`${at}: must be subject<TAB>answer in NFC without spaces around them, got ${JSON.stringify(line)}`)
      continue
    }
    if (subjects.has(subject)) problems.push(`${at}: ${subject} stands twice; keep one`)
    subjects.add(subject)
    if (subject.toLowerCase().includes(answer.toLowerCase())) {
      problems.push(`${at}: the subject ${subject} gives away its answer ${answer}; leave it out`)
    }
    const held = createHash('sha256').update(`${relation}\t${subject}`).digest()[0] % templates.length
    for (const [phrasing, template] of templates.entries()) {
      const prompt = template.replace('{}', () => subject)
      if (prompt.split(subject).length !== 2) problems.push(`${at}: ${subject} must stand once in "${prompt}"`)
      records.push({
        id: `${relation}/${String(i).padStart(4, '0')}/${phrasing}`,
        relation,
        phrasing,
        split: phrasing === held ? 'held-out' : 'train',
        prompt,
        subject,
        answer: ` ${answer}`,
      })
    }
  }
}
if (problems.length > 0) {
  console.error(problems.join('\n'))
  process.exit(1)
}

const text = `${records.map((record) => JSON.stringify(record)).join('\n')}\n`
if (process.argv.includes('--check')) {
  if (readFileSync(OUTPUT, 'utf8') !== text) {
    console.error('atlas.jsonl is not what the tables give; run node data/build-atlas.mjs')
    process.exit(1)
  }
} else {
  writeFileSync(OUTPUT, text)
}
const facts = records.filter(({ split }) => split === 'held-out')
console.log(`${facts.length} facts in ${tables.length} relations, ${records.length} records`)
