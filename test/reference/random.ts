/**
 * Random models of every family for tests: made from a seed, the same for the same seed and shape. Every weight is a
 * float32 value.
 *
 * The scales keep activations of order one at any size, a layer's update comparable to the embeddings, attention far
 * from uniform and time constants from under one token to tens of tokens. So knockouts change probabilities by
 * percents, and the norms that rank features are spread out.
 */
import type {
  CommonConfig,
  Gpt2Config,
  LlamaConfig,
  Mamba2Config,
  MambaConfig,
  ReferenceConfig,
  ReferenceModel,
  Rope,
} from './model.js'

interface CommonShape {
  nLayers: number
  dModel: number
  vocabSize: number
  tied?: boolean
}

/** `dInner` defaults to twice `dModel`, the flags to those of the published models. */
export interface RandomMambaShape extends CommonShape {
  dInner?: number
  dState: number
  dtRank: number
  convKernel: number
  useBias?: boolean
  useConvBias?: boolean
  /** Makes it a Falcon-Mamba. */
  mixerEpsilon?: number
}

export interface RandomMamba2Shape extends CommonShape {
  nHeads: number
  headDim: number
  dState: number
  nGroups?: number
  convKernel: number
  useBias?: boolean
  useConvBias?: boolean
  timeStepLimit?: [number, number]
}

/** Heads have `dModel / nHeads` columns. */
export interface RandomGpt2Shape extends CommonShape {
  nHeads: number
  dMlp?: number
  nPositions?: number
  activation?: Gpt2Config['activation']
  scaleWeights?: boolean
  scaleByInverseLayer?: boolean
}

export interface RandomLlamaShape extends CommonShape {
  modelType?: LlamaConfig['modelType']
  nHeads: number
  nKvHeads: number
  headDim: number
  dMlp: number
  rope?: Rope
  /** Biases of the attention (Qwen2 always has its own) and of the MLP: Llama only. */
  attentionBias?: boolean
  mlpBias?: boolean
  /** Per layer; none by default. */
  windows?: number[]
}

/** Adds random tensors to a model. */
class Maker<Config extends ReferenceConfig> {
  readonly model: ReferenceModel<Config>
  readonly uniform: () => number

  constructor(seed: number, config: Config) {
    this.model = { config, tensors: new Map() }
    this.uniform = uniformGenerator(seed)
  }

  normal(): number {
    return Math.sqrt(-2 * Math.log(1 - this.uniform())) * Math.cos(2 * Math.PI * this.uniform())
  }

  logUniform(low: number, high: number): number {
    return low * (high / low) ** this.uniform()
  }

  add(name: string, shape: number[], value: (index: number) => number): void {
    const length = shape.reduce((a, b) => a * b, 1)
    const data = Float64Array.from({ length }, (_, i) => Math.fround(value(i)))
    this.model.tensors.set(name, { shape, data })
  }

  /** Normal values of a standard deviation. */
  scaled(name: string, shape: number[], deviation: number): void {
    this.add(name, shape, () => deviation * this.normal())
  }

  /** A weight near 1. */
  gain(name: string, width: number, spread = 0.2): void {
    this.add(name, [width], () => 1 + spread * this.normal())
  }

  /** A weight [out, in] whose products with inputs of order one are of order `size`; its bias where it has one. */
  linear(name: string, nOut: number, nIn: number, size: number, hasBias = false): void {
    this.scaled(`${name}.weight`, [nOut, nIn], size / Math.sqrt(nIn))
    if (hasBias) this.scaled(`${name}.bias`, [nOut], 0.2)
  }

  /** Biases under which softplus gives steps from 0.05 to 0.8. */
  steps(name: string, width: number): void {
    this.add(name, [width], () => Math.log(Math.expm1(this.logUniform(0.05, 0.8))))
  }

  /** The convolution `name` [width, 1, taps]. */
  convolution(name: string, width: number, taps: number, hasBias: boolean): void {
    this.scaled(`${name}.weight`, [width, 1, taps], 1 / Math.sqrt(taps))
    if (hasBias) this.scaled(`${name}.bias`, [width], 0.2)
  }

  embedding(name: string): void {
    const { vocabSize, dModel } = this.model.config
    this.scaled(name, [vocabSize, dModel], 1.5 / Math.sqrt(dModel))
  }

  /** `lm_head.weight` where it is not the embedding. */
  head(): void {
    if (!this.model.config.tieWordEmbeddings) this.embedding('lm_head.weight')
  }
}

function common({ nLayers, dModel, vocabSize, tied }: CommonShape): CommonConfig {
  return { nLayers, dModel, vocabSize, epsilon: 1e-5, tieWordEmbeddings: tied ?? true }
}

/** A random Mamba-1 or Falcon-Mamba. */
export function randomMamba(seed: number, shape: RandomMambaShape): ReferenceModel<MambaConfig> {
  const { dModel, dState, dtRank, convKernel, mixerEpsilon } = shape
  const isFalcon = mixerEpsilon !== undefined
  const dInner = shape.dInner ?? 2 * dModel
  const config: MambaConfig = {
    ...common(shape),
    modelType: isFalcon ? 'falcon_mamba' : 'mamba',
    dInner,
    dState,
    dtRank,
    convKernel,
    useBias: shape.useBias ?? false,
    useConvBias: shape.useConvBias ?? true,
    ...(isFalcon && { mixerEpsilon }),
  }
  const make = new Maker(seed, config)
  make.embedding('backbone.embeddings.weight')
  for (let layer = 0; layer < config.nLayers; layer++) {
    const at = `backbone.layers.${layer}`
    make.gain(`${at}.norm.weight`, dModel)
    make.linear(`${at}.mixer.in_proj`, 2 * dInner, dModel, 1.2, config.useBias)
    make.convolution(`${at}.mixer.conv1d`, dInner, convKernel, config.useConvBias)
    const selection = 2 * dState ** -0.25 // keeps the product C^T B of order one
    make.linear(`${at}.mixer.x_proj`, dtRank + 2 * dState, dInner, selection)
    make.scaled(`${at}.mixer.dt_proj.weight`, [dInner, dtRank], 1 / Math.sqrt(dtRank))
    make.steps(`${at}.mixer.dt_proj.bias`, dInner)
    const channelRates = Array.from({ length: dInner }, () => make.logUniform(0.1, 4))
    make.add(`${at}.mixer.A_log`, [dInner, dState], (i) =>
      Math.log(channelRates[Math.floor(i / dState)] * make.logUniform(0.5, 2)),
    )
    make.gain(`${at}.mixer.D`, dInner, 0.3)
    make.linear(`${at}.mixer.out_proj`, dModel, dInner, 0.5, config.useBias)
  }
  make.gain('backbone.norm_f.weight', dModel)
  make.head()
  return make.model
}

export function randomMamba2(seed: number, shape: RandomMamba2Shape): ReferenceModel<Mamba2Config> {
  const { dModel, nHeads, headDim, dState, convKernel } = shape
  const nGroups = shape.nGroups ?? 1
  const config: Mamba2Config = {
    ...common(shape),
    modelType: 'mamba2',
    nHeads,
    headDim,
    dState,
    nGroups,
    normGroups: nGroups,
    convKernel,
    useBias: shape.useBias ?? false,
    useConvBias: shape.useConvBias ?? true,
    timeStepLimit: shape.timeStepLimit ?? [0, Number.POSITIVE_INFINITY],
  }
  const dInner = nHeads * headDim
  const mixed = dInner + 2 * nGroups * dState
  const make = new Maker(seed, config)
  make.embedding('backbone.embeddings.weight')
  for (let layer = 0; layer < config.nLayers; layer++) {
    const at = `backbone.layers.${layer}`
    make.gain(`${at}.norm.weight`, dModel)
    make.linear(`${at}.mixer.in_proj`, dInner + mixed + nHeads, dModel, 1.4, config.useBias)
    make.convolution(`${at}.mixer.conv1d`, mixed, convKernel, config.useConvBias)
    make.steps(`${at}.mixer.dt_bias`, nHeads)
    make.add(`${at}.mixer.A_log`, [nHeads], () => Math.log(make.logUniform(0.1, 4)))
    make.gain(`${at}.mixer.D`, nHeads, 0.3)
    make.gain(`${at}.mixer.norm.weight`, dInner)
    make.linear(`${at}.mixer.out_proj`, dModel, dInner, 0.3, config.useBias)
  }
  make.gain('backbone.norm_f.weight', dModel)
  make.head()
  return make.model
}

export function randomGpt2(seed: number, shape: RandomGpt2Shape): ReferenceModel<Gpt2Config> {
  const { dModel, nHeads } = shape
  const config: Gpt2Config = {
    ...common(shape),
    modelType: 'gpt2',
    nHeads,
    dMlp: shape.dMlp ?? 4 * dModel,
    nPositions: shape.nPositions ?? 16,
    activation: shape.activation ?? 'gelu_new',
    scaleWeights: shape.scaleWeights ?? true,
    scaleByInverseLayer: shape.scaleByInverseLayer ?? false,
  }
  const make = new Maker(seed, config)
  /** A Conv1D: [in, out]. */
  const affine = (name: string, nIn: number, nOut: number, size: number) => {
    make.scaled(`${name}.weight`, [nIn, nOut], size / Math.sqrt(nIn))
    make.scaled(`${name}.bias`, [nOut], 0.2)
  }
  const norm = (name: string) => {
    make.gain(`${name}.weight`, dModel)
    make.scaled(`${name}.bias`, [dModel], 0.2)
  }
  make.embedding('transformer.wte.weight')
  make.scaled('transformer.wpe.weight', [config.nPositions, dModel], 0.7 / Math.sqrt(dModel))
  for (let layer = 0; layer < config.nLayers; layer++) {
    const at = `transformer.h.${layer}`
    norm(`${at}.ln_1`)
    affine(`${at}.attn.c_attn`, dModel, 3 * dModel, 1.5)
    affine(`${at}.attn.c_proj`, dModel, dModel, 0.5)
    norm(`${at}.ln_2`)
    affine(`${at}.mlp.c_fc`, dModel, config.dMlp, 1)
    affine(`${at}.mlp.c_proj`, config.dMlp, dModel, 0.5)
  }
  norm('transformer.ln_f')
  make.head()
  return make.model
}

export function randomLlama(seed: number, shape: RandomLlamaShape): ReferenceModel<LlamaConfig> {
  const { nLayers, dModel, nHeads, nKvHeads, headDim, dMlp } = shape
  const modelType = shape.modelType ?? 'llama'
  const config: LlamaConfig = {
    ...common(shape),
    modelType,
    nHeads,
    nKvHeads,
    headDim,
    dMlp,
    rope: shape.rope ?? { type: 'default', theta: 10000 },
    qkvBias: modelType === 'qwen2' || (shape.attentionBias ?? false),
    oBias: shape.attentionBias ?? false,
    mlpBias: shape.mlpBias ?? false,
    windows: shape.windows ?? new Array<number>(nLayers).fill(Number.POSITIVE_INFINITY),
  }
  const make = new Maker(seed, config)
  make.embedding('model.embed_tokens.weight')
  for (let layer = 0; layer < nLayers; layer++) {
    const at = `model.layers.${layer}`
    make.gain(`${at}.input_layernorm.weight`, dModel)
    make.linear(`${at}.self_attn.q_proj`, nHeads * headDim, dModel, 1.5, config.qkvBias)
    make.linear(`${at}.self_attn.k_proj`, nKvHeads * headDim, dModel, 1.5, config.qkvBias)
    make.linear(`${at}.self_attn.v_proj`, nKvHeads * headDim, dModel, 1.5, config.qkvBias)
    make.linear(`${at}.self_attn.o_proj`, dModel, nHeads * headDim, 0.5, config.oBias)
    make.gain(`${at}.post_attention_layernorm.weight`, dModel)
    make.linear(`${at}.mlp.gate_proj`, dMlp, dModel, 1, config.mlpBias)
    make.linear(`${at}.mlp.up_proj`, dMlp, dModel, 1, config.mlpBias)
    make.linear(`${at}.mlp.down_proj`, dModel, dMlp, 0.5, config.mlpBias)
  }
  make.gain('model.norm.weight', dModel)
  make.head()
  return make.model
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
