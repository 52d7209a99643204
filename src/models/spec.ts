/** From a checkpoint and its architecture to a model that the sweep can use: what is the same for every family. */
import type { Checkpoint } from '../checkpoints/checkpoint.js'
import {
  CPU_TARGET,
  Graph,
  type GraphTarget,
  type OnnxModel,
  type Value,
  type WeightForm,
} from '../onnx/graph.js'
import {
  type Architecture,
  type LayerKind,
  type LayerWeights,
  layerInputs,
  type ModelCosts,
  type ModelDescription,
  type ModelSpec,
  nextInputs,
  type TensorShapes,
} from './architecture.js'
import { featureNorms } from './features.js'
import { finalNormGraph, type HeadPart, headParts, unembeddingGraph } from './head.js'
import { LayerRows } from './rows.js'
import { embedRows, requireTensors } from './tensors.js'
import { WeightMemory } from './weight-memory.js'

/** The unembedding's name where it is not the embedding; the same in all families. */
export const UNEMBEDDING = 'lm_head.weight'

const FLOAT_BYTES = 4

/** A part of the unembedding has at most a layer's bytes, but not so few that many small sessions would result. */
const LEAST_PART_BYTES = 2 ** 24

/** On a GPU every part costs a wait: few of them, but none larger than the least that any device can hold in one piece. */
const GPU_PART_BYTES = 2 ** 27

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
export function modelCosts(d: ModelDescription, target = CPU_TARGET): ModelCosts {
  const onGpu = target.device !== 'cpu'
  const layers = Array.from({ length: d.nLayers }, (_, layer) => Object.entries(d.layerTensors(layer)))
  const largest = (of: (name: string, shape: readonly number[]) => number): number =>
    Math.max(...layers.map((tensors) => tensors.reduce((sum, [name, shape]) => sum + of(name, shape), 0)))
  // Of the tensors with two axes those named weight are multiplied with; A_log of Mamba is not.
  const matrix = (name: string, shape: readonly number[]): number =>
    shape.length === 2 && name.endsWith('weight') ? values(shape) : 0
  return {
    ...((onGpu && d.gpuActivations) || d.activations),
    layerBytes: FLOAT_BYTES * largest((_, shape) => values(shape)),
    headBytes: FLOAT_BYTES * d.vocabSize * d.dModel,
    headPartBytes: FLOAT_BYTES * d.dModel * Math.max(...partsOf(d, target).map(({ count }) => count)),
    layerFlops: 2 * largest(matrix),
    headFlops: 2 * d.vocabSize * d.dModel,
  }
}

function partsOf(d: ModelDescription, { device }: GraphTarget): HeadPart[] {
  if (device !== 'cpu') return headParts(d.vocabSize, d.dModel, GPU_PART_BYTES)
  const layer = Object.values(d.layerTensors(0)).reduce((sum, shape) => sum + values(shape), 0)
  return headParts(d.vocabSize, d.dModel, Math.max(LEAST_PART_BYTES, FLOAT_BYTES * layer))
}

/**
 * The graph that `make` makes with `bytes` bytes of memory, which are lent to it.
 */
async function inMemory(
  memory: WeightMemory,
  bytes: number,
  make: (buffer: ArrayBuffer) => Promise<OnnxModel>,
): Promise<OnnxModel> {
  const buffer = memory.take(bytes)
  const giveBack = (back: ArrayBuffer): void => memory.give(back)
  try {
    return { ...(await make(buffer)), loan: { memory: buffer, giveBack } }
  } catch (error) {
    giveBack(buffer)
    throw error
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

/** Some layers in a row, as one graph. */
interface Span {
  readonly first: number
  readonly count: number
  readonly kind: LayerKind
}

/** Bytes of the weights of some layers in a row. */
function layerBytes(d: ModelDescription, first: number, count: number): number {
  const shapes = Array.from({ length: count }, (_, place) => Object.values(d.layerTensors(first + place)))
  return FLOAT_BYTES * shapes.flat().reduce((sum, shape) => sum + values(shape), 0)
}

/** Tensors of a layer, one behind the other in `buffer` from byte `from` on, read at once: a disk is fastest with several reads at hand. */
async function readTensors(
  checkpoint: Checkpoint,
  prefix: string,
  shapes: TensorShapes,
  buffer: ArrayBuffer,
  from: number,
): Promise<Map<string, Float32Array>> {
  let at = from
  const reads = Object.entries(shapes).map(async ([name, shape]): Promise<[string, Float32Array]> => {
    const into = new Float32Array(buffer, at, values(shape))
    at += into.byteLength
    return [name, await checkpoint.tensor(prefix + name, shape, into)]
  })
  // When one fails the others still write into the memory: it is free when all have ended.
  await Promise.allSettled(reads)
  return new Map(await Promise.all(reads))
}

async function layerModel(
  checkpoint: Checkpoint,
  d: ModelDescription,
  { first, count, kind }: Span,
  form: WeightForm,
  target: GraphTarget,
  buffer: ArrayBuffer,
): Promise<OnnxModel> {
  const name = count === 1 ? `layer ${first}` : `layers ${first} to ${first + count - 1}`
  const g = new Graph(`${name} of ${checkpoint.name}`, undefined, target)
  let inputs = layerInputs(g, kind, d.dModel, d.history)
  let rows = new LayerRows(g, inputs, kind)
  let all = rows.all
  for (let place = 0; place < count; place++) {
    const layer = first + place
    const shapes = d.layerTensors(layer)
    const from = layerBytes(d, first, place)
    const tensors = await readTensors(checkpoint, d.layerPrefix(layer), shapes, buffer, from)
    if (place > 0) {
      inputs = nextInputs(g, kind, place, inputs, all, d.history)
      rows = new LayerRows(g, inputs, kind)
    }
    all = d.advance(new ReadWeights(g, shapes, tensors), rows, layer)
  }
  const [base, runs] = rows.cut(all)
  g.output('nextBase', base, 'float32', ['B*T', d.dModel], 'stays')
  g.output('nextRuns', runs, 'float32', ['R*L', d.dModel], 'stays')
  return g.build(form)
}

/**
 * Open a checkpoint as a model of `architecture`, with graphs for `target`. Reads no weights.
 * @throws InputError when the config is not one of this family, or a tensor is missing, misshapen or left unused
 */
export function openAs(
  architecture: Architecture,
  checkpoint: Checkpoint,
  target: GraphTarget = CPU_TARGET,
): ModelSpec {
  const d = architecture.describe(checkpoint)
  // As transformers does: a file that holds an unembedding of its own is believed.
  const unembedding = !d.tied || checkpoint.has(UNEMBEDDING) ? UNEMBEDDING : d.embedding
  requireTensors(checkpoint, modelTensors(d, unembedding), d)
  const table = [d.vocabSize, d.dModel] as const
  const memory = new WeightMemory()
  return {
    name: checkpoint.name,
    modelType: architecture.modelType,
    nLayers: d.nLayers,
    dModel: d.dModel,
    vocabSize: d.vocabSize,
    parameters: parameterCount(d),
    maxTokens: d.maxTokens,
    featureCategories: d.featureCategories,
    history: d.history,
    costs: modelCosts(d, target),
    layer(first, kind, form = 'constants', count = 1) {
      return inMemory(memory, layerBytes(d, first, count), (buffer) =>
        layerModel(checkpoint, d, { first, count, kind }, form, target, buffer),
      )
    },
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
    headParts: partsOf(d, target),
    unembedding({ first, count }, outputs, form = 'constants') {
      return inMemory(memory, FLOAT_BYTES * count * d.dModel, async (buffer) => {
        const into = new Float32Array(buffer, 0, count * d.dModel)
        const rows = await checkpoint.rows(unembedding, table, first, count, into)
        const name = `unembedding ${first} to ${first + count - 1} of ${checkpoint.name}`
        return unembeddingGraph(rows, d.dModel, name, outputs, form, target)
      })
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
