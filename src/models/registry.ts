/** The model families that factflow knows: `model_type` of config.json to architecture. */
import type { Checkpoint } from '../checkpoints/checkpoint.js'
import { InputError, show } from '../errors.js'
import type { Architecture, ModelSpec } from './architecture.js'
import { mamba } from './mamba.js'

export const ARCHITECTURES: readonly Architecture[] = [mamba]

/**
 * Open a checkpoint with the architecture that its config names.
 * @throws InputError when the architecture is unknown, or config and tensors do not fit it
 */
export function openModel(checkpoint: Checkpoint): ModelSpec {
  const modelType = checkpoint.config.model_type
  const architecture = ARCHITECTURES.find((known) => known.modelType === modelType)
  if (!architecture) {
    const known = ARCHITECTURES.map((a) => a.modelType).join(', ')
    throw new InputError(
      `${checkpoint.configFile}: model_type must be one of ${known}, got ${modelType === undefined ? 'nothing' : show(modelType)}; use a model of these families`,
    )
  }
  return architecture.open(checkpoint)
}
