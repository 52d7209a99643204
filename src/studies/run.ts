/** Run a study: what is missing of it, and only that, whatever stopped it before. */
import type { DownloadListener } from '../checkpoints/hub-target.js'
import { InputError, show } from '../errors.js'
import { evaluate } from '../experiments/evaluate.js'
import { loadModel } from '../load.js'
import type { Model, Progress } from '../model.js'
import { RunFolder } from '../results/run-folder.js'
import type { DeviceOptions } from '../runtime/open-runtime.js'
import { VERSION } from '../version.js'
import { evaluationRow } from './evaluation-row.js'
import { checkEvaluate, checkVersion, looksTheSame, modelRun, OtherInputs, sameModel } from './inputs.js'
import { checkSets, choosePrompts } from './prompt-sets.js'
import { promptKey, storedPrompts, storedRanks, storedWork } from './stored.js'
import { modelLabel, type Study, type StudyModel } from './study.js'
import { openData, type PreparedData, prepareData, type StudyFacts } from './study-data.js'
import {
  askedCurves,
  type Curve,
  curveKey,
  curveKnockouts,
  hasTokens,
  knockoutRows,
  partId,
  unitSize,
  units,
  type Work,
} from './work.js'

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
  readonly memory?: number
  readonly offline?: boolean
  readonly signal?: AbortSignal
  readonly progress?: ShowProgress
}

/** What a run of a study did. */
export interface StudyOutcome {
  /** Prompts that were evaluated, and knockouts that were computed, in this run. */
  readonly evaluated: number
  readonly knockouts: number
  /** Models that could not be computed, and why; the others were. */
  readonly failed: readonly { readonly model: string; readonly message: string }[]
}

/**
 * Compute what a run folder lacks of a study: evaluations, prompt sets, knockouts, feature norms. Every part is stored
 * when it is done: a run that was stopped, by whatever, goes on where it was and gives the same numbers.
 * @throws InputError when the data or a model cannot be used, or is another than the one whose results are stored; the
 *   signal's reason when aborted
 */
export async function runStudy(study: Study, options: StudyOptions): Promise<StudyOutcome> {
  const folder = await RunFolder.at(options.out, VERSION)
  try {
    const run = new StudyRun(study, folder, options)
    return await run.toTheEnd()
  } finally {
    folder.close()
  }
}

/** The features of a figure are those of its model: the norms are read when a study draws them. */
function drawsFeatures({ figures }: Study): boolean {
  return figures.some((figure) =>
    typeof figure === 'string' ? figure.startsWith('decay') : figure.kind === 'decay',
  )
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

/** Keys of the prompts of each set, by model and set, in the order of the data. */
type Members = ReadonlyMap<string, ReadonlyMap<string, readonly string[]>>

class StudyRun {
  readonly #progress: ShowProgress
  #evaluated = 0
  /** Labels of models that cannot be computed, and why. */
  readonly #failed = new Map<string, string>()
  #knockouts = 0
  /** The model that is open. */
  #open: { readonly label: string; readonly model: Model } | undefined

  constructor(
    private readonly study: Study,
    private readonly folder: RunFolder,
    private readonly options: StudyOptions,
  ) {
    this.#progress = options.progress ?? ((_, task) => task(() => {}))
  }

  async toTheEnd(): Promise<StudyOutcome> {
    const { study, folder } = this
    const models = chooseModels(study, this.options.models)
    checkVersion(folder)
    await checkEvaluate(study, folder)
    const data = await openData(study, folder, this.options)
    folder.file.study = study
    await folder.save()
    checkSets(study, data)
    try {
      for (const model of models) await this.#apart(model, () => this.#evaluate(model, data))
      const members = await this.#choosePrompts(data, models.map(modelLabel))
      for (const model of models) await this.#apart(model, () => this.#sweep(model, data, members))
    } finally {
      await this.#close()
    }
    const failed = [...this.#failed].map(([model, message]) => ({ model, message }))
    return { evaluated: this.#evaluated, knockouts: this.#knockouts, failed }
  }

  /** Work on one model; that it cannot be done does not keep the others from theirs. */
  async #apart(entry: StudyModel, work: () => Promise<void>): Promise<void> {
    const label = modelLabel(entry)
    if (this.#failed.has(label)) return
    try {
      await work()
    } catch (error) {
      this.options.signal?.throwIfAborted()
      if (!(error instanceof InputError) || error instanceof OtherInputs) throw error
      this.#failed.set(label, error.message)
      this.options.onNote?.(`${label} cannot be computed: ${error.message}`)
    }
  }

  /** A model of the study, open, after a check that it is the one whose results are stored. */
  async #model(entry: StudyModel): Promise<Model> {
    const label = modelLabel(entry)
    if (this.#open?.label === label) return this.#open.model
    await this.#close()
    const { memory, threads, device, dtype, tf32, offline, onProgress, onNote, signal } = this.options
    const { model: name, revision, tokenizer } = entry
    const model = await loadModel(name, {
      ...{ revision, tokenizer, offline: offline || undefined, memory },
      ...{ threads, device, dtype, tf32 },
      ...{ onProgress, onNote, signal },
    })
    this.#open = { label, model }
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

  /** Ask a model for what it says of all facts, as far as it has not been asked. */
  async #evaluate(entry: StudyModel, data: StudyFacts): Promise<void> {
    const label = modelLabel(entry)
    const { evaluated, unusable } = await storedPrompts(this.folder.dir, label)
    const known = (key: string): boolean => evaluated.has(key) || unusable.has(key)
    const wanted = [...data.facts].some(([dataset, facts]) =>
      facts.some(({ id }) => !known(promptKey(dataset, id))),
    )
    if (!wanted) {
      const stored = this.folder.file.models[label]
      if (stored && !(await looksTheSame(stored, entry))) await this.#model(entry)
      return
    }
    const model = await this.#model(entry)
    const tokenizer = await model.tokenizer()
    const prepared = await prepareData(model, data)
    await this.folder.write('unusable', partId('model', label), prepared.unusable(label))
    const size = unitSize(
      model.spec,
      prepared.prompts.map((one) => ({ ...one, curves: [] })),
    )
    const missing = units(prepared.prompts, size, (one) =>
      evaluated.has(promptKey(one.dataset, one.prompt.fact.id)) ? undefined : one,
    )
    const { top: topK, continuation } = this.study.evaluate
    await this.#inUnits(`${label}: evaluate`, missing, async (unit, onProgress) => {
      const evaluations = await evaluate(
        model,
        unit.map(({ prompt }) => prompt),
        { topK, continuation, onProgress, signal: this.options.signal },
      )
      const rows = evaluations.map((one, i) => evaluationRow(label, unit[i]!.dataset, one, tokenizer))
      const ids = unit.map(({ dataset, prompt }) => [dataset, prompt.fact.id])
      await this.folder.write('evaluations', partId(label, ids), rows)
      this.#evaluated += rows.length
    })
  }

  /** Choose the prompts of every named set by what the models evaluated so far know, and store them. */
  async #choosePrompts(data: StudyFacts, computed: readonly string[]): Promise<Members> {
    const labels = this.study.models.map(modelLabel)
    const ranks = await storedRanks(this.folder.dir, labels, data.facts)
    const context = { facts: data.facts, ranks, labels }
    const rows = Object.entries(this.study.promptSets).flatMap(([name, set]) => {
      const chosen = choosePrompts(name, set, context)
      if (chosen.missing.length > 0) {
        this.options.onNote?.(
          `the prompt set ${name} waits for the evaluation of ${chosen.missing.join(', ')}`,
        )
      } else if (chosen.rows.length === 0) {
        this.options.onNote?.(`the prompt set ${name} is empty: no prompt passes its filters`)
      }
      return chosen.rows
    })
    // Those of models that others compute are for them to write.
    for (const label of computed) {
      if (!ranks.has(label)) continue
      const own = rows.filter(({ model }) => model === label)
      await this.folder.write('prompt_sets', partId('sets', label), own)
    }
    const members = new Map<string, Map<string, string[]>>()
    for (const { model, prompt_set: set, dataset, prompt_id } of rows) {
      const sets = members.get(model) ?? new Map<string, string[]>()
      members.set(model, sets)
      const own = sets.get(set)
      if (own) own.push(promptKey(dataset, prompt_id))
      else sets.set(set, [promptKey(dataset, prompt_id)])
    }
    return members
  }

  /** Compute a model's curves and heatmaps, as far as they are missing. */
  async #sweep(entry: StudyModel, data: StudyFacts, members: Members): Promise<void> {
    const label = modelLabel(entry)
    const asked = this.#asked(label, members)
    const needsFeatures = drawsFeatures(this.study) && !(await this.#hasFeatures(label))
    const done = await storedWork(this.folder.dir, label)
    // Of a role without tokens in a prompt there is nothing to compute.
    const wanted = (key: string, curve: Curve): boolean => {
      const at = done.places.get(key)
      return !done.curves.has(`${key} ${curveKey(curve)}`) && (at === undefined || hasTokens(curve, at))
    }
    const complete = [...asked].every(([key, curves]) => curves.every((curve) => !wanted(key, curve)))
    if (complete && !needsFeatures) return
    const model = await this.#model(entry)
    if (needsFeatures) await this.#features(label, model)
    const { nLayers } = model.spec
    const prepared: PreparedData = await prepareData(model, data)
    const all = prepared.prompts.flatMap(({ dataset, prompt }): Work[] => {
      const curves = asked.get(promptKey(dataset, prompt.fact.id))
      return curves ? [{ dataset, prompt, curves }] : []
    })
    const rest = units(all, unitSize(model.spec, all), (work) => {
      const key = promptKey(work.dataset, work.prompt.fact.id)
      const curves = work.curves.filter((curve) => wanted(key, curve))
      return curves.length > 0 ? { ...work, curves } : undefined
    })
    await this.#inUnits(`${label}: sweep`, rest, async (unit, onProgress) => {
      const answers = await model.knockout(
        unit.map(({ prompt, curves }) => ({
          ids: prompt.ids,
          answer: prompt.answer,
          knockouts: curves.flatMap((curve) =>
            curveKnockouts(curve, prompt, nLayers).map(({ knockout }) => knockout),
          ),
        })),
        { onProgress, signal: this.options.signal },
      )
      const rows = unit.flatMap((work, i) => knockoutRows(label, work, answers[i]!, nLayers))
      const ids = unit.map(({ dataset, prompt, curves }) => [dataset, prompt.fact.id, curves.map(curveKey)])
      await this.folder.write('knockouts', partId(label, ids), rows)
      this.#knockouts += rows.length
    })
  }

  /** The curves that the study asks of a model, by data set and prompt. */
  #asked(label: string, members: Members): ReadonlyMap<string, readonly Curve[]> {
    const spec = this.folder.file.models[label]
    // A model that has never been open has no evaluations either, so no prompt is in a set.
    if (!spec) return new Map()
    const facts = { nLayers: spec.layers, featureCategories: spec.featureCategories }
    const { asked, tooWide } = askedCurves(this.study, label, facts, members.get(label) ?? new Map())
    if (tooWide.length > 0) {
      this.options.onNote?.(
        `${label} has ${spec.layers} layers: windows of ${tooWide.join(', ')} are left out`,
      )
    }
    return asked
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
    label: string,
    all: readonly (readonly T[])[],
    work: (unit: readonly T[], onProgress: (progress: Progress) => void) => Promise<void>,
  ): Promise<void> {
    const total = all.reduce((sum, unit) => sum + unit.length, 0)
    if (total === 0) return
    await this.#progress(label, async (onProgress) => {
      let before = 0
      for (const unit of all) {
        this.options.signal?.throwIfAborted()
        await work(unit, ({ done, total: of }) =>
          onProgress({ done: before + (unit.length * done) / Math.max(1, of), total }),
        )
        before += unit.length
        onProgress({ done: before, total })
      }
    })
  }
}
