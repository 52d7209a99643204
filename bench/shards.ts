/** Large checkpoints of random weights on disk, in BF16 and in shards, as large models are published. */
import { type FileHandle, mkdir, open, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { architectureOf } from '../src/models/registry.js'
import { modelTensors, UNEMBEDDING } from '../src/models/spec.js'
import { randomValues } from './random-values.js'

const SHARD_BYTES = 5e9
/** Values that are made up at once. */
const CHUNK = 2 ** 22
const INDEX = 'model.safetensors.index.json'

type Tensor = readonly [name: string, shape: readonly number[]]

const bytesOf = ([, shape]: Tensor): number => 2 * shape.reduce((a, b) => a * b, 1)

/** The upper halves of the values: cut off, not rounded, as any weights will do. */
async function writeTensor(file: FileHandle, [name, shape]: Tensor): Promise<void> {
  const width = shape.slice(1).reduce((a, b) => a * b, 1)
  const rows = Math.max(1, Math.floor(CHUNK / width))
  for (let first = 0; first < shape[0]!; first += rows) {
    const values = randomValues(name, shape, first, Math.min(rows, shape[0]! - first))
    const bits = new Uint32Array(values.buffer)
    const halves = new Uint16Array(bits.length)
    for (let i = 0; i < bits.length; i++) halves[i] = bits[i]! >>> 16
    await file.writeFile(new Uint8Array(halves.buffer))
  }
}

async function writeShard(path: string, tensors: readonly Tensor[]): Promise<void> {
  const header: Record<string, object> = {}
  let at = 0
  for (const tensor of tensors) {
    const end = at + bytesOf(tensor)
    header[tensor[0]] = { dtype: 'BF16', shape: tensor[1], data_offsets: [at, end] }
    at = end
  }
  const text = Buffer.from(JSON.stringify(header))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(text.length))
  const file = await open(path, 'w')
  try {
    await file.writeFile(Buffer.concat([length, text]))
    for (const tensor of tensors) await writeTensor(file, tensor)
    await file.sync()
  } finally {
    await file.close()
  }
}

/** Write the checkpoint of a config in `dir`, unless it is there. Its index comes last: with it the rest is whole. */
export async function writeShards(dir: string, config: Readonly<Record<string, unknown>>): Promise<void> {
  const text = JSON.stringify(config)
  const present = await Promise.all(
    ['config.json', INDEX].map((name) => readFile(join(dir, name), 'utf8').catch(() => undefined)),
  )
  if (present[0] === text && present[1] !== undefined) return
  await mkdir(dir, { recursive: true })
  await writeFile(join(dir, 'config.json'), text)
  const source = { config, configFile: 'config.json' }
  const d = architectureOf(source).describe(source)
  const shards: Tensor[][] = [[]]
  let bytes = 0
  for (const tensor of Object.entries(modelTensors(d, d.tied ? d.embedding : UNEMBEDDING))) {
    if (bytes + bytesOf(tensor) > SHARD_BYTES) {
      shards.push([])
      bytes = 0
    }
    shards.at(-1)!.push(tensor)
    bytes += bytesOf(tensor)
  }
  const number = (i: number): string => String(i).padStart(5, '0')
  const weightMap: Record<string, string> = {}
  for (const [i, tensors] of shards.entries()) {
    const name = `model-${number(i + 1)}-of-${number(shards.length)}.safetensors`
    await writeShard(join(dir, name), tensors)
    for (const [tensor] of tensors) weightMap[tensor] = name
  }
  await writeFile(join(dir, INDEX), JSON.stringify({ weight_map: weightMap }))
}
