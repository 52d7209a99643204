/**
 * Which of the atlas' facts the models complete rightly in the wording that is held out of training: as Hugging Face
 * transformers says (training/evaluate.py made the fixtures), and as many as the models are there for.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { embeddedModels } from '../../src/checkpoints/embedded.js'
import { accuracies, type Evaluation, evaluate } from '../../src/experiments/evaluate.js'
import { loadModel } from '../../src/load.js'
import { type Fact, parseFacts, preparePrompt } from '../../src/prompts/facts.js'

const FIXTURES = 'test/fixtures/trained'
/** Mean probabilities: those of the fixtures have six digits, and both are float32; measured 2.3e-6 at most. */
const PROB_TOLERANCE = 2e-5
/** The least accuracy of an embedded model, over all facts and in every relation. */
const LEAST = { all: 0.99, relation: 0.95 }
/** Of the first models every third prompt is asked: it is the same code, and time counts. */
const EVERY = 3
/** Thousands of prompts: a minute on two idle processors; there are slower and busier ones. */
const TIME_LIMIT = 600_000

interface Accuracy {
  readonly facts: number
  readonly right: number
  /** Mean probability of the answers. */
  readonly prob: number
}
interface Fixture extends Accuracy {
  readonly split: string
  readonly relations: Readonly<Record<string, Accuracy>>
  /** Ids. */
  readonly wrong: readonly string[]
}

const held = parseFacts(readFileSync('data/atlas.jsonl', 'utf8'), 'atlas').filter(
  ({ split }) => split === 'held-out',
)
const NAMES = (await embeddedModels()).map(({ name }) => name)

function fixture(name: string): Fixture {
  return JSON.parse(readFileSync(join(FIXTURES, 'accuracy', `${name}.json`), 'utf8')) as Fixture
}

/** On one thread, as two tests run at a time. */
async function evaluated(name: string, facts: readonly Fact[]): Promise<Evaluation[]> {
  const model = await loadModel(name, { threads: 1 })
  try {
    const tokenizer = await model.tokenizer()
    return await evaluate(
      model,
      facts.map((fact) => preparePrompt(tokenizer, fact)),
    )
  } finally {
    await model.close()
  }
}

function wrongIds(evaluations: readonly Evaluation[]): string[] {
  return evaluations
    .filter(({ correct }) => !correct)
    .map(({ prompt }) => prompt.fact.id)
    .sort()
}

test.concurrent.each(NAMES)(
  '%s completes every held-out prompt as transformers says, and enough of them rightly',
  async (name) => {
    const wanted = fixture(name)
    expect(wanted).toMatchObject({ split: 'held-out', facts: held.length })
    const evaluations = await evaluated(name, held)
    expect(wrongIds(evaluations)).toEqual([...wanted.wrong].sort())

    const { all, relations } = accuracies(evaluations)
    const counts = relations.map(([relation, { n, right }]) => [relation, { facts: n, right }])
    expect({ facts: all.n, right: all.right, ...Object.fromEntries(counts) }).toEqual({
      facts: wanted.facts,
      right: wanted.right,
      ...Object.fromEntries(
        Object.entries(wanted.relations).map(([relation, { facts, right }]) => [relation, { facts, right }]),
      ),
    })
    expect(Math.abs(all.prob - wanted.prob)).toBeLessThan(PROB_TOLERANCE)
    for (const [relation, { n, right, prob }] of relations) {
      expect(Math.abs(prob - wanted.relations[relation]!.prob), relation).toBeLessThan(PROB_TOLERANCE)
      expect(right / n, relation).toBeGreaterThanOrEqual(LEAST.relation)
    }
    expect(all.right / all.n).toBeGreaterThanOrEqual(LEAST.all)
  },
  TIME_LIMIT,
)

// They were trained on other phrasings, and fewer facts: what they get wrong is what today's models cannot show.
test.concurrent.each(NAMES)(
  'the first %s gets wrong what it gets wrong with transformers',
  async (name) => {
    const third = held.filter((_, i) => i % EVERY === 0)
    const asked = new Set(third.map(({ id }) => id))
    const wanted = fixture(`first-${name}`)
    expect(wanted).toMatchObject({ split: 'held-out', facts: held.length })
    const wrong = wanted.wrong.filter((id) => asked.has(id)).sort()
    // Many of both kinds, in most relations.
    expect(wrong.length).toBeGreaterThan(third.length / 10)
    expect(wrong.length).toBeLessThan((third.length * 9) / 10)
    expect(new Set(wrong.map((id) => id.split('/')[0])).size).toBeGreaterThan(12)
    expect(wrongIds(await evaluated(join(FIXTURES, 'first', name), third))).toEqual(wrong)
  },
  TIME_LIMIT,
)
