/** No line of input, however broken, stops `factflow knockout`: it is answered, or its error stands in its place. */
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { answerLines } from '../../src/cli/knockout.js'
import { loadModel } from '../../src/load.js'
import type { Model } from '../../src/model.js'
import { RANDOM_MODEL } from './command.js'

let model: Model

beforeAll(async () => {
  model = await loadModel(RANDOM_MODEL, { threads: 1 })
})

afterAll(() => model.close())

/** The answers to lines, as they are written. */
async function answersTo(lines: string[]): Promise<{ written: string[]; failed: number }> {
  const written: string[] = []
  async function* block(): AsyncGenerator<string[]> {
    yield lines
  }
  return { failed: await answerLines(model, block(), (line) => written.push(line)), written }
}

/** Numbers that are near to right, and some that are not. */
const number = fc.oneof(
  { weight: 60, arbitrary: fc.integer({ min: 0, max: 4 }) },
  fc.integer({ min: -2, max: 70 }),
  fc.double(),
)
const garbage = fc.oneof(fc.jsonValue({ maxDepth: 3 }), number, fc.constant({ toString: 1, toJSON: 2 }))
/** A value of the right kind, now and then garbage, now and then missing. */
const perhaps = <T>(right: fc.Arbitrary<T>): fc.Arbitrary<unknown> =>
  fc.oneof({ weight: 30, arbitrary: right }, garbage, fc.constant(undefined))
const numbers = fc.array(number, { minLength: 1, maxLength: 5 })
const knockout = fc.record({
  layers: perhaps(numbers),
  sources: perhaps(numbers),
  targets: perhaps(numbers),
  features: perhaps(fc.constantFrom('all', 'context-dependent', 'context-independent', 'some')),
})
const request = fc
  .record({
    id: perhaps(
      fc.oneof(
        fc.string({ unit: 'binary' }),
        fc.double({ min: -1e9, max: 1e9, noNaN: true }),
        fc.maxSafeInteger(),
      ),
    ),
    // Five tokens, so that most knockouts fit.
    tokens: perhaps(fc.array(number, { minLength: 5, maxLength: 5 })),
    answer: perhaps(number),
    output: perhaps(fc.constantFrom('answer', 'probs')),
    knockouts: perhaps(fc.array(perhaps(knockout), { maxLength: 3 })),
  })
  .map((record) => JSON.stringify(record))
/** JSON with a character lost, doubled or put in. */
const damaged = fc
  .tuple(request, fc.nat(), fc.string({ maxLength: 2 }))
  .map(([line, at, put]) => line.slice(0, at % line.length) + put + line.slice((at % line.length) + 1))
const line = fc.oneof(
  { weight: 6, arbitrary: request },
  damaged,
  fc.string({ unit: 'binary' }),
  garbage.map((value) => JSON.stringify(value)),
)

test('every line has its answer or its error, in order', async () => {
  let good = 0
  await fc.assert(
    fc.asyncProperty(fc.array(line, { minLength: 5, maxLength: 20, size: 'max' }), async (lines) => {
      const asked = lines.filter((text) => text.trim() !== '')
      const { written, failed } = await answersTo(lines)
      expect(written).toHaveLength(asked.length)
      const answers = written.map((text) => JSON.parse(text) as Record<string, unknown>)
      expect(failed).toBe(answers.filter(({ error }) => error !== undefined).length)
      answers.forEach((answer, i) => {
        // One line of text, whatever the input holds.
        expect(written[i]).not.toMatch(/[\r\n]/)
        if (answer.error !== undefined) {
          expect(Object.keys(answer)).toEqual(['id', 'error'])
          expect(answer.error).toMatch(/^[^\n]+: [^\n]+, got [^\n]*; [^\n]+$/)
          return
        }
        good++
        const question = JSON.parse(asked[i]!) as Record<string, unknown>
        // JSON has one zero.
        expect(answer.id).toEqual(
          question.id === undefined ? null : Object.is(question.id, -0) ? 0 : question.id,
        )
        const predictions = [answer.base, ...(answer.knockouts as unknown[])] as Record<string, unknown>[]
        expect(predictions).toHaveLength(1 + ((question.knockouts as unknown[]) ?? []).length)
        for (const { prob, rank, top, probs } of predictions) {
          expect(top).toBeOneOf([...Array(64).keys()])
          expect(prob === undefined).toBe(question.answer === undefined)
          expect(rank === undefined).toBe(question.answer === undefined)
          expect(probs === undefined).toBe(question.output !== 'probs')
          if (prob !== undefined) expect(prob).toSatisfy((p: number) => p >= 0 && p <= 1)
        }
      })
    }),
    { numRuns: 60 },
  )
  // The generator must reach the model, not only the errors.
  expect(good).toBeGreaterThan(60)
})

test('garbage nested beyond any use is an error of its line', async () => {
  const deep = (n: number): string => '['.repeat(n) + ']'.repeat(n)
  const lines = ['tokens', 'answer', 'output', 'knockouts', 'id'].flatMap((field) =>
    [10, 5000, 100_000].map((n) => `{"id":1,"tokens":[1],"answer":1,"${field}":${deep(n)}}`),
  )
  const more = [deep(100_000), '['.repeat(100_000), `{"a":`.repeat(100_000)]
  const { written, failed } = await answersTo([...lines, ...more, '{"tokens":[1],"answer":1}'])
  expect(failed).toBe(lines.length + more.length)
  expect(written.at(-1)).toMatch(/^\{"id":null,"base":/)
})
