/**
 * The models that the authors' results are of, by the names that their code has for them: `MODEL_ARCH` and size
 * (src/core/types.py, `MODEL_SIZES_PER_ARCH_TO_MODEL_ID` of src/core/consts.py), and the id that each has on the Hub.
 */
import { FEATURE_CATEGORIES, type FeatureCategory } from '../models/architecture.js'
import { KNOWN_MODELS, knownNeeds } from '../models/known.js'
import { architectureOf } from '../models/registry.js'

/** Ids as in `KNOWN_MODELS`; the authors spell some of them in other letter case. */
export const AUTHORS_MODELS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  mamba1: {
    '130M': 'state-spaces/mamba-130m-hf',
    '1.4B': 'state-spaces/mamba-1.4b-hf',
    '2.8B': 'state-spaces/mamba-2.8b-hf',
    '7B': 'TRI-ML/mamba-7b-rw',
    '7B-falcon': 'tiiuae/falcon-mamba-7b',
    '7B-falcon-base': 'tiiuae/Falcon3-Mamba-7B-Base',
  },
  mamba2: {
    '130M': 'state-spaces/mamba2-130m',
    '1.3B': 'state-spaces/mamba2-1.3b',
    '2.7B': 'state-spaces/mamba2-2.7b',
  },
  gpt2: {
    '124M': 'openai-community/gpt2',
    '355M': 'openai-community/gpt2-medium',
    '774M': 'openai-community/gpt2-large',
    '1.5B': 'openai-community/gpt2-xl',
  },
  llama2: { '7B': 'meta-llama/Llama-2-7b-hf', '13B': 'meta-llama/Llama-2-13b-hf' },
  llama3: { '8B': 'meta-llama/Meta-Llama-3-8B' },
  'llama3.2': { '1B': 'meta-llama/Llama-3.2-1B', '3B': 'meta-llama/Llama-3.2-3B' },
  'mistral0.1': { '7B': 'mistralai/Mistral-7B-v0.1' },
  'mistral0.3': { '7B': 'mistralai/Mistral-7B-v0.3' },
  qwen2: { '0.5B': 'Qwen/Qwen2-0.5B', '1.5B': 'Qwen/Qwen2-1.5B', '7B': 'Qwen/Qwen2-7B' },
  'qwen2.5': {
    '0.5B': 'Qwen/Qwen2.5-0.5B',
    '1.5B': 'Qwen/Qwen2.5-1.5B',
    '3B': 'Qwen/Qwen2.5-3B',
    '7B': 'Qwen/Qwen2.5-7B',
    '14B': 'Qwen/Qwen2.5-14B',
  },
}

/** A model that results are of. What only its config says is null where the model is not one of the paper's. */
export interface AuthorsModel {
  /** As the authors call it: `mamba1-130M`. */
  readonly name: string
  /** On the Hub. */
  readonly id: string | null
  /** As the paper calls it; the authors' name of the architecture for other models. */
  readonly family: string
  /** `model_type` of its config.json. */
  readonly modelType: string | null
  readonly layers: number | null
  readonly width: number | null
  readonly parameters: number | null
  readonly featureCategories: readonly FeatureCategory[]
}

/** The model of an architecture and size, as the authors name both. */
export function authorsModel(arch: string, size: string): AuthorsModel {
  const name = `${arch}-${size}`
  const sizes = Object.hasOwn(AUTHORS_MODELS, arch) ? AUTHORS_MODELS[arch]! : {}
  const id = Object.hasOwn(sizes, size) ? sizes[size] : undefined
  const known = KNOWN_MODELS.find((model) => model.id === id)
  if (!known) {
    const nothing = { id: null, modelType: null, layers: null, width: null, parameters: null }
    return { name, family: arch, ...nothing, featureCategories: FEATURE_CATEGORIES }
  }
  const { modelType, layers, width, parameters } = knownNeeds(known)
  const source = { config: known.config, configFile: known.id }
  const { featureCategories } = architectureOf(source).describe(source)
  const { family } = known
  return { name, id: known.id, family, modelType, layers, width, parameters, featureCategories }
}
