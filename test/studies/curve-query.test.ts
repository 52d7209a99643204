import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Results } from '../../src/results/results.js'
import { bootstrapInterval, meanInterval, pairedDifference } from '../../src/results/statistics.js'
import { ordered, type StoredCurve, storedCurves } from '../../src/studies/curve-query.js'
import { storedHeatmaps } from '../../src/studies/heatmap-query.js'
import { type CurvesDefinition, figureSchema } from '../../src/studies/study.js'
import { change, PROMPTS, storeSample } from './stored.js'

let dir: string
let results: Results
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'factflow-curves-'))
  await storeSample(join(dir, 'run'))
  results = await Results.open([join(dir, 'run')])
})
afterAll(async () => {
  results.close()
  await rm(dir, { recursive: true, force: true })
})

const define = (over: object): CurvesDefinition =>
  figureSchema.parse({ kind: 'curves', name: 'f', ...over }) as CurvesDefinition
const curves = (over: object): Promise<StoredCurve[]> => storedCurves(results, define(over))
const one = (found: StoredCurve[], at: Partial<StoredCurve['at']>): StoredCurve => {
  const fit = found.filter((curve) =>
    Object.entries(at).every(([name, value]) => curve.at[name as keyof StoredCurve['at']] === value),
  )
  expect(fit).toHaveLength(1)
  return fit[0]!
}
const DEEP = { model: ['deep'], window: [9], source: ['subject'] }

describe('stored curves', () => {
  it('are means over prompts with their interval, at each window', async () => {
    const found = await curves({
      lines: 'source',
      columns: 'model',
      where: { window: ['default'], features: ['all'] },
    })
    expect(found).toHaveLength(4)
    const curve = one(found, { model: 'deep', source: 'subject' })
    expect(curve.points.map(({ firstLayer }) => firstLayer)).toEqual(Array.from({ length: 16 }, (_, i) => i))
    for (const { firstLayer, layers, window, value } of curve.points) {
      const expected = meanInterval(PROMPTS.map((p) => change('deep', 'subject', 'all', firstLayer, p)))
      expect(value.mean).toBeCloseTo(expected.mean, 10)
      expect(value.low).toBeCloseTo(expected.low, 10)
      expect(value.high).toBeCloseTo(expected.high, 10)
      expect({ layers, window, n: value.n }).toEqual({ layers: 24, window: 9, n: 4 })
    }
    // Windows by default: 9 of 24 layers, 2 of 6.
    expect(one(found, { model: 'flat', source: 'last' }).points).toHaveLength(5)
  })

  it('of a prompt set count its members alone', async () => {
    const found = await curves({ lines: 'prompt set', where: { ...DEEP, features: ['all'] } })
    expect(one(found, { 'prompt set': 'correct' }).points[0]!.value.n).toBe(4)
    const few = one(found, { 'prompt set': 'all-correct' }).points[0]!.value
    expect(few.n).toBe(2)
    expect(few.mean).toBeCloseTo(
      (change('deep', 'subject', 'all', 0, 'a') + change('deep', 'subject', 'all', 0, 'b')) / 2,
      10,
    )
    const whole = await curves({
      lines: 'source',
      where: { ...DEEP, features: ['all'], promptSet: ['all-correct'] },
    })
    expect(whole[0]!.points[0]!.value.mean).toBe(few.mean)
  })

  it('of accuracy are percent of prompts', async () => {
    const [curve] = await curves({ value: 'accuracy', where: { ...DEEP, features: ['all'] } })
    const expected = meanInterval([100, 100, 100, 0])
    expect(curve!.points[3]!.value).toEqual(expected)
  })

  it.each(['normal', 'prediction'] as const)('have %s intervals', async (method) => {
    const [t] = await curves({ where: { ...DEEP, features: ['all'] } })
    const [other] = await curves({ interval: method, where: { ...DEEP, features: ['all'] } })
    const half = ({ value }: StoredCurve['points'][number]): number => value.high - value.mean
    const ratio = half(other!.points[0]!) / half(t!.points[0]!)
    // Quantiles 1.96 and 3.18 for three degrees of freedom; sqrt(1 + 1/n) against sqrt(1/n) for n = 4.
    expect(ratio).toBeCloseTo(method === 'normal' ? 1.959964 / 3.182446 : Math.sqrt(5), 5)
  })

  it('have bootstrap intervals that are the same every time', async () => {
    const [curve] = await curves({ interval: 'bootstrap', where: { ...DEEP, features: ['all'] } })
    const values = PROMPTS.map((p) => change('deep', 'subject', 'all', 2, p))
    expect(curve!.points[2]!.value).toEqual(bootstrapInterval(values))
  })

  it('can be paired differences from one of the lines', async () => {
    const found = await curves({ lines: 'features', minus: 'context-independent', where: DEEP })
    expect(found.map(({ at }) => at.features).sort()).toEqual(['all', 'context-dependent'])
    const { value, firstLayer } = one(found, { features: 'context-dependent' }).points[5]!
    const of = (features: string): number[] =>
      PROMPTS.map((p) => change('deep', 'subject', features, firstLayer, p))
    const expected = pairedDifference(of('context-dependent'), of('context-independent'))
    expect(value.mean).toBeCloseTo(expected.mean, 10)
    expect(value.n).toBe(4)
    // The same for every prompt: without spread, where the two curves themselves have much.
    expect(value.high - value.low).toBeLessThan(1e-9)
    const models = await curves({ lines: 'model', minus: 'flat', where: { window: [1], source: ['last'] } })
    expect(models[0]!.points.map(({ firstLayer: first }) => first)).toEqual([0, 1, 2, 3, 4, 5])
    expect(models[0]!.points[4]!.value.mean).toBeCloseTo(-4, 10)
  })

  it.each([
    [
      { where: { model: ['deep'], source: ['subject'], features: ['all'] } },
      /window must be shown .* or have one value \(where\.window\), got 2/,
    ],
    [{ where: { model: ['deep'], window: [9] } }, /features must be shown/],
    [{ where: { window: [1], features: ['all'] } }, /model must be shown/],
    [
      { where: { ...DEEP, features: ['all'], promptSet: ['correct', 'all-correct'] } },
      /prompt set must be shown.*where\.promptSet/,
    ],
    [{ where: { window: [5] } }, /where must choose some of the results, got none/],
  ])('never mix: %j', async (over, message) => {
    await expect(curves(over)).rejects.toThrow(message)
  })

  it.each([
    [{ lines: 'dataset', minus: 'd' }, /minus needs lines that are of the same prompts/],
    [{ lines: 'prompt set', minus: 'correct' }, /minus needs lines that are of the same prompts/],
  ])('pair only the same prompts: %j', async (over, message) => {
    await expect(curves({ ...over, where: { ...DEEP, features: ['all'] } })).rejects.toThrow(message)
  })

  it('of runs on the same data can be paired', async () => {
    await storeSample(join(dir, 'again'))
    const both = await Results.open([join(dir, 'run'), join(dir, 'again')])
    try {
      const where = { ...DEEP, features: ['all'] }
      const [difference] = await storedCurves(both, define({ lines: 'run', minus: 'run', where }))
      expect(difference!.points.map(({ value }) => value.mean)).toEqual(Array.from({ length: 16 }, () => 0))
      const maps = figureSchema.parse({ kind: 'heatmaps', name: 'h' })
      if (maps.kind === 'heatmaps') {
        await expect(storedHeatmaps(both, maps)).rejects.toThrow(/run must be one \(where\.run\)/)
      }
    } finally {
      both.close()
    }
  })

  it('may differ in what lines determine', async () => {
    // Each model has its own default window and family.
    const found = await curves({
      lines: 'model',
      where: { window: ['default'], source: ['last'], features: ['all'] },
    })
    expect(found.map(({ at }) => [at.model, at.window])).toEqual([
      ['deep', '9'],
      ['flat', '2'],
    ])
  })

  it('come in the order in which they were asked for, or are known', () => {
    const { where } = define({ where: { source: ['last', 'subject'] } })
    expect(ordered('source', ['subject', 'last', 'subject'], { where }, [])).toEqual(['last', 'subject'])
    expect(ordered('source', ['subject', 'first', 'last'], define({}), [])).toEqual([
      'subject',
      'last',
      'first',
    ])
    expect(ordered('window', ['12', '9', '1'], define({}), [])).toEqual(['1', '9', '12'])
    expect(ordered('model', ['a', 'c', 'b'], define({}), ['b', 'c'])).toEqual(['b', 'c', 'a'])
  })
})

describe('stored heatmaps', () => {
  const maps = (over: object): ReturnType<typeof storedHeatmaps> => {
    const definition = figureSchema.parse({ kind: 'heatmaps', name: 'h', ...over })
    if (definition.kind !== 'heatmaps') throw new Error('not a heatmap')
    return storedHeatmaps(results, definition)
  }

  it('are tokens x windows', async () => {
    const found = await maps({})
    expect(
      found.map(({ model, window, values }) => [model, window, values.length, values[0]!.length]),
    ).toEqual([
      ['deep', 1, 3, 24],
      ['flat', 1, 3, 6],
    ])
    expect(found[0]!.values.map((row) => row[7])).toEqual([-100, -80, -60])
    const [absolute] = await maps({ unit: 'absolute', where: { model: ['flat'] } })
    expect(absolute!.values.map((row) => row[0])).toEqual([-0.5, -0.4, -0.3])
  })

  it('that are not there are named', async () => {
    await expect(maps({ prompts: ['a'] })).rejects.toThrow(
      /figure h: needs stored heatmaps, got none of prompt a/,
    )
    await expect(maps({ where: { window: [9] } })).rejects.toThrow(/needs stored heatmaps, got none; /)
    expect(await maps({ where: { promptSet: ['all-correct'], model: ['deep'] } })).toHaveLength(1)
  })
})
