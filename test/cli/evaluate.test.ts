/** `factflow evaluate`: what it prints is what the library computes. */
import { existsSync, symlinkSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readFacts } from '../../src/cli/facts.js'
import {
  accuracies,
  type EvaluateSettings,
  type Evaluation,
  evaluate,
} from '../../src/experiments/evaluate.js'
import { loadModel } from '../../src/load.js'
import type { Model } from '../../src/model.js'
import { type Fact, preparePrompt } from '../../src/prompts/facts.js'
import { shuffled } from '../../src/prompts/sample.js'
import type { Tokenizer } from '../../src/prompts/tokenizer.js'
import { Database, literal } from '../../src/results/database.js'
import { factflow, refuse, succeed, temporaryFolder } from './command.js'

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

const evaluated = (some: readonly Fact[], settings: EvaluateSettings = {}): Promise<Evaluation[]> =>
  evaluate(
    model,
    some.map((fact) => preparePrompt(tokenizer, fact)),
    settings,
  )

interface Accuracy {
  n: number
  right: number
  prob: number
}
interface Top {
  id: number
  text: string
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
    answerTokens: string[]
    top: Top[]
    continuation?: string
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
    const wanted = await evaluated(held, { topK: 5, continuation: 5 })
    expect(got).toMatchObject({ model: MODEL, data: DATA })
    expect(got.prompts.map(({ prob: _, top: __, ...rest }) => rest)).toEqual(
      wanted.map(({ prompt, correct, base, continuation }) => ({
        id: prompt.fact.id,
        correct,
        rank: base.rank,
        answerTokens: prompt.answerIds.map((id) => tokenizer.tokenText(id)),
        continuation: tokenizer.decode(continuation!),
      })),
    )
    got.prompts.forEach(({ prob, top, answerTokens }, i) => {
      const { base, prompt } = wanted[i]!
      expect(Math.abs(prob - base.prob)).toBeLessThan(SAME)
      expect(answerTokens.join('').trim()).toBe(prompt.fact.answer.trim())
      expect(top).toHaveLength(5)
      expect(top[0]!.id).toBe(base.top)
      top.forEach((token, k) => {
        expect(token.text).toBe(tokenizer.tokenText(token.id))
        // By their places: tokens that are nearly as probable may change them.
        expect(Math.abs(token.prob - base.topK![k]!.prob)).toBeLessThan(SAME)
      })
    })
    expect(got.prompts.some(({ answerTokens }) => answerTokens.length > 1)).toBe(true)

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
    const got = await json(...args, '--continuation', '0')
    const wanted = chosen()
    expect(got.prompts.map(({ id }) => id)).toEqual(wanted.map(({ id }) => id))
    const { all, relations } = accuracies(await evaluated(wanted))
    expectNear(got, all)
    expect(Object.keys(got.relations)).toEqual(relations.map(([relation]) => relation))
    for (const [relation, accuracy] of relations) expectNear(got.relations[relation]!, accuracy)
  })
})

test('--top and --continuation say how much; without a continuation there is none', async () => {
  const few = await json('-n', '3', '--top', '2', '--continuation', '1')
  const none = await json('-n', '3', '--top', '2', '--continuation', '0')
  few.prompts.forEach((prompt, i) => {
    expect(prompt.top).toHaveLength(2)
    expect(prompt.continuation).toBe(prompt.top[0]!.text)
    const { continuation: _, ...rest } = prompt
    expect(none.prompts[i]).toEqual(rest)
  })
  // More than the vocabulary has: all of it.
  const [{ top }] = (await json('-n', '1', '--top', '100000', '--continuation', '0')).prompts as [
    Json['prompts'][number],
  ]
  expect(new Set(top.map(({ id }) => id)).size).toBe(4096)
  expect(top.reduce((sum, { prob }) => sum + prob, 0)).toBeCloseTo(1, 5)
  for (const [option, value, rule] of [
    ['--top', '0', 'a whole number from 1 on'],
    ['--top', 'x', 'a whole number from 1 on'],
    ['--continuation', '-1', 'a whole number from 0 on'],
  ] as const) {
    expect(await refuse([...ASK, `${option}=${value}`], { cwd: folder })).toBe(
      `error: ${option}: must be ${rule}, got "${value}"; change it`,
    )
  }
})

/** Lines of a CSV file; all cells are texts, and what is empty is null. */
async function csvLines(file: string): Promise<Record<string, string | null>[]> {
  const database = await Database.open({ threads: 1 })
  try {
    const path = literal(join(folder, file))
    return await database.rows(`SELECT * FROM read_csv(${path}, header = true, all_varchar = true)`)
  } finally {
    database.close()
  }
}

describe('--csv', () => {
  test('has a line for every prompt: what --json says, beside the table', async () => {
    const { code, stdout, stderr } = await factflow([...ASK, '--csv', 'e.csv'], { cwd: folder })
    expect({ code, stderr }).toEqual({ code: 0, stderr: 'wrote e.csv\n' })
    expect(stdout).toBe(await succeed(ASK, { cwd: folder }))
    const { prompts } = await json()
    const lines = await csvLines('e.csv')
    expect(lines.map(({ prob: _, top: __, ...rest }) => rest)).toEqual(
      prompts.map(({ id, correct, rank, answerTokens, top, continuation }, i) => ({
        id,
        prompt: held[i]!.prompt,
        subject: held[i]!.subject,
        relation: held[i]!.relation,
        answer: held[i]!.answer,
        answer_tokens: JSON.stringify(answerTokens),
        rank: String(rank),
        correct: String(correct),
        top_token: top[0]!.text,
        continuation,
      })),
    )
    lines.forEach(({ prob, top }, i) => {
      expect(Math.abs(Number(prob) - prompts[i]!.prob)).toBeLessThan(SAME)
      const [first] = JSON.parse(top!) as Top[]
      expect(first).toMatchObject({ id: prompts[i]!.top[0]!.id, text: prompts[i]!.top[0]!.text })
    })
  })

  test('goes with --json, --top and --continuation', async () => {
    const args = ['--json', '--csv', 'both.csv', '-n', '4', '--top', '2', '--continuation', '0']
    const { stdout, stderr } = await factflow([...ASK, ...args], { cwd: folder })
    expect(stderr).toBe('wrote both.csv\n')
    const { prompts } = JSON.parse(stdout) as Json
    const lines = await csvLines('both.csv')
    expect(lines.map(({ id, prob, top, continuation }) => ({ id, prob, top, continuation }))).toEqual(
      prompts.map(({ id, prob, top }) => ({
        id,
        prob: String(prob),
        top: JSON.stringify(top),
        continuation: null,
      })),
    )
  })

  test('that cannot be written is refused before the model is asked', async () => {
    expect(await refuse([...ASK, '--csv', join('none', 'e.csv')], { cwd: folder })).toContain(
      `${join('none', 'e.csv')}: must be a file that can be written`,
    )
    expect(existsSync(join(folder, 'none'))).toBe(false)
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
