/** How the memory that a model may take is shared between its weights and the rows of the sweep. */
import { InputError } from './errors.js'
import { batchBytes } from './knockout/plan.js'
import type { ModelCosts, ModelSpec } from './models/architecture.js'
import type { WeightForm } from './onnx/graph.js'
import type { Runtime } from './runtime/runtime.js'

type Sizes = Pick<ModelSpec, 'nLayers' | 'costs'>

/** Share of the memory, less what the part that is used takes, that loaded layers may have; the rest is for rows. */
const WEIGHTS_SHARE = 0.5
/**
 * Copies of a part's weights while it is loaded and used: given at every run they lie where they were read; as constants
 * they are there as read, in ONNX Runtime, and packed for its matrix products.
 */
const COPIES: Readonly<Record<WeightForm, number>> = { inputs: 1, constants: 3 }
/** Shares of the memory for rows: of a batch, and of the head's logits. A batch's rows are there twice. */
const ROWS_SHARE = 0.5
/** Batches on their way at the same time, for each lane: while one is computed another is handed over. */
export const BATCHES_PER_LANE = 2
/** Tokens of a prompt that fits in the least memory. */
const SHORT_PROMPT = 16
/** Runs and kept sets of a batch that is worth a lane of its own, beside a short prompt. */
const LANE_RUNS = 64
const LANE_SETS = 8

/**
 * Bytes of weights up to which a model is packed. Packing makes matrix products 5 to 15 % faster; it takes another 5 to
 * 15 ns a value at loading, on one thread. A packed product adds its terms in another order: whether it is one must not
 * depend on memory or on what was asked before, or a study that is resumed would differ in its last bits.
 */
const PACKED_BYTES = 2e9

/** How a model's weights are given to the sessions of a runtime. */
export function weightForm(
  { nLayers, costs }: Sizes,
  { weights = 'constants', packedBytes = PACKED_BYTES }: Pick<Runtime, 'weights' | 'packedBytes'> = {
    weights: 'inputs',
  },
): WeightForm {
  return nLayers * costs.layerBytes + costs.headBytes <= packedBytes ? 'constants' : weights
}

/** Bytes of a model's largest part while it is loaded and used. */
function partBytes({ layerBytes, headPartBytes }: ModelCosts, form: WeightForm): number {
  return COPIES[form] * Math.max(layerBytes, headPartBytes)
}

/** Bytes of all that can stay loaded: the layers of both kinds and the head. */
function allBytes({ nLayers, costs }: Sizes): number {
  return 2 * nLayers * costs.layerBytes + costs.headBytes
}

/** The least memory that a model runs in, in bytes: its layers are loaded in turn, prompts are short, runs few. */
export function leastMemory(spec: Sizes, form = weightForm(spec)): number {
  const { costs } = spec
  const batch = batchBytes(costs, SHORT_PROMPT, 1, [{ runs: [0], sets: [0, 1] }])
  return partBytes(costs, form) + batch / ROWS_SHARE / (1 - WEIGHTS_SHARE)
}

/** The memory in which all layers stay loaded and rows have `rows` bytes. */
export function residentMemory(spec: Sizes, rows: number, form: WeightForm): number {
  const all = allBytes(spec)
  return partBytes(spec.costs, form) + Math.max(all / WEIGHTS_SHARE, all + rows)
}

/** The shares of weights and rows. */
export interface MemoryShares {
  /** Bytes that layers and head which stay loaded may take. */
  readonly weights: number
  /** Parts that do not stay and may be there at the same time: those that are used, and one that is loaded ahead. */
  readonly passing: number
  /** Bytes that a batch may need inside a layer. */
  readonly batch: number
  /** Bytes that logits may take. */
  readonly logits: number
  /** Bytes of residual streams that batches that share a layer's load may have. */
  readonly waiting: number
}

/**
 * The least memory holds one part that does not stay; with more memory another is loaded ahead; with more still each lane
 * has one, if there is room for batches in all of them. Those parts come off the share of loaded layers, so that more
 * memory never makes less room for rows.
 * @param memory bytes, at least `leastMemory`
 */
export function shareMemory(
  { nLayers, costs }: Sizes,
  memory: number,
  lanes: number,
  form: WeightForm,
): MemoryShares {
  const rest = memory - partBytes(costs, form)
  const all = allBytes({ nLayers, costs })
  const share = Math.min(all, WEIGHTS_SHARE * rest)
  const another = partBytes(costs, 'inputs')
  const rows = rest - share
  const batch = ROWS_SHARE * rows
  const laneBatch = batchBytes(costs, SHORT_PROMPT, 1, [
    { runs: new Array(LANE_RUNS), sets: new Array(LANE_SETS) },
  ])
  const useful = batch >= BATCHES_PER_LANE * lanes * laneBatch ? lanes : 1
  const passing = 1 + Math.min(useful, Math.floor(share / another))
  const resident = nLayers * costs.layerBytes + costs.headBytes <= share
  const weights = resident ? share : share - (passing - 1) * another
  return { weights, passing, batch, logits: (ROWS_SHARE * rows) / lanes, waiting: rows / 4 }
}

/** The memory that a batch of `bytes` bytes needs. */
export function memoryForBatch(spec: Sizes, bytes: number, form: WeightForm): number {
  const rows = bytes / ROWS_SHARE
  return partBytes(spec.costs, form) + Math.min(allBytes(spec) + rows, rows / (1 - WEIGHTS_SHARE))
}

/** `742 MB`, `1.5 MB`, `12 kB`: to three digits, up or down. */
function size(bytes: number, round: (x: number) => number): string {
  const [unit, name] = bytes < 1e6 ? [1e3, 'kB'] : bytes < 1e9 ? [1e6, 'MB'] : [1e9, 'GB']
  const step = 10 ** Math.max(-2, Math.floor(Math.log10(bytes / unit)) - 2)
  return `${Number((round(bytes / unit / step) * step).toFixed(2))} ${name}`
}

export function tooLittle(what: string, need: number, got: number): InputError {
  // Rounded apart, so that what is asked for is more than what there is, and enough.
  return new InputError(
    `--memory: ${what} ${size(need, Math.ceil)} are needed, got ${size(got, Math.floor)}; give more memory`,
  )
}
