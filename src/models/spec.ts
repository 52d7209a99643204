/** From a checkpoint and its architecture to a model that the sweep can use: what is the same for every family. */
import type { Checkpoint } from '../checkpoints/checkpoint.js'
import { Graph, type OnnxModel, type Value } from '../onnx/graph.js'
import {
  type Architecture,
  type LayerKind,
  type LayerWeights,
  layerInputs,
  type ModelCosts,
  type ModelDescription,
  type ModelSpec,
  type TensorShapes,
} from './architecture.js'
import { featureNorms } from './features.js'
import { finalNormGraph, type HeadPart, headParts, unembeddingGraph } from './head.js'
import { embedRows, requireTensors } from './tensors.js'

/** The unembedding's name where it is not the embedding; the same in all families. */
export const UNEMBEDDING = 'lm_head.weight'

const FLOAT_BYTES = 4

/**
 * A part of the unembedding has half of a layer's bytes, as it is one tensor, of which ONNX Runtime has a second copy
 * while it packs it; but not so few that many small sessions would result.
 */
const LEAST_PART_BYTES = 2 ** 24

function values(shape: readonly number[]): number {
  return shape.reduce((a, b) => a * b, 1)
}

/** Names and shapes of all tensors that a model needs, the unembedding under `unembedding`. */
export function modelTensors(d: ModelDescription, unembedding: string): TensorShapes {
  const shapes: Record<string, readonly number[]> = {}
  for (let layer = 0; layer < d.nLayers; layer++) {
    const prefix = d.layerPrefix(layer)
    for (const [name, shape] of Object.entries(d.layerTensors(layer))) shapes[prefix + name] = shape
  }
  shapes[d.embedding] = [d.vocabSize, d.dModel]
  if (d.positions !== undefined) shapes[d.positions] = [d.maxTokens!, d.dModel]
  shapes[d.finalNorm.weight] = [d.dModel]
  if (d.finalNorm.bias !== undefined) shapes[d.finalNorm.bias] = [d.dModel]
  shapes[unembedding] = [d.vocabSize, d.dModel]
  return shapes
}

/** Number of parameters of a model, tied ones counted once. */
export function parameterCount(d: ModelDescription): number {
  const shapes = Object.values(modelTensors(d, d.tied ? d.embedding : UNEMBEDDING))
  return shapes.reduce((sum, shape) => sum + values(shape), 0)
}

/** What a model needs, by its description. */
export function modelCosts(d: ModelDescription): ModelCosts {
  const layers = Array.from({ length: d.nLayers }, (_, layer) => Object.entries(d.layerTensors(layer)))
  const largest = (of: (name: string, shape: readonly number[]) => number): number =>
    Math.max(...layers.map((tensors) => tensors.reduce((sum, [name, shape]) => sum + of(name, shape), 0)))
  // Of the tensors with two axes those named weight are multiplied with; A_log of Mamba is not.
  const matrix = (name: string, shape: readonly number[]): number =>
    shape.length === 2 && name.endsWith('weight') ? values(shape) : 0
  return {
    ...d.activations,
    layerBytes: FLOAT_BYTES * largest((_, shape) => values(shape)),
    headBytes: FLOAT_BYTES * d.vocabSize * d.dModel,
    headPartBytes: FLOAT_BYTES * d.dModel * Math.max(...partsOf(d).map(({ count }) => count)),
    layerFlops: 2 * largest(matrix),
    headFlops: 2 * d.vocabSize * d.dModel,
  }
}

function partsOf(d: ModelDescription): HeadPart[] {
  const layer = Object.values(d.layerTensors(0)).reduce((sum, shape) => sum + values(shape), 0)
  return headParts(d.vocabSize, d.dModel, Math.max(LEAST_PART_BYTES, (FLOAT_BYTES * layer) / 2))
}

/**
 * Memory for the weights of one layer at a time, used again for the next: a session has its own copy of them when it
 * is made, and arrays that wait for the garbage collector would be several layers more.
 */
class LayerMemory {
  #memory = new WeakRef(new ArrayBuffer(0))
  #used = 0

  /** Memory for `values` values in all; what was given out before is used again. */
  begin(values: number): { take(count: number): Float32Array } {
    let memory = this.#memory.deref()
    if (memory === undefined || memory.byteLength < FLOAT_BYTES * values) {
      memory = new ArrayBuffer(FLOAT_BYTES * values)
      this.#memory = new WeakRef(memory)
    }
    this.#used = 0
    const whole = memory
    return {
      take: (count) => {
        const from = this.#used
        this.#used += FLOAT_BYTES * count
        return new Float32Array(whole, from, count)
      },
    }
  }
}

/** A layer's tensors, read. */
class ReadWeights implements LayerWeights {
  readonly #constants = new Map<string, Value>()

  constructor(
    private readonly g: Graph,
    private readonly shapes: TensorShapes,
    private readonly tensors: ReadonlyMap<string, Float32Array>,
  ) {}

  data(name: string): Float32Array {
    const data = this.tensors.get(name)
    if (!data) throw new Error(`LayerWeights: layerTensors does not name ${name}`)
    return data
  }

  constant(name: string): Value {
    let value = this.#constants.get(name)
    if (!value) {
      value = this.g.constant(name, this.data(name), this.shapes[name])
      this.#constants.set(name, value)
    }
    return value
  }

  optional(name: string): Value | undefined {
    return this.tensors.has(name) ? this.constant(name) : undefined
  }
}

async function layerModel(
  checkpoint: Checkpoint,
  d: ModelDescription,
  layer: number,
  kind: LayerKind,
  memory: LayerMemory,
): Promise<OnnxModel> {
  const shapes = d.layerTensors(layer)
  const prefix = d.layerPrefix(layer)
  const { take } = memory.begin(Object.values(shapes).reduce((sum, shape) => sum + values(shape), 0))
  const tensors = new Map<string, Float32Array>()
  for (const [name, shape] of Object.entries(shapes)) {
    tensors.set(name, await checkpoint.tensor(prefix + name, shape, take(values(shape))))
  }
  const g = new Graph(`layer ${layer} of ${checkpoint.name}`)
  const weights = new ReadWeights(g, shapes, tensors)
  const { base, runs } = d.advance(g, weights, layerInputs(g, kind, d.dModel), kind, layer)
  g.output('nextBase', base, 'float32', ['B*T', d.dModel])
  g.output('nextRuns', runs, 'float32', ['R*L', d.dModel])
  return g.build()
}

/**
 * Open a checkpoint as a model of `architecture`. Reads no weights.
 * @throws InputError when the config is not one of this family, or a tensor is missing, misshapen or left unused
 */
export function openAs(architecture: Architecture, checkpoint: Checkpoint): ModelSpec {
  const d = architecture.describe(checkpoint)
  // As transformers does: a file that holds an unembedding of its own is believed.
  const unembedding = !d.tied || checkpoint.has(UNEMBEDDING) ? UNEMBEDDING : d.embedding
  requireTensors(checkpoint, modelTensors(d, unembedding), d)
  const table = [d.vocabSize, d.dModel] as const
  const memory = new LayerMemory()
  return {
    name: checkpoint.name,
    modelType: architecture.modelType,
    nLayers: d.nLayers,
    dModel: d.dModel,
    vocabSize: d.vocabSize,
    parameters: parameterCount(d),
    maxTokens: d.maxTokens,
    featureCategories: d.featureCategories,
    costs: modelCosts(d),
    layer: (layer, kind) => layerModel(checkpoint, d, layer, kind, memory),
    async embed(ids, positions) {
      const rows = await embedRows(checkpoint, d.embedding, table, ids)
      if (d.positions === undefined) return rows
      const places = await embedRows(checkpoint, d.positions, [d.maxTokens!, d.dModel], positions)
      return rows.map((value, i) => value + places[i]!)
    },
    async finalNorm() {
      const { weight, bias, epsilon } = d.finalNorm
      return finalNormGraph({
        weight: await checkpoint.tensor(weight, [d.dModel]),
        bias: bias === undefined ? undefined : await checkpoint.tensor(bias, [d.dModel]),
        epsilon,
      })
    },
    headParts: partsOf(d),
    async unembedding({ first, count }) {
      const into = memory.begin(count * d.dModel).take(count * d.dModel)
      const rows = await checkpoint.rows(unembedding, table, first, count, into)
      const name = `unembedding ${first} to ${first + count - 1} of ${checkpoint.name}`
      return unembeddingGraph(rows, d.dModel, name)
    },
    unembed: (ids) => embedRows(checkpoint, unembedding, table, ids),
    async featureNorms() {
      const norms: Float64Array[] = []
      for (let layer = 0; d.aLog !== undefined && layer < d.nLayers; layer++) {
        const shape = d.layerTensors(layer)[d.aLog]!
        norms.push(featureNorms(await checkpoint.tensor(d.layerPrefix(layer) + d.aLog, shape), shape[0]!))
      }
      return norms
    },
  }
}
