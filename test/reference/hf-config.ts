/** config.json of Hugging Face transformers to and from the reference's configs. */
import type { Gpt2Config, LlamaConfig, Mamba2Config, MambaConfig, ReferenceConfig, Rope } from './model.js'

type Json = Record<string, unknown>

/** Optional keys have the defaults of transformers' config classes. */
class Keys {
  constructor(private readonly json: Json) {}

  number(key: string, fallback?: number): number {
    const value = this.json[key] ?? fallback
    if (typeof value !== 'number') throw new Error(`${key}: a number, got ${value}`)
    return value
  }

  flag(key: string, fallback: boolean): boolean {
    return (this.json[key] as boolean | undefined) ?? fallback
  }

  /** The key must have this value where it is there. */
  only(key: string, value: unknown): void {
    const got = this.json[key] ?? value
    if (got !== value) throw new Error(`${key}: ${value}, got ${got}`)
  }
}

/** Parse a config.json: `{"__float__": "Infinity"}` (transformers 5) and bare Infinity (4) are numbers. */
export function parseHfConfig(text: string): Json {
  return JSON.parse(text.replaceAll(/([[\s,:])Infinity/g, '$1{"__float__": "Infinity"}'), (_, value) =>
    value?.__float__ === 'Infinity' ? Number.POSITIVE_INFINITY : value,
  ) as Json
}

/** The reference's config. Throws Error on a model or a variant that the reference does not know. */
export function readHfConfig(json: Json): ReferenceConfig {
  const modelType = json.model_type as ReferenceConfig['modelType']
  switch (modelType) {
    case 'mamba':
    case 'falcon_mamba':
      return readMamba(json, modelType)
    case 'mamba2':
      return readMamba2(json)
    case 'gpt2':
      return readGpt2(json)
    case 'llama':
    case 'mistral':
    case 'qwen2':
      return readLlama(json, modelType)
    default:
      throw new Error(`model_type: unknown ${modelType satisfies never}`)
  }
}

function readMamba(json: Json, modelType: MambaConfig['modelType']): MambaConfig {
  const keys = new Keys(json)
  keys.only('hidden_act', 'silu')
  const dModel = keys.number('hidden_size')
  const rank = json.time_step_rank ?? 'auto'
  return {
    modelType,
    nLayers: keys.number('num_hidden_layers'),
    dModel,
    dInner: keys.number('intermediate_size', Math.floor(keys.number('expand', 2) * dModel)),
    dState: keys.number('state_size', 16),
    dtRank: rank === 'auto' ? Math.ceil(dModel / 16) : (rank as number),
    convKernel: keys.number('conv_kernel', 4),
    vocabSize: keys.number('vocab_size'),
    epsilon: keys.number('layer_norm_epsilon', 1e-5),
    useBias: keys.flag('use_bias', false),
    useConvBias: keys.flag('use_conv_bias', true),
    tieWordEmbeddings: keys.flag('tie_word_embeddings', true),
    ...(modelType === 'falcon_mamba' && { mixerEpsilon: keys.number('mixer_rms_eps', 1e-6) }),
  }
}

function readMamba2(json: Json): Mamba2Config {
  const keys = new Keys(json)
  keys.only('hidden_act', 'silu')
  const nGroups = keys.number('n_groups', 8)
  return {
    modelType: 'mamba2',
    nLayers: keys.number('num_hidden_layers'),
    dModel: keys.number('hidden_size'),
    nHeads: keys.number('num_heads', 128),
    headDim: keys.number('head_dim', 64),
    dState: keys.number('state_size', 128),
    nGroups,
    // As mamba_ssm and transformers since 5 do; transformers 4 had one group.
    normGroups: nGroups,
    convKernel: keys.number('conv_kernel', 4),
    vocabSize: keys.number('vocab_size'),
    epsilon: keys.number('layer_norm_epsilon', 1e-5),
    useBias: keys.flag('use_bias', false),
    useConvBias: keys.flag('use_conv_bias', true),
    tieWordEmbeddings: keys.flag('tie_word_embeddings', false),
    timeStepLimit: (json.time_step_limit as [number, number] | undefined) ?? [0, Number.POSITIVE_INFINITY],
  }
}

function readGpt2(json: Json): Gpt2Config {
  const keys = new Keys(json)
  keys.only('add_cross_attention', false)
  const dModel = keys.number('n_embd')
  const activation = (json.activation_function ?? 'gelu_new') as Gpt2Config['activation']
  if (!['gelu_new', 'gelu'].includes(activation))
    throw new Error(`activation_function: unknown ${activation}`)
  return {
    modelType: 'gpt2',
    nLayers: keys.number('n_layer'),
    dModel,
    nHeads: keys.number('n_head'),
    dMlp: keys.number('n_inner', 4 * dModel),
    nPositions: keys.number('n_positions', 1024),
    activation,
    vocabSize: keys.number('vocab_size'),
    epsilon: keys.number('layer_norm_epsilon', 1e-5),
    scaleWeights: keys.flag('scale_attn_weights', true),
    scaleByInverseLayer: keys.flag('scale_attn_by_inverse_layer_idx', false),
    tieWordEmbeddings: keys.flag('tie_word_embeddings', true),
  }
}

function readLlama(json: Json, modelType: LlamaConfig['modelType']): LlamaConfig {
  const keys = new Keys(json)
  keys.only('hidden_act', 'silu')
  const dModel = keys.number('hidden_size')
  const nHeads = keys.number('num_attention_heads')
  const nLayers = keys.number('num_hidden_layers')
  const attentionBias = modelType === 'llama' && keys.flag('attention_bias', false)
  return {
    modelType,
    nLayers,
    dModel,
    nHeads,
    nKvHeads: keys.number('num_key_value_heads', modelType === 'mistral' ? 8 : nHeads),
    headDim: keys.number('head_dim', dModel / nHeads),
    dMlp: keys.number('intermediate_size'),
    vocabSize: keys.number('vocab_size'),
    epsilon: keys.number('rms_norm_eps', 1e-6),
    tieWordEmbeddings: keys.flag('tie_word_embeddings', false),
    rope: readRope(json),
    qkvBias: attentionBias || modelType === 'qwen2',
    oBias: attentionBias,
    mlpBias: modelType === 'llama' && keys.flag('mlp_bias', false),
    windows: Array.from({ length: nLayers }, (_, layer) => readWindow(json, modelType, layer)),
  }
}

function readWindow(json: Json, modelType: LlamaConfig['modelType'], layer: number): number {
  const keys = new Keys(json)
  const window = json.sliding_window === undefined ? 4096 : json.sliding_window
  const types = json.layer_types as string[] | undefined
  const isSliding: Record<LlamaConfig['modelType'], boolean> = {
    llama: false,
    mistral: window !== null,
    qwen2:
      keys.flag('use_sliding_window', false) &&
      (types ? types[layer] === 'sliding_attention' : layer >= keys.number('max_window_layers', 28)),
  }
  return isSliding[modelType] ? (window as number) : Number.POSITIVE_INFINITY
}

function readRope(json: Json): Rope {
  const parameters = (json.rope_scaling ?? json.rope_parameters ?? {}) as Json
  const keys = new Keys(parameters)
  const theta = keys.number('rope_theta', new Keys(json).number('rope_theta', 10000))
  const type = (parameters.rope_type ?? parameters.type ?? 'default') as Rope['type']
  switch (type) {
    case 'default':
      return { type, theta }
    case 'linear':
      return { type, theta, factor: keys.number('factor') }
    case 'llama3':
      return {
        type,
        theta,
        factor: keys.number('factor'),
        lowFreqFactor: keys.number('low_freq_factor'),
        highFreqFactor: keys.number('high_freq_factor'),
        originalMaxPositions: keys.number('original_max_position_embeddings'),
      }
    default:
      throw new Error(`rope_type: default, linear or llama3, got ${type satisfies never}`)
  }
}

/** config.json of a model, keys and values as transformers 5 writes them. */
export function hfConfig(config: ReferenceConfig): Json {
  const common = {
    model_type: config.modelType,
    dtype: 'float32',
    vocab_size: config.vocabSize,
    tie_word_embeddings: config.tieWordEmbeddings,
    transformers_version: '5.23.0',
  }
  switch (config.modelType) {
    case 'mamba':
    case 'falcon_mamba':
      return {
        ...common,
        ...hfStateSpace(config),
        intermediate_size: config.dInner,
        expand: config.dInner / config.dModel,
        time_step_rank: config.dtRank,
        ...(config.mixerEpsilon !== undefined && { mixer_rms_eps: config.mixerEpsilon }),
      }
    case 'mamba2':
      return {
        ...common,
        ...hfStateSpace(config),
        expand: (config.nHeads * config.headDim) / config.dModel,
        num_heads: config.nHeads,
        head_dim: config.headDim,
        n_groups: config.nGroups,
        chunk_size: 256,
        time_step_limit: config.timeStepLimit,
      }
    case 'gpt2':
      return {
        ...common,
        n_layer: config.nLayers,
        n_embd: config.dModel,
        n_head: config.nHeads,
        n_inner: config.dMlp === 4 * config.dModel ? null : config.dMlp,
        n_positions: config.nPositions,
        layer_norm_epsilon: config.epsilon,
        activation_function: config.activation,
        scale_attn_weights: config.scaleWeights,
        scale_attn_by_inverse_layer_idx: config.scaleByInverseLayer,
        reorder_and_upcast_attn: false,
        add_cross_attention: false,
      }
    case 'llama':
    case 'mistral':
    case 'qwen2':
      return { ...common, ...hfLlama(config) }
    default:
      throw new Error(`modelType: unknown ${config satisfies never}`)
  }
}

function hfStateSpace(config: MambaConfig | Mamba2Config): Json {
  return {
    num_hidden_layers: config.nLayers,
    hidden_size: config.dModel,
    state_size: config.dState,
    conv_kernel: config.convKernel,
    layer_norm_epsilon: config.epsilon,
    hidden_act: 'silu',
    use_bias: config.useBias,
    use_conv_bias: config.useConvBias,
    residual_in_fp32: true,
  }
}

function hfLlama(config: LlamaConfig): Json {
  const window = config.windows.find(Number.isFinite)
  return {
    num_hidden_layers: config.nLayers,
    hidden_size: config.dModel,
    num_attention_heads: config.nHeads,
    num_key_value_heads: config.nKvHeads,
    head_dim: config.headDim,
    intermediate_size: config.dMlp,
    max_position_embeddings: 2048,
    rms_norm_eps: config.epsilon,
    hidden_act: 'silu',
    rope_parameters: hfRope(config.rope),
    ...(config.modelType === 'llama' && { attention_bias: config.oBias, mlp_bias: config.mlpBias }),
    ...(config.modelType === 'mistral' && { sliding_window: window ?? null }),
    ...(config.modelType === 'qwen2' && {
      use_sliding_window: window !== undefined,
      sliding_window: window ?? null,
      max_window_layers: 28,
      layer_types: config.windows.map((w) => (Number.isFinite(w) ? 'sliding_attention' : 'full_attention')),
    }),
  }
}

function hfRope(rope: Rope): Json {
  return {
    rope_type: rope.type,
    rope_theta: rope.theta,
    ...(rope.type !== 'default' && { factor: rope.factor }),
    ...(rope.type === 'llama3' && {
      low_freq_factor: rope.lowFreqFactor,
      high_freq_factor: rope.highFreqFactor,
      original_max_position_embeddings: rope.originalMaxPositions,
    }),
  }
}
