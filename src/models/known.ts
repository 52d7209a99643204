/**
 * The models of the paper (arXiv 2505.24244, table of models; ids as in the authors' src/core/consts.py): what their
 * config.json says, as far as their size goes, so that what they need is known without a download. When a model is
 * loaded its own config.json counts.
 */
import { leastMemory } from '../memory.js'
import type { ModelSpec } from './architecture.js'
import { architectureOf } from './registry.js'
import { modelCosts, parameterCount } from './spec.js'

export interface KnownModel {
  /** On the Hub. */
  readonly id: string
  /** As the paper calls it. */
  readonly family: string
  /** Type of the weights on the Hub. */
  readonly dtype: 'F32' | 'F16' | 'BF16'
  /** Licence to be accepted on the Hub first. */
  readonly gated?: boolean
  /** config.json in Hugging Face's keys. */
  readonly config: Readonly<Record<string, unknown>>
}

const mamba = (dModel: number, layers: number, vocabulary = 50_280, rest = {}): KnownModel['config'] => ({
  model_type: 'mamba',
  hidden_size: dModel,
  num_hidden_layers: layers,
  vocab_size: vocabulary,
  ...rest,
})

const falcon = {
  model_type: 'falcon_mamba',
  hidden_size: 4096,
  intermediate_size: 8192,
  num_hidden_layers: 64,
  vocab_size: 65_024,
  tie_word_embeddings: false,
}

const mamba2 = (dModel: number, layers: number): KnownModel['config'] => ({
  model_type: 'mamba2',
  hidden_size: dModel,
  num_hidden_layers: layers,
  vocab_size: 50_288,
  num_heads: (2 * dModel) / 64,
  n_groups: 1,
  tie_word_embeddings: true,
})

const gpt2 = (dModel: number, layers: number, heads: number): KnownModel['config'] => ({
  model_type: 'gpt2',
  n_embd: dModel,
  n_layer: layers,
  n_head: heads,
})

/** Sizes of a decoder: width, feed-forward width, layers, query heads, key heads, vocabulary. */
type DecoderSizes = readonly [number, number, number, number, number, number]

const decoder = (
  type: string,
  [dModel, feedForward, layers, heads, keyHeads, vocabulary]: DecoderSizes,
  rest: Readonly<Record<string, unknown>> = {},
): KnownModel['config'] => ({
  model_type: type,
  hidden_size: dModel,
  intermediate_size: feedForward,
  num_hidden_layers: layers,
  num_attention_heads: heads,
  num_key_value_heads: keyHeads,
  vocab_size: vocabulary,
  ...rest,
})

const TIED = { tie_word_embeddings: true }
const QWEN_05B = decoder('qwen2', [896, 4864, 24, 14, 2, 151_936], TIED)
const QWEN_15B = decoder('qwen2', [1536, 8960, 28, 12, 2, 151_936], TIED)
const QWEN_7B = decoder('qwen2', [3584, 18_944, 28, 28, 4, 152_064])

export const KNOWN_MODELS: readonly KnownModel[] = [
  { id: 'state-spaces/mamba-130m-hf', family: 'Mamba-1', dtype: 'F32', config: mamba(768, 24) },
  { id: 'state-spaces/mamba-1.4b-hf', family: 'Mamba-1', dtype: 'F32', config: mamba(2048, 48) },
  { id: 'state-spaces/mamba-2.8b-hf', family: 'Mamba-1', dtype: 'F32', config: mamba(2560, 64) },
  {
    id: 'TRI-ML/mamba-7b-rw',
    family: 'Mamba-1',
    dtype: 'BF16',
    config: mamba(4096, 64, 50_432, { tie_word_embeddings: false }),
  },
  { id: 'tiiuae/falcon-mamba-7b', family: 'Falcon-Mamba', dtype: 'BF16', config: falcon },
  { id: 'tiiuae/Falcon3-Mamba-7B-Base', family: 'Falcon-Mamba', dtype: 'BF16', config: falcon },
  { id: 'state-spaces/mamba2-130m', family: 'Mamba-2', dtype: 'F16', config: mamba2(768, 24) },
  { id: 'state-spaces/mamba2-1.3b', family: 'Mamba-2', dtype: 'F16', config: mamba2(2048, 48) },
  { id: 'state-spaces/mamba2-2.7b', family: 'Mamba-2', dtype: 'F16', config: mamba2(2560, 64) },
  { id: 'openai-community/gpt2', family: 'GPT-2', dtype: 'F32', config: gpt2(768, 12, 12) },
  { id: 'openai-community/gpt2-medium', family: 'GPT-2', dtype: 'F32', config: gpt2(1024, 24, 16) },
  { id: 'openai-community/gpt2-large', family: 'GPT-2', dtype: 'F32', config: gpt2(1280, 36, 20) },
  { id: 'openai-community/gpt2-xl', family: 'GPT-2', dtype: 'F32', config: gpt2(1600, 48, 25) },
  {
    id: 'meta-llama/Llama-2-7b-hf',
    family: 'Llama 2',
    dtype: 'F16',
    gated: true,
    config: decoder('llama', [4096, 11_008, 32, 32, 32, 32_000]),
  },
  {
    id: 'meta-llama/Llama-2-13b-hf',
    family: 'Llama 2',
    dtype: 'F16',
    gated: true,
    config: decoder('llama', [5120, 13_824, 40, 40, 40, 32_000]),
  },
  {
    id: 'meta-llama/Meta-Llama-3-8B',
    family: 'Llama 3',
    dtype: 'BF16',
    gated: true,
    config: decoder('llama', [4096, 14_336, 32, 32, 8, 128_256]),
  },
  {
    id: 'meta-llama/Llama-3.2-1B',
    family: 'Llama 3.2',
    dtype: 'BF16',
    gated: true,
    config: decoder('llama', [2048, 8192, 16, 32, 8, 128_256], TIED),
  },
  {
    id: 'meta-llama/Llama-3.2-3B',
    family: 'Llama 3.2',
    dtype: 'BF16',
    gated: true,
    config: decoder('llama', [3072, 8192, 28, 24, 8, 128_256], TIED),
  },
  {
    id: 'mistralai/Mistral-7B-v0.1',
    family: 'Mistral',
    dtype: 'BF16',
    gated: true,
    config: decoder('mistral', [4096, 14_336, 32, 32, 8, 32_000]),
  },
  {
    id: 'mistralai/Mistral-7B-v0.3',
    family: 'Mistral',
    dtype: 'BF16',
    gated: true,
    config: decoder('mistral', [4096, 14_336, 32, 32, 8, 32_768], { sliding_window: null }),
  },
  { id: 'Qwen/Qwen2-0.5B', family: 'Qwen2', dtype: 'BF16', config: QWEN_05B },
  { id: 'Qwen/Qwen2-1.5B', family: 'Qwen2', dtype: 'BF16', config: QWEN_15B },
  { id: 'Qwen/Qwen2-7B', family: 'Qwen2', dtype: 'BF16', config: QWEN_7B },
  { id: 'Qwen/Qwen2.5-0.5B', family: 'Qwen2.5', dtype: 'BF16', config: QWEN_05B },
  { id: 'Qwen/Qwen2.5-1.5B', family: 'Qwen2.5', dtype: 'BF16', config: QWEN_15B },
  {
    id: 'Qwen/Qwen2.5-3B',
    family: 'Qwen2.5',
    dtype: 'BF16',
    config: decoder('qwen2', [2048, 11_008, 36, 16, 2, 151_936], TIED),
  },
  { id: 'Qwen/Qwen2.5-7B', family: 'Qwen2.5', dtype: 'BF16', config: QWEN_7B },
  {
    id: 'Qwen/Qwen2.5-14B',
    family: 'Qwen2.5',
    dtype: 'BF16',
    config: decoder('qwen2', [5120, 13_824, 48, 40, 8, 152_064]),
  },
]

/** What a model needs. Sizes in bytes. */
export interface ModelNeeds {
  readonly modelType: string
  readonly layers: number
  readonly width: number
  readonly vocabulary: number
  readonly parameters: number
  /** Weights on disk, by their number and type. */
  readonly disk: number
  /** Weights in memory, float32, when all of them stay loaded. */
  readonly memory: number
  /** The least that `--memory` may be: layers are then loaded in turn. */
  readonly least: number
}

/** What an open model needs. @param disk size of its weight files in bytes */
export function specNeeds(
  spec: Pick<ModelSpec, 'modelType' | 'nLayers' | 'dModel' | 'vocabSize' | 'parameters' | 'costs'>,
  disk: number,
): ModelNeeds {
  const { modelType, nLayers, dModel, vocabSize, parameters, costs } = spec
  return {
    modelType,
    layers: nLayers,
    width: dModel,
    vocabulary: vocabSize,
    parameters,
    disk,
    memory: nLayers * costs.layerBytes + costs.headBytes,
    least: leastMemory({ nLayers, costs }),
  }
}

/** What a known model needs, by its config. */
export function knownNeeds({ id, dtype, config }: KnownModel): ModelNeeds {
  const source = { config, configFile: id }
  const { modelType, describe } = architectureOf(source)
  const d = describe(source)
  const parameters = parameterCount(d)
  return specNeeds(
    { ...d, modelType, parameters, costs: modelCosts(d) },
    parameters * (dtype === 'F32' ? 4 : 2),
  )
}
