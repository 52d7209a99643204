/**
 * The sweep: one pass over the layers computes every knockout of every prompt, exactly.
 *
 * For each layer, each batch's base rows (all tokens of its prompts) and run rows (the suffixes of the runs that have
 * begun) go through the layer together; runs whose first knocked layer comes next start as copies of their prompt's
 * base rows. The head then looks at the last token of every prompt and run. See plan.ts for what a batch is and
 * models/architecture.ts for what a layer graph gets.
 */
import { Tensor } from 'onnxruntime-common'
import { FEATURE_CATEGORIES, type ModelSpec, ownInput } from '../models/architecture.js'
import { inParallel, type Supply } from '../parallel.js'
import { freeTensors, type GpuSettings, type Session, type Tensors } from '../runtime/runtime.js'
import { GpuFeeds } from './gpu-feeds.js'
import { askHead, type HeadOptions, type HeadQuestion, type Prediction } from './head.js'
import { type Batch, type BatchPrompt, batchBytes, type Run } from './plan.js'
import type { ModelSessions, Span } from './sessions.js'

/** What the sweep gives back for one batch: predictions of its prompts and of their runs. */
export interface BatchResult {
  readonly base: Prediction[]
  /** In the order of `batch.prompts[i].runs`. */
  readonly runs: Prediction[][]
}

export interface SweepOptions extends HeadOptions {
  /** Token asked about, by prompt number; undefined: none. */
  readonly answers: readonly (number | undefined)[]
  /** Bytes that batches may need inside a layer; default without limit. */
  readonly rowMemory?: Supply
  /** Called as layers are done, with the number of layer-rows done since the last call. */
  readonly onProgress?: (layerRows: number) => void
}

/** A run and where it stands in its batch. */
interface ActiveRun {
  /** None where the baseline of a prompt stands in for a run. */
  readonly run?: Run
  /** Number of its prompt in the batch. */
  readonly slot: number
  /** Number of its kept set in the prompt. */
  readonly set: number
}

/** One batch on its way through the layers. */
class Passage {
  readonly batch: Batch
  base!: Tensor
  runs: Tensor
  readonly active: ActiveRun[] = []
  readonly #waiting: Required<ActiveRun>[]
  /** The prompt whose baseline stands in for a run. */
  readonly #standIn: number
  readonly #contextInputs: Tensors
  readonly #gpuFeeds: GpuFeeds | undefined
  /** Number of a prompt's context. */
  readonly #contextOf: ReadonlyMap<number, number>

  constructor(
    batch: Batch,
    private readonly spec: ModelSpec,
    gpu: GpuSettings | undefined,
  ) {
    this.batch = batch
    const hasFeeds = gpu !== undefined && spec.history !== undefined
    this.#gpuFeeds = hasFeeds ? new GpuFeeds(batch, spec.history) : undefined
    this.runs = this.#noRuns()
    this.#waiting = batch.prompts
      .flatMap((p, slot) => p.runs.map((run, i) => ({ run, slot, set: p.runSets[i]! })))
      .sort((a, b) => a.run.firstLayer - b.run.firstLayer)
    // A context for every prompt with runs; a batch without any has one that nobody uses, as no input may be empty.
    const withRuns = batch.prompts.flatMap((p, slot) => (p.runs.length > 0 ? [slot] : []))
    const contexts = withRuns.length > 0 ? withRuns : [0]
    this.#standIn = contexts[0]!
    const { prompts, tokens, setsPerPrompt } = batch
    const keep = new Float32Array(contexts.length * setsPerPrompt * tokens)
    const features = new Int32Array(contexts.length * setsPerPrompt)
    contexts.forEach((slot, c) => {
      prompts[slot]!.sets.forEach((set, m) => {
        keep.set(set.keep, (c * setsPerPrompt + m) * tokens)
        features[c * setsPerPrompt + m] = FEATURE_CATEGORIES.indexOf(set.features)
      })
    })
    this.#contextInputs = {
      contexts: new Tensor('int32', Int32Array.from(contexts), [contexts.length]),
      start: new Tensor(
        'int32',
        Int32Array.from(contexts, (slot) => prompts[slot]!.start),
        [contexts.length],
      ),
      keep: new Tensor('float32', keep, [contexts.length, setsPerPrompt, tokens]),
      keepFeatures: new Tensor('int32', features, [contexts.length, setsPerPrompt]),
      ...this.#gpuFeeds?.shared(contexts),
    }
    this.#contextOf = new Map(contexts.map((slot, c) => [slot, c]))
  }

  /** Put the embeddings in. */
  async begin(): Promise<void> {
    const { prompts, tokens } = this.batch
    const ids = prompts.flatMap((p) => [
      ...p.ids,
      ...new Array<number>(tokens - p.ids.length).fill(p.ids[0]!),
    ])
    const positions = ids.map((_, i) => i % tokens)
    this.base = new Tensor('float32', await this.spec.embed(ids, positions), [ids.length, this.spec.dModel])
  }

  /** Through the layers of a session; returns the layer-rows that went through. */
  async advance({ first, count }: Span, session: Session): Promise<number> {
    const feeds: Record<string, Tensor> = { base: this.base, runs: this.runs, ...this.#contextInputs }
    let rows = 0
    for (let place = 0; place < count; place++) {
      for (const [name, tensor] of Object.entries(this.#layerInputs(first + place))) {
        feeds[ownInput(name, place)] = tensor
      }
      rows += this.base.dims[0]! + this.active.filter(({ run }) => run).length * this.batch.suffix
    }
    const out = await session.run(feeds, ['nextBase', 'nextRuns'], ['base', 'runs'])
    freeTensors(this.base, this.runs)
    this.base = out.nextBase!
    this.runs = out.nextRuns!
    if (this.active.every(({ run }) => run === undefined)) {
      this.active.length = 0
      freeTensors(this.runs)
      this.runs = this.#noRuns()
    }
    return rows
  }

  /** What a layer needs to know of the runs, those that begin there included. */
  #layerInputs(layer: number): Tensors {
    const { batch } = this
    const begun = this.active.length
    while (this.#waiting[0]?.run.firstLayer === layer) this.active.push(this.#waiting.shift()!)
    // ONNX Runtime 1.30 ends the process on some operators of no rows: while no run has begun a copy of the baseline
    // stands in for one. It is dropped after its session unless runs have joined it there.
    if (this.active.length === 0) this.active.push({ slot: this.#standIn, set: 0 })
    const newRows = this.active.slice(begun).flatMap(({ slot }) => this.#suffixRows(slot))
    const count = this.active.length
    const runSet = new Int32Array(count)
    const keep = new Float32Array(count * batch.suffix).fill(1)
    const target = new Float32Array(count * batch.suffix)
    this.active.forEach(({ run, slot, set }, r) => {
      const cut = run?.layers.has(layer)
      runSet[r] = this.#contextOf.get(slot)! * batch.setsPerPrompt + (cut ? set : 0)
      if (!run || !cut) return
      keep.set(run.suffixKeep, r * batch.suffix)
      target.set(run.suffixTarget, r * batch.suffix)
    })
    const seen = this.active.map(({ run, slot }) => ({ slot, cut: run?.layers.has(layer) ? run : undefined }))
    return {
      ...this.#gpuFeeds?.layer(seen),
      newRows: new Tensor('int32', Int32Array.from(newRows), [newRows.length]),
      runSet: new Tensor('int32', runSet, [count]),
      runKeep: new Tensor('float32', keep, [count, batch.suffix]),
      ...(batch.kind === 'suffix' && {
        runTarget: new Tensor('float32', target, [count, batch.suffix]),
      }),
    }
  }

  #noRuns(): Tensor {
    return new Tensor('float32', new Float32Array(0), [0, this.spec.dModel])
  }

  /** Rows of `base` that hold a prompt's suffix. */
  #suffixRows(slot: number): number[] {
    const { start, ids } = this.batch.prompts[slot] as BatchPrompt
    return Array.from({ length: ids.length - start }, (_, i) => slot * this.batch.tokens + start + i)
  }

  /** The last token of every prompt and run, as questions to the head. */
  questions(answers: SweepOptions['answers']): HeadQuestion[] {
    const { prompts, tokens, suffix } = this.batch
    const baseRows = prompts.length * tokens
    return [
      ...prompts.map((p, slot) => ({ row: slot * tokens + p.ids.length - 1, answer: answers[p.prompt] })),
      ...this.active.flatMap(({ run }, r) =>
        run ? [{ row: baseRows + r * suffix + suffix - 1, answer: answers[run.prompt] }] : [],
      ),
    ]
  }

  /** The head's answers to `questions`, by prompt and run. */
  result(predictions: readonly Prediction[]): BatchResult {
    const { prompts } = this.batch
    const base = predictions.slice(0, prompts.length)
    const runs: Prediction[][] = prompts.map((p) => new Array<Prediction>(p.runs.length))
    this.active
      .filter((active): active is Required<ActiveRun> => active.run !== undefined)
      .forEach(({ run, slot }, r) => {
        runs[slot]![prompts[slot]!.runs.indexOf(run)] = predictions[prompts.length + r]!
      })
    return { base, runs }
  }
}

/**
 * Sweep `batches` (all of one kind) through the model, one behind the other, so that several are on their way at once:
 * each layer's weights are needed once. Returns a result for each batch.
 * @throws the signal's reason when aborted
 */
export async function sweepBatches(
  spec: ModelSpec,
  sessions: ModelSessions,
  batches: readonly Batch[],
  options: SweepOptions,
): Promise<BatchResult[]> {
  const outputs = { topK: (options.topK ?? 0) > 0, logits: options.probs }
  const pass = sessions.pass(batches[0]!.kind, outputs, batches.length)
  const through = async (batch: Batch): Promise<BatchResult> => {
    const passage = new Passage(batch, spec, sessions.gpu)
    await passage.begin()
    const bytes = batchBytes(spec.costs, batch.tokens, batch.suffix, batch.prompts)
    for (const [i, span] of pass.spans.entries()) {
      await pass.withLayers(i, async (session) => {
        options.signal?.throwIfAborted()
        const advance = (): Promise<number> => passage.advance(span, session)
        const rows = await (options.rowMemory?.use(bytes, advance) ?? advance())
        options.onProgress?.(rows)
      })
    }
    const { base, runs } = passage
    const arrived = { base, runs, questions: passage.questions(options.answers) }
    return passage.result(await askHead(spec, pass, arrived, options))
  }
  // When layers are loaded in turn, all batches share each load.
  const atOnce = sessions.resident ? sessions.atOnce : batches.length
  try {
    return await inParallel(batches, atOnce, through, (error) => pass.fail(error))
  } finally {
    await pass.end()
  }
}

/** Rows that all layers together see for a batch: the unit of progress. */
export function layerRows(batch: Batch, nLayers: number): number {
  const base = batch.prompts.length * batch.tokens * nLayers
  return batch.prompts.reduce(
    (sum, p) => sum + p.runs.reduce((s, run) => s + (nLayers - run.firstLayer) * batch.suffix, 0),
    base,
  )
}
