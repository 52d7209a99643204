/** Random Mamba-1 models for tests: made from a seed, and written as a Hugging Face folder. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ReferenceConfig, ReferenceModel } from './mamba.js'

/** Sizes of a random model; `dInner` defaults to twice `dModel`, the flags to those of the published models. */
export interface RandomMambaShape {
  nLayers: number
  dModel: number
  dInner?: number
  dState: number
  dtRank: number
  convKernel: number
  vocabSize: number
  useBias?: boolean
  useConvBias?: boolean
  tied?: boolean
}

/**
 * A random model, the same for the same seed and shape. Every weight is a float32 value.
 *
 * The scales keep activations of order one at any size: scanned inputs, B and C of order one, time constants from
 * under one token to tens of tokens, a layer's update comparable to the embeddings. So knockouts change probabilities
 * by percents, and the norms that rank the channels are spread out.
 */
export function randomMamba(seed: number, shape: RandomMambaShape): ReferenceModel {
  const { nLayers, dModel, dState, dtRank, convKernel, vocabSize } = shape
  const dInner = shape.dInner ?? 2 * dModel
  const config: ReferenceConfig = {
    nLayers,
    dModel,
    dInner,
    dState,
    dtRank,
    convKernel,
    vocabSize,
    epsilon: 1e-5,
    useBias: shape.useBias ?? false,
    useConvBias: shape.useConvBias ?? true,
    tieWordEmbeddings: shape.tied ?? true,
  }
  const uniform = uniformGenerator(seed)
  const normal = () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform())
  const logUniform = (low: number, high: number) => low * (high / low) ** uniform()

  const model: ReferenceModel = { config, tensors: new Map() }
  const add = (name: string, dims: number[], value: (index: number) => number) => {
    const length = dims.reduce((a, b) => a * b, 1)
    const data = Float64Array.from({ length }, (_, i) => Math.fround(value(i)))
    model.tensors.set(name, { shape: dims, data })
  }
  const scaled = (scale: number) => () => scale * normal()

  add('backbone.embeddings.weight', [vocabSize, dModel], scaled(1.5 / Math.sqrt(dModel)))
  for (let layer = 0; layer < nLayers; layer++) {
    const at = `backbone.layers.${layer}`
    add(`${at}.norm.weight`, [dModel], () => 1 + 0.2 * normal())
    add(`${at}.mixer.in_proj.weight`, [2 * dInner, dModel], scaled(1.2 / Math.sqrt(dModel)))
    if (config.useBias) add(`${at}.mixer.in_proj.bias`, [2 * dInner], scaled(0.2))
    add(`${at}.mixer.conv1d.weight`, [dInner, 1, convKernel], scaled(1 / Math.sqrt(convKernel)))
    if (config.useConvBias) add(`${at}.mixer.conv1d.bias`, [dInner], scaled(0.2))
    const selectionScale = 2 * dState ** -0.25 // keeps the product C^T B of order one
    add(
      `${at}.mixer.x_proj.weight`,
      [dtRank + 2 * dState, dInner],
      scaled(selectionScale / Math.sqrt(dInner)),
    )
    add(`${at}.mixer.dt_proj.weight`, [dInner, dtRank], scaled(1 / Math.sqrt(dtRank)))
    add(`${at}.mixer.dt_proj.bias`, [dInner], () => Math.log(Math.expm1(logUniform(0.05, 0.8)))) // softplus^-1
    const channelRates = Array.from({ length: dInner }, () => logUniform(0.1, 4))
    add(`${at}.mixer.A_log`, [dInner, dState], (i) =>
      Math.log(channelRates[Math.floor(i / dState)] * logUniform(0.5, 2)),
    )
    add(`${at}.mixer.D`, [dInner], () => 1 + 0.3 * normal())
    add(`${at}.mixer.out_proj.weight`, [dModel, dInner], scaled(0.5 / Math.sqrt(dInner)))
    if (config.useBias) add(`${at}.mixer.out_proj.bias`, [dModel], scaled(0.1))
  }
  add('backbone.norm_f.weight', [dModel], () => 1 + 0.2 * normal())
  if (!config.tieWordEmbeddings) add('lm_head.weight', [vocabSize, dModel], scaled(1.5 / Math.sqrt(dModel)))
  return model
}

/**
 * Write a model as a Hugging Face folder: config.json and model.safetensors in F32.
 * @throws Error if a weight is not a float32 value, since a reader would see another model.
 */
export function writeSafetensors(model: ReferenceModel, dir: string): void {
  const { config, tensors } = model
  const header: Record<string, unknown> = { __metadata__: { format: 'pt' } }
  const parts: Buffer[] = []
  let offset = 0
  for (const [name, { shape, data }] of tensors) {
    const part = Buffer.alloc(4 * data.length)
    data.forEach((value, i) => {
      if (Math.fround(value) !== value) throw new Error(`${name}: float32 values only, got ${value}`)
      part.writeFloatLE(value, 4 * i)
    })
    header[name] = { dtype: 'F32', shape, data_offsets: [offset, offset + part.length] }
    offset += part.length
    parts.push(part)
  }
  const text = JSON.stringify(header)
  const json = Buffer.from(text.padEnd(Math.ceil(text.length / 8) * 8)) // the data starts at a multiple of 8
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(json.length))
  mkdirSync(dir, { recursive: true })
  writeFileSync(join(dir, 'model.safetensors'), Buffer.concat([length, json, ...parts]))
  writeFileSync(join(dir, 'config.json'), `${JSON.stringify(hfConfig(config), null, 2)}\n`)
}

function hfConfig(config: ReferenceConfig): Record<string, unknown> {
  return {
    architectures: ['MambaForCausalLM'],
    model_type: 'mamba',
    dtype: 'float32',
    num_hidden_layers: config.nLayers,
    hidden_size: config.dModel,
    intermediate_size: config.dInner,
    expand: config.dInner / config.dModel,
    state_size: config.dState,
    time_step_rank: config.dtRank,
    conv_kernel: config.convKernel,
    vocab_size: config.vocabSize,
    layer_norm_epsilon: config.epsilon,
    hidden_act: 'silu',
    use_bias: config.useBias,
    use_conv_bias: config.useConvBias,
    tie_word_embeddings: config.tieWordEmbeddings,
    residual_in_fp32: true,
  }
}

/** mulberry32 (Tommy Ettinger, public domain): uniform numbers in [0, 1) from a 32-bit seed. */
function uniformGenerator(seed: number): () => number {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}
