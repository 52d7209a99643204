// Make atlas.jsonl: node data/build-atlas.mjs held-out.jsonl data/atlas.jsonl
// Input: JSON Lines with prompt, subject, answer, relation. Adds ids, groups by relation, says what it dropped.
import { readFileSync, writeFileSync } from 'node:fs'

const [input, output] = process.argv.slice(2)
if (!output) throw new Error('usage: node build-atlas.mjs INPUT.jsonl OUTPUT.jsonl')

const seen = new Set()
const relations = new Map()
let duplicates = 0
let unclear = 0
for (const line of readFileSync(input, 'utf8').split('\n')) {
  if (line === '') continue
  const { prompt, subject, answer, relation } = JSON.parse(line)
  const key = JSON.stringify([relation, prompt, subject, answer])
  const first = prompt.indexOf(subject)
  if (seen.has(key)) duplicates++
  else if (first < 0 || prompt.indexOf(subject, first + 1) >= 0) unclear++
  else {
    if (!relations.has(relation)) relations.set(relation, [])
    const facts = relations.get(relation)
    const id = `${relation}/${String(facts.length).padStart(4, '0')}`
    facts.push({ id, relation, prompt, subject, answer })
  }
  seen.add(key)
}

const facts = [...relations.values()].flat()
writeFileSync(output, `${facts.map((fact) => JSON.stringify(fact)).join('\n')}\n`)
console.log(`${facts.length} facts; dropped ${duplicates} duplicates, ${unclear} without exactly one subject`)
for (const [relation, list] of [...relations].sort()) console.log(`| ${relation} | ${list.length} | ${list[0].prompt} -> ${list[0].answer}`)
