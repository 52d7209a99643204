/** What a study's results are of: models as they are now, against what is stored. */
import { stat } from 'node:fs/promises'
import { type FingerprintOptions, fingerprint } from '../checkpoints/fingerprint.js'
import { InputError } from '../errors.js'
import type { Model } from '../model.js'
import { ARCHITECTURES } from '../models/registry.js'
import type { RunFolder } from '../results/run-folder.js'
import type { RunModel } from '../results/run-schema.js'
import { VERSION } from '../version.js'
import type { Study, StudyModel } from './study.js'

/** What run.json says of a model. */
export async function modelRun(
  entry: StudyModel,
  model: Model,
  { known, place }: { readonly known: RunModel | undefined; readonly place: number },
  options: FingerprintOptions,
): Promise<RunModel> {
  const { spec } = model
  const { sha256, weights } = await fingerprint(model.checkpoint, { ...options, known: known?.weights })
  const architecture = ARCHITECTURES.find(({ modelType }) => modelType === spec.modelType)
  return {
    source: entry.model,
    ...(entry.revision !== undefined && { revision: entry.revision }),
    ...(entry.tokenizer !== undefined && { tokenizer: entry.tokenizer }),
    place,
    fingerprint: sha256,
    weights: [...weights],
    modelType: spec.modelType,
    family: entry.family ?? architecture?.family ?? spec.modelType,
    layers: spec.nLayers,
    width: spec.dModel,
    parameters: spec.parameters,
    layerFlops: spec.costs.layerFlops,
    headFlops: spec.costs.headFlops,
    featureCategories: [...spec.featureCategories],
    runtime: model.runtime.description,
    ...(model.runtime.arithmetic && { arithmetic: model.runtime.arithmetic }),
  }
}

/** Stored results are those of other inputs: nothing may be added to them. */
export class OtherInputs extends InputError {}

/**
 * Whether a model is for all that can be told without opening it the one whose results are stored: of the same name,
 * its files of the same size and time. Where it is not, opening it tells.
 */
export async function looksTheSame(stored: RunModel, entry: StudyModel): Promise<boolean> {
  const { source, revision, tokenizer, weights = [] } = stored
  if (source !== entry.model || revision !== entry.revision || tokenizer !== entry.tokenizer) return false
  for (const { file, size, modified } of weights) {
    const now = await stat(file).catch(() => undefined)
    if (now?.size !== size || now.mtimeMs !== modified) return false
  }
  return true
}

/** @throws InputError when the model is another one than that whose results are stored under its label */
export function sameModel(label: string, stored: RunModel, now: RunModel, dir: string): void {
  if (stored.origin !== undefined) {
    throw new OtherInputs(
      `${dir}: the label ${label} must be free, got results of ${stored.origin}; give the model another label`,
    )
  }
  if (stored.arithmetic !== now.arithmetic) {
    throw new OtherInputs(
      `${dir}: ${label} must be computed in ${stored.arithmetic ?? 'float32'} as the results that are stored here, got ${now.arithmetic ?? 'float32'}; use another folder or label, or --restart to set the old results aside`,
    )
  }
  if (stored.fingerprint === now.fingerprint) return
  throw new OtherInputs(
    `${dir}: ${label} must be the model whose results are stored here (SHA-256 ${stored.fingerprint?.slice(0, 12)}…, from ${stored.source}), got another (${now.fingerprint?.slice(0, 12)}…, from ${now.source}); use another folder or label, or --restart to set the old results aside`,
  )
}

/** @throws InputError when the stored results are those of another version */
export function checkVersion({ file, dir }: RunFolder): void {
  if (file.factflow === VERSION) return
  throw new OtherInputs(
    `${dir}: results must all be of one version of factflow (this is ${VERSION}), got results of ${file.factflow}; use another folder, or --restart to set the old results aside`,
  )
}

/** @throws InputError when evaluations are stored that were asked for otherwise: other numbers of tokens kept */
export async function checkEvaluate({ evaluate: now }: Study, folder: RunFolder): Promise<void> {
  const before = (folder.file.study as Partial<Study> | undefined)?.evaluate
  if (!before || (before.top === now.top && before.continuation === now.continuation)) return
  if ((await folder.parts('evaluations')).size === 0) return
  throw new OtherInputs(
    `${folder.dir}: evaluate must be as it was for the evaluations that are stored here (top ${before.top}, continuation ${before.continuation}), got top ${now.top}, continuation ${now.continuation}; use another folder, or --restart to set the old results aside`,
  )
}
