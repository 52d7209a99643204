/** Falcon-Mamba (Zuo et al. 2024, arXiv 2410.05355): Hugging Face's `FalconMambaForCausalLM`. */
import type { Architecture } from './architecture.js'
import { ConfigReader } from './config.js'
import { describeMamba } from './mamba.js'

/** Mamba-1 with a weightless RMSNorm on delta's low-rank input, B and C. */
export const falconMamba: Architecture = {
  modelType: 'falcon_mamba',
  family: 'Falcon-Mamba',
  describe: (source) => describeMamba(source, new ConfigReader(source).number('mixer_rms_eps', 1e-6)),
}
