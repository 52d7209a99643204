/** The paper's models: what their configs make of their sizes, against the published numbers of parameters. */
import { describe, expect, test } from 'vitest'
import { isHubId } from '../../src/checkpoints/hub-id.js'
import { KNOWN_MODELS, knownNeeds } from '../../src/models/known.js'

/** Millions of parameters by the models' cards and papers. */
const MILLIONS: Readonly<Record<string, number>> = {
  'state-spaces/mamba-130m-hf': 129.1,
  'state-spaces/mamba-1.4b-hf': 1372,
  'state-spaces/mamba-2.8b-hf': 2768,
  'TRI-ML/mamba-7b-rw': 7150,
  'tiiuae/falcon-mamba-7b': 7270,
  'tiiuae/Falcon3-Mamba-7B-Base': 7270,
  'state-spaces/mamba2-130m': 129,
  'state-spaces/mamba2-1.3b': 1344,
  'state-spaces/mamba2-2.7b': 2703,
  'openai-community/gpt2': 124.4,
  'openai-community/gpt2-medium': 354.8,
  'openai-community/gpt2-large': 774,
  'openai-community/gpt2-xl': 1557.6,
  'meta-llama/Llama-2-7b-hf': 6738,
  'meta-llama/Llama-2-13b-hf': 13_016,
  'meta-llama/Meta-Llama-3-8B': 8030,
  'meta-llama/Llama-3.2-1B': 1236,
  'meta-llama/Llama-3.2-3B': 3213,
  'mistralai/Mistral-7B-v0.1': 7242,
  'mistralai/Mistral-7B-v0.3': 7248,
  'Qwen/Qwen2-0.5B': 494,
  'Qwen/Qwen2-1.5B': 1544,
  'Qwen/Qwen2-7B': 7616,
  'Qwen/Qwen2.5-0.5B': 494,
  'Qwen/Qwen2.5-1.5B': 1544,
  'Qwen/Qwen2.5-3B': 3086,
  'Qwen/Qwen2.5-7B': 7616,
  'Qwen/Qwen2.5-14B': 14_770,
}
/** The numbers above are rounded to four digits. */
const ROUNDING = 1e-3

test('all of the models of the paper, once', () => {
  expect(KNOWN_MODELS.map(({ id }) => id)).toEqual(Object.keys(MILLIONS))
})

describe.each(KNOWN_MODELS)('$id', (model) => {
  const needs = knownNeeds(model)

  test('an id of the Hub', () => {
    expect(isHubId(model.id)).toBe(true)
  })

  test('as many parameters as published', () => {
    expect(Math.abs(needs.parameters / 1e6 / MILLIONS[model.id] - 1)).toBeLessThan(ROUNDING)
  })

  test('memory: float32 weights; the least is some layers', () => {
    const float32 = 4 * needs.parameters
    // An embedding that is not the unembedding stays on disk.
    expect(needs.memory).toBeLessThanOrEqual(float32)
    expect(needs.memory).toBeGreaterThan(0.75 * float32)
    expect(needs.least).toBeLessThan(needs.memory)
    expect(needs.disk).toBe(needs.parameters * (model.dtype === 'F32' ? 4 : 2))
  })
})
