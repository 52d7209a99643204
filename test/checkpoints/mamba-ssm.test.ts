/** The layout of mamba_ssm as Hugging Face's. */
import { describe, expect, test } from 'vitest'
import { fromMambaSsm, isMambaSsm } from '../../src/checkpoints/mamba-ssm.js'
import { memoryCheckpoint } from '../helpers/checkpoint.js'
import { inputError } from './helpers.js'

/** config.json of state-spaces/mamba-130m and state-spaces/mamba2-2.7b. */
const MAMBA_130M = {
  d_model: 768,
  n_layer: 24,
  vocab_size: 50_277,
  ssm_cfg: {},
  rms_norm: true,
  residual_in_fp32: true,
  fused_add_norm: true,
  pad_vocab_size_multiple: 8,
}
const MAMBA2_27B = {
  d_model: 2560,
  d_intermediate: 0,
  n_layer: 64,
  vocab_size: 50_277,
  ssm_cfg: { layer: 'Mamba2' },
  attn_layer_idx: [],
  attn_cfg: {},
  rms_norm: true,
  residual_in_fp32: true,
  fused_add_norm: true,
  pad_vocab_size_multiple: 16,
  tie_embeddings: true,
}

function translated(config: Record<string, unknown>): Readonly<Record<string, unknown>> {
  return fromMambaSsm(memoryCheckpoint(config, new Map(), 'm')).config
}

test('it is known by what it lacks: early configs of Hugging Face have its keys, too', () => {
  expect(isMambaSsm(MAMBA_130M)).toBe(true)
  expect(isMambaSsm(MAMBA2_27B)).toBe(true)
  expect(isMambaSsm({ ...MAMBA_130M, model_type: 'mamba', hidden_size: 768 })).toBe(false)
  expect(isMambaSsm({})).toBe(false)
})

test('Mamba-1: state-spaces/mamba-130m', () => {
  expect(translated(MAMBA_130M)).toEqual({
    model_type: 'mamba',
    hidden_size: 768,
    num_hidden_layers: 24,
    vocab_size: 50_280,
    layer_norm_epsilon: 1e-5,
    tie_word_embeddings: true,
    state_size: 16,
    conv_kernel: 4,
    expand: 2,
    time_step_rank: 'auto',
    use_conv_bias: true,
    use_bias: false,
  })
})

test('Mamba-2: state-spaces/mamba2-2.7b', () => {
  expect(translated(MAMBA2_27B)).toEqual({
    model_type: 'mamba2',
    hidden_size: 2560,
    num_hidden_layers: 64,
    vocab_size: 50_288,
    layer_norm_epsilon: 1e-5,
    tie_word_embeddings: true,
    num_heads: 80,
    head_dim: 64,
    n_groups: 1,
    state_size: 128,
    conv_kernel: 4,
    expand: 2,
    time_step_limit: [0, Number.POSITIVE_INFINITY],
    use_conv_bias: true,
    use_bias: false,
  })
})

test('options that change the model are heeded, those that do not are left out', () => {
  const ssm = { layer: 'Mamba2', d_state: 32, headdim: 16, ngroups: 2, dt_limit: [0.1, 2], bias: true }
  const config = { ...MAMBA2_27B, d_model: 64, ssm_cfg: { ...ssm, chunk_size: 64, A_init_range: [1, 2] } }
  expect(
    translated({ ...config, vocab_size: 64, pad_vocab_size_multiple: 1, tie_embeddings: false }),
  ).toMatchObject({
    state_size: 32,
    head_dim: 16,
    num_heads: 8,
    n_groups: 2,
    time_step_limit: [0.1, 2],
    use_bias: true,
    vocab_size: 64,
    tie_word_embeddings: false,
  })
})

describe('what no Mamba of this project is, is refused', () => {
  test.each([
    [{ ssm_cfg: { layer: 'Mamba3' } }, 'ssm_cfg.layer must be Mamba1 or Mamba2, got "Mamba3"'],
    [{ ssm_cfg: 'Mamba2' }, 'ssm_cfg must be an object, got "Mamba2"'],
    [
      { ssm_cfg: { layer: 'Mamba2', constructor: 1 } },
      'ssm_cfg.constructor must be among d_state, d_conv, expand, headdim, ngroups, dt_limit, conv_bias, bias, got 1',
    ],
    [{ rms_norm: false }, 'rms_norm must be true, got false'],
    [{ d_intermediate: 128 }, 'd_intermediate must be 0, got 128'],
    [
      { attn_layer_idx: [9] },
      'attn_layer_idx must be empty: hybrids with attention layers are not supported, got [9]',
    ],
    [
      { ssm_cfg: { layer: 'Mamba2', norm_before_gate: true } },
      'ssm_cfg.norm_before_gate must be false, got true',
    ],
    [{ ssm_cfg: { layer: 'Mamba2', d_ssm: 64 } }, 'ssm_cfg.d_ssm must be null, got 64'],
    [
      { ssm_cfg: { layer: 'Mamba2', headdim: 7 } },
      'ssm_cfg.headdim must divide expand * d_model (5120), got 7',
    ],
    [
      { ssm_cfg: { ngroups: 2 } },
      'ssm_cfg.ngroups must be among d_state, d_conv, expand, dt_rank, conv_bias, bias, got 2',
    ],
    [{ d_model: 0 }, 'd_model must be a whole number above 0, got 0'],
    [{ n_layer: '64' }, 'n_layer must be a whole number above 0, got "64"'],
    [{ vocab_size: undefined }, 'vocab_size must be a whole number above 0, got nothing'],
  ])('%j', async (change, rule) => {
    expect(await inputError(() => translated({ ...MAMBA2_27B, ...change }))).toBe(
      `m/config.json: ${rule}; use a Mamba or Mamba-2 model`,
    )
  })
})

test('tensors: the embedding has another name, all others their own', async () => {
  const shape = [2, 2]
  const tensors = new Map([
    ['backbone.embedding.weight', { shape, data: [1, 2, 3, 4] }],
    ['backbone.layers.0.norm.weight', { shape: [1], data: [5] }],
  ])
  const seen = fromMambaSsm(memoryCheckpoint({ ...MAMBA_130M }, tensors, 'm'))
  expect(seen.names()).toEqual(['backbone.embeddings.weight', 'backbone.layers.0.norm.weight'])
  expect(seen.has('backbone.embeddings.weight')).toBe(true)
  expect(seen.has('backbone.embedding.weight')).toBe(false)
  expect(seen.shape('backbone.embeddings.weight')).toEqual(shape)
  expect(Array.from(await seen.tensor('backbone.embeddings.weight', shape))).toEqual([1, 2, 3, 4])
  expect(Array.from(await seen.rows('backbone.embeddings.weight', shape, 1, 1))).toEqual([3, 4])
  expect(await inputError(() => seen.tensor('lm_head.weight', shape))).toContain('lm_head.weight')
})
