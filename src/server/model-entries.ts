/** The models that can be named, and what they need. Makes no request. */
import type { Checkpoint } from '../checkpoints/checkpoint.js'
import { embeddedModels } from '../checkpoints/embedded.js'
import { openFolder } from '../checkpoints/folder.js'
import { hubModel, openHubModel } from '../checkpoints/hub.js'
import { cachedModels } from '../checkpoints/hub-cache.js'
import { InputError } from '../errors.js'
import { KNOWN_MODELS, knownNeeds, specNeeds } from '../models/known.js'
import { ARCHITECTURES, openModel } from '../models/registry.js'
import type { ModelEntry } from '../ui/protocol.js'

/** A folder's model. @throws InputError when it is not one that factflow can use */
export async function folderEntry(
  name: string,
  dir: string,
  source: ModelEntry['source'],
): Promise<ModelEntry> {
  return entryOf(await openFolder(dir, name), source)
}

export async function embeddedEntries(): Promise<ModelEntry[]> {
  return Promise.all((await embeddedModels()).map(({ name, dir }) => folderEntry(name, dir, 'embedded')))
}

/** The paper's models, then other usable ones of the cache. */
export async function hubEntries(): Promise<ModelEntry[]> {
  const inCache = new Map((await cachedModels()).map((model) => [model.id, model]))
  const entries = KNOWN_MODELS.map((model): ModelEntry => {
    const { id, family, gated = false } = model
    const here = inCache.get(id)
    inCache.delete(id)
    const needs = knownNeeds(model)
    const disk = here?.bytes ?? needs.disk
    return { name: id, source: 'paper', family, cached: here !== undefined, gated, ...needs, disk }
  })
  for (const id of inCache.keys()) {
    const entry = await usable(id)
    if (entry) entries.push(entry)
  }
  return entries
}

/** A model of the cache, or undefined when it is not one that factflow can use. */
async function usable(id: string): Promise<ModelEntry | undefined> {
  try {
    return await entryOf(await openHubModel(await hubModel(id, { offline: true })), 'cache')
  } catch (error) {
    if (error instanceof InputError) return undefined
    throw error
  }
}

/** Closes the checkpoint. */
async function entryOf(checkpoint: Checkpoint, source: ModelEntry['source']): Promise<ModelEntry> {
  try {
    const needs = specNeeds(openModel(checkpoint), checkpoint.bytes)
    const family = ARCHITECTURES.find((known) => known.modelType === needs.modelType)!.family
    return { name: checkpoint.name, source, family, cached: true, gated: false, ...needs }
  } finally {
    await checkpoint.close()
  }
}
