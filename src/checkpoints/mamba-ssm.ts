/**
 * The layout of `mamba_ssm` (github.com/state-spaces/mamba, models/config_mamba.py and mixer_seq_simple.py), in which
 * the first Mamba and Mamba-2 models are published, seen as Hugging Face's: other keys in config.json, a vocabulary
 * that is padded to a multiple, and `backbone.embedding` for `backbone.embeddings`. All else has the same names.
 */
import { InputError, show } from '../errors.js'
import type { Checkpoint } from './checkpoint.js'
import { isObject } from './json.js'
import { renamed } from './renamed.js'

type Config = Readonly<Record<string, unknown>>

/**
 * The tokenizer of the checkpoints that `mamba_ssm` published, which hold none: all were trained with GPT-NeoX's
 * (github.com/state-spaces/mamba, benchmarks/benchmark_generation_mamba_simple.py).
 */
export const MAMBA_SSM_TOKENIZER = 'EleutherAI/gpt-neox-20b'

/** Whether a config.json is one of `mamba_ssm`: it names no model type. */
export function isMambaSsm(config: Config): boolean {
  return config.model_type === undefined && 'd_model' in config && 'n_layer' in config
}

/** Epsilon of all norms (`norm_epsilon` of create_block; RMSNormGated in modules/mamba2.py). */
const EPSILON = 1e-5

/** Keys of `ssm_cfg` that only matter in training or for speed. */
const NO_MATTER = [
  'dt_min',
  'dt_max',
  'dt_init',
  'dt_scale',
  'dt_init_floor',
  'A_init_range',
  'conv_init',
  'use_fast_path',
  'use_mem_eff_path',
  'chunk_size',
]

/** Keys of `ssm_cfg` to Hugging Face's, with the default of modules/mamba_simple.py or mamba2.py. */
const MAMBA1 = {
  d_state: ['state_size', 16],
  d_conv: ['conv_kernel', 4],
  expand: ['expand', 2],
  dt_rank: ['time_step_rank', 'auto'],
  conv_bias: ['use_conv_bias', true],
  bias: ['use_bias', false],
} as const
const MAMBA2 = {
  d_state: ['state_size', 128],
  d_conv: ['conv_kernel', 4],
  expand: ['expand', 2],
  headdim: ['head_dim', 64],
  ngroups: ['n_groups', 1],
  dt_limit: ['time_step_limit', [0, Number.POSITIVE_INFINITY]],
  conv_bias: ['use_conv_bias', true],
  bias: ['use_bias', false],
} as const

/** The only values of options that change what is computed and that no published model uses. */
const FIXED: Config = {
  D_has_hdim: false,
  rmsnorm: true,
  norm_before_gate: false,
  d_ssm: null,
}

/**
 * The checkpoint in Hugging Face's layout. No weights are read.
 * @throws InputError when the config is not of a pure Mamba-1 or Mamba-2 model
 */
export function fromMambaSsm(checkpoint: Checkpoint): Checkpoint {
  return renamed(checkpoint, {
    config: mambaSsmConfig(checkpoint.config, checkpoint.configFile),
    tensor: withEmbeddings,
  })
}

/** A tensor's name of `mamba_ssm` as Hugging Face's. */
export function withEmbeddings(name: string): string {
  return name.replace(/^backbone\.embedding\./, 'backbone.embeddings.')
}

/**
 * A config of `mamba_ssm` in Hugging Face's keys.
 * @throws InputError when it is not one of a pure Mamba-1 or Mamba-2 model
 */
export function mambaSsmConfig(config: Config, file: string): Config {
  const fail = (key: string, rule: string, value: unknown): never => {
    throw new InputError(
      `${file}: ${key} ${rule}, got ${value === undefined ? 'nothing' : show(value)}; use a Mamba or Mamba-2 model`,
    )
  }
  const size = (key: string, fallback?: number): number => {
    const value = config[key] ?? fallback
    if (typeof value !== 'number' || !Number.isInteger(value) || value < 1) {
      return fail(key, 'must be a whole number above 0', value)
    }
    return value
  }
  const ssm = config.ssm_cfg ?? {}
  if (!isObject(ssm)) return fail('ssm_cfg', 'must be an object', ssm)
  const { layer = 'Mamba1', ...options } = ssm
  if (layer !== 'Mamba1' && layer !== 'Mamba2') fail('ssm_cfg.layer', 'must be Mamba1 or Mamba2', layer)
  if (config.rms_norm === false) fail('rms_norm', 'must be true', false)
  if ((config.d_intermediate ?? 0) !== 0) fail('d_intermediate', 'must be 0', config.d_intermediate)
  const attention = config.attn_layer_idx ?? []
  if (!Array.isArray(attention) || attention.length > 0) {
    fail('attn_layer_idx', 'must be empty: hybrids with attention layers are not supported', attention)
  }

  const known: Readonly<Record<string, readonly [string, unknown]>> = layer === 'Mamba1' ? MAMBA1 : MAMBA2
  const mixer = Object.fromEntries(
    Object.entries(known).map(([key, [name, fallback]]) => [name, options[key] ?? fallback]),
  )
  for (const [key, value] of Object.entries(options)) {
    if (Object.hasOwn(known, key) || NO_MATTER.includes(key)) continue
    const fixed = Object.hasOwn(FIXED, key)
    if (fixed && value === FIXED[key]) continue
    const rule = fixed ? `must be ${show(FIXED[key])}` : `must be among ${Object.keys(known).join(', ')}`
    fail(`ssm_cfg.${key}`, rule, value)
  }

  const dModel = size('d_model')
  const multiple = size('pad_vocab_size_multiple', 8)
  const common = {
    hidden_size: dModel,
    num_hidden_layers: size('n_layer'),
    vocab_size: Math.ceil(size('vocab_size') / multiple) * multiple,
    layer_norm_epsilon: EPSILON,
    tie_word_embeddings: config.tie_embeddings ?? true,
    ...mixer,
  }
  if (layer === 'Mamba1') return { model_type: 'mamba', ...common }
  const { expand, head_dim: headDim } = mixer
  if (typeof expand !== 'number' || !(expand > 0))
    return fail('ssm_cfg.expand', 'must be a number above 0', expand)
  if (typeof headDim !== 'number' || !(headDim > 0) || (expand * dModel) % headDim !== 0) {
    return fail('ssm_cfg.headdim', `must divide expand * d_model (${expand * dModel})`, headDim)
  }
  return { model_type: 'mamba2', num_heads: (expand * dModel) / headDim, ...common }
}
