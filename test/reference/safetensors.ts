/**
 * Plain reading and writing of Hugging Face folders (config.json, model.safetensors or its shards) for the reference
 * engine. Format: https://github.com/huggingface/safetensors, "Format": 8-byte little-endian header length, JSON, data.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { hfConfig, parseHfConfig, readHfConfig } from './hf-config.js'
import type { ReferenceTensor } from './math.js'
import type { ReferenceModel } from './model.js'

interface TensorHeader {
  dtype: string
  shape: number[]
  /** First byte and one past the last, counted from the end of the header. */
  data_offsets: [number, number]
}

/**
 * Read a checkpoint folder into float64.
 * @throws Error on a model that the reference does not know, or a tensor that is not F32, F16 or BF16.
 */
export function readFixture(dir: string): ReferenceModel {
  const config = readHfConfig(parseHfConfig(readFileSync(join(dir, 'config.json'), 'utf8')))
  const tensors = readWeights(dir)
  // GPT-2 as it was first published, saved from the model without its head.
  const bare = config.modelType === 'gpt2' && !tensors.has('transformer.wte.weight')
  const names = (name: string) => (bare && name !== 'lm_head.weight' ? `transformer.${name}` : name)
  return { config, tensors: new Map(Array.from(tensors, ([name, value]) => [names(name), value])) }
}

function readWeights(dir: string): Map<string, ReferenceTensor> {
  const index = join(dir, 'model.safetensors.index.json')
  if (!existsSync(index)) return readSafetensors(join(dir, 'model.safetensors'))
  const { weight_map } = JSON.parse(readFileSync(index, 'utf8')) as { weight_map: Record<string, string> }
  const shards = new Set(Object.values(weight_map))
  return new Map(Array.from(shards).flatMap((shard) => Array.from(readSafetensors(join(dir, shard)))))
}

/** Every tensor of a .safetensors file, as float64. Throws Error on a dtype other than F32, F16 and BF16. */
export function readSafetensors(file: string): Map<string, ReferenceTensor> {
  const bytes = readFileSync(file)
  const start = 8 + Number(bytes.readBigUInt64LE(0))
  const header = JSON.parse(bytes.toString('utf8', 8, start)) as Record<string, TensorHeader>
  const tensors = new Map<string, ReferenceTensor>()
  for (const [name, { dtype, shape, data_offsets }] of Object.entries(header)) {
    if (name === '__metadata__') continue
    const data = bytes.subarray(start + data_offsets[0], start + data_offsets[1])
    tensors.set(name, { shape, data: decode(name, dtype, data) })
  }
  return tensors
}

function decode(name: string, dtype: string, bytes: Buffer): Float64Array {
  switch (dtype) {
    case 'F32':
      return new Float64Array(bytes.length / 4).map((_, i) => bytes.readFloatLE(4 * i))
    case 'F16':
      return new Float64Array(bytes.length / 2).map((_, i) => half(bytes.readUInt16LE(2 * i)))
    case 'BF16': {
      const float = Buffer.alloc(4) // a bfloat16 is the upper half of a float32
      return new Float64Array(bytes.length / 2).map((_, i) => {
        float.writeUInt16LE(bytes.readUInt16LE(2 * i), 2)
        return float.readFloatLE(0)
      })
    }
    default:
      throw new Error(`${name}: F32, F16 or BF16, got ${dtype}`)
  }
}

/** The value of an IEEE 754 binary16: 1 bit of sign, 5 of exponent, 10 of fraction. */
function half(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >> 10) & 0x1f
  const fraction = bits & 0x3ff
  if (exponent === 0) return sign * fraction * 2 ** -24
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15)
}

/**
 * Write a model as a Hugging Face folder: config.json and model.safetensors in F32.
 * @throws Error if a weight is not a float32 value, since a reader would see another model.
 */
export function writeSafetensors({ config, tensors }: ReferenceModel, dir: string): void {
  const header: Record<string, unknown> = { __metadata__: { format: 'pt' } }
  const parts: Buffer[] = []
  let offset = 0
  for (const [name, { shape, data }] of tensors) {
    const part = Buffer.alloc(4 * data.length)
    data.forEach((value, i) => {
      if (Math.fround(value) !== value) throw new Error(`${name}: float32 values only, got ${value}`)
      part.writeFloatLE(value, 4 * i)
    })
    header[name] = { dtype: 'F32', shape, data_offsets: [offset, offset + part.length] }
    offset += part.length
    parts.push(part)
  }
  const text = JSON.stringify(header)
  const json = Buffer.from(text.padEnd(Math.ceil(text.length / 8) * 8)) // the data starts at a multiple of 8
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(json.length))
  mkdirSync(dir, { recursive: true })
  writeFileSync(join(dir, 'model.safetensors'), Buffer.concat([length, json, ...parts]))
  const infinity = (_: string, value: unknown) =>
    value === Number.POSITIVE_INFINITY ? { __float__: 'Infinity' } : value
  writeFileSync(join(dir, 'config.json'), `${JSON.stringify(hfConfig(config), infinity, 2)}\n`)
}
