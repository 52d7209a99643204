/** Checkpoints of any family and size with random weights: made up in memory as they are read, or written to disk. */
import { type FileHandle, open, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Checkpoint } from '../src/checkpoints/checkpoint.js'
import { InputError, show } from '../src/errors.js'
import type { TensorShapes } from '../src/models/architecture.js'
import { architectureOf } from '../src/models/registry.js'
import { modelTensors, UNEMBEDDING } from '../src/models/spec.js'
import { randomValues } from './random-values.js'
import sizes from './sizes.json' with { type: 'json' }

export type Config = Readonly<Record<string, unknown>>

export interface Size {
  /** config.json, as Hugging Face has it, as far as it matters. */
  readonly config: Config
  /** The type of the weights. */
  readonly dtype: 'F32' | 'BF16'
}

/** Published models, and small ones of our own (small-, tiny-). bench/peer/peer.py reads the same file. */
export const SIZES = sizes as unknown as Readonly<Record<string, Size>>

/** Values that are made up at once. */
const CHUNK = 2 ** 22

/** @throws InputError when there is no such size */
export function namedSize(name: string): Size {
  const size = SIZES[name]
  if (size) return size
  throw new InputError(`size: must be one of ${Object.keys(SIZES).join(', ')}, got ${show(name)}; choose one`)
}

function tensorShapes(config: Config, configFile: string): TensorShapes {
  const source = { config, configFile }
  const d = architectureOf(source).describe(source)
  return modelTensors(d, d.tied ? d.embedding : UNEMBEDDING)
}

/** A checkpoint in memory, in float32. */
export function randomModel(config: Config, seed = 0): Checkpoint {
  const name = `random ${config.model_type}`
  const shapes = tensorShapes(config, name)
  return {
    name,
    config,
    configFile: name,
    bytes: 0,
    weightFiles: [],
    names: () => Object.keys(shapes),
    has: (tensor) => tensor in shapes,
    shape: (tensor) => shapes[tensor]!,
    tensor: async (tensor, shape) => randomValues(tensor, shape, 0, shape[0]!, seed),
    rows: async (tensor, shape, first, count) => randomValues(tensor, shape, first, count, seed),
    tokenizerJson: async () => {
      throw new Error(`${name} has no tokenizer`)
    },
    close: async () => {},
  }
}

/** @param dtype BF16 values are cut off, not rounded: any weights will do */
async function writeValues(
  file: FileHandle,
  name: string,
  shape: readonly number[],
  dtype: Size['dtype'],
  seed: number,
): Promise<void> {
  const width = shape.slice(1).reduce((a, b) => a * b, 1)
  const rows = Math.max(1, Math.floor(CHUNK / width))
  for (let first = 0; first < shape[0]!; first += rows) {
    const values = randomValues(name, shape, first, Math.min(rows, shape[0]! - first), seed)
    if (dtype === 'F32') await file.writeFile(new Uint8Array(values.buffer))
    else {
      const halves = Uint16Array.from(new Uint32Array(values.buffer), (bits) => bits >>> 16)
      await file.writeFile(new Uint8Array(halves.buffer))
    }
  }
}

/** Write the same model as a folder in the layout of Hugging Face. */
export async function writeRandomModel(dir: string, { config, dtype }: Size, seed = 0): Promise<void> {
  await writeFile(join(dir, 'config.json'), JSON.stringify(config))
  const shapes = Object.entries(tensorShapes(config, join(dir, 'config.json')))
  const header: Record<string, object> = {}
  let at = 0
  for (const [name, shape] of shapes) {
    const end = at + shape.reduce((a, b) => a * b, 1) * (dtype === 'F32' ? 4 : 2)
    header[name] = { dtype, shape, data_offsets: [at, end] }
    at = end
  }
  const text = Buffer.from(JSON.stringify(header))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(text.length))
  const file = await open(join(dir, 'model.safetensors'), 'w')
  try {
    await file.writeFile(Buffer.concat([length, text]))
    for (const [name, shape] of shapes) await writeValues(file, name, shape, dtype, seed)
  } finally {
    await file.close()
  }
}
