/** What graphs for GPUs are fed besides the inputs that all graphs have: see models/gpu-inputs.ts. */
import { Tensor } from 'onnxruntime-common'
import { FEATURE_CATEGORIES } from '../models/architecture.js'
import type { Tensors } from '../runtime/runtime.js'
import type { Batch, Run } from './plan.js'

/** A run as a layer sees it. */
export interface SeenRun {
  /** Number of its prompt in the batch. */
  readonly slot: number
  /** The run, where it is knocked out in the layer. */
  readonly cut?: Run
}

interface History {
  readonly history: number[]
  readonly known: number[]
}

export class GpuFeeds {
  readonly #base: History = { history: [], known: [] }

  /** @param taps tokens before a token that a layer's convolution reads */
  constructor(
    private readonly batch: Batch,
    private readonly taps: number,
  ) {
    const { prompts, tokens } = batch
    prompts.forEach((_, slot) => {
      for (let t = 0; t < tokens; t++) this.#before(this.#base, t, (at) => slot * tokens + at)
    })
  }

  /** Add the rows of the tokens before position `t`. */
  #before({ history, known }: History, t: number, rowAt: (position: number) => number): void {
    for (let at = t - this.taps; at < t; at++) {
      history.push(at < 0 ? 0 : rowAt(at))
      known.push(at < 0 ? 0 : 1)
    }
  }

  #tensors({ history, known }: History): Tensors {
    if (this.taps === 0) return {}
    const dims = [history.length / this.taps, this.taps]
    return {
      history: new Tensor('int32', Int32Array.from(history), dims),
      known: new Tensor('float32', Float32Array.from(known), dims),
    }
  }

  /**
   * What is the same in all layers.
   * @param contexts prompts of the batch that have runs, by their numbers
   */
  shared(contexts: readonly number[]): Tensors {
    const { prompts, tokens, suffix, setsPerPrompt, kind } = this.batch
    const length = Math.max(1, tokens - suffix)
    const rows = new Int32Array(contexts.length * length)
    const clean = new Float32Array(contexts.length * length)
    const sources = new Float32Array(contexts.length * setsPerPrompt * 2 * length)
    contexts.forEach((slot, c) => {
      const { start, sets } = prompts[slot]!
      for (let i = 0; i < length; i++) rows[c * length + i] = slot * tokens + i
      clean.fill(1, c * length, c * length + start)
      sets.forEach(({ keep }, m) => {
        const at = (c * setsPerPrompt + m) * 2 * length
        sources.fill(1, at, at + start)
        sources.set(keep, at + length)
      })
    })
    return {
      contextRows: new Tensor('int32', rows, [contexts.length, length]),
      clean: new Tensor('float32', clean, [contexts.length, length, 1]),
      sources: new Tensor('float32', sources, [contexts.length, setsPerPrompt, 2, length]),
      ...(kind === 'last' && this.#tensors(this.#base)),
    }
  }

  /** What belongs to one layer, of the runs that it has. */
  layer(runs: readonly SeenRun[]): Tensors {
    return this.batch.kind === 'last' ? this.#lastTokens(runs) : this.#suffixes(runs)
  }

  #lastTokens(runs: readonly SeenRun[]): Tensors {
    const { prompts, tokens } = this.batch
    const baseRows = prompts.length * tokens
    const token = Int32Array.from({ length: baseRows + runs.length }, (_, row) => row)
    const columns = FEATURE_CATEGORIES.length + 1
    const own = new Float32Array(token.length * columns)
    runs.forEach(({ slot, cut }, r) => {
      token[baseRows + r] = slot * tokens + prompts[slot]!.start
      const isCut = cut?.suffixKeep[0] === 0
      own[(baseRows + r) * columns + (isCut ? FEATURE_CATEGORIES.indexOf(cut.features) : columns - 1)] = 1
    })
    return {
      token: new Tensor('int32', token, [token.length]),
      own: new Tensor('float32', own, [token.length, columns]),
    }
  }

  #suffixes(runs: readonly SeenRun[]): Tensors {
    const { prompts, tokens, suffix } = this.batch
    const all = { history: [...this.#base.history], known: [...this.#base.known] }
    runs.forEach(({ slot }, r) => {
      const { start } = prompts[slot]!
      const first = prompts.length * tokens + r * suffix - start
      const rowAt = (at: number): number => (at < start ? slot * tokens : first) + at
      for (let t = start; t < start + suffix; t++) this.#before(all, t, rowAt)
    })
    return this.#tensors(all)
  }
}
