/** The head on ONNX Runtime, against a softmax in float64. */
import { describe, expect, test } from 'vitest'
import { askHead, type Prediction } from '../../src/knockout/head.js'
import { ModelSessions } from '../../src/knockout/sessions.js'
import type { ModelSpec } from '../../src/models/architecture.js'
import { finalNormGraph, headParts, unembeddingGraph } from '../../src/models/head.js'
import { at, type NdArray, ndArray, numbers, runtime, tensorOf } from '../helpers/graph.js'

/** Relative, above 1 and absolute, below: float32 logits up to some hundreds and their sums; measured 5e-7. */
const LOGIT_TOLERANCE = 2e-6

/** Absolute, on probabilities: the same, through the exponential. */
const PROB_TOLERANCE = 1e-5

/** Relative: sums of exponentials in float32, of up to 70,000, against one in float64; measured 5.2e-6. */
const SUM_TOLERANCE = 1e-5

const EPSILON = 1e-5

/** What a head does not ask of its model. */
const NO_LAYERS = {
  name: 'm',
  modelType: 'fake',
  nLayers: 0,
  featureCategories: [],
  costs: { layerBytes: 0, headBytes: 0 },
} as unknown as ModelSpec

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

/** A head of these weights, its unembedding in `parts` parts. */
function headOf(norm: NdArray, unembedding: NdArray, parts: number): ModelSpec {
  const [vocabSize, dModel] = unembedding.dims
  const rows = (first: number, count: number): Float32Array =>
    Float32Array.from({ length: count * dModel }, (_, i) => unembedding.data[first * dModel + i])
  return {
    ...NO_LAYERS,
    vocabSize,
    dModel,
    headParts: headParts(vocabSize, dModel, (4 * vocabSize * dModel) / parts),
    finalNorm: async () => finalNormGraph({ weight: Float32Array.from(norm.data), epsilon: EPSILON }),
    unembedding: async ({ first, count }, outputs) =>
      unembeddingGraph(rows(first, count), dModel, `part ${first}`, outputs),
    unembed: async (ids) => Float32Array.from(ids.flatMap((id) => Array.from(rows(id, 1)))),
  }
}

/** What a head says of rows of base followed by runs. */
async function ask(
  spec: ModelSpec,
  base: NdArray,
  runs: NdArray,
  questions: readonly { readonly row: number; readonly answer: number }[],
  topK?: number,
): Promise<{ rows: Row[]; probs: Float32Array[]; tops: Prediction['topK'][] }> {
  const sessions = new ModelSessions(spec, runtime, Number.POSITIVE_INFINITY)
  const batch = { base: tensorOf(base), runs: tensorOf(runs), questions }
  try {
    const pass = sessions.pass('last', { topK: (topK ?? 0) > 0, logits: true }, 1)
    const answers = await askHead(spec, pass, batch, { probs: true, topK, headRows: 4 })
    return {
      rows: answers.map(({ logProb, rank, top }) => ({ logProb, rank, top })),
      probs: answers.map(({ probs }) => probs!),
      tops: answers.map((answer) => answer.topK),
    }
  } finally {
    await sessions.release()
  }
}

function expectClose(got: number, expected: number): void {
  expect(Math.abs(got - expected)).toBeLessThan(LOGIT_TOLERANCE * Math.max(1, Math.abs(expected)))
}

function expectRow(got: Row, expected: Row): void {
  expect({ rank: got.rank, top: got.top }).toEqual({ rank: expected.rank, top: expected.top })
  expectClose(got.logProb, expected.logProb)
}

/** The k most probable tokens of a distribution: ids in their order, and as many as there are. */
function expectTop(top: Prediction['topK'], k: number, probs: Float32Array): void {
  const descending = Float32Array.from(probs).sort().reverse()
  expect(top).toHaveLength(Math.min(k, probs.length))
  expect(new Set(top!.map(({ id }) => id)).size).toBe(top!.length)
  top!.forEach(({ id, prob }, i) => {
    // float32 may have the same probability for logits that differ, so not the place of the id.
    expect(probs[id]).toBe(descending[i])
    expect(Math.abs(prob - probs[id])).toBeLessThanOrEqual(SUM_TOLERANCE * probs[id])
    const before = top![i - 1]
    if (before) expect(before.prob > prob || (before.prob === prob && before.id < id)).toBe(true)
  })
}

const rowOf = (x: NdArray, row: number): number[] =>
  Array.from({ length: x.dims[1] }, (_, i) => at(x, row, i))

// Blocks of logits hold 2 ** 20 bytes: 3744 rows of 70 tokens, 3 of 70,000.
test.each([
  ['one row', 70, 1, 1, 1],
  ['many rows', 70, 50, 1, 5],
  ['many rows, several parts', 70, 50, 6, 5],
  // Parts of 11 and 12.
  ['more of the top than a part has', 70, 50, 6, 30],
  ['more of the top than there is', 70, 9, 6, 71],
  ['as many parts as tokens', 7, 9, 7, 5],
  ['several blocks, the last one not full', 70_000, 7, 1, 5],
  ['several blocks and parts', 70_000, 7, 2, 1000],
])('log probability, rank, top and distribution: %s', async (_, vocabSize, count, parts, topK) => {
  const norm = numbers(5)
  const unembedding = numbers(vocabSize, 5)
  const [base, runs] = [numbers(6, 5), numbers(4, 5)]
  const questions = Array.from({ length: count }, (_, i) => ({
    row: (3 * i + 5) % 10,
    answer: (17 * i * i + 3) % vocabSize,
  }))
  const head = headOf(norm, unembedding, parts)
  expect(head.headParts).toHaveLength(parts)
  const { rows, probs, tops } = await ask(head, base, runs, questions, topK)
  questions.forEach(({ row, answer }, i) => {
    const h = row < 6 ? rowOf(base, row) : rowOf(runs, row - 6)
    const logits = logitsOf(h, norm, unembedding)
    // Tokens whose float64 logits are too close to tell apart in float32 may swap ranks.
    expectRow(rows[i], expectedRow(logits, answer))
    expect(probs[i].length).toBe(vocabSize)
    const max = Math.max(...logits)
    const sum = logits.reduce((total, logit) => total + Math.exp(logit - max), 0)
    const worst = logits.reduce(
      (most, logit, id) => Math.max(most, Math.abs(probs[i][id] - Math.exp(logit - max) / sum)),
      0,
    )
    expect(worst).toBeLessThan(PROB_TOLERANCE)
    expectTop(tops[i], topK, probs[i])
    expect(tops[i]![0].id).toBe(rows[i].top)
  })
})

test('runs may be none, and rows come in any order, repeatedly', async () => {
  const [norm, unembedding, base] = [numbers(3), numbers(8, 3), numbers(4, 3)]
  const questions = [3, 0, 3].map((row) => ({ row, answer: 2 }))
  const { rows } = await ask(headOf(norm, unembedding, 2), base, numbers(0, 3), questions)
  expect(rows[0]).toEqual(rows[2])
  questions.forEach(({ row, answer }, i) => {
    expectRow(rows[i], expectedRow(logitsOf(rowOf(base, row), norm, unembedding), answer))
  })
})

describe('of chosen logits', () => {
  /**
   * A head of two features whose logits for the row [1, 1] are these: the norm's weight undoes the division by
   * sqrt(1 + epsilon).
   */
  async function of(logits: readonly number[], answers: readonly number[], parts = 2): Promise<Row[]> {
    return (await askOf(logits, answers, parts)).rows
  }

  function askOf(
    logits: readonly number[],
    answers: readonly number[],
    parts: number,
    topK?: number,
  ): ReturnType<typeof ask> {
    const norm = ndArray([2], (i) => (i === 0 ? Math.sqrt(1 + EPSILON) : 0))
    const unembedding = ndArray([logits.length, 2], (id, i) => (i === 0 ? logits[id] : 0))
    const ones = ndArray([1, 2], () => 1)
    const questions = answers.map((answer) => ({ row: 0, answer }))
    return ask(headOf(norm, unembedding, parts), ones, numbers(0, 2), questions, topK)
  }

  test.each([1, 2, 6])('of equal logits the lower token comes first, in %d parts', async (parts) => {
    const logits = [1, 3, 2, 3, 2, 3]
    const order = [1, 3, 5, 2, 4, 0]
    for (const topK of [1, 2, 3, 4, 5, 6, 7, 1e9]) {
      const { tops, rows, probs } = await askOf(logits, [4, 0], parts, topK)
      for (const top of tops) expect(top!.map(({ id }) => id)).toEqual(order.slice(0, topK))
      expectTop(tops[0], topK, probs[0])
      // The answer's own, to the last bit.
      const [own] = tops[0]!.filter(({ id }) => id === 4)
      if (own) expect(own.prob).toBe(Math.exp(rows[0].logProb))
    }
  })

  test('a token without any probability is still one of all', async () => {
    const { tops } = await askOf([Number.NEGATIVE_INFINITY, 2, Number.NEGATIVE_INFINITY, 1], [1], 2, 4)
    expect(tops[0]!.map(({ id }) => id)).toEqual([1, 3, 0, 2])
    expect(tops[0]!.slice(2).map(({ prob }) => prob)).toEqual([0, 0])
  })

  test('there is no top unless asked for', async () => {
    for (const topK of [undefined, 0]) {
      const { tops } = await askOf([1, 2], [0], 2, topK)
      expect(tops).toEqual([undefined])
    }
  })

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

  test.each([1, 3])(
    'a large vocabulary in %d parts: of equal largest logits the first is the top',
    async (parts) => {
      const largest = [700, 701, 2999, 4095]
      const logits = Array.from({ length: 4097 }, (_, id) => (largest.includes(id) ? 5 : id % 5))
      const [row] = await of(logits, [2999], parts)
      expect({ rank: row.rank, top: row.top }).toEqual({ rank: 1, top: 700 })
      logits[4096] = 6
      const [last] = await of(logits, [2999], parts)
      expect({ rank: last.rank, top: last.top }).toEqual({ rank: 2, top: 4096 })
    },
  )

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
    expectRow((await of([5], [0], 1))[0], { logProb: 0, rank: 1, top: 0 })
  })

  test.each([Number.NaN, Number.POSITIVE_INFINITY])('a logit of %d is an error', async (bad) => {
    for (const answer of [0, 1]) {
      await expect(of([1, bad, 2], [answer], 3)).rejects.toThrow(
        'm: the model must give finite logits, got NaN; its weights are damaged, download them again',
      )
    }
  })

  test('parts: in order, nothing left out, as many as needed', () => {
    expect(headParts(10, 2, 4 * 2 * 10)).toEqual([{ first: 0, count: 10 }])
    expect(headParts(10, 2, 4 * 2 * 10 - 1)).toEqual([
      { first: 0, count: 5 },
      { first: 5, count: 5 },
    ])
    expect(headParts(10, 2, 4 * 2 * 4)).toEqual([
      { first: 0, count: 3 },
      { first: 3, count: 3 },
      { first: 6, count: 4 },
    ])
    expect(headParts(3, 2, 1)).toHaveLength(3)
  })
})
