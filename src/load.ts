/** Open a model by name, in Node. */
import { existsSync } from 'node:fs'
import type { Checkpoint } from './checkpoints/checkpoint.js'
import { embeddedModels } from './checkpoints/embedded.js'
import { openFolder } from './checkpoints/folder.js'
import { InputError, show } from './errors.js'
import { Model } from './model.js'
import { nodeRuntime } from './runtime/node.js'

export interface LoadOptions {
  /** Bytes that weights and rows may take; default half of the free memory. */
  readonly memory?: number
  /** Threads of a matrix product; default all processors available to the process. */
  readonly threads?: number
}

/**
 * Open an embedded model by its name, or a folder in Hugging Face layout (config.json, safetensors, tokenizer.json).
 * @throws InputError when there is no such model, or its checkpoint cannot be used
 */
export async function openNamed(name: string): Promise<Checkpoint> {
  const known = await embeddedModels()
  const embedded = known.find((model) => model.name === name)
  if (embedded) return openFolder(embedded.dir, name)
  if (existsSync(name)) return openFolder(name)
  const names = known.map((model) => model.name).join(', ')
  throw new InputError(
    `--model: must be an embedded model (${names}) or a folder, got ${show(name)}; check the name or path`,
  )
}

/**
 * Load a model: `const model = await loadModel('tiny-mamba1')`. Close it when done.
 * @throws InputError when there is no such model, its checkpoint cannot be used, or the memory is too small
 */
export async function loadModel(name: string, { memory, threads }: LoadOptions = {}): Promise<Model> {
  if (memory !== undefined && !(memory > 0)) {
    throw new InputError(
      `memory: must be a number of bytes above 0, got ${memory}; leave it out for the default`,
    )
  }
  const runtime = nodeRuntime({ threads })
  const checkpoint = await openNamed(name)
  try {
    return Model.open(checkpoint, runtime, memory)
  } catch (error) {
    await checkpoint.close()
    throw error
  }
}
