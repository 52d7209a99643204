/** An open model: asks it about prompts under knockouts. */
import type { Checkpoint } from './checkpoints/checkpoint.js'
import { InputError } from './errors.js'
import { type Trace, type TraceOptions, trace } from './experiments/trace.js'
import type { Prediction } from './knockout/head.js'
import { checkKnockout, type Knockout } from './knockout/knockout.js'
import { batchRows, planForLanes } from './knockout/lanes.js'
import { type Batch, batchBytes, type Plan } from './knockout/plan.js'
import { ModelSessions } from './knockout/sessions.js'
import { layerRows, sweepBatches } from './knockout/sweep.js'
import {
  leastMemory,
  type MemoryShares,
  memoryForBatch,
  shareMemory,
  tooLittle,
  weightForm,
} from './memory.js'
import type { ModelSpec } from './models/architecture.js'
import { openModel } from './models/registry.js'
import type { WeightForm } from './onnx/graph.js'
import { Supply } from './parallel.js'
import { Tokenizer } from './prompts/tokenizer.js'
import type { Runtime } from './runtime/runtime.js'

/** A prompt as token ids, and what to knock out of it. */
export interface KnockoutPrompt {
  /** One or more token ids, each below the model's vocabSize. */
  readonly ids: readonly number[]
  /** The token whose probability is asked about. */
  readonly answer?: number
  readonly knockouts: readonly Knockout[]
}

/** Predictions at a prompt's last position, without and under each of its knockouts (in their order). */
export interface KnockoutResult {
  readonly base: Prediction
  readonly knockouts: readonly Prediction[]
}

/** How far a sweep is: rows of the residual stream through one layer each. */
export interface Progress {
  readonly done: number
  readonly total: number
}

export interface SweepSettings {
  /** Give the whole next-token distributions back, too. */
  readonly probs?: boolean
  /** Give as many of the most probable tokens back, too, with their probabilities; at most the whole vocabulary. */
  readonly topK?: number
  readonly onProgress?: (progress: Progress) => void
  readonly signal?: AbortSignal
}

/** Rows of a batch on a CPU: enough that the matrix products are near their best speed (bench/sweep.ts). */
export const BATCH_ROWS = 320
/** Rows of runs per token of a long prompt: its baseline is a ninth of a full batch (bench/growth.ts). */
export const RUN_ROWS_PER_TOKEN = 8
/** Rows that the head handles at once on a CPU. */
const HEAD_ROWS = 96
/** Tensors as large as the largest that are counted in what a batch needs, at least (`ActivationCosts`). */
const LIKE_LARGEST = 3
/** Logits of a part of the head that are alive at once, per row. */
const HEAD_TEMPORARIES = 2
export class Model {
  /** What the user called it. */
  readonly name: string
  readonly #sessions: ModelSessions
  readonly #shares: MemoryShares
  readonly #headRows: number
  readonly #rowMemory: Supply
  #tokenizer: Promise<Tokenizer> | undefined
  #lastSweep: Promise<unknown> = Promise.resolve()

  private constructor(
    readonly spec: ModelSpec,
    readonly runtime: Runtime,
    readonly checkpoint: Checkpoint,
    /** Bytes that weights and rows may take. */
    readonly memory: number,
    private readonly form: WeightForm,
    private readonly ownsRuntime: boolean,
  ) {
    const { costs } = spec
    this.name = spec.name
    this.#shares = shareMemory(spec, memory, runtime.lanes, form)
    const { weights, passing, batch } = this.#shares
    this.#sessions = new ModelSessions(spec, runtime, weights, passing, form)
    this.#rowMemory = new Supply(batch)
    const logitBytes = (HEAD_TEMPORARIES * costs.headPartBytes) / spec.dModel
    const headRows = runtime.gpu?.headRows ?? HEAD_ROWS
    this.#headRows = Math.max(1, Math.min(headRows, Math.floor(this.#shares.logits / logitBytes)))
  }

  /**
   * Open a checkpoint on a runtime.
   * @param memory bytes that weights and rows may take; default half of what is free
   * @param ownsRuntime whether the runtime is closed with the model
   * @throws InputError when the checkpoint is not one of a known architecture, or the memory holds not even one layer
   */
  static open(
    checkpoint: Checkpoint,
    runtime: Runtime,
    memory = runtime.freeMemory() / 2,
    ownsRuntime = false,
  ): Model {
    const spec = openModel(checkpoint, runtime.gpu?.target)
    const form = weightForm(spec, runtime)
    const least = leastMemory(spec, form)
    if (memory < least) throw tooLittle(`to load ${checkpoint.name}, at least`, least, memory)
    return new Model(spec, runtime, checkpoint, memory, form, ownsRuntime)
  }

  /** Whether all weights stay loaded; otherwise layers are loaded in turn, anew in every pass. */
  get resident(): boolean {
    return this.#sessions.resident
  }

  /** The checkpoint's tokenizer, read when first asked for. @throws InputError when it is missing or not supported */
  tokenizer(): Promise<Tokenizer> {
    this.#tokenizer ??= this.checkpoint
      .tokenizerJson()
      .then((json) => Tokenizer.fromJson(json, `${this.name}/tokenizer.json`))
    return this.#tokenizer
  }

  /**
   * Check one prompt.
   * @throws InputError when it is empty, an id or the answer is not in the vocabulary, or a knockout is out of range
   */
  check(prompt: KnockoutPrompt, where: string): void {
    const { vocabSize, nLayers, featureCategories, maxTokens } = this.spec
    if (!Array.isArray(prompt.ids) || prompt.ids.length === 0) {
      throw new InputError(`${where}: a prompt must have one or more tokens, got none; add some`)
    }
    if (maxTokens !== undefined && prompt.ids.length > maxTokens) {
      throw new InputError(
        `${where}: a prompt must have at most ${maxTokens} tokens (the model learned as many positions), got ${prompt.ids.length}; shorten it`,
      )
    }
    const inVocabulary = (id: unknown): boolean =>
      Number.isInteger(id) && (id as number) >= 0 && (id as number) < vocabSize
    for (const id of [...prompt.ids, ...(prompt.answer === undefined ? [] : [prompt.answer])]) {
      if (inVocabulary(id)) continue
      throw new InputError(
        `${where}: token ids must be whole numbers from 0 to ${vocabSize - 1} (the vocabulary has ${vocabSize}), got ${id}; use this model's tokenizer`,
      )
    }
    prompt.knockouts.forEach((knockout, i) => {
      checkKnockout(
        knockout,
        { nLayers, length: prompt.ids.length, featureCategories },
        `${where}: knockout ${i}`,
      )
    })
  }

  /** The plan for `prompts`, which have passed `check`. */
  plan(prompts: readonly KnockoutPrompt[]): Plan {
    const limit = this.#shares.batch
    const { costs } = this.spec
    const { lanes, gpu } = this.runtime
    const tensors = LIKE_LARGEST * (gpu?.tensorBytes ?? Number.POSITIVE_INFINITY)
    const bytes = Math.min(limit / this.#sessions.atOnce, tensors)
    const limits = { runRowsPerToken: RUN_ROWS_PER_TOKEN, bytes }
    const rows = gpu?.batchRows ?? BATCH_ROWS
    const plan = planForLanes(prompts, costs, { ...limits, rows }, lanes)
    const needs = plan.batches.map((batch) => ({
      tokens: batch.tokens,
      bytes: batchBytes(costs, batch.tokens, batch.suffix, batch.prompts),
    }))
    const most = needs.reduce((a, b) => (b.bytes > a.bytes ? b : a), { tokens: 0, bytes: 0 })
    if (most.bytes > limit) {
      const need = memoryForBatch(this.spec, most.bytes, this.form)
      throw tooLittle(`for a prompt of ${most.tokens} tokens`, need, this.memory)
    }
    return plan
  }

  /**
   * The prediction at the last position of each prompt, alone and under each of its knockouts: one sweep over the
   * layers for all of them, equal to one whole run of the model per knockout up to rounding (float32). Calls that are
   * made before an earlier one is done wait for it.
   * @throws InputError as `check` does, naming the prompt by its number, and when topK is not a whole number from 0
   */
  async knockout(
    prompts: readonly KnockoutPrompt[],
    settings: SweepSettings = {},
  ): Promise<KnockoutResult[]> {
    const { topK } = settings
    if (topK !== undefined && (!Number.isSafeInteger(topK) || topK < 0)) {
      throw new InputError(`topK: must be a whole number from 0, got ${topK}; change it or leave it out`)
    }
    prompts.forEach((prompt, i) => {
      this.check(prompt, `prompt ${i}`)
    })
    const plan = this.plan(prompts)
    // One sweep drops layers that another would still be using.
    const sweep = this.#lastSweep.then(() => this.#sweep(prompts, plan, settings))
    this.#lastSweep = sweep.catch(() => undefined)
    return sweep
  }

  async #sweep(
    prompts: readonly KnockoutPrompt[],
    plan: Plan,
    settings: SweepSettings,
  ): Promise<KnockoutResult[]> {
    const total = plan.batches.reduce((sum, batch) => sum + layerRows(batch, this.spec.nLayers), 0)
    let done = 0
    const base = new Array<Prediction>(prompts.length)
    const knockouts = prompts.map((prompt) => new Array<Prediction>(prompt.knockouts.length))
    for (const group of this.#groups(plan.batches)) {
      const results = await sweepBatches(this.spec, this.#sessions, group, {
        answers: prompts.map((prompt) => prompt.answer),
        probs: settings.probs ?? false,
        topK: settings.topK,
        headRows: this.#headRows,
        rowMemory: this.#rowMemory,
        signal: settings.signal,
        onProgress: (rows) => {
          done += rows
          settings.onProgress?.({ done, total })
        },
      })
      group.forEach((batch, b) => {
        batch.prompts.forEach(({ prompt, runs }, slot) => {
          base[prompt] ??= results[b]!.base[slot]!
          runs.forEach((run, r) => {
            for (const answer of run.answers) knockouts[prompt]![answer] = results[b]!.runs[slot]![r]!
          })
        })
      })
    }
    return prompts.map((_, p) => {
      for (const i of plan.unchanged[p]!) knockouts[p]![i] = base[p]!
      return { base: base[p]!, knockouts: knockouts[p]! }
    })
  }

  /**
   * Batches of one kind that go through the layers together; when layers are loaded in turn, as many as their rows fit
   * share each load.
   */
  *#groups(batches: readonly Batch[]): Generator<Batch[]> {
    const limit = this.#sessions.resident ? Number.POSITIVE_INFINITY : this.#shares.waiting
    let group: Batch[] = []
    let bytes = 0
    for (const batch of batches) {
      const own = 4 * this.spec.dModel * batchRows(batch)
      if (group.length > 0 && (bytes + own > limit || group[0]!.kind !== batch.kind)) {
        yield group
        group = []
        bytes = 0
      }
      group.push(batch)
      bytes += own
    }
    if (group.length > 0) yield group
  }

  /**
   * Trace one fact: its heatmap and its curves. `await model.trace('Manila is the capital of', { subject: 'Manila' })`
   * @throws InputError when the subject is not exactly once in the prompt, the answer is empty or the window does not fit
   */
  trace(prompt: string, options: TraceOptions): Promise<Trace> {
    return trace(this, prompt, options)
  }

  /** Free the model's memory and files, after the sweeps that are under way. */
  async close(): Promise<void> {
    await this.#lastSweep
    try {
      await this.#sessions.release()
    } finally {
      if (this.ownsRuntime) await this.runtime.close?.()
      await this.checkpoint.close()
    }
  }
}
