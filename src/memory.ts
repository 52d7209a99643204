/** How the memory that a model may take is shared between its weights and the rows of the sweep. */
import { InputError } from './errors.js'
import { batchBytes } from './knockout/plan.js'
import type { ModelCosts, ModelSpec } from './models/architecture.js'

/** Share of the memory, less what loading takes, that loaded layers may have; the rest is for rows. */
const WEIGHTS_SHARE = 0.5
/** While a layer is loaded its weights are there as read, in ONNX Runtime and packed for its matrix products. */
const LOADING_COPIES = 3
/** Shares of the memory for rows: of a batch, and of the head's logits. A batch's rows are there twice. */
const ROWS_SHARE = 0.5
/** Tokens of a prompt that fits in the least memory. */
const SHORT_PROMPT = 16

/** Bytes that loading the largest part of a model takes. */
function loadingBytes({ layerBytes, headPartBytes }: ModelCosts): number {
  return LOADING_COPIES * Math.max(layerBytes, headPartBytes)
}

/** Bytes of all that can stay loaded: the layers of both kinds and the head. */
function allBytes({ nLayers, costs }: Pick<ModelSpec, 'nLayers' | 'costs'>): number {
  return 2 * nLayers * costs.layerBytes + costs.headBytes
}

/** The least memory that a model runs in, in bytes: its layers are loaded in turn, prompts are short, runs few. */
export function leastMemory(costs: ModelCosts): number {
  const batch = batchBytes(costs, SHORT_PROMPT, 1, [{ runs: [0], sets: [0, 1] }])
  return loadingBytes(costs) + batch / ROWS_SHARE / (1 - WEIGHTS_SHARE)
}

/** The shares of weights and rows. */
export interface MemoryShares {
  /** Bytes that loaded layers and the head may take. */
  readonly weights: number
  /** Bytes that a batch may need inside a layer. */
  readonly batch: number
  /** Bytes that logits may take. */
  readonly logits: number
  /** Bytes of residual streams that batches that share a layer's load may have. */
  readonly waiting: number
}

/** @param memory bytes, at least `leastMemory` */
export function shareMemory(spec: Pick<ModelSpec, 'nLayers' | 'costs'>, memory: number): MemoryShares {
  const rest = memory - loadingBytes(spec.costs)
  const weights = Math.min(allBytes(spec), WEIGHTS_SHARE * rest)
  const rows = rest - weights
  return { weights, batch: ROWS_SHARE * rows, logits: ROWS_SHARE * rows, waiting: rows / 4 }
}

/** The memory that a batch of `bytes` bytes needs. */
export function memoryForBatch(spec: Pick<ModelSpec, 'nLayers' | 'costs'>, bytes: number): number {
  const rows = bytes / ROWS_SHARE
  return loadingBytes(spec.costs) + Math.min(allBytes(spec) + rows, rows / (1 - WEIGHTS_SHARE))
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
