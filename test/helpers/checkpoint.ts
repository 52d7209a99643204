/** Checkpoints in memory: what src/ gets in place of a folder, made of tensors that a test has at hand. */
import type { Checkpoint } from '../../src/checkpoints/checkpoint.js'
import { InputError } from '../../src/errors.js'
import { hfConfig } from '../reference/hf-config.js'
import type { ReferenceModel } from '../reference/model.js'

/** A tensor, row-major. */
export interface MemoryTensor {
  readonly shape: readonly number[]
  readonly data: ArrayLike<number>
}

/** The values, in the memory that is offered. */
function placed(values: Float32Array, into: Float32Array | undefined): Float32Array {
  into?.set(values)
  return into ?? values
}

/**
 * A checkpoint of these tensors, as strict as one on disk: a tensor that is missing or asked for in another shape is
 * an InputError. Values are rounded to float32. It has no tokenizer.
 *
 * @param config config.json, Hugging Face's keys.
 */
export function memoryCheckpoint(
  config: Readonly<Record<string, unknown>>,
  tensors: ReadonlyMap<string, MemoryTensor>,
  name = 'memory',
): Checkpoint {
  const find = (tensor: string): MemoryTensor => {
    const found = tensors.get(tensor)
    if (!found) throw new InputError(`${name}: the weights must hold the tensor ${tensor}, got none; add it`)
    return found
  }
  const checked = (tensor: string, shape: readonly number[]): MemoryTensor => {
    const found = find(tensor)
    if (found.shape.join() !== shape.join()) {
      throw new InputError(
        `${name}: tensor ${tensor} must have shape [${shape}], got [${found.shape}]; change it`,
      )
    }
    return found
  }
  return {
    name,
    config,
    configFile: `${name}/config.json`,
    bytes: Array.from(tensors.values()).reduce((sum, { data }) => sum + 4 * data.length, 0),
    weightFiles: [],
    names: () => [...tensors.keys()],
    has: (tensor) => tensors.has(tensor),
    shape: (tensor) => find(tensor).shape,
    tensor: async (tensor, shape, into) => placed(Float32Array.from(checked(tensor, shape).data), into),
    rows: async (tensor, shape, first, count, into) => {
      const { data } = checked(tensor, shape)
      const width = shape.slice(1).reduce((a, b) => a * b, 1)
      if (first < 0 || first + count > shape[0]) {
        throw new Error(`memoryCheckpoint: ${tensor} has shape [${shape}], got ${count} rows from ${first}`)
      }
      const values = Float32Array.from({ length: count * width }, (_, i) => data[first * width + i])
      return placed(values, into)
    },
    tokenizerJson: async () => {
      throw new InputError(`${name}/tokenizer.json: the tokenizer must exist, got no such file; add it`)
    },
    close: async () => {},
  }
}

/** A reference model of any family as a checkpoint: `openModel(referenceCheckpoint(randomMamba(1, shape)))`. */
export function referenceCheckpoint(model: ReferenceModel, name = 'reference'): Checkpoint {
  return memoryCheckpoint(hfConfig(model.config), model.tensors, name)
}
