/** Mistral (Jiang et al. 2023, arXiv 2310.06825): `MistralForCausalLM`. */
import type { Architecture } from './architecture.js'
import { ConfigReader } from './config.js'
import { describeDecoder } from './decoder.js'

export const mistral: Architecture = {
  modelType: 'mistral',
  family: 'Mistral',
  describe(source) {
    const read = new ConfigReader(source)
    // Version 0.3 writes null: no window. A config that does not say has the one of transformers.
    const window = source.config.sliding_window === null ? undefined : read.size('sliding_window', 4096)
    return describeDecoder(source, {
      biases: { qkv: false, out: false, mlp: false },
      slidingWindow: () => window,
    })
  },
}
