/** Data sets from files, and the atlas. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { type Dataset, type DatasetOptions, readDataset } from '../../src/datasets/read.js'
import { InputError } from '../../src/errors.js'
import { writeRows } from './files.js'

const folder = mkdtempSync(join(tmpdir(), 'factflow-data-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Read a text as a file of this name. */
function read(name: string, text: string | Uint8Array, options?: DatasetOptions): Promise<Dataset> {
  const file = join(folder, name)
  writeFileSync(file, text)
  return readDataset(file, options)
}

/** The message of the InputError that reading must end with; the folder is left out. */
async function refusal(promise: Promise<unknown>): Promise<string> {
  const error: unknown = await promise.catch((reason: unknown) => reason)
  expect(error).toBeInstanceOf(InputError)
  const { message } = error as InputError
  expect(message).toMatch(/^[^\n]+: must [^\n]+; [^\n]+$|^[^\n]+: [^\n]+, got [^\n]+; [^\n]+$/)
  return message.replaceAll(`${folder}/`, '')
}

const ATHENS = { id: 'a', prompt: 'Athens is in', subject: 'Athens', answer: ' Greece', relation: 'city' }
const PARIS = {
  id: 'b',
  prompt: 'Say "Paris", it\nis in',
  subject: 'Paris',
  answer: ' France',
  relation: 'city',
}
const FACTS = [ATHENS, PARIS]
const LINES = FACTS.map((fact) => JSON.stringify(fact)).join('\n')
const CSV = `id,prompt,subject,answer,relation\na,Athens is in,Athens, Greece,city\nb,"Say ""Paris"", it\nis in",Paris, France,city\n`

describe('formats', () => {
  test.each([
    ['facts.jsonl', LINES],
    ['facts.json', JSON.stringify(FACTS, null, 2)],
    ['lines.json', LINES],
    ['FACTS.CSV', CSV],
    ['mark.csv', `\uFEFF${CSV}`],
    ['windows.csv', CSV.replace(/\n(?!is)/g, '\r\n')],
    ['facts.tsv', CSV.replaceAll(',', '\t').replace('""Paris""\t', '""Paris"",')],
    // By what they begin with.
    ['facts', LINES],
    ['array.txt', `\uFEFF\n ${JSON.stringify(FACTS)}`],
    ['comma.txt', CSV],
    ['tab.txt', CSV.replaceAll(',', '\t').replace('""Paris""\t', '""Paris"",')],
    // What DuckDB would take for patterns, or a comment.
    ['[a]*?.csv', CSV],
  ])('%s', async (name, text) => {
    const { facts, unusable, ...rest } = await read(name, text)
    expect(facts).toEqual(FACTS)
    expect(unusable).toEqual([])
    expect(rest).toMatchObject({ name, source: join(folder, name) })
  })

  test('a pattern in a name does not match other files', async () => {
    writeFileSync(join(folder, 'x1.csv'), CSV)
    const [only] = (await read('x[1].csv', 'id,prompt,subject,answer\n#7,Rome is in,Rome,Italy\n')).facts
    expect(only).toEqual({ id: '#7', prompt: 'Rome is in', subject: 'Rome', answer: 'Italy' })
  })

  test.each(['facts.parquet', 'parquet-without-ending', 'a [2].parquet'])('%s', async (name) => {
    const file = join(folder, name)
    await writeRows(file, FACTS)
    expect((await readDataset(file)).facts).toEqual(FACTS)
  })

  test('Parquet: numbers, nulls and nested columns', async () => {
    const file = join(folder, 'rome.parquet')
    const rewrite = (subject: string, str: string | null) => ({
      prompt: '{} is in',
      relation_id: 'P17',
      target_true: { str, id: 'Q1' },
      subject,
    })
    await writeRows(file, [
      { case_id: 4, requested_rewrite: rewrite('Athens', 'Greece'), paraphrase_prompts: ['x', 'y'] },
      { case_id: 5, requested_rewrite: rewrite('Paris', null), paraphrase_prompts: ['z'] },
    ])
    const { facts, unusable } = await readDataset(file)
    expect(facts).toEqual([
      {
        id: '4',
        prompt: 'Athens is in',
        subject: 'Athens',
        answer: 'Greece',
        relation: 'P17',
        subjectStart: 0,
      },
    ])
    expect(unusable).toMatchObject([{ id: '5', where: `${file} row 1`, reason: 'no answer' }])
  })

  test('CSV: all values are texts; empty cells are none; the first column of pandas has no name', async () => {
    const text =
      ',key,text,entity,object,kind\n0,007,"1984, written in",1984,1949,\n1,NULL,"Rome is in",Rome,"",P17\n2,8,"# Oslo is in",Oslo,NULL,P17\n'
    const columns = { id: 'key', prompt: 'text', subject: 'entity', answer: 'object', relation: 'kind' }
    const { facts, unusable } = await read('own.csv', text, { columns })
    expect(facts).toEqual([
      { id: '007', prompt: '1984, written in', subject: '1984', answer: '1949' },
      { id: '8', prompt: '# Oslo is in', subject: 'Oslo', answer: 'NULL', relation: 'P17' },
    ])
    expect(unusable).toMatchObject([
      { id: 'NULL', where: join(folder, 'own.csv row 1'), reason: 'no answer' },
    ])
    const numbered = await read('own.csv', text, { columns: { ...columns, id: 'column0' } })
    expect(numbered.facts.map(({ id }) => id)).toEqual(['0', '2'])
  })

  test('a place is a line in JSON Lines, where empty lines count, and a row elsewhere', async () => {
    const bad = { ...ATHENS, answer: '' }
    const lines = await read('bad.jsonl', `${LINES}\n\n${JSON.stringify(bad)}`)
    expect(lines.unusable.map(({ where }) => where)).toEqual([join(folder, 'bad.jsonl:4')])
    const array = await read('bad.json', JSON.stringify([...FACTS, bad]))
    expect(array.unusable.map(({ where }) => where)).toEqual([join(folder, 'bad.json row 2')])
  })
})

describe('a whole file that is malformed', () => {
  test.each<[name: string, text: string | Uint8Array, message: string]>([
    ['m.jsonl', `${LINES}\n{"id"`, 'm.jsonl:3: a line must be JSON, got "{\\"id\\""; write one fact as'],
    ['m.jsonl', `${LINES}\n[1]`, 'm.jsonl:3: a line must be a JSON object, got [1]; '],
    ['m.json', '[{"id": 1},\n {"id" 2}]', 'm.json: must be JSON ('],
    ['m.json', '[{"id": 1}, 2]', 'm.json row 1: must be an object, got 2; '],
    ['m.json', '{\n"data": []\n}', 'm.json:1: a line must be JSON, got "{"; '],
    ['m.jsonl', '', 'm.jsonl: a data set must have facts, got none; '],
    ['m.json', '[]', 'm.json: a data set must have facts, got none; '],
    ['m.csv', '\n', 'm.csv: a data set must have facts, got none; '],
    ['m.csv', 'id,prompt,subject,answer\n', 'm.csv: a data set must have facts, got none; '],
    [
      'm.csv',
      'id,prompt,subject\n1,"a\nb",c\n2,d\n',
      'm.csv row 1: must have 3 values, as the header has, got 2; ',
    ],
    ['m.csv', 'id,prompt\n1,a\n2,b,c\n', 'm.csv row 1: must have 2 values, as the header has, got 3; '],
    ['m.csv', 'id,prompt\n1,"a\n', 'm.csv row 0: must be values as RFC 4180 has them, got "'],
    [
      'm.csv',
      'id,prompt,id\n1,a,b\n',
      'm.csv:1: the columns of a header must have different names, got ["id"',
    ],
    [
      'm.csv',
      'text,entity\na,b\n',
      'm.csv row 0: must have the columns prompt, subject and answer, or those of ',
    ],
    ['m.csv', new Uint8Array([0x69, 0x64, 0x0a, 0xff, 0xfe]), 'm.csv: must be UTF-8 text, got other bytes; '],
    [
      'm.txt',
      'once upon a time',
      'm.txt: must be JSON Lines, JSON, CSV, TSV or Parquet, got "once upon a time" ',
    ],
    ['m.parquet', 'PAR1 is all of it', 'm.parquet: must be a Parquet file, got '],
    [
      'm.jsonl',
      'version https://git-lfs.github.com/spec/v1\noid',
      'm.jsonl: must hold the data itself, got a Git LFS pointer; ',
    ],
  ])('%s: %j', async (name, text, message) => {
    const got = await refusal(read(name, text))
    expect(got.slice(0, message.length)).toBe(message)
  })

  test('JSON: the error says where', async () => {
    expect(await refusal(read('m.json', '[{"id": 1},\n {"id" 2}]'))).toContain(' at line 2, column 8)')
  })

  test.each(['nothing.jsonl', 'nothing.parquet', 'data/nothing.csv', 'nothing', '', '..'])(
    'none: %j',
    async (name) => {
      expect(await refusal(readDataset(name))).toMatch(
        /^data: must be atlas, a file, or the id of a data set on the Hub \(owner\/name\), got ".*" \(E\w+: [\w ]+\); check the path$/,
      )
    },
  )

  test('a revision is of a data set on the Hub', async () => {
    expect(await refusal(readDataset('atlas', { revision: 'main' }))).toBe(
      'revision: must not be given with a file or the atlas, got "main" for "atlas"; leave it out',
    )
  })
})

describe('a fingerprint', () => {
  const facts = [
    {
      subject: 'Zürich',
      prompt: 'Zürich is in',
      id: 'a',
      answer: ' Switzerland',
      split: 'train',
      phrasing: 2,
      relation: 'city',
    },
    { id: 'b', prompt: '🎉 "Athens"\n lies in', subject: 'Athens', answer: 'Greece', subjectStart: 4 },
  ]

  test('is the SHA-256 of the facts as canonical JSON', async () => {
    // Python 3: hashlib.sha256(json.dumps(facts, sort_keys=True, separators=(',', ':'), ensure_ascii=False).encode())
    const expected = 'f884069f0e1db0716141ebcfb6274ca45c7fe27d7f42cb0d709568d24bd1b278'
    expect((await read('f.json', JSON.stringify(facts))).fingerprint).toBe(expected)
    // What is unusable and what is no fact's does not matter, nor the form of the file.
    const lines = [{ ...facts[0], id: '' }, { ...facts[0], more: 1 }, facts[1]]
    const text = lines.map((fact) => JSON.stringify(fact)).join('\n')
    expect((await read('f.jsonl', text)).fingerprint).toBe(expected)
    const [first, second] = facts
    expect((await read('f.json', JSON.stringify([second, first]))).fingerprint).not.toBe(expected)
  })

  test('of no fact is that of an empty list', async () => {
    // printf '[]' | sha256sum
    const expected = '4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945'
    const none = await read('f.json', JSON.stringify([{ ...facts[0], answer: '' }]))
    expect(none).toMatchObject({ facts: [], fingerprint: expected })
  })
})

test('the atlas', async () => {
  const { name, source, facts, unusable } = await readDataset('atlas')
  expect({ name, source, unusable }).toEqual({ name: 'atlas', source: 'atlas', unusable: [] })
  expect(facts).toHaveLength(60_528)
})
