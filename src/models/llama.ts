/** Llama 2, 3 and 3.2 (Touvron et al. 2023, arXiv 2307.09288; arXiv 2407.21783): `LlamaForCausalLM`. */
import type { Architecture } from './architecture.js'
import { ConfigReader } from './config.js'
import { describeDecoder } from './decoder.js'

export const llama: Architecture = {
  modelType: 'llama',
  family: 'Llama',
  describe(source) {
    const read = new ConfigReader(source)
    const attention = read.flag('attention_bias', false)
    return describeDecoder(source, {
      biases: { qkv: attention, out: attention, mlp: read.flag('mlp_bias', false) },
      slidingWindow: () => undefined,
    })
  },
}
