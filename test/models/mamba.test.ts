/** Mamba-1 checkpoints: spellings of the config, the tensors that it asks for, embedding, head and costs. */
import { describe, expect, test } from 'vitest'
import type { Checkpoint } from '../../src/checkpoints/checkpoint.js'
import { askHead } from '../../src/knockout/head.js'
import { ModelSessions } from '../../src/knockout/sessions.js'
import type { ModelSpec } from '../../src/models/architecture.js'
import { mamba, readMambaSizes } from '../../src/models/mamba.js'
import { openModel } from '../../src/models/registry.js'
import { inputError } from '../checkpoints/helpers.js'
import { type MemoryTensor, memoryCheckpoint, referenceCheckpoint } from '../helpers/checkpoint.js'
import { ndArray, runtime, tensorOf } from '../helpers/graph.js'
import { referenceHidden, referenceProbs } from '../reference/engine.js'
import type { ReferenceModel } from '../reference/model.js'
import { randomMamba } from '../reference/random.js'

/** Absolute, on probabilities: float32 logits of order one; measured 3e-8. */
const PROB_TOLERANCE = 1e-6

const SHAPE = { nLayers: 2, dModel: 6, dInner: 9, dState: 3, dtRank: 2, convKernel: 3, vocabSize: 11 }
const ODD = { ...SHAPE, useBias: true, useConvBias: false, tied: false }

describe('config', () => {
  const read = (config: Record<string, unknown>) => {
    const source = { config, configFile: 'm/config.json' }
    const { vocabSize, nLayers, tied } = mamba.describe(source)
    const { mixerEpsilon, ...sizes } = readMambaSizes(source)
    expect(mixerEpsilon).toBeUndefined()
    return { vocabSize, nLayers, tied, ...sizes }
  }
  const SIZES = { vocab_size: 50280, hidden_size: 768, num_hidden_layers: 24 }
  const DEFAULTS = {
    vocabSize: 50280,
    dModel: 768,
    nLayers: 24,
    dInner: 1536,
    dState: 16,
    dtRank: 48,
    dConv: 4,
    epsilon: 1e-5,
    useBias: false,
    useConvBias: true,
    tied: true,
  }

  test('as transformers 4 writes state-spaces/mamba-130m-hf', () => {
    const config = {
      architectures: ['MambaForCausalLM'],
      bos_token_id: 0,
      conv_kernel: 4,
      d_inner: 1536,
      d_model: 768,
      eos_token_id: 0,
      expand: 2,
      fused_add_norm: true,
      hidden_act: 'silu',
      hidden_size: 768,
      initializer_range: 0.1,
      intermediate_size: 1536,
      layer_norm_epsilon: 1e-5,
      model_type: 'mamba',
      n_layer: 24,
      num_hidden_layers: 24,
      pad_token_id: 0,
      pad_vocab_size_multiple: 8,
      rescale_prenorm_residual: false,
      residual_in_fp32: true,
      rms_norm: true,
      ssm_cfg: {},
      state_size: 16,
      time_step_rank: 48,
      torch_dtype: 'float32',
      transformers_version: '4.39.0.dev0',
      use_bias: false,
      use_cache: true,
      use_conv_bias: true,
      vocab_size: 50280,
    }
    expect(read(config)).toEqual(DEFAULTS)
  })

  test('what is left out has the defaults of transformers', () => {
    expect(read(SIZES)).toEqual(DEFAULTS)
  })

  test.each([
    [{ time_step_rank: 'auto' }, { dtRank: 48 }],
    [{ time_step_rank: null }, { dtRank: 48 }],
    [
      { time_step_rank: 'auto', hidden_size: 100 },
      { dtRank: 7, dModel: 100, dInner: 200 },
    ],
    [{ time_step_rank: 5 }, { dtRank: 5 }],
    [{ expand: 3 }, { dInner: 2304 }],
    [
      { expand: 1.5, hidden_size: 101, time_step_rank: 4 },
      { dModel: 101, dInner: 151, dtRank: 4 },
    ],
    [{ intermediate_size: 1300 }, { dInner: 1300 }],
    [{ intermediate_size: 1300, expand: 1300 / 768 }, { dInner: 1300 }],
    [
      { state_size: 8, conv_kernel: 2 },
      { dState: 8, dConv: 2 },
    ],
    [{ hidden_act: 'swish' }, {}],
    [{ layer_norm_epsilon: 1e-6 }, { epsilon: 1e-6 }],
    [
      { use_bias: true, use_conv_bias: false },
      { useBias: true, useConvBias: false },
    ],
    [{ tie_word_embeddings: false }, { tied: false }],
  ])('%j', (config, expected) => {
    expect(read({ ...SIZES, ...config })).toEqual({ ...DEFAULTS, ...expected })
  })

  test.each([
    [{ time_step_rank: 'full' }, 'time_step_rank must be a whole number above 0, got "full"'],
    [{ time_step_rank: 0 }, 'time_step_rank must be a whole number above 0, got 0'],
    [{ expand: 0 }, 'expand must be a number above 0, got 0'],
    [{ state_size: '16' }, 'state_size must be a whole number above 0, got "16"'],
    [{ use_bias: 1 }, 'use_bias must be true or false, got 1'],
    [{ vocab_size: undefined }, 'vocab_size must be a whole number above 0, got nothing'],
    [{ hidden_size: undefined }, 'hidden_size must be a whole number above 0, got nothing'],
    [{ num_hidden_layers: undefined }, 'num_hidden_layers must be a whole number above 0, got nothing'],
  ])('%j is refused', async (config, rule) => {
    expect(await inputError(() => read({ ...SIZES, ...config }))).toBe(
      `m/config.json: ${rule}; use the config.json of this model`,
    )
  })

  test('another activation is refused', async () => {
    expect(await inputError(() => read({ ...SIZES, hidden_act: 'gelu' }))).toBe(
      'm/config.json: hidden_act must be one of silu, swish, got "gelu"; factflow computes nothing else, use another model',
    )
  })
})

describe('tensors', () => {
  const model = randomMamba(1, ODD)
  const { config } = referenceCheckpoint(model)
  const names = Array.from(model.tensors.keys())
  const changed = (name: string, tensor?: MemoryTensor): Checkpoint => {
    const tensors = new Map<string, MemoryTensor>(model.tensors)
    if (tensor) tensors.set(name, tensor)
    else tensors.delete(name)
    return memoryCheckpoint(config, tensors, 'm')
  }

  test('opening reads no weights', () => {
    const read = () => Promise.reject(new Error('weights were read'))
    const spec = openModel({ ...referenceCheckpoint(model), tensor: read, rows: read })
    expect(spec.nLayers).toBe(2)
  })

  test.each(names)('without %s', async (name) => {
    const message = await inputError(() => openModel(changed(name)))
    const { shape } = model.tensors.get(name)!
    expect(message).toContain(`m: the weights must hold tensor ${name} of shape [${shape}]`)
  })

  test.each(names)('with a wrong shape of %s', async (name) => {
    const { shape, data } = model.tensors.get(name)!
    const turned = [...shape, 1]
    const message = await inputError(() => openModel(changed(name, { shape: turned, data })))
    expect(message).toContain(`tensor ${name} must have shape [${shape}]`)
    expect(message).toContain(`got [${turned}]`)
  })

  test.each([
    [{ num_hidden_layers: 1 }, 'backbone.layers.1.'],
    [{ use_bias: false }, 'backbone.layers.0.mixer.in_proj.bias'],
  ])('a config that leaves some unused, %o', async (lie, unused) => {
    const message = await inputError(() =>
      openModel(memoryCheckpoint({ ...config, ...lie }, model.tensors, 'm')),
    )
    expect(message).toContain(`m/config.json does not use, got tensor ${unused}`)
  })

  test('biases that the config does not name are not asked for', () => {
    const plain = randomMamba(1, { ...SHAPE, useConvBias: false })
    expect(Array.from(plain.tensors.keys()).filter((name) => name.endsWith('bias'))).toEqual([
      'backbone.layers.0.mixer.dt_proj.bias',
      'backbone.layers.1.mixer.dt_proj.bias',
    ])
    expect(() => openModel(referenceCheckpoint(plain))).not.toThrow()
  })
})

test('embed: rows of the embedding, in the order of the ids', async () => {
  const model = randomMamba(2, SHAPE)
  const ids = [10, 0, 3, 10]
  const rows = await openModel(referenceCheckpoint(model)).embed(ids, [0, 1, 2, 3])
  expect(Array.from(rows)).toEqual(referenceHidden(model, ids)[0].flatMap((row) => Array.from(row)))
})

describe('head', () => {
  const TOKENS = [3, 1, 4, 1, 5]

  /** The next-token distribution after the reference's last layer, through the head of `spec`. */
  async function probs(spec: ModelSpec, model: ReferenceModel): Promise<number[]> {
    const row = referenceHidden(model, TOKENS).at(-1)!.at(-1)!
    const { dModel, vocabSize } = model.config
    const sessions = new ModelSessions(spec, runtime, Number.POSITIVE_INFINITY)
    const batch = {
      base: tensorOf(ndArray([1, dModel], (_, i) => row[i])),
      runs: tensorOf(ndArray([0, dModel], () => 0)),
      questions: Array.from({ length: vocabSize }, (_, answer) => ({ row: 0, answer })),
    }
    const pass = sessions.pass('last', { topK: false, logits: false }, 1)
    const answers = await askHead(spec, pass, batch, { probs: false, headRows: 5 })
    await sessions.release()
    return answers.map(({ prob }) => prob)
  }

  function expectProbs(got: number[], model: ReferenceModel): void {
    const expected = referenceProbs(model, TOKENS)
    got.forEach((prob, id) => {
      expect(Math.abs(prob - expected[id]), `token ${id}`).toBeLessThan(PROB_TOLERANCE)
    })
  }

  const tied = randomMamba(3, SHAPE)
  const untied = randomMamba(3, { ...SHAPE, tied: false })

  test('tied: the embedding', async () => {
    expectProbs(await probs(openModel(referenceCheckpoint(tied)), tied), tied)
  })

  test('untied: lm_head.weight', async () => {
    expectProbs(await probs(openModel(referenceCheckpoint(untied)), untied), untied)
  })

  test('lm_head.weight counts where there is one, as in transformers 5', async () => {
    const config = { ...referenceCheckpoint(untied).config, tie_word_embeddings: true }
    const spec = openModel(memoryCheckpoint(config, untied.tensors))
    expectProbs(await probs(spec, untied), untied)
  })
})

describe('costs', () => {
  const shape = { nLayers: 1, dModel: 64, dState: 16, dtRank: 4, convKernel: 4, vocabSize: 300 }
  const model = randomMamba(4, shape)
  const { costs } = openModel(referenceCheckpoint(model))
  const values = (part: string): number =>
    Array.from(model.tensors)
      .filter(([name]) => name.includes(part))
      .reduce((sum, [, { data }]) => sum + data.length, 0)

  test("a layer's bytes are at least those of its tensors and at most a fifth more", () => {
    const bytes = 4 * values('layers.0.')
    expect(costs.layerBytes).toBeGreaterThanOrEqual(bytes)
    expect(costs.layerBytes).toBeLessThan(1.2 * bytes)
    expect(costs.headBytes).toBe(4 * values('embeddings'))
  })

  test('two operations a weight and row', () => {
    expect(costs.layerFlops).toBe(2 * values('proj.weight'))
    expect(costs.headFlops).toBe(2 * values('embeddings'))
  })
})
