/** Checkpoints of any family and size with random weights, made up in memory as their tensors are read. */
import type { Checkpoint } from '../src/checkpoints/checkpoint.js'
import { architectureOf } from '../src/models/registry.js'
import { modelTensors, UNEMBEDDING } from '../src/models/spec.js'
import { seededRandom } from '../src/prompts/sample.js'

/** config.json of published models, as far as it matters, and the type of their weights. */
export const SIZES: Readonly<Record<string, { config: Record<string, unknown>; dtype: 'F32' | 'BF16' }>> = {
  'mamba-130m': {
    config: { model_type: 'mamba', hidden_size: 768, num_hidden_layers: 24, vocab_size: 50_280 },
    dtype: 'F32',
  },
  'mamba2-130m': {
    config: {
      model_type: 'mamba2',
      hidden_size: 768,
      num_hidden_layers: 24,
      vocab_size: 50_288,
      num_heads: 24,
      n_groups: 1,
      tie_word_embeddings: true,
    },
    dtype: 'F32',
  },
  gpt2: { config: { model_type: 'gpt2' }, dtype: 'F32' },
  'llama-3.2-1b': {
    config: {
      model_type: 'llama',
      hidden_size: 2048,
      intermediate_size: 8192,
      num_hidden_layers: 16,
      num_attention_heads: 32,
      num_key_value_heads: 8,
      head_dim: 64,
      vocab_size: 128_256,
      rope_theta: 500_000,
      tie_word_embeddings: true,
    },
    dtype: 'BF16',
  },
}

/** @throws Error when there is no such size */
export function namedSize(name: string): (typeof SIZES)[string] {
  const size = SIZES[name]
  if (!size) throw new Error(`${name}: must be one of ${Object.keys(SIZES).join(', ')}`)
  return size
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
    weightFiles: [],
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
