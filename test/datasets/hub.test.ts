/** Data sets on the Hub, on a local server. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { cachedDatasets, dataFiles, splitOf } from '../../src/checkpoints/hub-dataset.js'
import { type DatasetOptions, readDataset } from '../../src/datasets/read.js'
import { InputError } from '../../src/errors.js'
import { PYTHON, python, testHub, tree } from '../hub-server/environment.js'
import { writeRows } from './files.js'

const hub = testHub()
const ID = 'NeelNanda/counterfact-tracing'
const REPO = 'hub/datasets--NeelNanda--counterfact-tracing'
const PARQUET = 'data/train-00000-of-00001.parquet'
const ABOUT = { '.gitattributes': '*.parquet filter=lfs\n', 'README.md': '# CounterFact\n' }

function row(subject: string, target: string): object {
  return {
    ...{ relation: 'The city of {} is in', relation_prefix: 'The city of', relation_suffix: ' is in' },
    ...{ prompt: `The city of ${subject} is in`, subject: ` ${subject}`, relation_id: 'P17' },
    ...{ target_true: ` ${target}`, target_false: ' Peru' },
  }
}
const ROWS = [row('Athens', 'Greece'), row('Lyon', 'France'), row('Oslo', '')]

/** ROWS and some more as Parquet. */
let parquet: Uint8Array
let others: Uint8Array

beforeAll(async () => {
  const folder = mkdtempSync(join(tmpdir(), 'factflow-hub-data-'))
  const bytes = async (rows: object[]): Promise<Uint8Array> => {
    await writeRows(join(folder, 'x.parquet'), rows)
    return readFileSync(join(folder, 'x.parquet'))
  }
  parquet = await bytes(ROWS)
  others = await bytes([row('Rome', 'Italy'), row('Bern', 'Switzerland')])
  rmSync(folder, { recursive: true })
})

const add = (files: Record<string, string | Uint8Array>, id = ID, options = {}): string =>
  hub.server.add(`datasets/${id}`, { ...ABOUT, ...files }, options)

async function ids(source = ID, options?: DatasetOptions): Promise<string[]> {
  return (await readDataset(source, options)).facts.map(({ id }) => id)
}

async function refusal(source: string, options?: DatasetOptions): Promise<string> {
  const error: unknown = await readDataset(source, options).catch((reason: unknown) => reason)
  expect(error).toBeInstanceOf(InputError)
  const { message } = error as InputError
  expect(message).toMatch(/^[^\n]+: [^\n]+, got [^\n]+; [^\n]+$/)
  return message.replaceAll(hub.server.endpoint, 'https://hub').replaceAll(hub.home, 'HOME')
}

describe('a data set that is not in the cache', () => {
  test('is downloaded and read; its alias means the same', async () => {
    const commit = add({ [PARQUET]: parquet, 'data/notes.txt': 'x', 'other/train.jsonl': '{}' })
    const data = await readDataset('counterfact')
    expect(data).toMatchObject({ name: ID, source: `${ID}@${commit}` })
    expect(data.facts).toEqual([
      {
        id: '0',
        prompt: 'The city of Athens is in',
        subject: 'Athens',
        answer: ' Greece',
        relation: 'P17',
        split: 'train',
        subjectStart: 12,
      },
      {
        id: '1',
        prompt: 'The city of Lyon is in',
        subject: 'Lyon',
        answer: ' France',
        relation: 'P17',
        split: 'train',
        subjectStart: 12,
      },
    ])
    expect(data.unusable).toMatchObject([{ id: '2', where: `${ID}/${PARQUET} row 2`, reason: 'no answer' }])
    expect(await readDataset(ID)).toEqual(data)
    expect(hub.server.files()).toEqual(['README.md', PARQUET])
    expect(hub.server.downloads).toHaveLength(1)
  })

  test('lies in the cache as Python would have put it there', async () => {
    const commit = add({ [PARQUET]: parquet })
    await ids()
    const blobs = (path: string): string =>
      path.replace(/\/[0-9a-f]{64}$/, '/SHA-256').replace(/\/[0-9a-f]{40}$/, '/SHA-1')
    expect(tree(hub.home).map(blobs).sort()).toEqual(
      [
        `${REPO}/blobs/SHA-1`,
        `${REPO}/blobs/SHA-256`,
        `${REPO}/refs/main`,
        `${REPO}/snapshots/${commit}/README.md`,
        `${REPO}/snapshots/${commit}/${PARQUET}`,
      ].sort(),
    )
  })

  test.skipIf(PYTHON === undefined)('Python finds it there, and we what Python brought', async () => {
    add({ [PARQUET]: parquet })
    const script = (file: string): string =>
      `from huggingface_hub import hf_hub_download as d; print(open(d("${ID}", "${file}", repo_type="dataset"), "rb").read(4))`
    await ids()
    const before = hub.server.downloads.length
    expect(await python(script(PARQUET), { ...hub.env, HF_HUB_OFFLINE: '1' })).toBe("b'PAR1'")
    rmSync(join(hub.home, 'hub'), { recursive: true })
    for (const file of [PARQUET, 'README.md']) await python(script(file), hub.env)
    const after = hub.server.downloads.length
    expect(after).toBeGreaterThan(before)
    expect(await ids()).toEqual(['0', '1'])
    expect(hub.server.downloads).toHaveLength(after)
  })

  test('tells how far the download is', async () => {
    add({ [PARQUET]: parquet })
    const seen: { model: string; done: number; total: number }[] = []
    await readDataset(ID, { onProgress: (progress) => seen.push(progress) })
    expect(seen.find(({ total }) => total === parquet.length)!.model).toBe(ID)
    expect(seen.some(({ done, total }) => done === parquet.length && total === done)).toBe(true)
  })
})

describe('in the cache', () => {
  test('it is read without a network, as a model would be', async () => {
    add({ [PARQUET]: parquet })
    expect(await refusal(ID, { offline: true })).toMatch(
      /^NeelNanda\/counterfact-tracing: must be in the cache while --offline is set, got no whole copy of revision "main" in HOME\/hub\/datasets--NeelNanda--counterfact-tracing; /,
    )
    await ids()
    hub.server.asked.length = 0
    expect(await ids(ID, { offline: true })).toEqual(['0', '1'])
    process.env.HF_HUB_OFFLINE = '1'
    expect(await ids('counterfact')).toEqual(['0', '1'])
    expect(hub.server.asked).toEqual([])
    delete process.env.HF_HUB_OFFLINE
    await hub.server.close()
    const notes: string[] = []
    expect(await ids(ID, { onNote: (note) => notes.push(note) })).toEqual(['0', '1'])
    expect(notes).toEqual([expect.stringMatching(/ECONNREFUSED; using what is in the cache, commit /)])
  })

  test('half a data set is not one: a download that broke off goes on', async () => {
    const commit = add({ 'test.jsonl': JSON.stringify(ROWS[0]), 'train.jsonl': JSON.stringify(ROWS[1]) })
    hub.server.fault({ path: /train\.jsonl$/, status: 403, times: 1 })
    await refusal(ID)
    // One file may be there already.
    expect(await cachedDatasets()).toEqual([])
    await refusal(ID, { offline: true, revision: commit })
    expect(await ids()).toEqual(['test/0', 'train/0'])
    expect(await ids(ID, { offline: true, revision: commit })).toEqual(['test/0', 'train/0'])
  })

  test('nor is one with a shard that is missing', async () => {
    add({ 'data/train-00000-of-00002.parquet': parquet, 'data/train-00001-of-00002.parquet': others })
    expect(await ids()).toEqual(['0', '1', '3', '4'])
    const name = tree(join(hub.home, REPO)).find((file) => file.endsWith('00001-of-00002.parquet'))!
    unlinkSync(join(hub.home, REPO, name))
    expect(await cachedDatasets()).toEqual([])
    expect(await refusal(ID, { offline: true })).toContain('got no whole copy')
    expect(await ids()).toEqual(['0', '1', '3', '4'])
    expect(hub.server.downloads).toHaveLength(2)
  })

  test('data sets are listed; models and what is damaged are not', async () => {
    const commit = add({ [PARQUET]: parquet })
    add({ 'facts.csv': 'prompt,subject,answer\nOslo is in,Oslo,Norway\n' }, 'owner/own')
    await ids()
    await ids('owner/own')
    for (const dir of ['models--a--b', 'datasets--c--d/refs', 'datasets--']) {
      mkdirSync(join(hub.home, 'hub', dir), { recursive: true })
    }
    writeFileSync(join(hub.home, 'hub', 'datasets--c--d/refs/main'), '0'.repeat(40))
    expect(await cachedDatasets()).toEqual([
      { id: ID, commit, files: [PARQUET], bytes: parquet.length },
      { id: 'owner/own', commit: expect.any(String), files: ['facts.csv'], bytes: 45 },
    ])
  })
})

describe('which files', () => {
  test.each<[files: string[], expected: string[]]>([
    [
      ['README.md', 'data/train-00000-of-00001.parquet', 'data/test-00000-of-00001.parquet', 'x.parquet'],
      ['data/test-00000-of-00001.parquet', 'data/train-00000-of-00001.parquet'],
    ],
    [['train-00000-of-00001.parquet', 'facts.jsonl'], ['train-00000-of-00001.parquet']],
    [
      ['b.jsonl', 'a.jsonl', 'a.json', 'a.csv'],
      ['a.jsonl', 'b.jsonl'],
    ],
    [['dataset_infos.json', 'dataset_info.json', 'counterfact.json'], ['counterfact.json']],
    [['data/a.csv', 'b.tsv'], ['data/a.csv']],
    [['fr/train.parquet', 'data/fr/train.parquet', '.hidden.csv', 'data/../x.csv', 'data\\x.csv'], []],
  ])('%j', (files, expected) => {
    expect(dataFiles(files)).toEqual(expected)
  })

  test.each([
    ['data/train-00000-of-00001.parquet', 'train'],
    ['data/held-out-00003-of-00012.parquet', 'held-out'],
    ['test.jsonl', 'test'],
    ['data/validation.csv', 'validation'],
    ['counterfact.json', undefined],
  ])('%s is of split %s', (file, split) => {
    expect(splitOf(file)).toBe(split)
  })

  test('without data that we read: says what there is', async () => {
    add({ 'data.arrow': 'x', 'scripts/load.py': '' }, 'owner/arrow')
    expect(await refusal('owner/arrow')).toBe(
      'owner/arrow: must hold data in files that end in .parquet, .jsonl, .json, .csv, .tsv, at its top or in data/, got [".gitattributes","README.md","data.arrow","scripts/load.py"]; name one that has them, or download a file of it and name that',
    )
  })

  test('rows of several splits are numbered in each; a column for the split goes before the file', async () => {
    const { relation: _, ...plain } = row('Rome', 'Italy') as Record<string, string>
    add({
      'test.jsonl': `${JSON.stringify(ROWS[0])}\n${JSON.stringify({ ...plain, split: 'dev' })}`,
      'train.jsonl': JSON.stringify(ROWS[1]),
    })
    const { facts } = await readDataset(ID)
    expect(facts.map(({ id, split }) => [id, split])).toEqual([
      ['test/0', 'test'],
      ['test/1', 'dev'],
      ['train/0', 'train'],
    ])
  })
})

describe('names', () => {
  test('a revision', async () => {
    add({ [PARQUET]: parquet }, ID, { revisions: { old: { [PARQUET]: others } } })
    expect((await readDataset(ID, { revision: 'old' })).facts[0]!.subject).toBe('Rome')
    expect((await readDataset(ID)).facts[0]!.subject).toBe('Athens')
    expect(await refusal(ID, { revision: 'new' })).toBe(
      `${ID}: --revision must be a branch, a tag or a commit of it, got "new" (HTTP 404); see https://hub/datasets/${ID}/commits/main`,
    )
  })

  test('one that is not there, or is gated', async () => {
    // A model of this name is another thing.
    hub.server.add('owner/none', { 'config.json': '{}' })
    expect(await refusal('owner/none')).toBe(
      'owner/none: must be a data set on https://hub, got no such data set, or a private one (HTTP 401); check the spelling, and set HF_TOKEN if it is private',
    )
    add({ [PARQUET]: parquet }, 'owner/gated', { gatedFor: ['hf_ok'] })
    expect(await refusal('owner/gated')).toBe(
      'owner/gated: its licence must be accepted (it is a gated data set), got HTTP 401; accept the licence at https://hub/datasets/owner/gated and set HF_TOKEN to a token of your account',
    )
    process.env.HF_TOKEN = 'hf_ok'
    expect(await ids('owner/gated')).toEqual(['0', '1'])
  })

  test('a file goes before a data set on the Hub', async () => {
    const name = 'counterfact'
    const file = join(hub.home, 'own.jsonl')
    writeFileSync(
      file,
      JSON.stringify({ id: 'own', prompt: 'Oslo is in', subject: 'Oslo', answer: 'Norway' }),
    )
    const before = process.cwd()
    process.chdir(hub.home)
    try {
      symlinkSync(file, name)
      expect(await ids(name)).toEqual(['own'])
      unlinkSync(name)
      add({ [PARQUET]: parquet })
      expect(await ids(name)).toEqual(['0', '1'])
    } finally {
      process.chdir(before)
    }
  })
})
