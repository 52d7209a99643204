/**
 * A plain reader of Hugging Face `mamba` folders (config.json, model.safetensors) for the reference engine.
 * Format: https://github.com/huggingface/safetensors, "Format": 8-byte little-endian header length, JSON, data.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ReferenceConfig, ReferenceModel, ReferenceTensor } from './mamba.js'

/** What is read of a Hugging Face `MambaConfig`; optional keys have its defaults. */
interface HfMambaConfig {
  model_type: string
  num_hidden_layers: number
  hidden_size: number
  intermediate_size?: number
  expand?: number
  state_size: number
  time_step_rank: number | 'auto'
  conv_kernel: number
  vocab_size: number
  layer_norm_epsilon: number
  use_bias?: boolean
  use_conv_bias?: boolean
  tie_word_embeddings?: boolean
  hidden_act?: string
}

interface TensorHeader {
  dtype: string
  shape: number[]
  /** First byte and one past the last, counted from the end of the header. */
  data_offsets: [number, number]
}

/**
 * Read a checkpoint folder into float64.
 * @throws Error if it is no Mamba-1 model, has an activation other than SiLU, or a tensor that is not F32 or F16.
 */
export function readFixture(dir: string): ReferenceModel {
  const config = JSON.parse(readFileSync(join(dir, 'config.json'), 'utf8')) as HfMambaConfig
  return { config: readConfig(config), tensors: readSafetensors(join(dir, 'model.safetensors')) }
}

function readConfig(config: HfMambaConfig): ReferenceConfig {
  if (config.model_type !== 'mamba') throw new Error(`model_type: mamba, got ${config.model_type}`)
  const activation = config.hidden_act ?? 'silu'
  if (activation !== 'silu') throw new Error(`hidden_act: silu, got ${activation}`)
  const dModel = config.hidden_size
  const rank = config.time_step_rank
  return {
    nLayers: config.num_hidden_layers,
    dModel,
    dInner: config.intermediate_size ?? Math.floor((config.expand ?? 2) * dModel),
    dState: config.state_size,
    dtRank: rank === 'auto' ? Math.ceil(dModel / 16) : rank,
    convKernel: config.conv_kernel,
    vocabSize: config.vocab_size,
    epsilon: config.layer_norm_epsilon,
    useBias: config.use_bias ?? false,
    useConvBias: config.use_conv_bias ?? true,
    tieWordEmbeddings: config.tie_word_embeddings ?? true,
  }
}

/** Every tensor of a .safetensors file, as float64. Throws Error on a dtype other than F32 and F16. */
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
    default:
      throw new Error(`${name}: F32 or F16, got ${dtype}`)
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
