/** Models that the machine has or can download, for the local server: they share one runtime and its memory. */
import { existsSync } from 'node:fs'
import { type Checkpoint, viewOf } from '../checkpoints/checkpoint.js'
import { embeddedModels } from '../checkpoints/embedded.js'
import { checkRevision, isHubId } from '../checkpoints/hub-id.js'
import { InputError, show } from '../errors.js'
import { downloadModel, type OpenOptions, openNamed } from '../load.js'
import { leastMemory, residentMemory, weightForm } from '../memory.js'
import { Model } from '../model.js'
import { openModel } from '../models/registry.js'
import type { Runtime } from '../runtime/runtime.js'
import type { ModelSource, SourceOptions } from '../ui/model-pool.js'
import type { ModelEntry, ModelRef } from '../ui/protocol.js'
import { embeddedEntries, folderEntry, hubEntries } from './model-entries.js'

/** Of all memory, what one model may take where it needs it all, so that a small one finds room beside it. */
const MOST_SHARE = 0.75
/** What a model is given for rows beside its weights, in shares of all memory and at most in bytes. */
const ROWS = { share: 1 / 4, most: 2e9 }
/** And what it does with before another is closed for it. */
const FEW_ROWS = { share: 1 / 16, most: 0.5e9 }

export class MachineModels implements ModelSource {
  readonly #embedded: Promise<readonly ModelEntry[]> = embeddedEntries()
  /** Of models that are open. */
  #given = 0
  #last: Promise<unknown> = Promise.resolve()

  /**
   * @param memory bytes that weights and rows of all open models may take
   * @param folders of models, as the user wrote them
   */
  private constructor(
    private readonly runtime: Runtime,
    private readonly memory: number,
    private readonly folders: readonly ModelEntry[],
    private readonly options: OpenOptions,
  ) {}

  /**
   * @param names folders, ids on the Hub (which are downloaded) and embedded models that the user named
   * @throws InputError when one cannot be used
   */
  static async of(
    names: readonly string[],
    runtime: Runtime,
    memory: number,
    options: OpenOptions,
  ): Promise<MachineModels> {
    const known = new Set((await embeddedModels()).map(({ name }) => name))
    const folders: ModelEntry[] = []
    for (const name of new Set(names)) {
      if (known.has(name)) continue
      if (existsSync(name)) folders.push(await folderEntry(name, name, 'folder'))
      else await downloadModel(name, options)
    }
    return new MachineModels(runtime, memory, folders, options)
  }

  async list(): Promise<readonly ModelEntry[]> {
    return [...(await this.#embedded), ...this.folders, ...(await hubEntries())]
  }

  async load({ name, revision }: ModelRef, { signal, onProgress, closeIdle }: SourceOptions): Promise<Model> {
    const own = await this.#isOwn(name)
    if (!own && !isHubId(name)) {
      throw new InputError(
        `model: must be an embedded model, one that factflow ui was given, or an id on the Hub, got ${show(name)}; start factflow ui with --model to use a folder`,
      )
    }
    if (revision !== undefined) checkRevision(revision)
    const checkpoint = await openNamed(name, {
      ...this.options,
      // What a page names is never a path.
      folders: own,
      revision,
      signal,
      onProgress: ({ model, done, total }) =>
        onProgress?.({ what: `downloading ${model}`, done, total, unit: 'bytes' }),
    })
    const opened = this.#last.then(() => this.#open(checkpoint, closeIdle, signal))
    this.#last = opened.catch(() => undefined)
    try {
      return await opened
    } catch (error) {
      await checkpoint.close()
      throw error
    }
  }

  /** Whether it comes with factflow or was given by the user. */
  async #isOwn(name: string): Promise<boolean> {
    return [...(await this.#embedded), ...this.folders].some((entry) => entry.name === name)
  }

  /** Open it in the memory that it needs, if there is as much; others that nobody uses are closed for it. */
  async #open(
    checkpoint: Checkpoint,
    closeIdle: () => Promise<boolean>,
    signal: AbortSignal | undefined,
  ): Promise<Model> {
    signal?.throwIfAborted()
    const { runtime } = this
    const spec = openModel(checkpoint, runtime.gpu?.target)
    const form = weightForm(spec, runtime)
    const most = Math.max(MOST_SHARE * this.memory, leastMemory(spec, form))
    const withRows = ({ share, most: rows }: typeof ROWS): number =>
      Math.min(most, residentMemory(spec, Math.min(rows, share * this.memory), form))
    while (this.memory - this.#given < withRows(FEW_ROWS)) if (!(await closeIdle())) break
    const memory = Math.max(0, Math.min(withRows(ROWS), this.memory - this.#given))
    const close = async (): Promise<void> => {
      this.#given -= memory
      await checkpoint.close()
    }
    const model = Model.open(viewOf(checkpoint, { close }), runtime, memory)
    this.#given += memory
    return model
  }
}
