/** What a study's results are of: models as they are now, against what is stored. */
import { type FingerprintOptions, fingerprint } from '../checkpoints/fingerprint.js'
import { InputError } from '../errors.js'
import type { Model } from '../model.js'
import { ARCHITECTURES } from '../models/registry.js'
import type { RunModel } from '../results/run-file.js'
import type { StudyModel } from './study.js'

/** What run.json says of a model. */
export async function modelRun(
  entry: StudyModel,
  model: Model,
  known: RunModel | undefined,
  options: FingerprintOptions,
): Promise<RunModel> {
  const { spec } = model
  const { sha256, weights } = await fingerprint(model.checkpoint, { ...options, known: known?.weights })
  const architecture = ARCHITECTURES.find(({ modelType }) => modelType === spec.modelType)
  return {
    source: entry.model,
    ...(entry.revision !== undefined && { revision: entry.revision }),
    fingerprint: sha256,
    weights: [...weights],
    modelType: spec.modelType,
    family: entry.family ?? architecture?.family ?? spec.modelType,
    layers: spec.nLayers,
    width: spec.dModel,
    parameters: spec.parameters,
    featureCategories: [...spec.featureCategories],
  }
}

/** @throws InputError when the model is another one than that whose results are stored under its label */
export function sameModel(label: string, stored: RunModel, now: RunModel, dir: string): void {
  if (stored.origin !== undefined) {
    throw new InputError(
      `${dir}: the label ${label} must be free, got results of ${stored.origin}; give the model another label`,
    )
  }
  if (stored.fingerprint === now.fingerprint) return
  throw new InputError(
    `${dir}: ${label} must be the model whose results are stored here (SHA-256 ${stored.fingerprint?.slice(0, 12)}…, from ${stored.source}), got another (${now.fingerprint?.slice(0, 12)}…, from ${now.source}); use another folder or label, or --restart to set the old results aside`,
  )
}
