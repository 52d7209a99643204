/** Checks and reads of tensors that every architecture needs. */
import type { Checkpoint } from '../checkpoints/checkpoint.js'
import { InputError } from '../errors.js'
import type { ModelDescription, TensorShapes } from './architecture.js'

/**
 * Check that a checkpoint and its config are of one model.
 *
 * @param tensors names and shapes of all tensors that the config asks for
 * @param known `prefix`: tensors whose names begin so must all be asked for, as a config with too few layers, or
 *   without a bias that the weights have, would give wrong numbers in silence; but for those that are `ignored`
 * @throws InputError when a tensor is missing, has another shape or is left unused
 */
export function requireTensors(
  checkpoint: Checkpoint,
  tensors: TensorShapes,
  known: Pick<ModelDescription, 'prefix' | 'ignored'>,
): void {
  for (const [name, expected] of Object.entries(tensors)) {
    if (!checkpoint.has(name)) {
      throw new InputError(
        `${checkpoint.name}: the weights must hold tensor ${name} of shape [${expected}], got none; use a complete checkpoint of this model`,
      )
    }
    const got = checkpoint.shape(name)
    if (got.length !== expected.length || got.some((size, i) => size !== expected[i])) {
      throw new InputError(
        `${checkpoint.name}: tensor ${name} must have shape [${expected}] by ${checkpoint.configFile}, got [${got}]; use the config and weights of one model`,
      )
    }
  }
  const unused = checkpoint
    .names()
    .find(
      (name) => name.startsWith(known.prefix) && !Object.hasOwn(tensors, name) && !known.ignored?.test(name),
    )
  if (unused !== undefined) {
    throw new InputError(
      `${checkpoint.name}: the weights must hold nothing that ${checkpoint.configFile} does not use, got tensor ${unused}; use the config and weights of one model`,
    )
  }
}

/** Rows of an embedding table `[vocabSize, dModel]`: float32 `[ids.length, dModel]`; each row is read once. */
export async function embedRows(
  checkpoint: Checkpoint,
  table: string,
  shape: readonly [vocabSize: number, dModel: number],
  ids: readonly number[],
): Promise<Float32Array> {
  const rows = new Map<number, Float32Array>()
  for (const id of ids) if (!rows.has(id)) rows.set(id, await checkpoint.rows(table, shape, id, 1))
  const out = new Float32Array(ids.length * shape[1])
  ids.forEach((id, i) => {
    out.set(rows.get(id)!, i * shape[1])
  })
  return out
}
