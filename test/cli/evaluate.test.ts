/** `factflow evaluate`: what it prints is what the library computes. */
import { symlinkSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readFacts } from '../../src/cli/facts.js'
import { accuracies, type Evaluation, evaluate } from '../../src/experiments/evaluate.js'
import { loadModel } from '../../src/load.js'
import type { Model } from '../../src/model.js'
import { type Fact, preparePrompt } from '../../src/prompts/facts.js'
import { shuffled } from '../../src/prompts/sample.js'
import type { Tokenizer } from '../../src/prompts/tokenizer.js'
import { refuse, succeed, temporaryFolder } from './command.js'

/** Probabilities. The same prompts in other batches and threads: float32 sums in another order. */
const SAME = 5e-6

const folder = temporaryFolder()
/** The first embedded model: today's knows all facts, and here some must be unknown. */
const MODEL = './first'
const DATA = 'some.jsonl'
const ASK = ['evaluate', '--model', MODEL, '--data', DATA]
/** All wordings of 12 facts each of three relations. */
let facts: Fact[]
let held: Fact[]
let model: Model
let tokenizer: Tokenizer

beforeAll(async () => {
  symlinkSync(resolve('test/fixtures/trained/first/tiny-gpt2'), join(folder, MODEL))
  const atlas = await readFacts('atlas', { split: 'all' })
  facts = ['person_sport', 'country_capital', 'company_city'].flatMap((relation) =>
    atlas.filter((fact) => fact.relation === relation).slice(0, 12 * 6),
  )
  held = facts.filter(({ split }) => split === 'held-out')
  writeFileSync(join(folder, DATA), facts.map((fact) => JSON.stringify(fact)).join('\n'))
  model = await loadModel(join(folder, MODEL))
  tokenizer = await model.tokenizer()
})

afterAll(() => model.close())

const evaluated = (some: readonly Fact[]): Promise<Evaluation[]> =>
  evaluate(
    model,
    some.map((fact) => preparePrompt(tokenizer, fact)),
  )

interface Accuracy {
  n: number
  right: number
  prob: number
}
interface Json extends Accuracy {
  model: string
  data: string
  relations: Record<string, Accuracy>
  prompts: {
    id: string
    correct: boolean
    prob: number
    rank: number
    top: { id: number; text: string }
  }[]
}

async function json(...args: string[]): Promise<Json> {
  return JSON.parse(await succeed([...ASK, '--json', ...args], { cwd: folder })) as Json
}

function expectNear(got: Accuracy, wanted: Accuracy): void {
  expect({ n: got.n, right: got.right }).toEqual({ n: wanted.n, right: wanted.right })
  expect(Math.abs(got.prob - wanted.prob)).toBeLessThan(SAME)
}

describe('--json', () => {
  test('has every prompt of what is held out, in the order of the file, and the accuracies', async () => {
    const got = await json()
    const wanted = await evaluated(held)
    expect(got).toMatchObject({ model: MODEL, data: DATA })
    expect(got.prompts.map(({ id, correct, rank, top }) => ({ id, correct, rank, top }))).toEqual(
      wanted.map(({ prompt, correct, base }) => ({
        id: prompt.fact.id,
        correct,
        rank: base.rank,
        top: { id: base.top, text: tokenizer.tokenText(base.top) },
      })),
    )
    got.prompts.forEach(({ prob }, i) => {
      expect(Math.abs(prob - wanted[i]!.base.prob)).toBeLessThan(SAME)
    })

    const { all, relations } = accuracies(wanted)
    // Both kinds must be there, or nothing is counted.
    expect(all.right).toBeGreaterThan(4)
    expect(all.right).toBeLessThan(all.n - 4)
    expectNear(got, all)
    expect(Object.keys(got.relations)).toEqual(['company_city', 'country_capital', 'person_sport'])
    for (const [relation, accuracy] of relations) expectNear(got.relations[relation]!, accuracy)
  })

  test.each<[args: string[], chosen: () => Fact[]]>([
    [['--split', 'train'], () => facts.filter(({ split }) => split === 'train')],
    [
      ['--relation', 'person_sport', 'company_city', '--split', 'all'],
      () => facts.filter(({ relation }) => relation !== 'country_capital'),
    ],
    [['--limit', '7'], () => shuffled(held, 0).slice(0, 7)],
    [
      ['--limit', '5', '--seed', '9', '--relation', 'country_capital'],
      () =>
        shuffled(
          held.filter(({ relation }) => relation === 'country_capital'),
          9,
        ).slice(0, 5),
    ],
    // More than there are: all of them. Without a limit a seed draws nothing.
    [['--limit', '1000'], () => shuffled(held, 0)],
    [['--seed', '9', '-r', 'person_sport'], () => held.filter(({ relation }) => relation === 'person_sport')],
  ])('with %j', async (args, chosen) => {
    const got = await json(...args)
    const wanted = chosen()
    expect(got.prompts.map(({ id }) => id)).toEqual(wanted.map(({ id }) => id))
    const { all, relations } = accuracies(await evaluated(wanted))
    expectNear(got, all)
    expect(Object.keys(got.relations)).toEqual(relations.map(([relation]) => relation))
    for (const [relation, accuracy] of relations) expectNear(got.relations[relation]!, accuracy)
  })
})

test('prints a table: the relations in the order of the alphabet, then all', async () => {
  const lines = (await succeed(ASK, { cwd: folder })).split('\n')
  const { all, relations } = accuracies(await evaluated(held))
  expect(lines.slice(0, 3)).toEqual([
    `${MODEL}, 36 prompts of ${DATA}. RIGHT: the answer's first token is the model's first choice`,
    '',
    'RELATION         PROMPTS  RIGHT      %  MEAN P',
  ])
  const rows = [...relations, ['all', all] as const]
  expect(lines.slice(3)).toHaveLength(rows.length + 1)
  expect(lines.at(-1)).toBe('')
  rows.forEach(([name, { n, right, prob }], i) => {
    const [label, number, hits, percent, mean] = lines[3 + i]!.split(/ {2,}/)
    expect([label, number, hits]).toEqual([name, `${n}`, `${right}`])
    expect(percent).toBe(((100 * right) / n).toFixed(2))
    // Rounded to three digits.
    expect(Math.abs(Number(mean) - prob)).toBeLessThan(5e-4 + SAME)
  })
  // One prompt: no plural.
  expect(await succeed([...ASK, '-n', '1'], { cwd: folder })).toMatch(/^.\/first, 1 prompt of some.jsonl\. /)
})

test('a data set without relations has one row', async () => {
  const own = held.slice(0, 3).map(({ id, prompt, subject, answer }) => ({ id, prompt, subject, answer }))
  writeFileSync(join(folder, 'own.jsonl'), own.map((fact) => JSON.stringify(fact)).join('\n'))
  const ask = ['evaluate', '--model', MODEL, '--data', 'own.jsonl']
  const text = await succeed(ask, { cwd: folder })
  expect(text.trimEnd().split('\n').slice(2)).toEqual([
    expect.stringMatching(/^RELATION +PROMPTS +RIGHT +% +MEAN P$/),
    expect.stringMatching(/^all +3 +\d +\d+\.\d\d +0\.\d{3}$/),
  ])
  const printed = JSON.parse(await succeed([...ask, '--json'], { cwd: folder })) as Json
  expect(printed).toMatchObject({ n: 3, relations: {} })
  // There are no splits to choose from.
  expect(await refuse([...ask, '--split', 'held-out'], { cwd: folder })).toBe(
    'error: --split: must be a split of own.jsonl (it has none), got "held-out"; change it',
  )
})

test('the embedded model and facts by default: all of what is drawn is known', async () => {
  const printed = JSON.parse(await succeed(['evaluate', '--limit', '40', '--json'])) as Json
  expect(printed).toMatchObject({ model: 'tiny-mamba1', data: 'atlas', n: 40, right: 40 })
  const atlas = await readFacts('atlas')
  expect(printed.prompts.map(({ id }) => id)).toEqual(
    shuffled(atlas, 0)
      .slice(0, 40)
      .map(({ id }) => id),
  )
})
