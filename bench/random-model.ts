/** Checkpoints of any family and size with random weights, made up in memory as their tensors are read. */
import type { Checkpoint } from '../src/checkpoints/checkpoint.js'
import { architectureOf } from '../src/models/registry.js'
import { modelTensors, UNEMBEDDING } from '../src/models/spec.js'
import { seededRandom } from '../src/prompts/sample.js'

/** config.json of `state-spaces/mamba-130m-hf`, as far as it matters. */
export const MAMBA_130M = {
  model_type: 'mamba',
  hidden_size: 768,
  num_hidden_layers: 24,
  vocab_size: 50_280,
  state_size: 16,
}

export function fill(name: string, shape: readonly number[], first: number, count: number): Float32Array {
  const width = shape.slice(1).reduce((a, b) => a * b, 1)
  const random = seededRandom(name.length * 7919 + first)
  const values = new Float32Array(count * width)
  // Uniform of unit variance times the usual 1 / sqrt(inputs).
  const scale = Math.sqrt(12) / Math.sqrt(shape.length > 1 ? width : 12)
  for (let i = 0; i < values.length; i++) {
    if (name.endsWith('A_log')) values[i] = Math.log(1 + (i % width))
    else if (/norm.*weight$|ln_.*weight$|mixer\.D$/.test(name)) values[i] = 1
    else if (/dt_(proj\.)?bias$/.test(name)) values[i] = -4 * random()
    else values[i] = (random() - 0.5) * scale
  }
  return values
}

/** @param config config.json, as Hugging Face has it */
export function randomModel(config: Readonly<Record<string, unknown>>): Checkpoint {
  const name = `random ${config.model_type}`
  const source = { config, configFile: name }
  const d = architectureOf(source).describe(source)
  const shapes = modelTensors(d, d.tied ? d.embedding : UNEMBEDDING)
  return {
    name,
    config,
    configFile: name,
    bytes: 0,
    names: () => Object.keys(shapes),
    has: (tensor) => tensor in shapes,
    shape: (tensor) => shapes[tensor]!,
    tensor: async (tensor, shape) => fill(tensor, shape, 0, shape[0]!),
    rows: async (tensor, shape, first, count) => fill(tensor, shape, first, count),
    tokenizerJson: async () => {
      throw new Error(`${name} has no tokenizer`)
    },
    close: async () => {},
  }
}
