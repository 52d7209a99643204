/** The head on ONNX Runtime, against a softmax in float64. */
import { describe, expect, test } from 'vitest'
import { headGraph, SUMMARY } from '../../src/models/head.js'
import type { Session } from '../../src/runtime/runtime.js'
import { at, type NdArray, ndArray, numbers, runtime, tensorOf } from '../helpers/graph.js'

/** Relative, above 1 and absolute, below: float32 logits up to some hundreds and their sums; measured 5e-7. */
const LOGIT_TOLERANCE = 2e-6

const EPSILON = 1e-5

interface Row {
  readonly logProb: number
  readonly rank: number
  readonly top: number
}

/** Logits of a row of the residual stream. */
function logitsOf(h: readonly number[], norm: NdArray, unembedding: NdArray): number[] {
  const meanSquare = h.reduce((sum, value) => sum + value * value, 0) / h.length
  const normed = h.map((value, i) => (value / Math.sqrt(meanSquare + EPSILON)) * at(norm, i))
  return Array.from({ length: unembedding.dims[0] }, (_, id) =>
    normed.reduce((sum, value, i) => sum + value * at(unembedding, id, i), 0),
  )
}

/** The definition, by sorting. */
function expectedRow(logits: readonly number[], answer: number): Row {
  const max = Math.max(...logits)
  const logSum = max + Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit - max), 0))
  const descending = Array.from(logits).sort((a, b) => b - a)
  return {
    logProb: logits[answer] - logSum,
    rank: 1 + descending.indexOf(logits[answer]),
    top: logits.indexOf(max),
  }
}

function headSession(norm: NdArray, unembedding: NdArray): Promise<Session> {
  const [vocabSize, dModel] = unembedding.dims
  return runtime.createSession(
    headGraph({
      norm: Float32Array.from(norm.data),
      unembedding: Float32Array.from(unembedding.data),
      epsilon: EPSILON,
      vocabSize,
      dModel,
    }),
  )
}

/** What a head says of rows of base followed by runs. */
async function ask(
  head: Session,
  base: NdArray,
  runs: NdArray,
  questions: readonly { readonly row: number; readonly answer: number }[],
): Promise<{ summary: Row[]; logits: number[][] }> {
  const n = questions.length
  const out = await head.run(
    {
      base: tensorOf(base),
      runs: tensorOf(runs),
      rows: tensorOf(ndArray([n], (i) => questions[i].row, 'int32')),
      answer: tensorOf(ndArray([n, 1], (i) => questions[i].answer, 'int32')),
    },
    ['summary', 'logits'],
  )
  expect(out.summary.dims).toEqual([n, 3])
  const [width, vocabSize] = [3, out.logits.dims[1]]
  const summary = out.summary.data as Float32Array
  const logits = Array.from(out.logits.data as Float32Array)
  const column = (i: number, name: keyof typeof SUMMARY): number => summary[i * width + SUMMARY[name]]
  return {
    summary: questions.map((_, i) => ({
      logProb: column(i, 'logProb'),
      rank: column(i, 'rank'),
      top: column(i, 'top'),
    })),
    logits: questions.map((_, i) => logits.slice(i * vocabSize, (i + 1) * vocabSize)),
  }
}

function expectClose(got: number, expected: number): void {
  expect(Math.abs(got - expected)).toBeLessThan(LOGIT_TOLERANCE * Math.max(1, Math.abs(expected)))
}

function expectRow(got: Row, expected: Row): void {
  expect({ rank: got.rank, top: got.top }).toEqual({ rank: expected.rank, top: expected.top })
  expectClose(got.logProb, expected.logProb)
}

const rowOf = (x: NdArray, row: number): number[] =>
  Array.from({ length: x.dims[1] }, (_, i) => at(x, row, i))

// Blocks of logits hold 2 ** 20 bytes: 3744 rows of 70 tokens, 3 of 70,000.
test.each([
  ['one row', 70, 1],
  ['many rows', 70, 50],
  ['several blocks, the last one not full', 70_000, 7],
])('log probability, rank, top and logits: %s', async (_, vocabSize, count) => {
  const norm = numbers(5)
  const unembedding = numbers(vocabSize, 5)
  const [base, runs] = [numbers(6, 5), numbers(4, 5)]
  const questions = Array.from({ length: count }, (_, i) => ({
    row: (3 * i + 5) % 10,
    answer: (17 * i * i + 3) % vocabSize,
  }))
  const head = await headSession(norm, unembedding)
  const { summary, logits } = await ask(head, base, runs, questions)
  questions.forEach(({ row, answer }, i) => {
    const h = row < 6 ? rowOf(base, row) : rowOf(runs, row - 6)
    const expected = logitsOf(h, norm, unembedding)
    expect(logits[i].length).toBe(vocabSize)
    const worst = expected.reduce((max, logit, id) => Math.max(max, Math.abs(logits[i][id] - logit)), 0)
    expect(worst).toBeLessThan(20 * LOGIT_TOLERANCE) // logits up to 20
    // Tokens whose float64 logits are too close to tell apart in float32 may swap ranks.
    expectRow(summary[i], expectedRow(logits[i], answer))
  })
  await head.release()
})

test('runs may be none, and rows come in any order, repeatedly', async () => {
  const [norm, unembedding, base] = [numbers(3), numbers(8, 3), numbers(4, 3)]
  const head = await headSession(norm, unembedding)
  const questions = [3, 0, 3].map((row) => ({ row, answer: 2 }))
  const { summary } = await ask(head, base, numbers(0, 3), questions)
  expect(summary[0]).toEqual(summary[2])
  questions.forEach(({ row, answer }, i) => {
    expectRow(summary[i], expectedRow(logitsOf(rowOf(base, row), norm, unembedding), answer))
  })
  await head.release()
})

describe('of chosen logits', () => {
  /**
   * A head of two features whose logits for the row [1, 1] are these: the norm's weight undoes the division by
   * sqrt(1 + epsilon).
   */
  async function of(logits: readonly number[], answers: readonly number[]): Promise<Row[]> {
    const norm = ndArray([2], (i) => (i === 0 ? Math.sqrt(1 + EPSILON) : 0))
    const head = await headSession(
      norm,
      ndArray([logits.length, 2], (id, i) => (i === 0 ? logits[id] : 0)),
    )
    const ones = ndArray([1, 2], () => 1)
    const questions = answers.map((answer) => ({ row: 0, answer }))
    const { summary, logits: got } = await ask(head, ones, numbers(0, 2), questions)
    await head.release()
    got.forEach((row) => {
      row.forEach((logit, id) => {
        expectClose(logit, Math.fround(logits[id]))
      })
    })
    return summary
  }

  test('equal logits share the better rank, and the first of them is the top', async () => {
    const logits = [1, 3, 2, 3, 2, 3]
    const rows = await of(logits, [0, 1, 2, 3, 4, 5])
    expect(rows.map(({ rank }) => rank)).toEqual([6, 1, 4, 1, 4, 1])
    expect(rows.map(({ top }) => top)).toEqual([1, 1, 1, 1, 1, 1])
    rows.forEach((row, answer) => {
      expectRow(row, expectedRow(logits, answer))
    })
  })

  test('all equal: probability 1 / vocabSize, rank 1, token 0', async () => {
    const [row] = await of(new Array(64).fill(-7), [63])
    expectRow(row, { logProb: -Math.log(64), rank: 1, top: 0 })
  })

  test.each([1e4, -1e4, 3e38])('logits around %d neither overflow nor vanish', async (far) => {
    const step = Math.abs(far) / 1000
    const logits = [far, far - step, far - 2 * step].map(Math.fround)
    const rows = await of(logits, [0, 1, 2])
    rows.forEach((row, answer) => {
      expectRow(row, expectedRow(logits, answer))
    })
  })

  test('tokens that are far apart keep their log probability, where the probability is 0', async () => {
    const logits = [0, 500, -500, 1]
    const rows = await of(logits, [0, 1, 2, 3])
    rows.forEach((row, answer) => {
      expectRow(row, expectedRow(logits, answer))
    })
    expect(rows[2].logProb).toBe(-1000)
    expect(rows[1].logProb).toBe(0)
  })

  test('one token', async () => {
    expectRow((await of([5], [0]))[0], { logProb: 0, rank: 1, top: 0 })
  })

  test.each([Number.NaN, Number.POSITIVE_INFINITY])('a logit of %d gives no number', async (bad) => {
    const head = await headSession(
      ndArray([1], () => 1),
      ndArray([3, 1], (id) => (id === 1 ? bad : id)),
    )
    const { summary } = await ask(
      head,
      ndArray([1, 1], () => 1),
      numbers(0, 1),
      [{ row: 0, answer: 0 }],
    )
    expect(summary[0].logProb).toBeNaN()
    await head.release()
  })
})
