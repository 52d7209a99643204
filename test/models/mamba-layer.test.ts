/** One Mamba-1 layer on ONNX Runtime, against the reference's residual stream: base rows and run rows. */
import { afterAll, describe, expect, test } from 'vitest'
import { FEATURE_CATEGORIES, type LayerKind } from '../../src/models/architecture.js'
import { blockRows, type MambaSizes } from '../../src/models/mamba-layer.js'
import { openModel } from '../../src/models/registry.js'
import type { Session } from '../../src/runtime/runtime.js'
import { referenceCheckpoint } from '../helpers/checkpoint.js'
import { ndArray, runtime, tensorOf } from '../helpers/graph.js'
import { referenceHidden } from '../reference/engine.js'
import type { Rows } from '../reference/math.js'
import type { ReferenceFeatures, ReferenceKnockout, ReferenceModel } from '../reference/model.js'
import { randomMamba } from '../reference/random.js'

/** Absolute, on a residual stream of order one after one float32 layer; measured 4e-6. */
const LAYER_TOLERANCE = 1e-5
/** A knockout that moves the stream by less shows nothing. */
const LEAST_EFFECT = 1e-3

const PLAIN = { nLayers: 3, dModel: 16, dState: 4, dtRank: 2, convKernel: 4, vocabSize: 31 }
const ODD = {
  nLayers: 2,
  dModel: 10,
  dInner: 17,
  dState: 3,
  dtRank: 4,
  convKernel: 3,
  vocabSize: 31,
  useBias: true,
  useConvBias: false,
  tied: false,
}
const MODELS: [string, ReferenceModel][] = [
  ['plain', randomMamba(1, PLAIN)],
  ['use_bias, no conv bias, odd sizes', randomMamba(2, ODD)],
  ['one tap', randomMamba(3, { ...PLAIN, nLayers: 2, convKernel: 1 })],
  ['more taps than tokens, one state', randomMamba(4, { ...PLAIN, nLayers: 2, convKernel: 9, dState: 1 })],
]
const PROMPTS = [[3, 14, 15, 9, 2, 6], [5], [8, 9, 7, 9, 3, 2, 3, 8], [4, 6]]

/** Cuts one prompt's suffix at a layer, or nothing. */
interface RunCase {
  readonly prompt: number
  readonly sources: readonly number[]
  readonly targets: readonly number[]
  readonly features: ReferenceFeatures
  /** Whether the run has been knocked in the layers before, too, and so has rows of its own. */
  readonly old: boolean
}

const sessions = new Map<string, Promise<Session>>()
afterAll(async () => {
  for (const session of sessions.values()) await (await session).release()
})

function layerSession(name: string, model: ReferenceModel, layer: number, kind: LayerKind): Promise<Session> {
  const key = `${name} ${layer} ${kind}`
  const made =
    sessions.get(key) ??
    openModel(referenceCheckpoint(model, name))
      .layer(layer, kind)
      .then((graph) => runtime.createSession(graph))
  sessions.set(key, made)
  return made
}

/** Rows `[rows, width]` of a result. */
function rowsOf(data: Float32Array, width: number): number[][] {
  return Array.from({ length: data.length / width }, (_, r) =>
    Array.from(data.subarray(r * width, (r + 1) * width)),
  )
}

function farthest(got: readonly ArrayLike<number>[], expected: Rows): number {
  expect(got.length).toBe(expected.length)
  return Math.max(0, ...expected.flatMap((row, r) => Array.from(row, (v, i) => Math.abs(got[r][i] - v))))
}

/** The stream of every prompt entering a layer; what stands after a prompt's end is far from anything real. */
function baseRows(model: ReferenceModel, prompts: readonly number[][], layer: number): number[][] {
  const tokens = Math.max(...prompts.map((ids) => ids.length))
  return prompts.flatMap((ids) => {
    const hidden = referenceHidden(model, ids)[layer]
    return Array.from({ length: tokens }, (_, t) =>
      Array.from(hidden[t] ?? hidden[0].map((_, i) => 50 * Math.cos(i + t))),
    )
  })
}

const matrix = (rows: readonly ArrayLike<number>[], width: number) =>
  tensorOf(ndArray([rows.length, width], (r, i) => rows[r][i]))
const ints = (values: readonly number[]) => tensorOf(ndArray([values.length], (i) => values[i], 'int32'))

/** Advance prompts and runs with suffixes of `suffix` tokens through a layer. Runs come back in their order. */
async function advance(
  name: string,
  model: ReferenceModel,
  prompts: readonly number[][],
  layer: number,
  kind: LayerKind,
  suffix: number,
  runs: readonly RunCase[],
): Promise<{ base: number[][]; runs: number[][][] }> {
  const { dModel } = model.config
  const tokens = Math.max(...prompts.map((ids) => ids.length))
  const startOf = (prompt: number) => prompts[prompt].length - suffix
  // Last prompt first: the order of contexts is free. Without runs one context is there for nobody.
  const withRuns = prompts.map((_, p) => p).filter((p) => runs.some((run) => run.prompt === p))
  const contexts = withRuns.length > 0 ? withRuns.reverse() : [0]
  // Set 0 of a context keeps all, then one set for each of its runs, then sets that nobody uses.
  const sets = contexts.map((p) => [undefined, ...runs.filter((run) => run.prompt === p)])
  const most = Math.max(...sets.map(({ length }) => length))
  const ordered = [...runs.filter((run) => run.old), ...runs.filter((run) => !run.old)]
  const oldRows = ordered
    .filter((run) => run.old)
    .flatMap((run) => stream(model, prompts, run, layer, layer).slice(startOf(run.prompt)))
  const newRows = ordered
    .filter((run) => !run.old)
    .flatMap(({ prompt }) => Array.from({ length: suffix }, (_, i) => prompt * tokens + startOf(prompt) + i))
  const suffixFlag = (flag: (run: RunCase, position: number) => boolean) =>
    tensorOf(
      ndArray([ordered.length, suffix], (r, i) => Number(flag(ordered[r], startOf(ordered[r].prompt) + i))),
    )
  const session = await layerSession(name, model, layer, kind)
  const out = await session.run(
    {
      base: matrix(baseRows(model, prompts, layer), dModel),
      runs: matrix(oldRows, dModel),
      newRows: ints(newRows),
      contexts: ints(contexts),
      start: ints(contexts.map(startOf)),
      keep: tensorOf(
        ndArray([contexts.length, most, tokens], (c, m, t) => {
          if (t >= startOf(contexts[c]) || m >= sets[c].length) return 0
          return Number(!sets[c][m]?.sources.includes(t))
        }),
      ),
      keepFeatures: tensorOf(
        ndArray(
          [contexts.length, most],
          (c, m) => FEATURE_CATEGORIES.indexOf(sets[c][m]?.features ?? 'all'),
          'int32',
        ),
      ),
      runSet: ints(
        ordered.map((run) => {
          const c = contexts.indexOf(run.prompt)
          return c * most + sets[c].indexOf(run)
        }),
      ),
      runKeep: suffixFlag((run, position) => !run.sources.includes(position)),
      ...(kind === 'suffix' && { runTarget: suffixFlag((run, position) => run.targets.includes(position)) }),
    },
    ['nextBase', 'nextRuns'],
  )
  expect(out.nextBase.dims).toEqual([prompts.length * tokens, dModel])
  expect(out.nextRuns.dims).toEqual([runs.length * suffix, dModel])
  const advanced = rowsOf(out.nextRuns.data as Float32Array, dModel)
  return {
    base: rowsOf(out.nextBase.data as Float32Array, dModel),
    runs: runs.map((run) => {
      const r = ordered.indexOf(run)
      return advanced.slice(r * suffix, (r + 1) * suffix)
    }),
  }
}

/** The reference's stream of a run entering layer `at`: knocked in layer `layer`, and before it if the run is old. */
function stream(
  model: ReferenceModel,
  prompts: readonly number[][],
  { prompt, sources, targets, features, old }: RunCase,
  layer: number,
  at: number,
): Rows {
  const layers = Array.from({ length: layer + 1 }, (_, l) => l).filter((l) => old || l === layer)
  const knockout: ReferenceKnockout = { layers, sources: [...sources], targets: [...targets], features }
  return referenceHidden(model, prompts[prompt], [knockout])[at]
}

function expectBase(
  model: ReferenceModel,
  prompts: readonly number[][],
  layer: number,
  got: readonly number[][],
): void {
  const tokens = Math.max(...prompts.map((ids) => ids.length))
  prompts.forEach((ids, p) => {
    const rows = got.slice(p * tokens, p * tokens + ids.length)
    expect(farthest(rows, referenceHidden(model, ids)[layer + 1])).toBeLessThan(LAYER_TOLERANCE)
  })
}

describe.each(MODELS)('%s', (name, model) => {
  const layers = Array.from({ length: model.config.nLayers }, (_, layer) => layer)

  test.each(['last', 'suffix'] as const)('%s: base rows of padded prompts, no runs', async (kind) => {
    for (const layer of layers) {
      const { base } = await advance(name, model, PROMPTS, layer, kind, 1, [])
      expectBase(model, PROMPTS, layer, base)
    }
  })

  test('one prompt of one token, no runs', async () => {
    const { base } = await advance(name, model, [[7]], 0, 'last', 1, [])
    expectBase(model, [[7]], 0, base)
  })

  /** Some sources of every kind (context, suffix, the target itself, none) for prompts that have `suffix` tokens. */
  function runCases(suffix: number, layer: number): RunCase[] {
    const prompts = PROMPTS.map((_, p) => p).filter((p) => PROMPTS[p].length >= suffix)
    return prompts.flatMap((prompt, n) => {
      const last = PROMPTS[prompt].length - 1
      const start = last + 1 - suffix
      const between = Math.floor((start + last) / 2)
      const sources = [[], [0], [0, 1, 2], [start], [last], [0, between]].map((list) =>
        list.filter((position) => position <= last),
      )
      return sources.map((positions, i) => ({
        prompt,
        sources: positions,
        targets: i % 2 === 0 ? [start, last] : [start, between],
        features: FEATURE_CATEGORIES[(n + i) % 3],
        old: layer > 0 && i % 3 === 1,
      }))
    })
  }

  test.each<[LayerKind, number]>([
    ['last', 1],
    ['suffix', 1],
    ['suffix', 2],
    ['suffix', 5],
  ])('%s: run rows of suffixes of %i tokens', async (kind, suffix) => {
    let effect = 0
    for (const layer of layers) {
      const cases = runCases(suffix, layer)
      const { base, runs } = await advance(name, model, PROMPTS, layer, kind, suffix, cases)
      expectBase(model, PROMPTS, layer, base)
      cases.forEach((run, r) => {
        const expected = stream(model, PROMPTS, run, layer, layer + 1).slice(-suffix)
        expect(farthest(runs[r], expected), JSON.stringify(run)).toBeLessThan(LAYER_TOLERANCE)
        const clean = referenceHidden(model, PROMPTS[run.prompt])[layer + 1].slice(-suffix)
        effect = Math.max(effect, farthest(clean, expected))
      })
    }
    expect(effect).toBeGreaterThan(LEAST_EFFECT)
  })
})

describe('states of many rows, worked on in blocks', () => {
  const wide = { nLayers: 1, dModel: 12, dInner: 512, dState: 128, dtRank: 2, convKernel: 4, vocabSize: 31 }
  const model = randomMamba(5, wide)
  const prompts = [PROMPTS[0], PROMPTS[3]]

  test('a block holds 512 KiB of states, and at least a row', () => {
    const sizes: MambaSizes = { ...wide, dConv: 4, epsilon: 1e-5, useBias: false, useConvBias: true }
    expect(blockRows(sizes)).toBe(2)
    expect(blockRows({ ...sizes, dInner: 2 ** 20 })).toBe(1)
  })

  test.each<[LayerKind, number, number]>([
    ['last', 1, 3],
    ['last', 1, 4],
    ['last', 1, 9],
    ['suffix', 2, 4],
    ['suffix', 2, 7],
  ])('%s, suffixes of %i tokens, %i runs', async (kind, suffix, count) => {
    const cases = Array.from({ length: count }, (_, i): RunCase => {
      const prompt = i % 2
      const last = prompts[prompt].length - 1
      const targets = suffix === 1 ? [last] : [last - 1, last]
      return { prompt, sources: [i % (last + 1)], targets, features: FEATURE_CATEGORIES[i % 3], old: false }
    })
    const { runs } = await advance('wide', model, prompts, 0, kind, suffix, cases)
    cases.forEach((run, r) => {
      const expected = stream(model, prompts, run, 0, 1).slice(-suffix)
      expect(farthest(runs[r], expected), JSON.stringify(run)).toBeLessThan(LAYER_TOLERANCE)
    })
  })
})
