/**
 * Which part of a study is whose. The work of all models lies on one line, in the order of the study and of its data,
 * each piece as long as it costs; the line is cut into as many equal lengths as there are shards. So every shard has
 * as much to do, and few models to load. Units of work are never cut: one belongs to the shard that its middle is in.
 *
 * Where everything lies follows from the study, its data and what its models have said, not from the machine or from
 * what is done already: all workers agree without asking one another.
 */
import { windowStarts } from '../knockout/knockout.js'
import type { ModelSpec } from '../models/architecture.js'
import type { Fact } from '../prompts/facts.js'
import { rolePositions } from '../prompts/roles.js'
import type { RunModel } from '../results/run-schema.js'
import { likelyPrompt } from './planned-prompt.js'
import type { Shard } from './shard.js'
import { promptKey } from './stored.js'
import type { Study } from './study.js'
import { hasTokens, unitSize, type Work } from './work.js'

/** What a model's work costs, in floating point operations. */
export interface ModelPrice {
  readonly layers: number
  /** Of a row of the residual stream through one layer. */
  readonly layerFlops: number
  /** Of a row's unembedding. */
  readonly headFlops: number
}

/** @param spec of a model that is here, or its published sizes */
export function priceOf({ nLayers, costs }: Pick<ModelSpec, 'nLayers' | 'costs'>): ModelPrice {
  const { layerFlops, headFlops } = costs
  return { layers: nLayers, layerFlops, headFlops }
}

/** The price of a model by what its run folder says of it. */
export function storedPrice({
  layers,
  layerFlops,
  headFlops = 0,
  parameters = layers,
}: RunModel): ModelPrice {
  return { layers, layerFlops: layerFlops ?? (2 * parameters) / layers, headFlops }
}

/** A piece of work that is computed and stored together. */
export interface Unit<T> {
  readonly items: readonly T[]
  readonly cost: number
}

/** `all` in units of `size`. */
function unitsOf<T>(all: readonly T[], size: number, cost: (item: T) => number): Unit<T>[] {
  const units: Unit<T>[] = []
  for (let from = 0; from < all.length; from += size) {
    const items = all.slice(from, from + size)
    units.push({ items, cost: items.reduce((sum, item) => sum + cost(item), 0) })
  }
  return units
}

/** A fact of one of a study's data sets. */
export interface DataFact {
  readonly dataset: string
  readonly fact: Fact
  readonly key: string
}

/** All facts of a study, in order. */
export function dataFacts(facts: ReadonlyMap<string, readonly Fact[]>): DataFact[] {
  return [...facts].flatMap(([dataset, some]) =>
    some.map((fact) => ({ dataset, fact, key: promptKey(dataset, fact.id) })),
  )
}

/** Facts that are asked of a model together: as many as its size allows, by what their prompts are likely to be. */
export function evaluationUnits(
  spec: Pick<ModelSpec, 'nLayers' | 'costs'>,
  facts: readonly DataFact[],
): Unit<DataFact>[] {
  const works = facts.map(({ dataset, fact }) => ({ dataset, prompt: likelyPrompt(fact), curves: [] }))
  const price = priceOf(spec)
  const costs = new Map(facts.map((fact, i) => [fact, workCost(works[i]!, price)]))
  return unitsOf(facts, unitSize(spec, works), (fact) => costs.get(fact)!)
}

/**
 * What it costs to ask each model of all facts.
 * @param prices of models whose sizes are known; the others are taken for middling ones
 */
export function evaluationCosts(
  prices: ReadonlyMap<string, ModelPrice | undefined>,
  facts: readonly DataFact[],
): Map<string, number> {
  const tokens = facts.reduce((sum, { fact }) => sum + likelyPrompt(fact).ids.length, 0)
  const costs = [...prices].map(([label, price]) => {
    if (!price) return [label, undefined] as const
    return [label, tokens * price.layers * price.layerFlops + facts.length * price.headFlops] as const
  })
  const known = costs.flatMap(([, cost]) => cost ?? [])
  const mean = known.length > 0 ? known.reduce((a, b) => a + b, 0) / known.length : 1
  return new Map(costs.map(([label, cost]) => [label, cost ?? mean]))
}

/**
 * How many times a single evaluation a study's evaluation costs: the continuation asks again for each of its tokens but
 * the first, of longer and longer prompts.
 */
export function evaluationFactor({ evaluate }: Pick<Study, 'evaluate'>): number {
  return 1 + Math.max(0, evaluate.continuation - 1) * 1.25
}

/** Prompts that are put under knockouts together. */
export function sweepUnits<T extends Work>(
  spec: Pick<ModelSpec, 'nLayers' | 'costs'>,
  all: readonly T[],
): Unit<T>[] {
  const price = priceOf(spec)
  return unitsOf(all, unitSize(spec, all), (work) => workCost(work, price))
}

/** What a prompt's baseline and knockouts cost, where no two of them are the same. */
export function workCost({ prompt, curves }: Work, { layers, layerFlops, headFlops }: ModelPrice): number {
  const at = { length: prompt.ids.length, subject: prompt.subject }
  let rows = at.length * layers
  let runs = 1
  for (const curve of curves) {
    if (!hasTokens(curve, at)) continue
    const suffix = at.length - Math.min(...rolePositions(curve.target, at))
    const starts = windowStarts(layers, curve.window)
    const cuts = curve.source === 'token' ? at.length : 1
    rows += cuts * suffix * starts.reduce((sum, start) => sum + layers - start, 0)
    runs += cuts * starts.length
  }
  return rows * layerFlops + runs * headFlops
}

/** What it costs to put each model's prompts under knockouts. @param models what the run folder says of them */
export function sweepCosts(
  works: ReadonlyMap<string, readonly Work[]>,
  models: Readonly<Record<string, RunModel>>,
): Map<string, number> {
  return new Map(
    [...works].map(([label, own]) => {
      const price = storedPrice(models[label]!)
      return [label, own.reduce((sum, work) => sum + workCost(work, price), 0)]
    }),
  )
}

/** What of the models' work is a shard's. */
export class Share {
  readonly #pieces = new Map<string, { readonly from: number; readonly to: number }>()
  readonly #total: number

  /**
   * @param shard undefined: all of it
   * @param costs what each model's work costs, in order
   */
  constructor(
    private readonly shard: Shard | undefined,
    costs: ReadonlyMap<string, number>,
  ) {
    let from = 0
    for (const [label, cost] of costs) {
      this.#pieces.set(label, { from, to: from + cost })
      from += cost
    }
    this.#total = from
  }

  /** Whether some of a model's work may be the shard's. */
  touches(label: string): boolean {
    const piece = this.#pieces.get(label)
    if (!piece) return false
    if (!this.shard) return true
    return this.#shardAt(piece.from) <= this.shard.index && this.#shardAt(piece.to) >= this.shard.index
  }

  /** Those of a model's units that are the shard's. */
  of<T>(label: string, units: readonly Unit<T>[]): Unit<T>[] {
    const piece = this.#pieces.get(label)
    if (!piece) return []
    if (!this.shard) return [...units]
    // The line's length is a price known beforehand, what the units cost may be known better: they fill its piece.
    const total = units.reduce((sum, { cost }) => sum + cost, 0)
    let before = 0
    return units.filter(({ cost }) => {
      const middle = total > 0 ? (before + cost / 2) / total : 0
      before += cost
      return this.#shardAt(piece.from + middle * (piece.to - piece.from)) === this.shard!.index
    })
  }

  #shardAt(place: number): number {
    const { count } = this.shard!
    return this.#total > 0 ? Math.min(count, Math.floor((place / this.#total) * count) + 1) : 1
  }
}
