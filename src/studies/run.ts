/** Run a study: what is missing of it, and only that, whatever stopped it before. */
import type { DownloadListener } from '../checkpoints/hub-target.js'
import { InputError, outOfMemory, show } from '../errors.js'
import { evaluate } from '../experiments/evaluate.js'
import { loadModel } from '../load.js'
import type { Model, Progress } from '../model.js'
import { RunFolder, RunFolderError } from '../results/run-folder.js'
import type { DeviceOptions } from '../runtime/open-runtime.js'
import { sleep } from '../sleep.js'
import { VERSION } from '../version.js'
import { agreedPrice } from './agreed-prices.js'
import { evaluationRow } from './evaluation-row.js'
import { checkEvaluate, checkVersion, looksTheSame, modelRun, OtherInputs, sameModel } from './inputs.js'
import { checkSets } from './prompt-sets.js'
import { type Shard, shardName } from './shard.js'
import {
  type DataFact,
  dataFacts,
  evaluationCosts,
  evaluationFactor,
  evaluationUnits,
  type ModelPrice,
  Share,
  sweepCosts,
  sweepUnits,
  type Unit,
} from './shares.js'
import { StoredResults } from './stored.js'
import { modelLabel, type Study, type StudyModel } from './study.js'
import { openData, prepareData, type StudyFacts } from './study-data.js'
import { drawsFeatures, hasSweeps, planSweeps, type SweepPlan } from './sweep-plan.js'
import { curveKey, curveKnockouts, knockoutRows, partId, type Work } from './work.js'
import { readWorkers, WorkerFile, workerShard, workerState } from './worker-file.js'

/** Runs a task and shows how far it is. */
export type ShowProgress = <T>(
  label: string,
  task: (onProgress: (progress: Progress) => void) => Promise<T>,
) => Promise<T>

export interface StudyOptions extends DownloadListener, DeviceOptions {
  /** The run folder. */
  readonly out: string
  /** Labels of the models to compute now; default all. */
  readonly models?: readonly string[]
  /** The share of the work to compute, where others compute the rest; default all of it. */
  readonly shard?: Shard
  /** How far to go: evaluate the models on all facts, or put them under knockouts, too; default that. */
  readonly stage?: 'evaluate' | 'sweep'
  /** Milliseconds to wait, before knockouts, for what other shards evaluate; default 0. */
  readonly wait?: number
  readonly memory?: number
  readonly offline?: boolean
  /** Aborted: stop at once. */
  readonly signal?: AbortSignal
  /** Aborted: finish the unit of work that is being computed, store it, and stop. */
  readonly finish?: AbortSignal
  readonly progress?: ShowProgress
}

/** What a run of a study did. */
export interface StudyOutcome {
  /** Prompts that were evaluated, and knockouts that were computed, in this run. */
  readonly evaluated: number
  readonly knockouts: number
  /** Models that could not be computed, and why; the others were. */
  readonly failed: readonly { readonly model: string; readonly message: string }[]
  /** Models that other shards have not evaluated whole: knockouts were not begun. */
  readonly waiting: readonly string[]
}

/**
 * Compute what a run folder lacks of a study, or of one shard of it: evaluations, prompt sets, knockouts, feature
 * norms. Every part is stored when it is done: a run that was stopped, by whatever, goes on where it was and gives the
 * same numbers.
 * @throws InputError when the data or a model cannot be used, or is another than the one whose results are stored; the
 *   reason of `signal` or `finish` when aborted
 */
export async function runStudy(study: Study, options: StudyOptions): Promise<StudyOutcome> {
  const labels = study.models.map(modelLabel)
  const folder = await RunFolder.at(options.out, VERSION, { labels, study, onNote: options.onNote })
  try {
    const run = new StudyRun(study, folder, options)
    return await run.toTheEnd()
  } finally {
    folder.close()
  }
}

/**
 * The models of a study with these labels, or all.
 * @throws InputError when there is no such model
 */
export function chooseModels(study: Study, labels: readonly string[] | undefined): readonly StudyModel[] {
  return (labels ?? study.models.map(modelLabel)).map((name) => {
    const model = study.models.find((one) => modelLabel(one) === name || one.model === name)
    if (model) return model
    throw new InputError(
      `--models: must be models of the study (${study.models.map(modelLabel).join(', ')}), got ${show(name)}; correct the name`,
    )
  })
}

/** Milliseconds between two looks at what other shards have evaluated. */
const LOOK_EVERY = 10_000

class StudyRun {
  readonly #progress: ShowProgress
  readonly #stop = new AbortController()
  readonly #signal: AbortSignal
  #inUnit = false
  #worker: WorkerFile | undefined
  #evaluated = 0
  /** Labels of models that cannot be computed, and why; and those of them that this worker could not. */
  readonly #failed = new Map<string, string>()
  readonly #ownFailures: { readonly model: string; readonly message: string }[] = []
  #knockouts = 0
  /** Labels of models that could be opened. */
  readonly #opened = new Set<string>()
  /** The model that is open. */
  #open: { readonly label: string; readonly model: Model } | undefined

  constructor(
    private readonly study: Study,
    private readonly folder: RunFolder,
    private readonly options: StudyOptions,
  ) {
    this.#progress = options.progress ?? ((_, task) => task(() => {}))
    const { signal } = options
    this.#signal = signal ? AbortSignal.any([signal, this.#stop.signal]) : this.#stop.signal
  }

  async toTheEnd(): Promise<StudyOutcome> {
    const { study, folder } = this
    const models = chooseModels(study, this.options.models)
    checkVersion(folder)
    await checkEvaluate(study, folder)
    const worker = await WorkerFile.begin(folder.dir, this.options.shard, this.options.stage === 'evaluate')
    this.#worker = worker
    const { finish } = this.options
    const onFinish = (): void => {
      // What is between units (a model that loads, waiting) has nothing to be stored.
      if (!this.#inUnit) this.#stop.abort(finish!.reason)
    }
    finish?.addEventListener('abort', onFinish)
    if (finish?.aborted) onFinish()
    try {
      this.#signal.throwIfAborted()
      const data = await openData(study, folder, { ...this.options, signal: this.#signal })
      await folder.saveInputs()
      if (JSON.stringify(folder.file.study) !== JSON.stringify(study)) {
        folder.file.study = study
        await folder.save()
      }
      checkSets(study, data)
      const waiting = await this.#compute(models, data)
      const failed = [...this.#failed].map(([model, message]) => ({ model, message }))
      if (waiting.length > 0) {
        worker.set({ waitsFor: [...waiting] })
        await worker.end('stopped', `waits for other shards to evaluate ${waiting.join(', ')}`)
      } else await worker.end(this.#ownFailures.length > 0 ? 'failed' : 'done')
      return { evaluated: this.#evaluated, knockouts: this.#knockouts, failed, waiting }
    } catch (error) {
      const stopped = this.#signal.aborted || finish?.aborted
      await worker.end(stopped ? 'stopped' : 'failed', error instanceof Error ? error.message : String(error))
      throw error
    } finally {
      finish?.removeEventListener('abort', onFinish)
      await this.#close()
    }
  }

  /** All stages that are asked for. @returns labels of models whose evaluation by others is missing */
  async #compute(models: readonly StudyModel[], data: StudyFacts): Promise<readonly string[]> {
    const { shard, stage = 'sweep' } = this.options
    if (!(await this.#othersAtIt())) await this.#evaluateAll(models, data)
    if (stage === 'evaluate') return []
    const labels = models.map(modelLabel)
    const waiting = shard && hasSweeps(this.study) ? await this.#otherShards(labels, data) : []
    if (waiting.length > 0) return waiting
    await this.#sweepAll(models, data)
    return []
  }

  /** Work on one model; that it cannot be done does not keep the others from theirs. */
  async #apart(entry: StudyModel, work: () => Promise<void>): Promise<void> {
    const label = modelLabel(entry)
    if (this.#failed.has(label)) return
    try {
      await work()
    } catch (thrown) {
      this.#signal.throwIfAborted()
      const error = outOfMemory(thrown) ?? thrown
      if (!(error instanceof InputError)) throw error
      // What the others compute could not be stored either.
      if (error instanceof OtherInputs || error instanceof RunFolderError) throw error
      this.#failed.set(label, error.message)
      this.#ownFailures.push({ model: label, message: error.message })
      this.#worker?.set({ failed: this.#ownFailures })
      this.options.onNote?.(`${label} cannot be computed: ${error.message}`)
    }
  }

  /** A model of the study, open, after a check that it is the one whose results are stored. */
  async #model(entry: StudyModel): Promise<Model> {
    const label = modelLabel(entry)
    if (this.#open?.label === label) return this.#open.model
    await this.#close()
    const { memory, threads, device, dtype, tf32, offline, onProgress, onNote } = this.options
    const signal = this.#signal
    const { model: name, revision, tokenizer } = entry
    const model = await loadModel(name, {
      ...{ revision, tokenizer, offline: offline || undefined, memory },
      ...{ threads, device, dtype, tf32 },
      ...{ onProgress, onNote, signal },
    })
    this.#open = { label, model }
    this.#opened.add(label)
    await this.folder.refresh()
    const known = this.folder.file.models[label]
    const described = await this.#progress(`${label}: fingerprint`, (onBytes) =>
      modelRun(
        entry,
        model,
        { known, place: this.study.models.indexOf(entry) },
        { onProgress: onBytes, signal },
      ),
    )
    if (known) sameModel(label, known, described, this.folder.dir)
    this.folder.file.models[label] = described
    await this.folder.save()
    if (!model.resident) {
      onNote?.(`${label} does not fit in the memory whole: its layers are loaded in turn, which is slower`)
    }
    return model
  }

  async #close(): Promise<void> {
    const open = this.#open
    this.#open = undefined
    await open?.model.close()
  }

  /** The results that are stored now. */
  async #stored<T>(use: (stored: StoredResults) => Promise<T>): Promise<T> {
    const stored = await StoredResults.open(this.folder.dir)
    try {
      return await use(stored)
    } finally {
      stored.close()
    }
  }

  /** Ask the models for what they say of all facts, as far as they have not been asked and it is this shard's. */
  async #evaluateAll(models: readonly StudyModel[], data: StudyFacts): Promise<void> {
    const { shard } = this.options
    // Parts of a model whose file was lost count again when it is known which model it is.
    for (const entry of models) {
      if (this.folder.waitsFor(modelLabel(entry)))
        await this.#apart(entry, async () => void (await this.#model(entry)))
    }
    const facts = dataFacts(data.facts)
    const prices = new Map<string, ModelPrice | undefined>()
    for (const entry of models) {
      prices.set(modelLabel(entry), shard && (await agreedPrice(this.folder.dir, entry)))
    }
    const share = new Share(shard, evaluationCosts(prices, facts))
    await this.#stored(async (stored) => {
      for (const entry of models)
        await this.#apart(entry, () => this.#evaluate(entry, data, facts, { share, stored }))
    })
  }

  async #evaluate(
    entry: StudyModel,
    data: StudyFacts,
    facts: readonly DataFact[],
    { share, stored }: { readonly share: Share; readonly stored: StoredResults },
  ): Promise<void> {
    const label = modelLabel(entry)
    if (!share.touches(label)) return
    const evaluated = await stored.evaluated(label)
    const unusable = await stored.unusable(label)
    if (facts.every(({ key }) => evaluated.has(key) || unusable.has(key))) {
      const known = this.folder.file.models[label]
      if (known && !(await looksTheSame(known, entry))) await this.#model(entry)
      return
    }
    const model = await this.#model(entry)
    const tokenizer = await model.tokenizer()
    const prepared = await prepareData(model, data)
    const id = partId('model', label)
    if (!(await this.folder.parts('unusable')).has(id)) {
      await this.folder.write('unusable', id, prepared.unusable(label))
    }
    const missing = share.of(label, evaluationUnits(model.spec, facts)).flatMap(({ items, cost }) => {
      const prompts = items.flatMap(({ key, dataset }) => {
        const prompt = prepared.prompts.get(key)
        return prompt && !evaluated.has(key) ? [{ dataset, prompt }] : []
      })
      return prompts.length > 0 ? [{ items: prompts, cost: (cost * prompts.length) / items.length }] : []
    })
    const { top: topK, continuation } = this.study.evaluate
    await this.#inUnits('evaluate', label, missing, async (unit, onProgress) => {
      const evaluations = await evaluate(
        model,
        unit.map(({ prompt }) => prompt),
        { topK, continuation, onProgress, signal: this.#signal },
      )
      const rows = evaluations.map((one, i) => evaluationRow(label, unit[i]!.dataset, one, tokenizer))
      const ids = unit.map(({ dataset, prompt }) => [dataset, prompt.fact.id])
      await this.folder.write('evaluations', partId(label, ids), rows)
      this.#evaluated += rows.length
    })
  }

  /** Wait for what other shards evaluate. @returns labels of models of which something is missing in the end */
  async #otherShards(labels: readonly string[], data: StudyFacts): Promise<readonly string[]> {
    const { wait = 0, onNote } = this.options
    const until = Date.now() + wait
    let noted = false
    while (true) {
      const ranks = await this.#stored((stored) => stored.ranks(labels, data.facts))
      const broken = await this.#brokenElsewhere()
      const missing: string[] = []
      for (const label of labels.filter((one) => !ranks.has(one) && !this.#failed.has(one))) {
        const message = broken.get(label)
        // What this worker could open the other one may by now.
        if (message === undefined || this.#opened.has(label)) missing.push(label)
        else {
          this.#failed.set(label, `another worker says: ${message}`)
          this.options.onNote?.(`${label} cannot be computed: ${this.#failed.get(label)!}`)
        }
      }
      const left = until - Date.now()
      if (missing.length === 0 || left <= 0) return missing
      if (!noted) onNote?.(`waits for other shards to evaluate ${missing.join(', ')}`)
      noted = true
      await this.#close()
      this.#worker?.set({ state: 'waiting' })
      await sleep(Math.min(LOOK_EVERY, left), this.#signal)
      this.#worker?.set({ state: 'running' })
    }
  }

  /** Whether a worker that was started for it is evaluating this shard. */
  async #othersAtIt(): Promise<boolean> {
    const { shard, stage } = this.options
    if (!shard || stage === 'evaluate') return false
    const workers = await readWorkers(this.folder.dir)
    return workers.some(
      (worker) =>
        worker.shard === shardName(shard) &&
        worker.evaluateOnly === true &&
        workerState(worker) === 'running',
    )
  }

  /** Labels of models that other workers cannot compute, and why: those of as many shards. */
  async #brokenElsewhere(): Promise<ReadonlyMap<string, string>> {
    const workers = await readWorkers(this.folder.dir)
    return new Map(
      workers
        .filter((worker) => workerShard(worker)?.count === this.options.shard?.count)
        .filter((worker) => workerState(worker) !== 'lost')
        .flatMap(({ failed }) => failed.map(({ model, message }) => [model, message] as const)),
    )
  }

  /** Compute the models' curves and heatmaps, as far as they are missing and this shard's. */
  async #sweepAll(models: readonly StudyModel[], data: StudyFacts): Promise<void> {
    const { study, folder } = this
    const { shard } = this.options
    await folder.refresh()
    await this.#stored(async (stored) => {
      const labels = study.models.map(modelLabel)
      const only = models.map(modelLabel)
      const plan = await planSweeps(study, { labels, only }, folder.file.models, data.facts, stored)
      await this.#storeSets(plan, only, stored)
      const costs = shard
        ? sweepCosts(plan.works, folder.file.models)
        : new Map([...plan.works.keys()].map((label) => [label, 1]))
      const share = new Share(shard, costs)
      for (const entry of models) {
        await this.#apart(entry, () => this.#sweep(entry, data, { plan, share, stored }))
      }
    })
  }

  /** Store the members of the named sets, where they are not as they are stored. */
  async #storeSets(plan: SweepPlan, only: readonly string[], stored: StoredResults): Promise<void> {
    for (const { set, models } of plan.waiting) {
      this.options.onNote?.(`the prompt set ${set} waits for the evaluation of ${models.join(', ')}`)
    }
    for (const set of plan.empty) {
      this.options.onNote?.(`the prompt set ${set} is empty: no prompt passes its filters`)
    }
    // Those of models that others compute are for them to write.
    for (const label of only) {
      if (!plan.works.has(label)) continue
      const own = plan.sets.filter(({ model }) => model === label)
      if (await stored.hasSets(label, own)) continue
      await this.folder.write('prompt_sets', partId('sets', label), own)
    }
  }

  async #sweep(
    entry: StudyModel,
    data: StudyFacts,
    {
      plan,
      share,
      stored,
    }: { readonly plan: SweepPlan; readonly share: Share; readonly stored: StoredResults },
  ): Promise<void> {
    const label = modelLabel(entry)
    const works = plan.works.get(label)
    if (!works || !share.touches(label)) return
    const tooWide = plan.tooWide.get(label)!
    if (tooWide.length > 0) {
      const { layers } = this.folder.file.models[label]!
      this.options.onNote?.(`${label} has ${layers} layers: windows of ${tooWide.join(', ')} are left out`)
    }
    const needsFeatures = drawsFeatures(this.study) && !(await this.#hasFeatures(label))
    const done = await stored.curves(label)
    const wanted = ({ key, curves }: (typeof works)[number]) =>
      curves.filter((curve) => !done.has(`${key} ${curveKey(curve)}`))
    if (works.every((work) => wanted(work).length === 0) && !needsFeatures) return
    const model = await this.#model(entry)
    if (needsFeatures) await this.#features(label, model)
    const { nLayers } = model.spec
    const prepared = await prepareData(model, data)
    const rest = share.of(label, sweepUnits(model.spec, works)).flatMap(({ items, cost }) => {
      const missing = items.flatMap((work) => {
        const curves = wanted(work)
        return curves.length > 0 ? [{ ...work, prompt: prepared.prompts.get(work.key)!, curves }] : []
      })
      return missing.length > 0 ? [{ items: missing, cost: (cost * missing.length) / items.length }] : []
    })
    await this.#inUnits('sweep', label, rest, async (unit: readonly Work[], onProgress) => {
      const answers = await model.knockout(
        unit.map(({ prompt, curves }) => ({
          ids: prompt.ids,
          answer: prompt.answer,
          knockouts: curves.flatMap((curve) =>
            curveKnockouts(curve, prompt, nLayers).map(({ knockout }) => knockout),
          ),
        })),
        { onProgress, signal: this.#signal },
      )
      const rows = unit.flatMap((work, i) => knockoutRows(label, work, answers[i]!, nLayers))
      const ids = unit.map(({ dataset, prompt, curves }) => [dataset, prompt.fact.id, curves.map(curveKey)])
      await this.folder.write('knockouts', partId(label, ids), rows)
      this.#knockouts += rows.length
    })
  }

  async #hasFeatures(label: string): Promise<boolean> {
    const [spec, parts] = [this.folder.file.models[label], await this.folder.parts('features')]
    return parts.has(partId(label)) || (spec !== undefined && spec.featureCategories.length === 1)
  }

  /** Store the norms by which a model's features are ranked. */
  async #features(label: string, model: Model): Promise<void> {
    const layers = await model.spec.featureNorms()
    const rows = layers.flatMap((norms, layer) =>
      Array.from(norms, (norm, feature) => ({ model: label, layer, feature, norm })),
    )
    await this.folder.write('features', partId(label), rows)
  }

  /** Work through units with one progress bar. */
  async #inUnits<T>(
    stage: 'evaluate' | 'sweep',
    label: string,
    all: readonly Unit<T>[],
    work: (unit: readonly T[], onProgress: (progress: Progress) => void) => Promise<void>,
  ): Promise<void> {
    const total = all.reduce((sum, { items }) => sum + items.length, 0)
    if (total === 0) return
    this.#worker?.set({ stage, model: label, done: 0, total })
    await this.#progress(`${label}: ${stage}`, async (onProgress) => {
      let before = 0
      for (const { items, cost } of all) {
        this.#signal.throwIfAborted()
        const began = performance.now()
        this.#inUnit = true
        try {
          await work(items, ({ done, total: of }) =>
            onProgress({ done: before + (items.length * done) / Math.max(1, of), total }),
          )
        } finally {
          this.#inUnit = false
        }
        before += items.length
        this.#worker?.add(
          stage === 'evaluate' ? cost * evaluationFactor(this.study) : cost,
          (performance.now() - began) / 1000,
        )
        this.#worker?.set({ done: before })
        onProgress({ done: before, total })
        this.options.finish?.throwIfAborted()
      }
    })
  }
}
