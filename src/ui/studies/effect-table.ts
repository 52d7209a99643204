/** Effects of knockouts on prompts in columns: a million of them load in seconds and are averaged in milliseconds. */
import { defaultWindow } from '../../knockout/knockout.js'
import { interval, percentile } from '../../results/statistics.js'
import {
  type CurvesRequest,
  type EffectsRequest,
  MOST_CHANGES,
  type StudyCurve,
  type StudyCut,
  type StudyEffect,
  type StudyEffects,
  type StudyPoint,
} from '../study-protocol.js'

/** Rows of one file, by column; `cut` and `prompt` are numbers that the table gave. */
export interface EffectRows {
  readonly length: number
  readonly cut: Int32Array
  readonly prompt: Int32Array
  readonly firstLayer: Int32Array
  readonly baseProb: Float64Array
  readonly prob: Float64Array
  /** Percent; not finite where the answer had no probability. */
  readonly change: Float64Array
  /** 0 where nobody recorded it. */
  readonly rank: Int32Array
  /** 1 or 0; -1 where nobody recorded it. */
  readonly hit: Int8Array
}

/** What a model says to a prompt without a knockout. */
export interface Evaluated {
  readonly prompt: string
  readonly subject: string
  readonly answer: string
  readonly relation: string | null
  readonly hit: boolean
}

/** Which prompts a question is about. */
export type PromptFilter = Pick<CurvesRequest, 'relation' | 'known' | 'promptSet'>

export function emptyRows(length: number): EffectRows {
  return {
    length,
    cut: new Int32Array(length),
    prompt: new Int32Array(length),
    firstLayer: new Int32Array(length),
    baseProb: new Float64Array(length),
    prob: new Float64Array(length),
    change: new Float64Array(length),
    rank: new Int32Array(length),
    hit: new Int8Array(length),
  }
}

/** The columns of one cut, with room for more rows. */
class CutRows {
  length = 0
  prompt = new Int32Array(64)
  firstLayer = new Int32Array(64)
  baseProb = new Float64Array(64)
  prob = new Float64Array(64)
  change = new Float64Array(64)
  rank = new Int32Array(64)
  hit = new Int8Array(64)
  /** Largest first layer. */
  last = 0

  constructor(readonly at: StudyCut) {}

  add(from: EffectRows, i: number): void {
    const to = this.length++
    if (to === this.prompt.length) this.#grow()
    this.prompt[to] = from.prompt[i]!
    this.firstLayer[to] = from.firstLayer[i]!
    this.baseProb[to] = from.baseProb[i]!
    this.prob[to] = from.prob[i]!
    this.change[to] = from.change[i]!
    this.rank[to] = from.rank[i]!
    this.hit[to] = from.hit[i]!
    if (from.firstLayer[i]! > this.last) this.last = from.firstLayer[i]!
  }

  #grow(): void {
    const twice = <T extends Int32Array | Float64Array | Int8Array>(column: T, larger: T): T => {
      larger.set(column)
      return larger
    }
    const room = 2 * this.prompt.length
    this.prompt = twice(this.prompt, new Int32Array(room))
    this.firstLayer = twice(this.firstLayer, new Int32Array(room))
    this.baseProb = twice(this.baseProb, new Float64Array(room))
    this.prob = twice(this.prob, new Float64Array(room))
    this.change = twice(this.change, new Float64Array(room))
    this.rank = twice(this.rank, new Int32Array(room))
    this.hit = twice(this.hit, new Int8Array(room))
  }
}

interface Prompt {
  readonly dataset: string
  readonly id: string
}

/** More prompts than a table may have: `cut * MOST_PROMPTS + prompt` tells curves of a prompt apart. */
const MOST_PROMPTS = 2 ** 31

export class EffectTable {
  readonly #cuts: CutRows[] = []
  readonly #cutNumbers = new Map<string, number>()
  readonly #prompts: Prompt[] = []
  readonly #promptNumbers = new Map<string, number>()
  /** By model, then by prompt. */
  readonly #evaluated = new Map<string, Map<number, Evaluated>>()
  /** By name, then by model: prompts. */
  readonly #sets = new Map<string, Map<string, Set<number>>>()
  /** Which file has the curve of a prompt. */
  readonly #owners = new Map<number, number>()
  #files = 0

  cutNumber(at: StudyCut): number {
    const key = JSON.stringify([at.model, at.dataset, at.window, at.source, at.target, at.features])
    const known = this.#cutNumbers.get(key)
    if (known !== undefined) return known
    this.#cutNumbers.set(key, this.#cuts.length)
    return this.#cuts.push(new CutRows(at)) - 1
  }

  promptNumber(dataset: string, id: string): number {
    const key = `${dataset}\0${id}`
    const known = this.#promptNumbers.get(key)
    if (known !== undefined) return known
    this.#promptNumbers.set(key, this.#prompts.length)
    return this.#prompts.push({ dataset, id }) - 1
  }

  /** Add the rows of a file. A curve of a prompt that is in several files is taken from the first of them. */
  add(rows: EffectRows): void {
    const file = this.#files++
    let key = -1
    let own = false
    for (let i = 0; i < rows.length; i++) {
      const next = rows.cut[i]! * MOST_PROMPTS + rows.prompt[i]!
      if (next !== key) {
        key = next
        const owner = this.#owners.get(key)
        if (owner === undefined) this.#owners.set(key, file)
        own = owner === undefined || owner === file
      }
      if (own) this.#cuts[rows.cut[i]!]!.add(rows, i)
    }
  }

  /** Say what a model makes of a prompt; what was said first stays. */
  evaluate(model: string, prompt: number, evaluated: Evaluated): void {
    const ofModel = this.#evaluated.get(model) ?? new Map<number, Evaluated>()
    this.#evaluated.set(model, ofModel)
    if (!ofModel.has(prompt)) ofModel.set(prompt, evaluated)
  }

  addToSet(set: string, model: string, prompt: number): void {
    const models = this.#sets.get(set) ?? new Map<string, Set<number>>()
    this.#sets.set(set, models)
    const members = models.get(model) ?? new Set<number>()
    models.set(model, members)
    members.add(prompt)
  }

  /** What has rows. */
  get cuts(): readonly StudyCut[] {
    return this.#cuts.filter(({ length }) => length > 0).map(({ at }) => at)
  }

  get rows(): number {
    return this.#cuts.reduce((sum, { length }) => sum + length, 0)
  }

  /** Prompts that have rows. */
  get prompts(): number {
    const seen = new Uint8Array(this.#prompts.length)
    for (const { prompt, length } of this.#cuts) for (let i = 0; i < length; i++) seen[prompt[i]!] = 1
    return seen.reduce((sum, one) => sum + one, 0)
  }

  get hasEvaluations(): boolean {
    return this.#evaluated.size > 0
  }

  get relations(): readonly string[] {
    const found = new Set<string>()
    for (const ofModel of this.#evaluated.values()) {
      for (const { relation } of ofModel.values()) if (relation !== null) found.add(relation)
    }
    return [...found].sort()
  }

  get promptSets(): readonly string[] {
    return [...this.#sets.keys()].sort()
  }

  /** Layers of a model, from where its last windows end. */
  layersOf(model: string): number {
    const own = this.#cuts.filter(({ at, length }) => at.model === model && length > 0)
    return own.reduce((most, { at, last }) => Math.max(most, last + at.window), 0)
  }

  /** The window that `default` stands for. */
  mainWindow(model: string, layers: number): number {
    return mainWindow(this.cuts, model, layers)
  }

  /** @param layersOf layers of each model */
  curves(request: CurvesRequest, layersOf: (model: string) => number): StudyCurve[] {
    const choice = choiceOf(request, (model) => this.mainWindow(model, layersOf(model)))
    return this.#cuts
      .filter(({ at, length }) => length > 0 && choice(at))
      .flatMap((cut) => {
        const points = pointsOf(cut, this.#chosen(cut.at.model, request))
        return points.length === 0 ? [] : [{ at: cut.at, layers: layersOf(cut.at.model), points }]
      })
  }

  effects(request: EffectsRequest): StudyEffects | undefined {
    const { model, dataset, window, source, target, features, firstLayer, outliers } = request
    const number = this.#cutNumbers.get(JSON.stringify([model, dataset, window, source, target, features]))
    if (number === undefined) return undefined
    const cut = this.#cuts[number]!
    const chosen = this.#chosen(model, request)
    const rows: number[] = []
    for (let i = 0; i < cut.length; i++) {
      if (cut.firstLayer[i] !== firstLayer || (chosen && chosen[cut.prompt[i]!] === 0)) continue
      if (Number.isFinite(cut.change[i]!)) rows.push(i)
    }
    if (rows.length === 0) return undefined
    const idOf = (i: number): string => this.#prompts[cut.prompt[i]!]!.id
    const byId = (a: number, b: number): number => (idOf(a) < idOf(b) ? -1 : idOf(a) > idOf(b) ? 1 : 0)
    rows.sort((a, b) => cut.change[a]! - cut.change[b]! || byId(a, b))
    const effect = (i: number): StudyEffect => this.#effect(cut, i)
    const lowest = rows.slice(0, outliers)
    const highest = rows
      .slice(Math.max(rows.length - outliers, lowest.length))
      .sort((a, b) => cut.change[b]! - cut.change[a]! || byId(a, b))
    return {
      ...spread(rows.map((i) => cut.change[i]!)),
      lowest: lowest.map(effect),
      highest: highest.map(effect),
    }
  }

  #effect(cut: CutRows, i: number): StudyEffect {
    const prompt = cut.prompt[i]!
    const evaluated = this.#evaluated.get(cut.at.model)?.get(prompt)
    return {
      promptId: this.#prompts[prompt]!.id,
      prompt: evaluated?.prompt ?? null,
      subject: evaluated?.subject ?? null,
      answer: evaluated?.answer ?? null,
      relation: evaluated?.relation ?? null,
      baseProb: cut.baseProb[i]!,
      prob: cut.prob[i]!,
      change: cut.change[i]!,
      rank: cut.rank[i] === 0 ? null : cut.rank[i]!,
    }
  }

  /** 1 for each prompt that a filter chooses for a model; undefined when it chooses all. */
  #chosen(model: string, { relation, known, promptSet }: PromptFilter): Uint8Array | undefined {
    if (relation === undefined && known === 'any' && promptSet === undefined) return undefined
    const chosen = new Uint8Array(this.#prompts.length)
    if (relation === undefined && known === 'any') chosen.fill(1)
    for (const [prompt, evaluated] of this.#evaluated.get(model) ?? []) {
      const fits =
        (known === 'any' || evaluated.hit === (known === 'known')) &&
        (relation === undefined || (evaluated.relation !== null && relation.includes(evaluated.relation)))
      if (fits) chosen[prompt] = 1
    }
    if (promptSet !== undefined) {
      const members = this.#sets.get(promptSet)?.get(model)
      for (let prompt = 0; prompt < chosen.length; prompt++) if (!members?.has(prompt)) chosen[prompt] = 0
    }
    return chosen
  }
}

/** The window that `default` stands for: the model's default one, or the widest where that was not asked for. */
export function mainWindow(cuts: readonly StudyCut[], model: string, layers: number): number {
  const windows = cuts.filter((cut) => cut.model === model).map(({ window }) => window)
  const usual = defaultWindow(layers)
  return windows.includes(usual) ? usual : Math.max(...windows)
}

/** Whether a request asks for a cut. */
export function choiceOf(
  request: CurvesRequest,
  main: (model: string) => number,
): (cut: StudyCut) => boolean {
  const fits = <T>(wanted: readonly T[] | undefined, value: T): boolean => wanted?.includes(value) ?? true
  return (cut) =>
    fits(request.model, cut.model) &&
    fits(request.dataset, cut.dataset) &&
    fits(request.source, cut.source) &&
    fits(request.target, cut.target) &&
    fits(request.features, cut.features) &&
    (fits<number | 'default'>(request.window, cut.window) ||
      (fits<number | 'default'>(request.window, 'default') && main(cut.model) === cut.window))
}

/** The distribution of changes, which are ascending. */
export function spread(ascending: readonly number[]): Pick<StudyEffects, 'n' | 'changes' | 'quartiles'> {
  const n = ascending.length
  const most = Math.min(n, MOST_CHANGES)
  const changes =
    n <= MOST_CHANGES
      ? ascending
      : Array.from({ length: most }, (_, i) => ascending[Math.round((i * (n - 1)) / (most - 1))]!)
  const [low, middle, high] = [0.25, 0.5, 0.75].map((p) => percentile(ascending, p))
  return { n, changes, quartiles: [low!, middle!, high!] }
}

/** Sums over the prompts of each window start. */
class Sums {
  readonly n: Float64Array
  readonly rough: Float64Array
  readonly deviations: Float64Array
  readonly squares: Float64Array

  constructor(starts: number) {
    this.n = new Float64Array(starts)
    this.rough = new Float64Array(starts)
    this.deviations = new Float64Array(starts)
    this.squares = new Float64Array(starts)
  }

  /** Corrected two-pass moments, as `moments` of statistics.ts has them, and the t interval. */
  interval(start: number): { mean: number; low: number | null; high: number | null } {
    const n = this.n[start]!
    const deviations = this.deviations[start]!
    const mean = this.rough[start]! + deviations / n
    const sd =
      n === 1
        ? Number.NaN
        : Math.sqrt(Math.max(0, this.squares[start]! - (deviations * deviations) / n) / (n - 1))
    return ends(interval({ n, mean, sd }))
  }
}

function ends({ mean, low, high }: { mean: number; low: number; high: number }): {
  mean: number
  low: number | null
  high: number | null
} {
  return Number.isNaN(low) ? { mean, low: null, high: null } : { mean, low, high }
}

/** The share of right answers in percent, `right` of n, with the t interval of 0s and 100s. */
export function accuracyOf(
  percent: number,
  n: number,
): Pick<StudyPoint, 'accuracy' | 'accuracyLow' | 'accuracyHigh'> {
  const sd = n === 1 ? Number.NaN : Math.sqrt((Math.max(0, percent * (100 - percent)) * n) / (n - 1))
  const { mean, low, high } = ends(interval({ n, mean: percent, sd }))
  return { accuracy: mean, accuracyLow: low, accuracyHigh: high }
}

function pointsOf(cut: CutRows, chosen: Uint8Array | undefined): StudyPoint[] {
  const { length, prompt, firstLayer, change, hit } = cut
  const starts = cut.last + 1
  const sums = new Sums(starts)
  const asked = new Float64Array(starts)
  const right = new Float64Array(starts)
  for (let i = 0; i < length; i++) {
    if (chosen && chosen[prompt[i]!] === 0) continue
    const start = firstLayer[i]!
    if (hit[i]! >= 0) {
      asked[start]! += 1
      right[start]! += hit[i]!
    }
    if (!Number.isFinite(change[i]!)) continue
    sums.n[start]! += 1
    sums.rough[start]! += change[i]!
  }
  for (let start = 0; start < starts; start++) sums.rough[start]! /= sums.n[start]! || 1
  for (let i = 0; i < length; i++) {
    if ((chosen && chosen[prompt[i]!] === 0) || !Number.isFinite(change[i]!)) continue
    const start = firstLayer[i]!
    const deviation = change[i]! - sums.rough[start]!
    sums.deviations[start]! += deviation
    sums.squares[start]! += deviation * deviation
  }
  const points: StudyPoint[] = []
  for (let start = 0; start < starts; start++) {
    const n = sums.n[start]!
    if (n === 0) continue
    const accuracy =
      asked[start] === 0
        ? { accuracy: null, accuracyLow: null, accuracyHigh: null }
        : accuracyOf((100 * right[start]!) / asked[start]!, asked[start]!)
    points.push({ firstLayer: start, n, ...sums.interval(start), ...accuracy })
  }
  return points
}
