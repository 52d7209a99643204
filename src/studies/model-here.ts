/** What is known of a study's model without loading it. */
import { InputError } from '../errors.js'
import { openNamed } from '../load.js'
import type { ModelSpec } from '../models/architecture.js'
import { KNOWN_MODELS } from '../models/known.js'
import { architectureOf, openModel } from '../models/registry.js'
import { modelCosts, parameterCount } from '../models/spec.js'
import { Tokenizer } from '../prompts/tokenizer.js'
import type { StudyModel } from './study.js'

/** Sizes of a model, by which work is planned. */
export type ModelSizes = Pick<
  ModelSpec,
  | 'nLayers'
  | 'featureCategories'
  | 'costs'
  | 'modelType'
  | 'dModel'
  | 'vocabSize'
  | 'parameters'
  | 'maxTokens'
>

/**
 * A model's sizes from its files on this machine, and its tokenizer.
 * @throws InputError when it is not here, or cannot be used
 */
export async function modelHere({ model: name, revision, tokenizer }: StudyModel): Promise<{
  readonly spec: ModelSizes
  tokenizer(): Promise<Tokenizer>
}> {
  const checkpoint = await openNamed(name, { revision, tokenizer, offline: true })
  try {
    const spec = openModel(checkpoint)
    return {
      spec,
      tokenizer: async () => Tokenizer.fromJson(await checkpoint.tokenizerJson(), `${name}/tokenizer.json`),
    }
  } finally {
    await checkpoint.close()
  }
}

/** The sizes of one of the paper's models, as published; undefined of others. */
export function publishedSizes({ model: name }: StudyModel): ModelSizes | undefined {
  const published = KNOWN_MODELS.find(({ id }) => id === name)
  if (!published) return undefined
  const source = { config: published.config, configFile: name }
  const architecture = architectureOf(source)
  const d = architecture.describe(source)
  const { modelType } = architecture
  return { ...d, modelType, parameters: parameterCount(d), costs: modelCosts(d) }
}

/** A model's sizes: from its files where they are here, else as published; undefined where neither is to be had. */
export async function modelSizes(entry: StudyModel): Promise<ModelSizes | undefined> {
  try {
    return (await modelHere(entry)).spec
  } catch (error) {
    if (!(error instanceof InputError)) throw error
    return publishedSizes(entry)
  }
}
