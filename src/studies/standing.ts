/** How a study stands: what of it is done, running, missing, failed, by model and by shard; from its run folder. */
import { join } from 'node:path'
import { isObject } from '../checkpoints/json.js'
import { InputError } from '../errors.js'
import { namedParts } from '../results/part-check.js'
import { findRun } from '../results/run-file.js'
import { RUN_FILE, type RunModel } from '../results/run-schema.js'
import { knownPrice } from './agreed-prices.js'
import { type ModelSizes, modelSizes } from './model-here.js'
import { shardName } from './shard.js'
import {
  type DataFact,
  dataFacts,
  evaluationCosts,
  evaluationFactor,
  evaluationUnits,
  type ModelPrice,
  Share,
  storedPrice,
  sweepCosts,
  sweepUnits,
  type Unit,
  workCost,
} from './shares.js'
import { StoredResults } from './stored.js'
import { modelLabel, parseStudy, type Study } from './study.js'
import { readFactsOf } from './study-data.js'
import { drawsFeatures, type PlannedWork, planSweeps, type SweepPlan } from './sweep-plan.js'
import { curveKey } from './work.js'
import { readWorkers, type Worker, type WorkerState, workerShard, workerState } from './worker-file.js'

/** So many of so many. */
export interface Count {
  readonly done: number
  readonly total: number
}

export interface ModelStanding {
  readonly model: string
  /** Facts that the model has been asked, or that it cannot use. */
  readonly evaluated: Count
  /** Prompts under all knockouts that are asked of them; undefined while the model is not evaluated whole. */
  readonly swept: Count | undefined
  /** Why a worker could not compute it, where one could not. */
  readonly failed: string | undefined
}

/** `missing`: something is, and nobody is at it. */
export type ShardState = WorkerState | 'missing'

export interface ShardStanding {
  readonly index: number
  readonly count: number
  readonly state: ShardState
  /** Facts of the models' evaluations that are this shard's; of models whose sizes are known here. */
  readonly evaluated: Count
  /** Prompts under knockouts that are this shard's; undefined while a model is not evaluated whole. */
  readonly swept: Count | undefined
  /** Whether something of it is missing. */
  readonly missing: boolean
}

export interface WorkerStanding extends Worker {
  /** What it says, or `lost` when it has been silent for too long. */
  readonly now: WorkerState
}

export interface Standing {
  readonly study: string
  readonly dir: string
  /** Whether nothing is missing. */
  readonly complete: boolean
  readonly models: readonly ModelStanding[]
  /** Empty where nobody has computed a share and none was asked about. */
  readonly shards: readonly ShardStanding[]
  readonly workers: readonly WorkerStanding[]
  /** Prompt sets that wait for the evaluation of models. */
  readonly waiting: SweepPlan['waiting']
  /** Knockouts begin when all models are evaluated that can be computed. */
  readonly stage: 'evaluate' | 'sweep'
  /** Share of the work that is done, 0 to 1, of the stage that the study is in. */
  readonly share: number
  /** Floating point operations per second of all workers that run. */
  readonly rate: number
  /** Seconds until what is known to be missing of this stage is done, at that rate; undefined when nobody is at it. */
  readonly secondsLeft: number | undefined
  /** What of the folder is torn or of another run and does not count: one sentence each. */
  readonly leftOut: readonly string[]
}

export interface StandingOptions {
  /** Number of shards; default that of the workers who wrote last. */
  readonly shards?: number
  /** Labels of the models that count; default all. */
  readonly models?: readonly string[]
}

/**
 * The study of a run folder as it was asked last.
 * @throws InputError when it is no run folder, or one of imported results, or run.json does not say it
 */
export async function storedStudy(dir: string): Promise<Study> {
  const { base, models, torn } = await findRun(dir)
  const file = join(dir, RUN_FILE)
  // One that was made anew from parts says how they were evaluated, and no more.
  if (isObject(base?.study) && 'models' in base.study) return parseStudy(base.study, file)
  if (Object.values(models).some(({ origin }) => origin !== undefined)) {
    throw new InputError(`${dir}: must be the run of a study, got results that were imported; name another`)
  }
  const damage = torn.find(({ name }) => name === RUN_FILE)?.wrong
  if (!base && damage === undefined && (await namedParts(dir)).length === 0) {
    throw new InputError(`${dir}: must be a run folder, got none with ${RUN_FILE}; check the path`)
  }
  throw new InputError(
    `${file}: ${damage ?? 'must say which study this is a run of, got nothing'}; run the study again with --out ${dir}, what is done is kept`,
  )
}

/**
 * How a study stands. Reads its data (from the cache alone) and what is stored; loads no model.
 * @throws InputError when the folder is no run, or its data cannot be read
 */
export async function studyStanding(
  study: Study,
  dir: string,
  options: StandingOptions = {},
): Promise<Standing> {
  const stored = await StoredResults.open(dir)
  try {
    const view = await View.of(study, dir, options, stored)
    return await view.standing()
  } finally {
    stored.close()
  }
}

/** What is missing, in words. */
export function missingText({ models, waiting }: Standing): string {
  const sum = (of: (model: ModelStanding) => Count | undefined): Count => {
    const counts = models.flatMap((model) => of(model) ?? [])
    return {
      done: counts.reduce((all, { done }) => all + done, 0),
      total: counts.reduce((all, { total }) => all + total, 0),
    }
  }
  const text = ({ done, total }: Count, what: string): string[] =>
    done < total ? [`${(total - done).toLocaleString('en')} of ${total.toLocaleString('en')} ${what}`] : []
  const parts = [
    ...text(
      sum(({ evaluated }) => evaluated),
      'evaluations',
    ),
    ...text(
      sum(({ swept }) => swept),
      'prompts under knockouts',
    ),
    ...waiting.map(({ set }) => `the prompt set ${set}`),
  ]
  return `missing: ${parts.join(', ') || 'norms of features'}`
}

/** Everything that a standing is computed from. */
class View {
  private constructor(
    private readonly study: Study,
    private readonly dir: string,
    private readonly options: StandingOptions,
    private readonly stored: StoredResults,
    private readonly labels: readonly string[],
    private readonly facts: readonly DataFact[],
    private readonly plan: SweepPlan,
    private readonly models: Readonly<Record<string, RunModel>>,
    private readonly sizes: ReadonlyMap<string, ModelSizes | undefined>,
    private readonly prices: ReadonlyMap<string, ModelPrice | undefined>,
    private readonly workers: readonly WorkerStanding[],
  ) {}

  static async of(study: Study, dir: string, options: StandingOptions, stored: StoredResults): Promise<View> {
    const data = await readFactsOf(study, { offline: true })
    const all = study.models.map(modelLabel)
    const entries = study.models.filter((entry) => options.models?.includes(modelLabel(entry)) ?? true)
    const labels = entries.map(modelLabel)
    const models = (await findRun(dir)).models
    const plan = await planSweeps(study, { labels: all, only: labels }, models, data, stored)
    const sizes = new Map<string, ModelSizes | undefined>()
    const prices = new Map<string, ModelPrice | undefined>()
    for (const entry of entries) {
      const here = await modelSizes(entry)
      sizes.set(modelLabel(entry), here)
      prices.set(modelLabel(entry), await knownPrice(dir, entry, here))
    }
    const workers = (await readWorkers(dir)).map((one) => ({ ...one, now: workerState(one) }))
    const facts = dataFacts(data)
    return new View(study, dir, options, stored, labels, facts, plan, models, sizes, prices, workers)
  }

  async standing(): Promise<Standing> {
    const failed = new Map(
      this.workers.flatMap((worker) => worker.failed.map(({ model, message }) => [model, message] as const)),
    )
    const evaluated = new Map<string, ReadonlySet<string>>()
    const swept = new Map<string, ReadonlySet<PlannedWork>>()
    for (const label of this.labels) {
      const known = new Set([...(await this.stored.evaluated(label)), ...(await this.stored.unusable(label))])
      evaluated.set(label, new Set(this.facts.map(({ key }) => key).filter((key) => known.has(key))))
      const works = this.plan.works.get(label)
      const curves = works && (await this.stored.curves(label))
      const whole = works?.filter((work) =>
        work.curves.every((curve) => curves!.has(`${work.key} ${curveKey(curve)}`)),
      )
      if (whole) swept.set(label, new Set(whole))
    }
    const done = { evaluated, swept }
    const models = this.labels.map(
      (model): ModelStanding => ({
        model,
        evaluated: { done: evaluated.get(model)!.size, total: this.facts.length },
        swept: swept.has(model)
          ? { done: swept.get(model)!.size, total: this.plan.works.get(model)!.length }
          : undefined,
        failed: this.plan.works.has(model) ? undefined : failed.get(model),
      }),
    )
    const complete =
      models.every((model) => isWhole(model.evaluated) && model.swept && isWhole(model.swept)) &&
      this.plan.waiting.length === 0 &&
      (await this.#hasFeatures())
    const costs = this.#costs(done)
    const rate = this.workers
      .filter(({ now, seconds }) => now === 'running' && seconds > 0)
      .reduce((sum, { flops, seconds }) => sum + flops / seconds, 0)
    return {
      study: this.study.name,
      dir: this.dir,
      complete,
      models,
      shards: this.#shards(done),
      workers: this.workers,
      waiting: this.plan.waiting,
      stage: this.#canSweep ? 'sweep' : 'evaluate',
      share: complete || costs.total === 0 ? 1 : costs.done / costs.total,
      rate,
      secondsLeft: rate > 0 ? (costs.total - costs.done) / rate : undefined,
      leftOut: this.stored.leftOut,
    }
  }

  async #hasFeatures(): Promise<boolean> {
    if (!drawsFeatures(this.study)) return true
    const there = await this.stored.modelsWithFeatures()
    return this.labels.every(
      (label) => there.has(label) || (this.models[label]?.featureCategories.length ?? 0) < 2,
    )
  }

  /** Whether every model is evaluated whole, so that knockouts can be shared out; models that failed are left out. */
  get #canSweep(): boolean {
    const failed = new Set(this.workers.flatMap((worker) => worker.failed.map(({ model }) => model)))
    return this.labels.every((label) => this.plan.works.has(label) || failed.has(label))
  }

  /** Cost of the stage that the study is in: of the evaluations until all are there, then of the knockouts. */
  #costs({ evaluated, swept }: Done): Count {
    const costs = this.#canSweep ? this.#sweepCosts() : this.#evaluationCosts()
    let [done, total] = [0, 0]
    for (const [label, cost] of costs) {
      total += cost
      if (!this.#canSweep) done += (cost * evaluated.get(label)!.size) / this.facts.length
      else {
        const price = storedPrice(this.models[label]!)
        for (const work of swept.get(label)!) done += workCost(work, price)
      }
    }
    return { done, total }
  }

  #evaluationCosts(): Map<string, number> {
    const factor = evaluationFactor(this.study)
    return new Map(
      [...evaluationCosts(this.prices, this.facts)].map(([label, cost]) => [label, cost * factor]),
    )
  }

  #sweepCosts(): Map<string, number> {
    return sweepCosts(this.plan.works, this.models)
  }

  #shards({ evaluated, swept }: Done): ShardStanding[] {
    const count = this.options.shards ?? this.#countOfWorkers()
    if (count === undefined) return []
    const here = this.labels.flatMap((label) => {
      const sizes = this.sizes.get(label)
      return sizes ? [{ label, sizes }] : []
    })
    const asking = here.map(({ label, sizes }) => ({ label, units: evaluationUnits(sizes, this.facts) }))
    const sweeping = here.map(({ label, sizes }) => ({
      label,
      units: sweepUnits(sizes, this.plan.works.get(label) ?? []),
    }))
    const [evaluationCosts, sweepCosts] = [this.#evaluationCosts(), this.#sweepCosts()]
    return Array.from({ length: count }, (_, i): ShardStanding => {
      const shard = { index: i + 1, count }
      const asked = counted(new Share(shard, evaluationCosts), asking, (label, { key }) =>
        evaluated.get(label)!.has(key),
      )
      const cut = this.#canSweep
        ? counted(new Share(shard, sweepCosts), sweeping, (label, work) => swept.get(label)!.has(work))
        : undefined
      const worker = workerOf(this.workers, shardName(shard))
      // The sizes of a model that could not be computed may not be known: whose share it is, its worker has said.
      const broken = worker?.failed.some(({ model }) => !this.plan.works.has(model)) ?? false
      const missing = broken || !isWhole(asked) || (cut !== undefined && !isWhole(cut))
      const state = missing || cut === undefined ? openState(worker) : 'done'
      return { ...shard, state, evaluated: asked, swept: cut, missing }
    })
  }

  #countOfWorkers(): number | undefined {
    const shared = this.workers.filter(({ shard }) => shard !== undefined)
    const last = shared.reduce<Worker | undefined>(
      (latest, worker) => (latest && latest.updated > worker.updated ? latest : worker),
      undefined,
    )
    return last && workerShard(last)!.count
  }
}

/** The worker of a shard: the one that is at it, or else the one that was last. */
export function workerOf(workers: readonly WorkerStanding[], shard: string): WorkerStanding | undefined {
  const own = workers.filter((worker) => worker.shard === shard)
  const active = own.find(({ now }) => now === 'running' || now === 'waiting')
  return active ?? own.sort((a, b) => (a.updated < b.updated ? 1 : -1))[0]
}

/** How a shard of which something is missing does. */
function openState(worker: WorkerStanding | undefined): ShardState {
  return worker === undefined || worker.now === 'done' ? 'missing' : worker.now
}

interface Done {
  /** Keys of facts by label. */
  readonly evaluated: ReadonlyMap<string, ReadonlySet<string>>
  readonly swept: ReadonlyMap<string, ReadonlySet<PlannedWork>>
}

function isWhole({ done, total }: Count): boolean {
  return done >= total
}

/** How much of a share is done. */
function counted<T>(
  share: Share,
  models: readonly { readonly label: string; readonly units: readonly Unit<T>[] }[],
  isDone: (label: string, item: T) => boolean,
): Count {
  let [done, total] = [0, 0]
  for (const { label, units } of models) {
    for (const { items } of share.of(label, units)) {
      total += items.length
      done += items.filter((item) => isDone(label, item)).length
    }
  }
  return { done, total }
}
