/** `factflow models`: what can be named with --model, what it needs, and what is there already. */
import type { Command } from 'commander'
import type { Checkpoint } from '../checkpoints/checkpoint.js'
import { embeddedModels } from '../checkpoints/embedded.js'
import { openFolder } from '../checkpoints/folder.js'
import { cachedModels } from '../checkpoints/hub-cache.js'
import { InputError } from '../errors.js'
import { wrap } from '../figures/text.js'
import { openNamed } from '../load.js'
import { KNOWN_MODELS, knownNeeds, type ModelNeeds, specNeeds } from '../models/known.js'
import { ARCHITECTURES, openModel } from '../models/registry.js'
import { tableLines } from './table.js'
import { print, width } from './terminal.js'

/** Sizes are in bytes. */
export interface ModelEntry extends ModelNeeds {
  /** What --model takes. */
  readonly name: string
  /** It comes with factflow, is one of the paper's models, or another one in the cache of the Hub. */
  readonly source: 'embedded' | 'paper' | 'cache'
  /** As the paper calls it. */
  readonly family: string
  /** Whether it is on this machine. */
  readonly cached: boolean
  /** Whether its licence must be accepted on the Hub first. */
  readonly gated: boolean
}

export function modelsCommand(program: Command): void {
  program
    .command('models')
    .description('list the models that come with factflow, those of the paper, and others in the cache')
    .option('--json', 'print the list as JSON')
    .action(async (options: { json?: boolean }) => {
      const entries = await listModels()
      if (options.json) print(JSON.stringify(entries))
      else print(table(entries))
    })
}

/** Embedded models, the paper's, and other usable ones of the cache. Makes no request. */
export async function listModels(): Promise<ModelEntry[]> {
  const entries: ModelEntry[] = []
  for (const { name, dir } of await embeddedModels()) {
    const needs = await needsOf(await openFolder(dir, name))
    entries.push({ name, source: 'embedded', family: familyOf(needs), cached: true, gated: false, ...needs })
  }
  const inCache = new Map((await cachedModels()).map((model) => [model.id, model]))
  for (const model of KNOWN_MODELS) {
    const { id, family, gated = false } = model
    const here = inCache.get(id)
    const needs = knownNeeds(model)
    const disk = here?.bytes ?? needs.disk
    entries.push({ name: id, source: 'paper', family, cached: here !== undefined, gated, ...needs, disk })
    inCache.delete(id)
  }
  for (const id of inCache.keys()) {
    const needs = await usable(id)
    if (!needs) continue
    entries.push({ name: id, source: 'cache', family: familyOf(needs), cached: true, gated: false, ...needs })
  }
  return entries
}

function familyOf({ modelType }: ModelNeeds): string {
  return ARCHITECTURES.find((known) => known.modelType === modelType)!.family
}

/** What a model of the cache needs, or undefined when it is not one that factflow can use. */
async function usable(id: string): Promise<ModelNeeds | undefined> {
  try {
    return await needsOf(await openNamed(id, { offline: true }))
  } catch (error) {
    if (error instanceof InputError) return undefined
    throw error
  }
}

async function needsOf(checkpoint: Checkpoint): Promise<ModelNeeds> {
  try {
    return specNeeds(openModel(checkpoint), checkpoint.bytes)
  } finally {
    await checkpoint.close()
  }
}

/** `14.5 GB`, `7 MB` */
export function size(bytes: number): string {
  return bytes < 1e9 ? `${Math.ceil(bytes / 1e6)} MB` : `${(bytes / 1e9).toFixed(1)} GB`
}

/** `7.27 B`, `130 M`, `3.3 M` */
function count(parameters: number): string {
  const [value, unit] = parameters < 1e9 ? [parameters / 1e6, 'M'] : [parameters / 1e9, 'B']
  return `${value.toPrecision(3)} ${unit}`
}

const WHERE = { embedded: 'embedded', paper: '', cache: 'cached' }

function table(entries: readonly ModelEntry[]): string {
  const rows = [
    ['MODEL', 'FAMILY', 'PARAMS', 'LAYERS', 'WIDTH', 'DISK', 'MEMORY', 'LEAST', 'HERE'],
    ...entries.map((e) => [
      e.name,
      e.family,
      count(e.parameters),
      `${e.layers}`,
      `${e.width}`,
      size(e.disk),
      size(e.memory),
      size(e.least),
      e.cached && e.source === 'paper' ? 'cached' : e.gated && !e.cached ? 'gated' : WHERE[e.source],
    ]),
  ]
  const lines = tableLines(rows, new Set([0, 1, 8]))
  const types = ARCHITECTURES.map(({ modelType }) => modelType).join(', ')
  const more = [
    'MEMORY: weights in float32, all of them loaded. LEAST: what --memory must be at least, room for a short prompt included; layers are then loaded in turn. gated: accept the licence on the Hub and set HF_TOKEN.',
    `Any other model of type ${types} works, too: --model with an id of the Hub or a folder.`,
  ]
  return [...lines, '', ...more.flatMap((text) => wrap(text, width()))].join('\n')
}
