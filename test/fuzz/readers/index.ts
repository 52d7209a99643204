/** All readers that are fuzzed. */
import type { Reader } from '../harness.js'

/** Each in a module of its own, which is loaded when it is asked for: some make files that they damage. */
const MODULES: Readonly<Record<string, () => Promise<unknown>>> = {
  safetensors: async () => (await import('./safetensors.js')).reader,
  checkpoint: async () => (await import('./checkpoint.js')).reader,
  torch: async () => (await import('./torch.js')).reader,
  pickle: async () => (await import('./pickle.js')).reader,
  config: async () => (await import('./config.js')).reader,
  tokenizer: async () => (await import('./tokenizer.js')).reader,
  jsonl: async () => (await import('./data-text.js')).jsonl,
  json: async () => (await import('./data-text.js')).json,
  csv: async () => (await import('./data-files.js')).csv,
  tsv: async () => (await import('./data-files.js')).tsv,
  untold: async () => (await import('./data-files.js')).untold,
  parquet: async () => (await import('./data-files.js')).parquet,
  study: async () => (await import('./study.js')).reader,
  'run-json': async () => (await import('./run-json.js')).reader,
  'run-parts': async () => (await import('./run-parts.js')).reader,
  'page-run': async () => (await import('./page-run.js')).reader,
  'page-json': async () => (await import('./page-json.js')).reader,
  raw: async () => (await import('./raw.js')).reader,
  'authors-json': async () => (await import('./authors-json.js')).reader,
  'authors-csv': async () => (await import('./authors-files.js')).csv,
  'authors-hdf5': async () => (await import('./authors-files.js')).hdf5,
  'authors-folders': async () => (await import('./authors-files.js')).folders,
  'hub-answers': async () => (await import('./hub-answers.js')).reader,
  'hub-cache': async () => (await import('./hub-cache.js')).reader,
  'web-calls': async () => (await import('./web-calls.js')).reader,
}

/** Inputs of one process: fast-check and native code keep some memory of each. */
const BLOCK = 100_000
/** h5wasm never closes the temporary file that it writes an error to, and has 4096 at most. */
const SMALL_BLOCKS: Readonly<Record<string, number>> = { 'authors-hdf5': 2000 }

export function blockOf(name: string): number {
  return SMALL_BLOCKS[name] ?? BLOCK
}

export const READERS: readonly string[] = Object.keys(MODULES)

export async function readerOf(name: string): Promise<Reader> {
  return (await MODULES[name]!()) as Reader
}
