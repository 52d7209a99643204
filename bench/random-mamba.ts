/** A Mamba-1 checkpoint of any size with random weights, made up in memory as its tensors are read. */
import type { Checkpoint } from '../src/checkpoints/checkpoint.js'
import { layerTensors, readMambaConfig } from '../src/models/mamba.js'
import { seededRandom } from '../src/prompts/sample.js'

export interface RandomMambaSize {
  readonly nLayers: number
  readonly dModel: number
  readonly vocabSize: number
}

/** The sizes of `state-spaces/mamba-130m-hf`. */
export const MAMBA_130M: RandomMambaSize = { nLayers: 24, dModel: 768, vocabSize: 50_280 }

function fill(name: string, shape: readonly number[], first: number, count: number): Float32Array {
  const width = shape.slice(1).reduce((a, b) => a * b, 1)
  const random = seededRandom(name.length * 7919 + first)
  const values = new Float32Array(count * width)
  // Uniform of unit variance times the usual 1 / sqrt(inputs).
  const scale = Math.sqrt(12) / Math.sqrt(shape.length > 1 ? width : 12)
  for (let i = 0; i < values.length; i++) {
    if (name.endsWith('A_log')) values[i] = Math.log(1 + (i % width))
    else if (name.includes('norm') || name.endsWith('mixer.D')) values[i] = 1
    else if (name.endsWith('dt_proj.bias')) values[i] = -4 * random()
    else values[i] = (random() - 0.5) * scale
  }
  return values
}

export function randomMamba(size: RandomMambaSize): Checkpoint {
  const config = {
    model_type: 'mamba',
    hidden_size: size.dModel,
    num_hidden_layers: size.nLayers,
    vocab_size: size.vocabSize,
    state_size: 16,
  }
  const name = 'random mamba'
  const shapes = new Map<string, readonly number[]>([
    ['backbone.embeddings.weight', [size.vocabSize, size.dModel]],
    ['backbone.norm_f.weight', [size.dModel]],
  ])
  const c = readMambaConfig({ config, configFile: name })
  for (let layer = 0; layer < size.nLayers; layer++) {
    for (const [tensor, shape] of Object.entries(layerTensors(c, layer))) shapes.set(tensor, shape)
  }
  return {
    name,
    config,
    configFile: name,
    bytes: 0,
    names: () => [...shapes.keys()],
    has: (tensor) => shapes.has(tensor),
    shape: (tensor) => shapes.get(tensor)!,
    tensor: async (tensor, shape) => fill(tensor, shape, 0, shape[0]!),
    rows: async (tensor, shape, first, count) => fill(tensor, shape, first, count),
    tokenizerJson: async () => {
      throw new Error(`${name} has no tokenizer`)
    },
    close: async () => {},
  }
}
