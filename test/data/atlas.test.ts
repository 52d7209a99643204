/** data/atlas.jsonl: that it is what its tables give, and that its facts are fit to ask models. */
import { execFile } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Fact, parseFacts, preparePrompt } from '../../src/prompts/facts.js'
import { tinyTokenizer } from '../prompts/helpers.js'

const text = readFileSync('data/atlas.jsonl', 'utf8')
const records = parseFacts(text, 'data/atlas.jsonl')
const phrasings = JSON.parse(readFileSync('data/phrasings.json', 'utf8')) as Record<string, string[]>
/** One record of every fact. */
const held = records.filter(({ split }) => split === 'held-out')
const relations = [...new Set(records.map(({ relation }) => relation!))].sort()
/** Those in the embedded models' tokens. */
const prepared = held.map((fact) => preparePrompt(tinyTokenizer(), fact))
const readme = readFileSync('data/README.md', 'utf8')

const lines = readFileSync('data/changes.tsv', 'utf8')
  .trimEnd()
  .split('\n')
  .map((line) => line.split('\t'))
const changes = lines.map(([kind, relation, subject, old, now, reason]) => ({
  ...{ kind, relation, subject, old, now, reason },
  fact: `${relation}\t${subject}`,
}))
const removed = changes.filter(({ kind }) => kind === 'removed')
const corrected = changes.filter(({ kind }) => kind === 'corrected')

const count = (n: number): string => n.toLocaleString('en')

/** The values under each of their keys. */
function grouped<T>(values: readonly T[], keyOf: (value: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>()
  for (const value of values) {
    const key = keyOf(value)
    const group = groups.get(key)
    if (group) group.push(value)
    else groups.set(key, [value])
  }
  return groups
}

/** What a record is about; its wordings have it in common. */
const factOf = ({ relation, subject }: Fact): string => `${relation}\t${subject}`
const answerOf = ({ answer }: Fact): string => answer.trim()

describe('build-atlas.mjs', () => {
  let folder: string
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'factflow-atlas-'))
    cpSync('data', folder, { recursive: true })
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  /** Exit code and what was said, of the copy. */
  async function build(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
    const run = promisify(execFile)(process.execPath, [join(folder, 'build-atlas.mjs'), ...args])
    return run.then(
      (out) => ({ code: 0, ...out }),
      (error: { code: number; stdout: string; stderr: string }) => error,
    )
  }
  const atlas = (): string => readFileSync(join(folder, 'atlas.jsonl'), 'utf8')
  const said = `${held.length} facts in ${relations.length} relations, ${records.length} records\n`

  test('gives exactly what is there', async () => {
    expect(await build('--check')).toEqual({ code: 0, stdout: said, stderr: '' })
  })

  test('--check sees a changed file, and mends nothing; without it the file is written anew', async () => {
    const changed = text.replace('"split":"train"', '"split":"held-out"')
    for (const other of [changed, text.slice(0, -1)]) {
      writeFileSync(join(folder, 'atlas.jsonl'), other)
      expect(await build('--check')).toMatchObject({
        code: 1,
        stderr: 'atlas.jsonl is not what the tables give; run node data/build-atlas.mjs\n',
      })
      expect(atlas()).toBe(other)
    }
    expect(await build()).toEqual({ code: 0, stdout: said, stderr: '' })
    expect(atlas()).toBe(text)
  })

  test('refuses what is wrong in a table, all of it at once, and leaves the file as it is', async () => {
    const table = join(folder, 'facts', 'capital_of.tsv')
    const before = readFileSync(table, 'utf8')
    const first = before.split('\n').length
    const wrong: [line: string, messages: string[]][] = [
      ['New Norway\tNorway', ['the subject New Norway gives away its answer Norway; leave it out']],
      ['Oslo\tNorway', ['Oslo stands twice; keep one']],
      ...['Somewhere', 'Somewhere \tNorway', 'Cafe\u0301\tNorway', 'Here\tNorway\t?'].map(
        (line): [string, string[]] => [
          line,
          [`must be subject<TAB>answer in NFC without spaces around them, got ${JSON.stringify(line)}`],
        ],
      ),
      [
        'capital\tNorway',
        phrasings
          .capital_of!.filter((phrasing) => phrasing.includes('capital'))
          .map((phrasing) => `capital must stand once in "${phrasing.replace('{}', 'capital')}"`),
      ],
    ]
    writeFileSync(table, `${before}${wrong.map(([line]) => line).join('\n')}\n`)
    const messages = wrong.flatMap(([, own], i) =>
      own.map((message) => `facts/capital_of.tsv:${first + i}: ${message}\n`),
    )
    expect(await build()).toMatchObject({ code: 1, stdout: '', stderr: messages.join('') })
    expect(atlas()).toBe(text)
    writeFileSync(table, before)
  })
})

describe('facts', () => {
  test('are at least 8,000 in at least 16 relations', () => {
    expect(held.length).toBeGreaterThanOrEqual(8000)
    expect(relations.length).toBeGreaterThanOrEqual(16)
    expect(Object.keys(phrasings).sort()).toEqual(relations)
  })

  test('are what their README says of each relation: facts, answers, first tokens, an example', () => {
    const row = /^\| `(\w+)` +\| ([\d,]+) +\| (\d+) +\| (\d+) +\| (\d+) % +\| (.+?) +\|$/gm
    const rows = [...readme.matchAll(row)].map(([, ...cells]) => cells)
    const prompts = new Set(held.map(({ prompt, answer }) => prompt + answer))
    const expected = [...grouped(prepared, ({ fact }) => fact.relation!)].map(([relation, own], i) => {
      const example = rows[i]?.at(-1)
      expect(prompts.has(example!), example).toBe(true)
      const tokens = [...grouped(own, ({ answer }) => `${answer}`).values()].map((same) => same.length)
      const most = (100 * Math.max(...tokens)) / own.length
      const answers = new Set(own.map(({ fact }) => answerOf(fact)))
      return [relation, count(own.length), `${answers.size}`, `${tokens.length}`, most.toFixed(0), example]
    })
    expect(rows).toEqual(expected)
  })

  test('are what their README says of all of them', () => {
    const subjects = [...grouped(held, ({ subject }) => subject).values()]
    const several = subjects.filter((own) => own.length > 1)
    const sameToken = grouped(prepared, ({ fact, answer }) => `${fact.relation} ${answer}`)
    const shared = [...sameToken.values()].filter(
      (own) => new Set(own.map(({ fact }) => answerOf(fact))).size > 1,
    )
    for (const said of [
      `${count(held.length)} facts in ${relations.length} relations, each in six wordings: ${count(records.length)} records`,
      `of ${count(subjects.length)} subjects ${count(several.length)} stand in two to five relations (${count(several.flat().length)} of the facts)`,
      `${count(shared.flat().length)} facts share theirs with another answer of their relation`,
      `the ${count(removed.length)} removals and ${corrected.length} corrections`,
    ]) {
      expect(readme).toContain(said)
    }
    expect(Math.max(...subjects.map((own) => own.length))).toBe(5)
    expect(new Set(Object.values(phrasings).map((own) => own.length))).toEqual(new Set([6]))
  })

  test('stand in every phrasing, one of which is held out', () => {
    const facts = grouped(records, factOf)
    expect(facts.size).toBe(held.length)
    const odd = [...facts.values()].filter((own) => {
      const numbers = own.map(({ phrasing }) => phrasing)
      const all = phrasings[own[0]!.relation!]!.map((_, number) => number)
      return (
        numbers.join() !== all.join() ||
        own.filter(({ split }) => split === 'held-out').length !== 1 ||
        own.filter(({ split }) => split === 'train').length !== all.length - 1 ||
        new Set(own.map(answerOf)).size !== 1
      )
    })
    expect(odd).toEqual([])
  })

  test('are held out in every phrasing of their relation', () => {
    for (const [relation, own] of grouped(held, ({ relation }) => relation!)) {
      expect(new Set(own.map(({ phrasing }) => phrasing)).size, relation).toBe(phrasings[relation]!.length)
    }
  })

  test('have ids of relation, number and phrasing', () => {
    const numbers = new Map<string, number>()
    const odd = records.filter(({ id, relation, phrasing }) => {
      if (phrasing === 0) numbers.set(relation!, (numbers.get(relation!) ?? -1) + 1)
      return id !== `${relation}/${String(numbers.get(relation!)).padStart(4, '0')}/${phrasing}`
    })
    expect(odd).toEqual([])
  })

  test('do not give their answer away in the subject', () => {
    const odd = held.filter((fact) => fact.subject.toLowerCase().includes(answerOf(fact).toLowerCase()))
    expect(odd).toEqual([])
  })

  test('are of subjects that stand in several relations', () => {
    const subjects = [...grouped(held, ({ subject }) => subject).values()]
    const several = subjects.filter((own) => own.length >= 2)
    expect(several.length / subjects.length).toBeGreaterThanOrEqual(0.5)
    const ofCountries = held.filter(({ relation }) => relation!.startsWith('country_'))
    const countries = grouped(ofCountries, ({ subject }) => subject)
    expect(countries.size).toBeGreaterThan(150)
    expect(ofCountries.length / countries.size).toBeGreaterThanOrEqual(4)
  })
})

describe('prompts', () => {
  test.each(relations)('of %s: at least five phrasings, subject first and not', (relation) => {
    const own = phrasings[relation]!
    expect(own.length).toBeGreaterThanOrEqual(5)
    expect(new Set(own).size).toBe(own.length)
    const first = own.filter((phrasing) => phrasing.startsWith('{}'))
    expect(first.length).toBeGreaterThan(0)
    expect(first.length).toBeLessThan(own.length)
    // The records, too: a prompt begins with its subject where its phrasing does.
    const odd = records.filter(
      ({ relation: name, prompt, subject, phrasing }) =>
        name === relation && prompt.startsWith(subject) !== own[phrasing!]!.startsWith('{}'),
    )
    expect(odd).toEqual([])
  })

  test('are in one split alone', () => {
    const train = new Set(records.filter(({ split }) => split === 'train').map(({ prompt }) => prompt))
    expect(train.size).toBeGreaterThan(held.length)
    expect(held.filter(({ prompt }) => train.has(prompt))).toEqual([])
    expect(new Set(records.map(({ split }) => split))).toEqual(new Set(['train', 'held-out']))
  })

  test('end where the answer begins', () => {
    expect(records.filter(({ prompt, answer }) => prompt !== prompt.trim() || !/^ \S/.test(answer))).toEqual(
      [],
    )
  })

  test('fit the embedded tokenizer: every subject leaves a relation, and text comes back', () => {
    const tokenizer = tinyTokenizer()
    const odd = prepared.filter(({ fact, ids, subject }) => {
      const own = tokenizer.decode(subject.map((position) => ids[position]!)).trim()
      return (
        tokenizer.decode(ids) !== fact.prompt || !own.includes(fact.subject) || subject.length >= ids.length
      )
    })
    expect(odd).toEqual([])
  })
})

describe('changes.tsv', () => {
  const answers = new Map(held.map((fact) => [factOf(fact), answerOf(fact)]))

  test('has six columns: what was removed or corrected, and why', () => {
    expect(lines.filter((line) => line.length !== 6)).toEqual([])
    expect(removed.length + corrected.length).toBe(changes.length)
    expect(removed.length).toBeGreaterThan(0)
    expect(corrected.length).toBeGreaterThan(0)
    const odd = changes.filter(
      ({ kind, relation, subject, old, now, reason }) =>
        !phrasings[relation!] ||
        !subject?.trim() ||
        !reason?.trim() ||
        // What is removed may have no answer here: then it is removed whatever its answer was.
        (kind === 'corrected' ? !old || !now || old === now : now !== ''),
    )
    expect(odd).toEqual([])
  })

  test('what was removed is not in the atlas', () => {
    const stays = removed.filter(({ fact, old }) => (old ? answers.get(fact) === old : answers.has(fact)))
    expect(stays).toEqual([])
  })

  test('what was corrected has its new answer, unless it was removed as well', () => {
    const gone = new Set(removed.map(({ fact }) => fact))
    expect(
      corrected
        .filter(({ fact, now }) => answers.get(fact) !== now && !gone.has(fact))
        .map(({ fact, now }) => `${fact}: ${now}, got ${answers.get(fact)}`),
    ).toEqual([])
  })
})
