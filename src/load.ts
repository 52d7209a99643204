/** Open a model by name, in Node. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { type Checkpoint, withTokenizer } from './checkpoints/checkpoint.js'
import { type EmbeddedModel, embeddedModels } from './checkpoints/embedded.js'
import { openFolder } from './checkpoints/folder.js'
import { type HubModel, type HubOptions, hubModel, openHubModel } from './checkpoints/hub.js'
import { TOKENIZER } from './checkpoints/hub-files.js'
import { isHubId } from './checkpoints/hub-id.js'
import { isMambaSsm, MAMBA_SSM_TOKENIZER } from './checkpoints/mamba-ssm.js'
import { checkTokenizerName, namedTokenizer } from './checkpoints/tokenizer-source.js'
import { InputError, show } from './errors.js'
import { Model } from './model.js'
import { checkConfig } from './models/registry.js'
import { type DeviceOptions, openRuntime } from './runtime/open-runtime.js'

export interface OpenOptions extends HubOptions {
  /** Take the tokenizer from elsewhere: a folder, a tokenizer.json, or a model's id on the Hub. */
  readonly tokenizer?: string
  /** Whether a name may be that of a folder; default true. False for names that do not come from the user alone. */
  readonly folders?: boolean
}

export interface LoadOptions extends OpenOptions, DeviceOptions {
  /** Bytes that weights and rows may take; default half of the free memory. */
  readonly memory?: number
}

/**
 * Open an embedded model by its name, a folder in the layout of Hugging Face or `mamba_ssm`, or a model on the Hub by
 * its id (`owner/name`), which is downloaded unless it is in the cache. A folder goes before a model on the Hub.
 * @throws InputError when there is no such model, it cannot be had, or its checkpoint cannot be used
 */
export async function openNamed(name: string, options: OpenOptions = {}): Promise<Checkpoint> {
  const { tokenizer, folders = true, ...hubOptions } = options
  if (tokenizer !== undefined) checkTokenizerName(tokenizer)
  const { checkpoint, hasTokenizer } = await opened(name, folders, hubOptions)
  if (tokenizer !== undefined) return withTokenizer(checkpoint, () => namedTokenizer(tokenizer, hubOptions))
  if (hasTokenizer || !isMambaSsm(checkpoint.config)) return checkpoint
  return withTokenizer(checkpoint, () => namedTokenizer(MAMBA_SSM_TOKENIZER, hubOptions))
}

/** The checkpoint that a name means, and whether it has a tokenizer of its own. */
async function opened(
  name: string,
  folders: boolean,
  options: HubOptions,
): Promise<{ checkpoint: Checkpoint; hasTokenizer: boolean }> {
  const known = await embeddedModels()
  const folder =
    known.find((model) => model.name === name)?.dir ?? (folders && existsSync(name) ? name : undefined)
  if (folder !== undefined) {
    if (options.revision !== undefined) {
      throw new InputError(
        `--revision: must not be given with a folder or an embedded model, got ${show(options.revision)} for ${show(name)}; leave it out`,
      )
    }
    return { checkpoint: await openFolder(folder, name), hasTokenizer: existsSync(join(folder, TOKENIZER)) }
  }
  const model = await fromHub(name, options, known)
  return { checkpoint: await openHubModel(model), hasTokenizer: model.files.includes(TOKENIZER) }
}

/**
 * Bring a model of the Hub into the cache, unless it is there, with the tokenizer that it is used with.
 * @returns its files
 * @throws InputError when `name` is not the id of a model on the Hub, or as `openNamed` does
 */
export async function downloadModel(name: string, options: HubOptions = {}): Promise<HubModel> {
  const known = await embeddedModels()
  if (known.some((model) => model.name === name) || existsSync(name)) {
    throw new InputError(
      `model: must be the id of a model on the Hub, got ${show(name)}, which is here; use it as it is`,
    )
  }
  const model = await fromHub(name, options, known)
  const checkpoint = await openHubModel(model)
  try {
    if (!model.files.includes(TOKENIZER) && isMambaSsm(checkpoint.config)) {
      await namedTokenizer(MAMBA_SSM_TOKENIZER, options)
    }
  } finally {
    await checkpoint.close()
  }
  return model
}

async function fromHub(
  name: string,
  options: HubOptions,
  known: readonly EmbeddedModel[],
): Promise<HubModel> {
  const names = known.map((model) => model.name).join(', ')
  if (!isHubId(name)) {
    throw new InputError(
      `--model: must be an embedded model (${names}), a folder, or a model's id on the Hub, got ${show(name)}${isPath(name) ? ', and there is no such folder' : ''}; check the name or path`,
    )
  }
  try {
    // The config is checked first, not only when gigabytes have come.
    return await hubModel(name, { ...options, checkConfig })
  } catch (error) {
    // A name without an owner may have been meant as that of an embedded model.
    if (!(error instanceof InputError) || name.includes('/')) throw error
    throw new InputError(`${error.message}; the embedded models are ${names}`, { cause: error })
  }
}

/** Whether it was meant as a path, going by its looks. */
function isPath(name: string): boolean {
  return /^[./~]|\\|\/.*\/|^[A-Za-z]:/.test(name)
}

/**
 * Load a model: `const model = await loadModel('state-spaces/mamba-130m-hf')`. Close it when done.
 * @throws InputError when there is no such model or device, its checkpoint cannot be used, or the memory is too small
 */
export async function loadModel(name: string, options: LoadOptions = {}): Promise<Model> {
  const { memory, threads, device, dtype, tf32, ...openOptions } = options
  if (memory !== undefined && !(memory > 0)) {
    throw new InputError(
      `memory: must be a number of bytes above 0, got ${memory}; leave it out for the default`,
    )
  }
  const runtime = await openRuntime({ threads, device, dtype, tf32 }, options.onNote)
  const checkpoint = await openNamed(name, openOptions)
  try {
    return Model.open(checkpoint, runtime, memory, true)
  } catch (error) {
    await runtime.close?.()
    await checkpoint.close()
    throw error
  }
}
