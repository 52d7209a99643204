/** Run folders with files in them that are torn, damaged or of another run. */
import { execFile } from 'node:child_process'
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Database, literal } from '../../src/results/database.js'
import { examinePart } from '../../src/results/part-check.js'
import { Results } from '../../src/results/results.js'
import type { KnockoutRow } from '../../src/results/rows.js'
import { RunFolder } from '../../src/results/run-folder.js'
import type { RunModel } from '../../src/results/run-schema.js'
import { EVALUATIONS } from '../studies/stored.js'

let dir: string
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'factflow-damaged-'))
})
afterEach(async () => {
  await rm(dir, { recursive: true, force: true })
})

const VERSION = '1.0.0'
const MODEL: RunModel = {
  source: 'x/m',
  fingerprint: 'a'.repeat(64),
  modelType: 'gpt2',
  family: 'GPT-2',
  layers: 6,
  featureCategories: ['all'],
}
const DATA = { source: 'd.jsonl', fingerprint: 'd'.repeat(64), facts: 1, unusable: 0 }

const rows = (prompt: string, over: Partial<KnockoutRow> = {}): KnockoutRow[] =>
  Array.from({ length: 200 }, (_, first_layer) => ({
    ...{
      model: 'm',
      dataset: 'd',
      prompt_id: prompt,
      first_layer,
      window: 3,
      source: 'subject',
      position: null,
    },
    ...{ target: 'last', features: 'all', base_prob: 0.5, prob: Math.sin(first_layer) ** 2, rank: 1 },
    ...{ top_token: 7, hit: true, relative_change: Math.cos(first_layer) },
    ...over,
  })) as KnockoutRow[]

interface RunOptions {
  readonly model?: RunModel
  readonly label?: string
  readonly data?: typeof DATA
  readonly version?: string
  readonly prompt?: string
  readonly id?: string
  readonly evaluate?: { readonly top: number; readonly continuation: number }
}

/** A run with one part of each kind. */
async function makeRun(run: string, options: RunOptions = {}): Promise<void> {
  const { model = MODEL, label = 'm', data = DATA, version = VERSION, prompt = 'p', id = 'a' } = options
  const folder = await RunFolder.at(run, version)
  folder.file.models[label] = model
  folder.file.datasets.d = data
  folder.file.study = { name: 's', evaluate: options.evaluate ?? { top: 5, continuation: 0 } }
  await folder.save()
  await folder.write('knockouts', id, rows(prompt, { model: label }))
  await folder.write('evaluations', id, [{ ...EVALUATIONS[0]!, model: label, prompt_id: prompt }])
  await folder.write('features', id, [{ model: label, layer: 0, feature: 0, norm: 1 }])
  folder.close()
}

interface Read {
  readonly prompts: readonly string[]
  readonly evaluated: readonly string[]
  readonly leftOut: readonly string[]
}

async function read(verify = false): Promise<Read> {
  const results = await Results.open([dir], { verify })
  try {
    const ids = async (table: string): Promise<string[]> => {
      const found = await results.rows(`SELECT DISTINCT prompt_id FROM ${table} ORDER BY ALL`)
      return found.map((row) => row.prompt_id as string)
    }
    return {
      prompts: await ids('knockouts'),
      evaluated: await ids('evaluations'),
      leftOut: results.leftOut,
    }
  } finally {
    results.close()
  }
}

/** Open the folder as a study of model m does; what it says. */
async function reopen(labels: readonly string[] = ['m']): Promise<string[]> {
  const notes: string[] = []
  const folder = await RunFolder.at(dir, VERSION, { labels, onNote: (text) => notes.push(text) })
  folder.close()
  return notes
}

const asideFiles = (): Promise<string[]> => readdir(join(dir, 'set-aside')).catch(() => [])

/** A file is named and left out by readers, and set aside unchanged by the next study. */
async function expectAside(name: string, wrong: RegExp, { noticed = true } = {}): Promise<void> {
  const file = join(dir, name)
  const bytes = await readFile(file)
  const before = await asideFiles()
  const { leftOut } = await read(!noticed)
  expect(leftOut).toHaveLength(1)
  expect(leftOut[0]).toMatch(wrong)
  expect(leftOut[0]).toContain(`${file} is left out: `)
  expect(leftOut[0]).toMatch(/must .*, got .*; run the study again/s)

  const notes = await reopen()
  expect(notes).toHaveLength(1)
  expect(notes[0]).toMatch(wrong)
  expect(notes[0]).toContain(`${file}: must `)
  const [aside, ...others] = (await asideFiles()).filter((one) => !before.includes(one))
  expect(others).toEqual([])
  expect(notes[0]).toContain(join(dir, 'set-aside', aside!))
  expect(await readFile(join(dir, 'set-aside', aside!))).toEqual(bytes)
  expect(await readdir(dir)).not.toContain(name)
  expect((await read(true)).leftOut).toEqual([])
  expect(await reopen()).toEqual([])
}

const PART = 'part-b.parquet'
const whole = /must be a whole Parquet file, got/

describe('a damaged part', () => {
  beforeEach(async () => {
    await makeRun(dir)
    await makeRun(dir, { prompt: 'q', id: 'b' })
  })

  it.each([
    ['empty', async (file: string) => truncate(file, 0), whole],
    ['of a few bytes', async (file: string) => truncate(file, 3), whole],
    ['cut', async (file: string) => truncate(file, 900), whole],
    ['without its last byte', async (file: string) => truncate(file, (await stat(file)).size - 1), whole],
    ['of zeros', async (file: string) => writeFile(file, Buffer.alloc((await stat(file)).size)), whole],
    ['of text', async (file: string) => writeFile(file, 'no Parquet\n'.repeat(300)), whole],
    [
      'of another length in its end',
      async (file: string) => {
        const bytes = await readFile(file)
        bytes.writeUInt32LE(2 ** 31, bytes.length - 8)
        await writeFile(file, bytes)
      },
      whole,
    ],
    [
      'of another table',
      async (file: string) => copyFile(join(dir, 'features-b.parquet'), file),
      /must have the columns of knockouts, got layer INT32\/INT_32 in the place of dataset/,
    ],
  ])('that is %s is set aside', async (_, damage, wrong) => {
    await damage(join(dir, PART))
    await expectAside(PART, wrong)
    expect(await read()).toEqual({ prompts: ['p'], evaluated: ['p', 'q'], leftOut: [] })
  })

  it('is noticed whatever bit is another, when all bytes are looked at', async () => {
    const file = join(dir, PART)
    const bytes = await readFile(file)
    const database = await Database.open({ threads: 1 })
    const part = { name: PART, path: file, table: 'knockouts' } as const
    expect(await examinePart(part, database)).toMatchObject({ wrong: undefined })
    await fc.assert(
      fc.asyncProperty(fc.nat(bytes.length - 1), fc.nat(7), async (at, bit) => {
        const other = Buffer.from(bytes)
        other[at]! ^= 1 << bit
        await writeFile(file, other)
        expect((await examinePart(part, database))?.wrong).toMatch(/^must .*, got /)
      }),
      // What is in the key of the checksum is rare.
      { numRuns: 500, examples: [[bytes.lastIndexOf('factflow.sha256') + 1, 0]] },
    )
    database.close()
    const flipped = Buffer.from(bytes)
    flipped[1000]! ^= 1
    await writeFile(file, flipped)
    await expectAside(PART, /must have the bytes that were written, got others/, { noticed: false })
  })

  it('in whose data there are zeros is found where a query meets it', async () => {
    const file = join(dir, PART)
    const bytes = await readFile(file)
    await writeFile(file, bytes.fill(0, 4, bytes.length - 3000))
    const { leftOut, prompts } = await read()
    expect(prompts).toEqual(['p'])
    expect(leftOut).toEqual([expect.stringContaining(`${file} is left out: must have the bytes`)])
    // Also when it is damaged after the folder was opened.
    const evaluation = join(dir, 'evaluation-b.parquet')
    const results = await Results.open([dir])
    const good = await readFile(evaluation)
    await writeFile(evaluation, Buffer.from(good).fill(0, 4, 200))
    const asked = results.rows('SELECT * FROM evaluations')
    await expect(asked).rejects.toThrow(`${evaluation}: must have the bytes that were written, got others`)
    await rm(evaluation)
    await expect(results.rows('SELECT * FROM evaluations')).rejects.toThrow(
      `${evaluation}: must stay while it is read, got no such file any more; ask again`,
    )
    results.close()
  })

  it('does not keep another from the same name in set-aside', async () => {
    const file = join(dir, PART)
    for (const text of ['one', 'two', 'three']) {
      await writeFile(file, text)
      await reopen()
    }
    const texts = await Promise.all(
      (await asideFiles()).map((name) => readFile(join(dir, 'set-aside', name), 'utf8')),
    )
    expect(texts.sort()).toEqual(['one', 'three', 'two'])
  })
})

describe('a part of another run', () => {
  let other: string
  beforeEach(async () => {
    await makeRun(dir)
    other = join(dir, '..', `${dir.split('/').at(-1)}-other`)
  })
  afterEach(async () => {
    await rm(other, { recursive: true, force: true })
  })

  it.each([
    [
      'other weights',
      { model: { ...MODEL, fingerprint: 'b'.repeat(64) } },
      /must be of "m" as the run has it \(SHA-256 a{12}…\), got results of another \(SHA-256 b{12}…\)/,
    ],
    [
      'other arithmetic',
      { model: { ...MODEL, arithmetic: 'tf32' } },
      /got results of another \(SHA-256 a{12}… tf32\)/,
    ],
    ['other data', { data: { ...DATA, fingerprint: 'e'.repeat(64) } }, /must be of "d" as the run has it/],
    ['another version', { version: '0.9.0' }, /must be of factflow 1.0.0 as the run is, got a part of 0.9.0/],
    [
      'another model',
      { label: 'x' },
      /must be of a model of the run, got results of "x", of which it has no model/,
    ],
    [
      'imported results',
      { model: { ...MODEL, fingerprint: undefined, origin: 'others' } },
      /got results of another \(imported\)/,
    ],
  ] satisfies [string, RunOptions, RegExp][])('of %s is set aside', async (_, options, wrong) => {
    await makeRun(other, { ...options, prompt: 'q' })
    await copyFile(join(other, 'part-a.parquet'), join(dir, PART))
    await expectAside(PART, wrong)
    expect((await read()).prompts).toEqual(['p'])
  })

  it('of evaluations that were asked for otherwise is set aside', async () => {
    await makeRun(other, { evaluate: { top: 3, continuation: 4 }, prompt: 'q' })
    await copyFile(join(other, 'evaluation-a.parquet'), join(dir, 'evaluation-b.parquet'))
    await expectAside('evaluation-b.parquet', /\(top 5, continuation 0\), got top 3, continuation 4/)
  })

  it('of the same weights, data and version counts: that is how folders are put together', async () => {
    await makeRun(other, { prompt: 'q', id: 'b' })
    await copyFile(join(other, PART), join(dir, PART))
    expect(await reopen()).toEqual([])
    expect(await read()).toEqual({ prompts: ['p', 'q'], evaluated: ['p'], leftOut: [] })
  })

  it('of before parts said whose they are is known by its model', async () => {
    const database = await Database.open()
    for (const [name, model] of [
      ['old', 'm'],
      ['stray', 'x'],
    ] as const) {
      await database.run(
        `COPY (SELECT * REPLACE (${literal(model)} AS model, ${literal(name)} AS prompt_id)
           FROM ${literal(join(dir, 'part-a.parquet'))}) TO ${literal(join(dir, `part-${name}.parquet`))} (FORMAT parquet)`,
      )
    }
    database.close()
    expect((await read(true)).prompts).toEqual(['old', 'p'])
    await expectAside('part-stray.parquet', /got results of "x"/)
    expect((await read(true)).prompts).toEqual(['old', 'p'])
    // It has no checksum, but DuckDB cannot read it.
    const file = join(dir, 'part-old.parquet')
    const bytes = await readFile(file)
    await writeFile(file, bytes.fill(0, 4, 400))
    await expectAside('part-old.parquet', /got one that DuckDB cannot read/, { noticed: false })
  })
})

describe('what has the name of a part and is no file', () => {
  beforeEach(() => makeRun(dir))

  it.each([
    ['a folder', (path: string) => mkdir(path)],
    ['a named pipe, which nobody writes to', (path: string) => promisify(execFile)('mkfifo', [path])],
  ])('%s is left out, and set aside', async (_, make) => {
    await make(join(dir, PART))
    const { leftOut, prompts } = await read(true)
    expect(prompts).toEqual(['p'])
    expect(leftOut).toEqual([
      expect.stringContaining(`${join(dir, PART)} is left out: must be a file, got a folder or device; `),
    ])
    expect(await reopen()).toEqual([expect.stringContaining(`${join(dir, PART)}: must be a file`)])
    expect(await readdir(dir)).not.toContain(PART)
    expect(await read(true)).toEqual({ prompts: ['p'], evaluated: ['p'], leftOut: [] })
  })
})

describe('a JSON file that is gone', () => {
  beforeEach(() => makeRun(dir))

  it('run.json: is as good as one that is made anew from the parts', async () => {
    await rm(join(dir, 'run.json'))
    const message = `${join(dir, 'run.json')}: must be there, got nothing; run the study again, it is made anew from the parts`
    expect(await read()).toEqual({ prompts: ['p'], evaluated: ['p'], leftOut: [message] })
    expect(await reopen()).toEqual([expect.stringContaining('made anew')])
    expect(await read()).toEqual({ prompts: ['p'], evaluated: ['p'], leftOut: [] })
  })

  it('model-*.json: all parts of its model are left out together', async () => {
    const [name] = (await readdir(dir)).filter((one) => one.startsWith('model-'))
    await rm(join(dir, name!))
    const { leftOut } = await read()
    expect(leftOut).toEqual([
      expect.stringMatching(
        /: 3 parts, evaluation-a\.parquet first, are left out: must be of a model of the run, got results of "m".*; run the study again: where it has the same model and data they count again/,
      ),
    ])
  })
})

describe('a JSON file that is torn', () => {
  const infoFile = async (prefix: string): Promise<string> =>
    (await readdir(dir)).find((name) => name.startsWith(prefix))!
  const tear = async (name: string): Promise<void> => {
    const file = join(dir, name)
    await truncate(file, Math.floor((await stat(file)).size / 2))
  }
  beforeEach(() => makeRun(dir))

  it('run.json: is made anew from the parts', async () => {
    await tear('run.json')
    expect(await read()).toMatchObject({
      prompts: ['p'],
      leftOut: [expect.stringContaining(`${join(dir, 'run.json')} is left out: must be JSON, got "{`)],
    })
    const notes = await reopen()
    expect(notes).toHaveLength(2)
    expect(notes[0]).toMatch(/run\.json: must be JSON, got .* set aside as .*set-aside/)
    expect(notes[1]).toMatch(/run\.json: made anew, from what the parts say/)
    const json = JSON.parse(await readFile(join(dir, 'run.json'), 'utf8')) as object
    expect(json).toMatchObject({ factflow: VERSION, study: { evaluate: { top: 5, continuation: 0 } } })
    expect(await read()).toMatchObject({ prompts: ['p'], leftOut: [] })
    expect(await reopen()).toEqual([])
  })

  it('run.json of another version: stays of that version', async () => {
    await writeFile(join(dir, 'run.json'), '')
    const folder = await RunFolder.at(dir, '2.0.0')
    expect(folder.file.factflow).toBe(VERSION)
    folder.close()
  })

  it.each(['model-', 'data-'])('%s*.json: its parts wait for it and count again', async (prefix) => {
    const name = await infoFile(prefix)
    await writeFile(join(dir, name), '')
    const { leftOut, prompts } = await read()
    expect(prompts).toEqual([])
    expect(leftOut[0]).toContain(`${join(dir, name)} is left out: must be JSON, got nothing`)

    const notes: string[] = []
    const folder = await RunFolder.at(dir, VERSION, { labels: ['m'], onNote: (text) => notes.push(text) })
    expect(notes).toEqual([
      expect.stringContaining(`${join(dir, name)}: must be JSON, got nothing; set aside`),
    ])
    folder.file.models.m = MODEL
    folder.file.datasets.d = DATA
    await folder.save()
    folder.close()
    expect(notes).toHaveLength(1)
    expect(await read()).toEqual({ prompts: ['p'], evaluated: ['p'], leftOut: [] })
  })

  it('model-*.json: its parts wait also while others are computed', async () => {
    await tear(await infoFile('model-'))
    expect(await reopen(['other'])).toHaveLength(1)
    expect(await reopen(['other'])).toEqual([])
    const folder = await RunFolder.at(dir, VERSION, { labels: ['other'] })
    expect([folder.waitsFor('m'), folder.waitsFor('other')]).toEqual([true, false])
    // Another process has found out which model it is.
    const second = await RunFolder.at(dir, VERSION, { labels: ['m'] })
    second.file.models.m = MODEL
    await second.save()
    second.close()
    await folder.refresh()
    expect(folder.waitsFor('m')).toBe(false)
    folder.close()
    expect(await read()).toEqual({ prompts: ['p'], evaluated: ['p'], leftOut: [] })
  })

  it('model-*.json: parts of what turns out to be another model are set aside', async () => {
    await tear(await infoFile('model-'))
    const notes: string[] = []
    const folder = await RunFolder.at(dir, VERSION, { labels: ['m'], onNote: (text) => notes.push(text) })
    folder.file.models.m = { ...MODEL, fingerprint: 'c'.repeat(64) }
    await folder.write('knockouts', 'a', rows('r'))
    folder.close()
    expect(notes.filter((text) => text.includes('got results of another'))).toHaveLength(3)
    expect(await read()).toEqual({ prompts: ['r'], evaluated: [], leftOut: [] })
    expect((await asideFiles()).filter((name) => name.endsWith('.parquet'))).toHaveLength(3)
  })

  it('worker-*.json: is set aside', async () => {
    await writeFile(join(dir, 'worker-1.json'), '{"host": "a", ')
    await expectAside('worker-1.json', /must be JSON/)
  })
})

it('two processes cannot store two models under one label', async () => {
  const [one, two] = [await RunFolder.at(dir, VERSION), await RunFolder.at(dir, VERSION)]
  one.file.models.m = MODEL
  two.file.models.m = { ...MODEL, arithmetic: 'tf32' }
  const outcomes = await Promise.allSettled(
    [one, two].map((folder) => folder.write('knockouts', 'a', rows('p'))),
  )
  one.close()
  two.close()
  expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
  const { reason } = outcomes.find(({ status }) => status === 'rejected') as PromiseRejectedResult
  expect(String(reason)).toMatch(/m must be the same for all processes that store results here/)
  expect(await read()).toMatchObject({ prompts: ['p'], leftOut: [] })
})
