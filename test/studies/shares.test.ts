import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { ModelSpec } from '../../src/models/architecture.js'
import { plannedPrompt } from '../../src/studies/planned-prompt.js'
import type { Shard } from '../../src/studies/shard.js'
import {
  dataFacts,
  evaluationCosts,
  evaluationUnits,
  Share,
  type Unit,
  workCost,
} from '../../src/studies/shares.js'

const FACT = { id: 'a', prompt: 'Greece is in', subject: 'Greece', answer: 'Europe' }
const PRICE = { layers: 4, layerFlops: 10, headFlops: 1000 }

/** Models with units of some costs. */
const models = fc.array(fc.array(fc.integer({ min: 1, max: 1000 }), { maxLength: 30 }), {
  minLength: 1,
  maxLength: 6,
})

function lineOf(costs: readonly (readonly number[])[]): {
  costs: Map<string, number>
  units: Map<string, Unit<string>[]>
} {
  const units = new Map(
    costs.map((some, m) => [`m${m}`, some.map((cost, u) => ({ items: [`m${m} u${u}`], cost }))]),
  )
  const sum = (some: readonly Unit<string>[]): number => some.reduce((all, { cost }) => all + cost, 0)
  return { costs: new Map([...units].map(([label, some]) => [label, sum(some)])), units }
}

function shareOf(shard: Shard | undefined, line: ReturnType<typeof lineOf>): Map<string, Unit<string>[]> {
  const share = new Share(shard, line.costs)
  return new Map([...line.units].map(([label, units]) => [label, share.of(label, units)]))
}

describe('shares of the work', () => {
  it('have each unit once, in all; touch the models that they are of', () => {
    fc.assert(
      fc.property(models, fc.integer({ min: 1, max: 20 }), (costs, count) => {
        const line = lineOf(costs)
        const all: string[] = []
        for (let index = 1; index <= count; index++) {
          const share = new Share({ index, count }, line.costs)
          for (const [label, units] of line.units) {
            const own = share.of(label, units)
            if (own.length > 0) expect(share.touches(label)).toBe(true)
            all.push(...own.flatMap(({ items }) => items))
          }
        }
        expect(all.sort()).toEqual(
          [...line.units.values()]
            .flat()
            .flatMap(({ items }) => items)
            .sort(),
        )
      }),
    )
  })

  it('cost the same to within a unit, and are of models that follow one another', () => {
    fc.assert(
      fc.property(models, fc.integer({ min: 1, max: 20 }), (costs, count) => {
        const line = lineOf(costs)
        const total = [...line.costs.values()].reduce((a, b) => a + b, 0)
        const largest = Math.max(0, ...costs.flat())
        for (let index = 1; index <= count; index++) {
          const own = shareOf({ index, count }, line)
          const cost = [...own.values()].flat().reduce((sum, unit) => sum + unit.cost, 0)
          expect(Math.abs(cost - total / count)).toBeLessThanOrEqual(largest + 1e-6)
          // A model between two of a shard's is wholly its own.
          const of = [...own.values()].map((units) => units.length > 0)
          const [first, last] = [of.indexOf(true), of.lastIndexOf(true)]
          for (let m = first + 1; m < last; m++) expect(own.get(`m${m}`)).toEqual(line.units.get(`m${m}`))
        }
      }),
    )
  })

  it('are the whole for who has no shard', () => {
    const line = lineOf([[1, 2], [], [3]])
    expect(shareOf(undefined, line)).toEqual(line.units)
    expect(new Share(undefined, line.costs).touches('m1')).toBe(true)
    expect(new Share(undefined, line.costs).touches('other')).toBe(false)
  })

  it('let as few models be loaded as there are: two shards of two equal models have one each', () => {
    const line = lineOf([Array(10).fill(5), Array(10).fill(5)])
    const first = new Share({ index: 1, count: 2 }, line.costs)
    expect(first.of('m0', line.units.get('m0')!)).toHaveLength(10)
    expect(first.of('m1', line.units.get('m1')!)).toHaveLength(0)
  })
})

describe('what work costs', () => {
  const prompt = plannedPrompt(FACT, { length: 6, subject: [1, 2] })

  it('is the baseline’s rows in all layers, and those of each run from its first layer on', () => {
    expect(workCost({ dataset: 'd', prompt, curves: [] }, PRICE)).toBe(6 * 4 * 10 + 1000)
    const flow = { window: 3, source: 'subject', target: 'last', features: 'all' } as const
    // Two windows, from layer 0 and from layer 1: 4 + 3 layers, of one row.
    expect(workCost({ dataset: 'd', prompt, curves: [flow] }, PRICE)).toBe(24 * 10 + 7 * 10 + 3 * 1000)
    const heatmap = { ...flow, source: 'token', target: 'subject' } as const
    // Each of 6 tokens from the subject on: 5 rows.
    expect(workCost({ dataset: 'd', prompt, curves: [heatmap] }, PRICE)).toBe(
      24 * 10 + 6 * 5 * 7 * 10 + 13 * 1000,
    )
    const none = { ...flow, source: 'context', target: 'first' } as const
    expect(
      workCost(
        { dataset: 'd', prompt: plannedPrompt(FACT, { length: 6, subject: [0] }), curves: [none] },
        PRICE,
      ),
    ).toBe(24 * 10 + 1000)
  })

  it('of an evaluation goes with the model’s size; of unknown models it is the mean', () => {
    const facts = dataFacts(new Map([['d', [FACT, { ...FACT, id: 'b' }]]]))
    const twice = { ...PRICE, layerFlops: 20, headFlops: 2000 }
    const costs = evaluationCosts(
      new Map([
        ['a', PRICE],
        ['b', twice],
        ['c', undefined],
      ]),
      facts,
    )
    expect(costs.get('b')).toBe(2 * costs.get('a')!)
    expect(costs.get('c')).toBe((costs.get('a')! + costs.get('b')!) / 2)
    expect(evaluationCosts(new Map([['c', undefined]]), facts).get('c')).toBe(1)
  })

  it('of units is that of their facts: all of them, in order, in at least eight units where there are enough', () => {
    const facts = dataFacts(
      new Map([['d', Array.from({ length: 200 }, (_, i) => ({ ...FACT, id: `f${i}` }))]]),
    )
    const costs = { layerFlops: 10, headFlops: 1000, layerBytes: 1000, headBytes: 1000 } as ModelSpec['costs']
    const units = evaluationUnits({ nLayers: 4, costs }, facts)
    expect(units.flatMap(({ items }) => items)).toEqual(facts)
    expect(units).toHaveLength(8)
    const total = units.reduce((sum, { cost }) => sum + cost, 0)
    expect(total).toBeCloseTo(evaluationCosts(new Map([['m', PRICE]]), facts).get('m')!, 6)
  })
})
