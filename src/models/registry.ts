/** The model families that factflow knows: `model_type` of config.json to architecture. */
import type { Checkpoint } from '../checkpoints/checkpoint.js'
import { fromMambaSsm, isMambaSsm, mambaSsmConfig, withEmbeddings } from '../checkpoints/mamba-ssm.js'
import { renamed } from '../checkpoints/renamed.js'
import { InputError, show } from '../errors.js'
import type { GraphTarget } from '../onnx/graph.js'
import type { Architecture, ConfigSource, ModelDescription, ModelSpec } from './architecture.js'
import { falconMamba } from './falcon-mamba.js'
import { gpt2 } from './gpt2.js'
import { llama } from './llama.js'
import { mamba } from './mamba.js'
import { mamba2 } from './mamba2.js'
import { mistral } from './mistral.js'
import { qwen2 } from './qwen2.js'
import { openAs, UNEMBEDDING } from './spec.js'

export const ARCHITECTURES: readonly Architecture[] = [
  mamba,
  falconMamba,
  mamba2,
  gpt2,
  llama,
  mistral,
  qwen2,
]

/**
 * The architecture that a config names.
 * @throws InputError when it is unknown, or the weights are quantized
 */
export function architectureOf({ config, configFile }: ConfigSource): Architecture {
  const modelType = config.model_type
  const architecture = ARCHITECTURES.find((known) => known.modelType === modelType)
  if (!architecture) {
    const known = ARCHITECTURES.map((a) => a.modelType).join(', ')
    throw new InputError(
      `${configFile}: model_type must be one of ${known}, got ${modelType === undefined ? 'nothing' : show(modelType)}; use a model of these families`,
    )
  }
  const quantized = config.quantization_config ?? undefined
  if (quantized !== undefined) {
    throw new InputError(
      `${configFile}: quantization_config must be absent, got ${show(quantized)}; factflow reads weights in F32, F16 and BF16, use the model that is not quantized`,
    )
  }
  return architecture
}

/**
 * Check that a config is one of a model that factflow computes, in any layout; the weights are not looked at.
 * @returns what it says of the model
 * @throws InputError when it is not
 */
export function checkConfig(source: ConfigSource): ModelDescription {
  const { configFile } = source
  const config = isMambaSsm(source.config) ? mambaSsmConfig(source.config, configFile) : source.config
  const inHuggingFace = { config, configFile }
  return architectureOf(inHuggingFace).describe(inHuggingFace)
}

/**
 * Open a checkpoint with the architecture that its config names. The layout may be Hugging Face's, with or without
 * the prefix of a bare model's names, or that of `mamba_ssm`.
 * @throws InputError when the architecture is unknown, or config and tensors do not fit it
 */
export function openModel(checkpoint: Checkpoint, target?: GraphTarget): ModelSpec {
  const inHuggingFace = isMambaSsm(checkpoint.config) ? fromMambaSsm(checkpoint) : checkpoint
  const architecture = architectureOf(inHuggingFace)
  const { prefix, embedding } = architecture.describe(inHuggingFace)
  return openAs(architecture, withUsualNames(inHuggingFace, prefix, embedding), target)
}

/**
 * What transformers does when it loads: a checkpoint of the bare model (`GPT2Model`) lacks the prefix of the one with a
 * head, and that of a Mamba may call its embeddings `embedding`.
 */
function withUsualNames(checkpoint: Checkpoint, prefix: string, embedding: string): Checkpoint {
  if (checkpoint.has(embedding)) return checkpoint
  if (checkpoint.has(embedding.slice(prefix.length))) {
    return renamed(checkpoint, { tensor: (name) => (name === UNEMBEDDING ? name : prefix + name) })
  }
  return renamed(checkpoint, { tensor: withEmbeddings })
}
