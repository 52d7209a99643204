/** Mamba-1 (Gu and Dao 2023, arXiv 2312.00752) from a Hugging Face checkpoint, `MambaForCausalLM`. */
import type { Checkpoint } from '../checkpoints/checkpoint.js'
import { Graph, type OnnxModel, type Value } from '../onnx/graph.js'
import {
  type Architecture,
  FEATURE_CATEGORIES,
  type LayerKind,
  layerInputs,
  type ModelCosts,
  type ModelSpec,
} from './architecture.js'
import { ConfigReader } from './config.js'
import { featureNorms, knockedTable } from './features.js'
import { headGraph } from './head.js'
import { blockRows, MambaLayer, type MambaSizes, type MambaWeights } from './mamba-layer.js'
import { embedRows, requireTensors } from './tensors.js'

/** What config.json says of a Mamba-1 model. */
export interface MambaConfig extends MambaSizes {
  readonly vocabSize: number
  readonly nLayers: number
  readonly useBias: boolean
  readonly useConvBias: boolean
  readonly tied: boolean
}

export function readMambaConfig(checkpoint: Pick<Checkpoint, 'config' | 'configFile'>): MambaConfig {
  const read = new ConfigReader(checkpoint)
  const dModel = read.size('hidden_size')
  read.oneOf('hidden_act', ['silu', 'swish'], 'silu')
  return {
    vocabSize: read.size('vocab_size'),
    dModel,
    nLayers: read.size('num_hidden_layers'),
    // As transformers does: intermediate_size counts, and expand may be a fraction.
    dInner: read.size('intermediate_size', Math.floor(read.number('expand', 2) * dModel)),
    dState: read.size('state_size', 16),
    dtRank:
      read.text('time_step_rank') === 'auto'
        ? Math.ceil(dModel / 16)
        : read.size('time_step_rank', Math.ceil(dModel / 16)),
    dConv: read.size('conv_kernel', 4),
    epsilon: read.number('layer_norm_epsilon', 1e-5),
    useBias: read.flag('use_bias', false),
    useConvBias: read.flag('use_conv_bias', true),
    tied: read.flag('tie_word_embeddings', true),
  }
}

/** Names and shapes of a layer's tensors. */
export function layerTensors(c: MambaConfig, layer: number): Record<string, readonly number[]> {
  const at = `backbone.layers.${layer}`
  return {
    [`${at}.norm.weight`]: [c.dModel],
    [`${at}.mixer.in_proj.weight`]: [2 * c.dInner, c.dModel],
    ...(c.useBias && { [`${at}.mixer.in_proj.bias`]: [2 * c.dInner] }),
    [`${at}.mixer.conv1d.weight`]: [c.dInner, 1, c.dConv],
    ...(c.useConvBias && { [`${at}.mixer.conv1d.bias`]: [c.dInner] }),
    [`${at}.mixer.x_proj.weight`]: [c.dtRank + 2 * c.dState, c.dInner],
    [`${at}.mixer.dt_proj.weight`]: [c.dInner, c.dtRank],
    [`${at}.mixer.dt_proj.bias`]: [c.dInner],
    [`${at}.mixer.A_log`]: [c.dInner, c.dState],
    [`${at}.mixer.D`]: [c.dInner],
    [`${at}.mixer.out_proj.weight`]: [c.dModel, c.dInner],
    ...(c.useBias && { [`${at}.mixer.out_proj.bias`]: [c.dModel] }),
  }
}

/** -exp(A_log) transposed to `[N, D]`, computed in float64. */
function transition(aLog: Float32Array, c: MambaConfig): Float32Array {
  const a = new Float32Array(aLog.length)
  for (let d = 0; d < c.dInner; d++) {
    for (let n = 0; n < c.dState; n++) a[n * c.dInner + d] = -Math.exp(aLog[d * c.dState + n]!)
  }
  return a
}

/** conv1d.weight `[D, 1, K]` to taps `[K, D]`. */
function tapsOf(weight: Float32Array, c: MambaConfig): Float32Array {
  const taps = new Float32Array(weight.length)
  for (let d = 0; d < c.dInner; d++) {
    for (let k = 0; k < c.dConv; k++) taps[k * c.dInner + d] = weight[d * c.dConv + k]!
  }
  return taps
}

/** The graph of one layer. */
async function layerModel(
  checkpoint: Checkpoint,
  c: MambaConfig,
  layer: number,
  kind: LayerKind,
): Promise<OnnxModel> {
  const at = `backbone.layers.${layer}.`
  const shapes = layerTensors(c, layer)
  const tensor = (name: string): Promise<Float32Array> => checkpoint.tensor(at + name, shapes[at + name]!)
  const g = new Graph(`layer ${layer} of ${checkpoint.name}`)
  const weight = async (name: string): Promise<Value> =>
    g.constant(name, await tensor(name), shapes[at + name]!)
  const optional = async (name: string): Promise<Value | undefined> =>
    at + name in shapes ? weight(name) : undefined
  const aLog = await tensor('mixer.A_log')
  const weights: MambaWeights = {
    norm: await weight('norm.weight'),
    inProj: await weight('mixer.in_proj.weight'),
    inProjBias: await optional('mixer.in_proj.bias'),
    taps: g.constant('taps', tapsOf(await tensor('mixer.conv1d.weight'), c), [c.dConv, c.dInner]),
    convBias: await optional('mixer.conv1d.bias'),
    xProj: await weight('mixer.x_proj.weight'),
    dtProj: await weight('mixer.dt_proj.weight'),
    dtBias: await weight('mixer.dt_proj.bias'),
    a: g.constant('A', transition(aLog, c), [c.dState, c.dInner]),
    skip: await weight('mixer.D'),
    outProj: await weight('mixer.out_proj.weight'),
    outProjBias: await optional('mixer.out_proj.bias'),
    knocked: g.constant('knocked', knockedTable(featureNorms(aLog, c.dInner)), [
      FEATURE_CATEGORIES.length,
      c.dInner,
    ]),
  }
  const { base, runs } = new MambaLayer(g, c, weights, layerInputs(g, kind, c.dModel), kind).advance()
  g.output('nextBase', base, 'float32', ['B*T', c.dModel])
  g.output('nextRuns', runs, 'float32', ['R*L', c.dModel])
  return g.build()
}

function costs(c: MambaConfig): ModelCosts {
  const float = 4
  const projections =
    2 * c.dInner * c.dModel + (c.dtRank + 2 * c.dState) * c.dInner + c.dtRank * c.dInner + c.dModel * c.dInner
  const state = c.dInner * c.dState
  return {
    layerBytes: float * (projections + 3 * state + (c.dConv + 8) * c.dInner),
    headBytes: float * c.vocabSize * c.dModel,
    // What is alive at once at the worst moment: about ten vectors of dInner a row; the recurrence's state and its
    // temporaries; a state for each kept set; the contributions of one context's tokens; a block's temporaries.
    rowBytes: float * (3 * c.dModel + 10 * c.dInner),
    promptBytes: float * 4 * state,
    setBytes: float * 2 * state,
    contextTokenBytes: float * 3 * state,
    fixedBytes: float * 5 * state * blockRows(c),
    layerFlops: 2 * projections,
    headFlops: 2 * c.vocabSize * c.dModel,
  }
}

/** Mamba-1 from a Hugging Face checkpoint. */
export const mamba: Architecture = {
  modelType: 'mamba',
  open(checkpoint: Checkpoint): ModelSpec {
    const c = readMambaConfig(checkpoint)
    const embedding = 'backbone.embeddings.weight'
    const unembedding = !c.tied || checkpoint.has('lm_head.weight') ? 'lm_head.weight' : embedding
    const table = [c.vocabSize, c.dModel] as const
    const layers = Array.from({ length: c.nLayers }, (_, layer) => layerTensors(c, layer))
    const others = { [embedding]: table, [unembedding]: table, 'backbone.norm_f.weight': [c.dModel] }
    requireTensors(checkpoint, Object.assign({}, ...layers, others), 'backbone.')
    return {
      name: checkpoint.name,
      modelType: 'mamba',
      nLayers: c.nLayers,
      dModel: c.dModel,
      vocabSize: c.vocabSize,
      featureCategories: FEATURE_CATEGORIES,
      costs: costs(c),
      layer: (layer, kind) => layerModel(checkpoint, c, layer, kind),
      embed: (ids) => embedRows(checkpoint, embedding, table, ids),
      head: async () =>
        headGraph({
          norm: await checkpoint.tensor('backbone.norm_f.weight', [c.dModel]),
          unembedding: await checkpoint.tensor(unembedding, table),
          epsilon: c.epsilon,
          vocabSize: c.vocabSize,
          dModel: c.dModel,
        }),
    }
  },
}
