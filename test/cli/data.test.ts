/** `factflow data`, and what commands say of facts that cannot be used. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { readDataset } from '../../src/datasets/read.js'
import { type Fact, preparePrompt } from '../../src/prompts/facts.js'
import { writeRows } from '../datasets/files.js'
import { testHub } from '../hub-server/environment.js'
import { mamba, oracleFiles } from '../hub-server/models.js'
import { tinyTokenizer } from '../prompts/helpers.js'
import { factflow, type RunOptions, refuse, succeed, temporaryFolder } from './command.js'

const hub = testHub()
const folder = temporaryFolder()
const run = (): RunOptions => ({ cwd: folder, env: hub.env })

const CITY = { relation: 'city', split: 'held-out' }
const GOOD: Fact[] = [
  { id: 'a', prompt: 'The capital city of France is', subject: 'France', answer: ' Paris', ...CITY },
  { id: 'b', prompt: 'The capital city of Egypt is', subject: 'Egypt', answer: ' Cairo', ...CITY },
  {
    id: 'c',
    prompt: 'Manila is the capital of the',
    subject: 'Manila',
    answer: ' Philippines',
    relation: 'land',
  },
]
const BAD = [
  { ...GOOD[0], id: 'd', subject: 'Rome' },
  { ...GOOD[0], id: 'e', answer: '' },
  { ...GOOD[1], id: 'f', subject: 'Cairo' },
]
const lines = (facts: readonly object[]): string => facts.map((fact) => `${JSON.stringify(fact)}\n`).join('')

function file(name: string, text: string): string {
  writeFileSync(join(folder, name), text)
  return name
}
const MIXED = file('mixed.jsonl', lines([...GOOD, ...BAD]))
/** More tokens than tiny-gpt2 has positions. */
const LONG = { ...GOOD[0]!, id: 'long', prompt: `${'Yes. '.repeat(600)}The capital city of France is` }

describe('without a source', () => {
  test('lists the atlas, the aliases and what is in the cache', async () => {
    const before = JSON.parse(await succeed(['data', '--json'], run())) as object[]
    const { length: bytes } = readFileSync('data/atlas.jsonl')
    expect(before).toEqual([
      { source: 'atlas', here: 'embedded', bytes },
      { source: 'counterfact', id: 'NeelNanda/counterfact-tracing', here: 'no' },
    ])
    hub.server.add('datasets/NeelNanda/counterfact-tracing', { 'facts.jsonl': lines(GOOD) })
    hub.server.add('datasets/owner/own', { 'facts.jsonl': lines(GOOD) })
    for (const source of ['counterfact', 'owner/own']) await factflow(['data', source], run())
    const size = lines(GOOD).length
    expect(JSON.parse(await succeed(['data', '--json'], run()))).toEqual([
      before[0],
      { source: 'counterfact', id: 'NeelNanda/counterfact-tracing', here: 'cached', bytes: size },
      { source: 'owner/own', id: 'owner/own', here: 'cached', bytes: size },
    ])
    const table = (await succeed(['data'], run())).split('\n')
    expect(table.slice(0, 4)).toEqual([
      expect.stringMatching(/^SOURCE +ON THE HUB +SIZE +HERE$/),
      expect.stringMatching(/^atlas +[\d.]+ MB +embedded$/),
      expect.stringMatching(/^counterfact +NeelNanda\/counterfact-tracing +0.0 MB +cached$/),
      expect.stringMatching(/^owner\/own +owner\/own +0.0 MB +cached$/),
    ])
  })
})

describe('of a source', () => {
  test('says how many facts there are, by relation and split, and what cannot be used', async () => {
    const { fingerprint } = await readDataset(join(folder, MIXED))
    expect(await succeed(['data', MIXED], run())).toBe(
      [
        'mixed.jsonl: 3 facts',
        'source mixed.jsonl',
        `SHA-256 ${fingerprint}`,
        '',
        'RELATION  FACTS  SUBJECTS  ANSWERS',
        'city          2         2        2',
        'land          1         1        1',
        'all           3         3        3',
        '',
        'SPLIT     FACTS  SUBJECTS  ANSWERS',
        'held-out      2         2        2',
        '(none)        1         1        1',
        'all           3         3        3',
        '',
        '3 cannot be used:',
        'COUNT  WHY                        FOR EXAMPLE',
        '    2  subject not in the prompt  mixed.jsonl:4: subject must stand in the prom…',
        '    1  no answer                  mixed.jsonl:5: answer must be a text that is …',
        '',
      ].join('\n'),
    )
  })

  test('--list: everything that cannot be used, where and why', async () => {
    const listed = (await succeed(['data', MIXED, '--list'], run())).trimEnd().split('\n').slice(-4)
    expect(listed).toEqual([
      '3 cannot be used:',
      'mixed.jsonl:4: subject not in the prompt: subject must stand in the prompt, got subject "Rome" and prompt "The capital city of France is"',
      'mixed.jsonl:5: no answer: answer must be a text that is not empty, got ""',
      'mixed.jsonl:6: subject not in the prompt: subject must stand in the prompt, got subject "Cairo" and prompt "The capital city of Egypt is"',
    ])
    const json = JSON.parse(await succeed(['data', MIXED, '--list', '--json'], run())) as {
      unusable: { list: object[] }
    }
    expect(json.unusable.list).toEqual(
      (await readDataset(join(folder, MIXED))).unusable.map((one) => ({
        ...one,
        where: one.where.replace(`${folder}/`, ''),
      })),
    )
  })

  test('--json, with filters', async () => {
    const { fingerprint } = await readDataset(join(folder, MIXED))
    const args = ['data', MIXED, '--json', '--relation', 'city', '--split', 'held-out']
    expect(JSON.parse(await succeed(args, run()))).toEqual({
      name: 'mixed.jsonl',
      source: 'mixed.jsonl',
      fingerprint,
      facts: 2,
      available: 3,
      relations: { city: 2 },
      splits: { 'held-out': 2 },
      unusable: {
        n: 3,
        reasons: { 'subject not in the prompt': 2, 'no answer': 1 },
        examples: [
          expect.objectContaining({ id: 'd', reason: 'subject not in the prompt' }),
          expect.objectContaining({ id: 'e', reason: 'no answer' }),
        ],
      },
    })
    expect(
      await succeed(
        args.filter((arg) => arg !== '--json'),
        run(),
      ),
    ).toMatch(/^mixed.jsonl: 2 of 3 facts\n/)
    expect(await refuse(['data', MIXED, '--relation', 'river'], run())).toBe(
      'error: --relation: must be a relation of mixed.jsonl (city, land), got "river"; change it',
    )
  })

  test('of which nothing can be used says so', async () => {
    const none = file('none.jsonl', lines(BAD))
    expect(await succeed(['data', none], run())).toMatch(/^none.jsonl: 0 facts\n[\s\S]*\n3 cannot be used:\n/)
    expect((await factflow(['data', none, '--facts'], run())).stdout).toBe('')
    const { code, stderr } = await factflow(['evaluate', '--data', none], run())
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr: expect.stringMatching(
        /^note: 3 of 3 facts of none.jsonl cannot be used: .*\nerror: none.jsonl: a data set must have facts that can be used, got none; .*\n$/,
      ),
    })
  })
})

describe('--facts converts', () => {
  test('whatever the form of the file; what is left out is said on standard error', async () => {
    await writeRows(
      join(folder, 'own.parquet'),
      GOOD.map(({ prompt, subject, answer }, i) => ({
        ...{
          number: i,
          text: prompt.replace(subject, '{}'),
          entity: subject,
          object: i === 1 ? null : answer,
        },
      })),
    )
    const columns = 'prompt=text, subject=entity,answer=object,id=number'
    const { code, stdout, stderr } = await factflow(
      ['data', 'own.parquet', '--columns', columns, '--facts'],
      run(),
    )
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr:
        'note: 1 of 3 facts of own.parquet cannot be used: 1 no answer; see factflow data own.parquet\n',
    })
    const facts = [GOOD[0]!, GOOD[2]!].map(({ prompt, subject, answer }, i) => ({
      ...{ id: `${2 * i}`, prompt, subject, answer, subjectStart: prompt.indexOf(subject) },
    }))
    expect(stdout).toBe(lines(facts))
    // And what comes out goes in again.
    const again = file('again.jsonl', stdout)
    expect(await succeed(['data', again, '--facts'], run())).toBe(stdout)
  })

  test('a sample, by seed', async () => {
    const drawn = async (seed: string): Promise<string[]> =>
      (await succeed(['data', 'atlas', '--facts', '-n', '5', '--seed', seed], run())).trimEnd().split('\n')
    const [one, two] = [await drawn('1'), await drawn('2')]
    expect(one).toHaveLength(5)
    expect(await drawn('1')).toEqual(one)
    expect(two).not.toEqual(one)
  })
})

describe('with a model', () => {
  test('says how many tokens its prompts have, and what it cannot use', async () => {
    const long = file('long.jsonl', lines([...GOOD, LONG]))
    const { model } = JSON.parse(await succeed(['data', long, '-m', 'tiny-gpt2', '--json'], run())) as {
      model: object
    }
    const prepared = GOOD.map((fact) => preparePrompt(tinyTokenizer(), fact))
    const of = (counts: number[]): object => ({
      mean: counts.reduce((a, b) => a + b) / counts.length,
      most: Math.max(...counts),
    })
    expect(model).toEqual({
      name: 'tiny-gpt2',
      prompts: 3,
      tokens: of(prepared.map(({ ids }) => ids.length)),
      subject: of(prepared.map(({ subject }) => subject.length)),
      unusable: {
        n: 1,
        reasons: { 'prompt too long': 1 },
        examples: [expect.objectContaining({ id: 'long', where: 'fact "long"' })],
      },
    })
    const text = await succeed(['data', long, '-m', 'tiny-gpt2'], run())
    expect(text).toMatch(
      /\nAll of them can be used\.\n\ntiny-gpt2: 3 prompts of [\d.]+ tokens on average, at most \d+; of the subject [\d.]+, at most \d\n\n1 cannot be used by tiny-gpt2:\n/,
    )
    const { stdout, stderr } = await factflow(['data', long, '-m', 'tiny-gpt2', '--facts'], run())
    expect(stdout).toBe(lines(GOOD))
    expect(stderr).toBe(
      'note: 1 of 4 facts of long.jsonl cannot be used by tiny-gpt2: 1 prompt too long; see factflow data long.jsonl --model tiny-gpt2\n',
    )
    // Mamba takes prompts of any length.
    expect(await succeed(['data', long, '-m', 'tiny-mamba1'], run())).toContain(
      '\ntiny-mamba1: 4 prompts of ',
    )
  })

  test('of the Hub: its config and tokenizer are downloaded, and no weights', async () => {
    hub.server.add('owner/mamba', mamba())
    // Its vocabulary is 64 tokens; the tokenizer is of 4,096.
    const { stdout, stderr, code } = await factflow(['data', MIXED, '-m', 'owner/mamba', '--json'], run())
    expect(code).toBe(0)
    expect(stderr).toMatch(/^downloading owner\/mamba /)
    expect(JSON.parse(stdout)).toMatchObject({
      model: {
        name: 'owner/mamba',
        prompts: 0,
        unusable: { reasons: { 'token outside the vocabulary': 3 } },
      },
    })
    expect(hub.server.files()).toEqual(['config.json', 'tokenizer.json'])
    const asked = hub.server.asked.length
    expect(await succeed(['data', MIXED, '-m', 'owner/mamba', '--json', '--offline'], run())).toBe(stdout)
    expect(hub.server.asked).toHaveLength(asked)
  })

  test('in the layout of mamba_ssm: with the tokenizer that it was trained with', async () => {
    hub.server.add('owner/ssm', oracleFiles('mamba1-original'))
    hub.server.add('EleutherAI/gpt-neox-20b', mamba())
    await factflow(['data', MIXED, '-m', 'owner/ssm'], run())
    expect(hub.server.files()).toEqual(['config.json', 'tokenizer.json'])
  })

  test('--tokenizer alone', async () => {
    const text = await succeed(['data', MIXED, '--tokenizer', 'tiny-mamba1'], run())
    expect(text).toContain('\ntiny-mamba1: 3 prompts of ')
    expect(text).toMatch(/\nAll of them can be used by tiny-mamba1.\n$/)
  })
})

describe('on the Hub', () => {
  test('is downloaded, says so in one line, and may have a revision', async () => {
    hub.server.add(
      'datasets/owner/own',
      { 'facts.jsonl': lines(GOOD) },
      {
        revisions: { old: { 'facts.jsonl': lines(GOOD.slice(1)) } },
      },
    )
    const first = await factflow(['data', 'owner/own', '--facts'], run())
    expect(first).toMatchObject({
      code: 0,
      stdout: lines(GOOD),
      stderr: expect.stringMatching(
        /^downloading owner\/own \(0 kB\) to .*\/hub\/datasets--owner--own\/snapshots\/\w+\n$/,
      ),
    })
    expect(await succeed(['data', 'owner/own', '--facts', '--offline'], run())).toBe(lines(GOOD))
    const old = await factflow(['data', 'owner/own@old', '--facts'], run())
    expect(old.stdout).toBe(lines(GOOD.slice(1)))
    expect(await refuse(['data', 'owner/own@new', '--facts'], run())).toContain('got "new" (HTTP 404); ')
  })

  test('is data for the other commands', async () => {
    hub.server.add('datasets/owner/own', { 'facts.jsonl': lines(GOOD) })
    const args = ['evaluate', '-d', 'owner/own', '--json']
    const { code, stdout } = await factflow(args, run())
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ data: 'owner/own', n: 2 })
    expect(await succeed([...args, '--offline'], run())).toBe(stdout)
  })
})

describe('other commands leave out what cannot be used, and say so', () => {
  const note = `note: 3 of 6 facts of ${MIXED} cannot be used: 2 subject not in the prompt, 1 no answer; see factflow data ${MIXED}\n`

  test('evaluate', async () => {
    const { code, stdout, stderr } = await factflow(['evaluate', '-d', MIXED, '--json'], run())
    expect({ code, stderr }).toEqual({ code: 0, stderr: note })
    expect((JSON.parse(stdout) as { prompts: { id: string }[] }).prompts.map(({ id }) => id)).toEqual([
      'a',
      'b',
    ])
  })

  test('heatmap, by id', async () => {
    const { code, stdout, stderr } = await factflow(['heatmap', '-d', MIXED, '--id', 'c', '--json'], run())
    expect({ code, stderr }).toEqual({ code: 0, stderr: note })
    expect(JSON.parse(stdout)).toMatchObject([{ id: 'c' }])
  })

  test('info-flow, and those that the model cannot use', async () => {
    const long = file('long-info.jsonl', lines([LONG, ...GOOD]))
    const args = [
      'info-flow',
      '-d',
      long,
      '-m',
      'tiny-gpt2',
      '--unknown',
      '--split',
      'all',
      '--flows',
      'subject',
      '--json',
    ]
    const { code, stdout, stderr } = await factflow(args, run())
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr: `note: 1 of 4 facts of ${long} cannot be used by tiny-gpt2: 1 prompt too long; see factflow data ${long} --model tiny-gpt2\nonly 3 facts are there\n`,
    })
    expect(JSON.parse(stdout)).toMatchObject({ facts: 3 })
  })

  test('a model that can use none', async () => {
    const long = file('only-long.jsonl', lines([LONG]))
    const { code, stderr } = await factflow(['evaluate', '-d', long, '-m', 'tiny-gpt2'], run())
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr: expect.stringMatching(
        /\nerror: --data: tiny-gpt2 must be able to read some of the facts, got none of 1 \(1 prompt too long\); .*\n$/,
      ),
    })
  })
})
