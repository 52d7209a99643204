/** Qwen2 and Qwen2.5 (Yang et al. 2024, arXiv 2407.10671): `Qwen2ForCausalLM`. */
import type { Architecture, ConfigSource } from './architecture.js'
import { ConfigReader } from './config.js'
import { describeDecoder } from './decoder.js'

const LAYER_TYPES = ['full_attention', 'sliding_attention']

/** As transformers' configuration_qwen2.py: `layer_types`, else the layers from `max_window_layers` on. */
function slidingWindows(source: ConfigSource): (layer: number) => number | undefined {
  const read = new ConfigReader(source)
  if (!read.flag('use_sliding_window', false) || source.config.sliding_window === null) return () => undefined
  const window = read.size('sliding_window', 4096)
  const types = read.words('layer_types')
  if (types) {
    if (
      types.length !== read.layers('num_hidden_layers') ||
      types.some((type) => !LAYER_TYPES.includes(type))
    ) {
      read.refuse('layer_types', `must name one of ${LAYER_TYPES.join(', ')} for each layer`)
    }
    return (layer) => (types[layer] === 'sliding_attention' ? window : undefined)
  }
  const first = read.count('max_window_layers', 28)
  return (layer) => (layer >= first ? window : undefined)
}

export const qwen2: Architecture = {
  modelType: 'qwen2',
  family: 'Qwen2',
  describe: (source) =>
    describeDecoder(source, {
      biases: { qkv: true, out: false, mlp: false },
      slidingWindow: slidingWindows(source),
    }),
}
