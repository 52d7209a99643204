/** Which facts of a data set are taken: by relation, split, id. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { factsById, readFacts } from '../../src/cli/facts.js'
import type { FactFilter } from '../../src/datasets/select.js'
import { InputError } from '../../src/errors.js'
import type { Fact } from '../../src/prompts/facts.js'
import { temporaryFolder } from './command.js'

const folder = temporaryFolder()
let files = 0

/** A file of facts that differ in what is given. */
function dataSet(facts: readonly (Partial<Fact> & { id: string })[]): string {
  const file = join(folder, `${files++}.jsonl`)
  const lines = facts.map((fact) => ({
    prompt: 'Athens is in',
    subject: 'Athens',
    answer: 'Greece',
    ...fact,
  }))
  writeFileSync(file, lines.map((line) => JSON.stringify(line)).join('\n'))
  return file
}

async function ids(data: string, filter?: FactFilter): Promise<string[]> {
  return (await readFacts(data, filter)).map(({ id }) => id)
}

/** The message of the InputError that a promise must end with. */
async function refusal(promise: Promise<unknown>): Promise<string> {
  const error: unknown = await promise.catch((reason: unknown) => reason)
  expect(error).toBeInstanceOf(InputError)
  return (error as InputError).message
}

const CITIES = dataSet([
  { id: 'city/1/0', relation: 'city', split: 'train' },
  { id: 'city/1/1', relation: 'city', split: 'held-out' },
  { id: 'river/1/0', relation: 'river', split: 'held-out' },
  { id: 'river/1/1', relation: 'river', split: 'train' },
  { id: 'sea/1/0', relation: 'sea', split: 'train' },
  { id: 'bare' },
])
const PLAIN = dataSet([{ id: 'a', relation: 'city' }, { id: 'b', relation: 'river' }, { id: 'c' }])

describe('readFacts', () => {
  test.each<[string, FactFilter | undefined, string[]]>([
    ['what is held out, where a data set has that', undefined, ['city/1/1', 'river/1/0']],
    ['another split by its name', { split: 'train' }, ['city/1/0', 'river/1/1', 'sea/1/0']],
    ['the default split by its name', { split: 'held-out' }, ['city/1/1', 'river/1/0']],
    [
      'all, those without a split too',
      { split: 'all' },
      ['city/1/0', 'city/1/1', 'river/1/0', 'river/1/1', 'sea/1/0', 'bare'],
    ],
    ['a relation of what is held out', { relation: ['river'] }, ['river/1/0']],
    [
      'relations of a split, in the order of the file',
      { relation: ['sea', 'city'], split: 'train' },
      ['city/1/0', 'sea/1/0'],
    ],
    ['a relation in all splits', { relation: ['city'], split: 'all' }, ['city/1/0', 'city/1/1']],
  ])('takes %s', async (_, filter, expected) => {
    expect(await ids(CITIES, filter)).toEqual(expected)
  })

  test('takes everything from a data set without splits, or without one that is held out', async () => {
    expect(await ids(PLAIN)).toEqual(['a', 'b', 'c'])
    expect(await ids(PLAIN, { relation: ['river'] })).toEqual(['b'])
    const other = dataSet([{ id: 'a', split: 'one' }, { id: 'b', split: 'two' }, { id: 'c' }])
    expect(await ids(other)).toEqual(['a', 'b', 'c'])
    expect(await ids(other, { split: 'two' })).toEqual(['b'])
  })

  test.each<[FactFilter, string, string]>([
    [
      { split: 'test' },
      CITIES,
      `--split: must be a split of ${CITIES} (held-out, train), got "test"; change it`,
    ],
    [{ split: '' }, CITIES, `--split: must be a split of ${CITIES} (held-out, train), got ""; change it`],
    [{ split: 'train' }, PLAIN, `--split: must be a split of ${PLAIN} (it has none), got "train"; change it`],
    [
      { relation: ['city', 'lake'] },
      CITIES,
      `--relation: must be a relation of ${CITIES} (city, river, sea), got "lake"; change it`,
    ],
    // The relation is there, but all of it is in the other split.
    [
      { relation: ['sea'] },
      CITIES,
      `--split: must have facts of sea in ${CITIES}, got none in held-out; try --split all`,
    ],
  ])('refuses %j', async (filter, data, message) => {
    expect(await refusal(readFacts(data, filter))).toBe(message)
  })

  test('refuses a relation where no fact has one', async () => {
    const data = dataSet([{ id: 'a' }])
    expect(await refusal(readFacts(data, { relation: ['city'] }))).toBe(
      `--relation: must be a relation of ${data} (it has none), got "city"; change it`,
    )
  })

  test('the atlas: one wording of every fact by default, the others in train', async () => {
    const [held, train, all] = await Promise.all([
      readFacts('atlas'),
      readFacts('atlas', { split: 'train' }),
      readFacts('atlas', { split: 'all' }),
    ])
    expect(new Set(held.map(({ split }) => split))).toEqual(new Set(['held-out']))
    expect(held).toHaveLength(new Set(all.map(({ relation, subject }) => `${relation} ${subject}`)).size)
    expect(train).toEqual(all.filter(({ split }) => split === 'train'))
    expect(held.length + train.length).toBe(all.length)
    const sports = await readFacts('atlas', { relation: ['person_sport'] })
    expect(sports).toEqual(held.filter(({ relation }) => relation === 'person_sport'))
  })
})

describe('factsById', () => {
  const found = async (data: string, ...names: string[]): Promise<string[]> =>
    (await factsById(data, names)).map(({ id }) => id)

  test('finds facts of every split, in the order asked, again when asked again', async () => {
    expect(await found(CITIES, 'sea/1/0', 'bare', 'city/1/1', 'bare')).toEqual([
      'sea/1/0',
      'bare',
      'city/1/1',
      'bare',
    ])
    expect(await found(PLAIN, 'c', 'a')).toEqual(['c', 'a'])
  })

  test('an id without its last part is the fact in the wording that is held out', async () => {
    expect(await found(CITIES, 'river/1', 'city/1')).toEqual(['river/1/0', 'city/1/1'])
    const [whole] = await factsById('atlas', ['country_capital/0012'])
    expect(whole).toMatchObject({ relation: 'country_capital', split: 'held-out' })
    expect(whole!.id).toBe(`country_capital/0012/${whole!.phrasing}`)
  })

  test('an id as it stands goes before one that is shortened', async () => {
    const data = dataSet([
      { id: 'a/1', split: 'train' },
      { id: 'a/1/0', split: 'held-out' },
      // Without parts there is nothing to leave out.
      { id: 'b1', split: 'train' },
      { id: 'b12', split: 'held-out' },
    ])
    expect(await found(data, 'a/1', 'b1')).toEqual(['a/1', 'b1'])
    expect(await refusal(factsById(data, ['b']))).toContain('got "b"; ')
    expect(await refusal(factsById(data, ['']))).toContain('got ""; ')
  })

  test.each([
    ['of nothing', CITIES, 'lake/1/0'],
    ['of a fact that has no wording held out', CITIES, 'sea/1'],
    ['of a wording that is not there', CITIES, 'city/1/7'],
    ['of a relation alone', CITIES, 'city'],
    ['with a slash at its end', CITIES, 'city/1/'],
    ['of a data set without splits', PLAIN, 'd'],
  ])('refuses an id %s', async (_, data, id) => {
    expect(await refusal(factsById(data, ['a', id].slice(data === PLAIN ? 0 : 1)))).toBe(
      `--id: must be the id of a fact in ${data}, got "${id}"; write one as it stands there, such as ${data === PLAIN ? 'a' : 'city/1/0'}`,
    )
  })
})
