/**
 * What factflow needs of an ONNX Runtime: sessions that run graphs, and a memory budget. Node's providers are
 * implemented in node.ts.
 */
import type { Tensor } from 'onnxruntime-common'
import type { GraphTarget, OnnxModel, WeightForm } from '../onnx/graph.js'

export type Tensors = Readonly<Record<string, Tensor>>

export interface Session {
  /**
   * Run the graph and give back the outputs named in `fetches`. Calls that are made before an earlier one is done wait
   * for it. Outputs that `stay` (see `OnnxModel`) may lie on the device: free them when they are no longer needed.
   * @param spent feeds that the caller does not use again: their memory may be taken away
   */
  run(feeds: Tensors, fetches: readonly string[], spent?: readonly string[]): Promise<Tensors>
  /** Free the session's memory. It cannot run again. */
  release(): Promise<void>
}

/** Free the memory on the device that tensors have; those in the process's own memory stay as they are. */
export function freeTensors(...tensors: readonly Tensor[]): void {
  for (const tensor of tensors) if (tensor.location === 'gpu-buffer') tensor.dispose()
}

/** Kinds of devices other than the CPU, by what of ONNX Runtime computes on them. */
export type GpuDevice = Exclude<GraphTarget['device'], 'cpu'>

/** What a GPU wants that a processor does not. */
export interface GpuSettings {
  /** What graphs for it must be written for. */
  readonly target: GraphTarget & { readonly device: GpuDevice }
  /** Rows, of prompts and runs, that a batch should have: enough that matrix products are near their best speed. */
  readonly batchRows: number
  /** Rows that the head handles at once. */
  readonly headRows: number
  /**
   * Bytes of weights that one session may have. Where a session's outputs always come back to the process, one for many
   * layers saves the copies; one for each layer needs the least memory.
   */
  readonly sessionBytes: number
  /** Bytes that a tensor may have. */
  readonly tensorBytes: number
}

export interface Runtime {
  /** For people: `ONNX Runtime 1.30.0, CPU, 2 threads`. */
  readonly description: string
  /** How many sessions can run at the same time, each on its share of the threads: those made for different lanes. */
  readonly lanes: number
  /**
   * How a model's weights are best loaded: `inputs` where a session uses the memory of what it is given, without a copy;
   * default `constants`.
   */
  readonly weights?: WeightForm
  /**
   * Bytes of weights up to which a model has them as constants all the same, which are packed for matrix products;
   * default 2 GB.
   */
  readonly packedBytes?: number
  /** Of matrix products, where it is not float32: results differ from float32's in their third or fourth digit. */
  readonly arithmetic?: 'tf32' | 'float16'
  /** None where graphs run on the CPU. */
  readonly gpu?: GpuSettings
  /** Bytes that can be had now without swapping. */
  freeMemory(): number
  /**
   * Make a session. It gives the model's loan back, now or when it is released, also when it cannot be made.
   * @param lane 0 to `lanes` - 1; without it the session runs alone, on all threads
   */
  createSession(model: OnnxModel, lane?: number): Promise<Session>
  /** End the threads that sessions had; all have been released. Later sessions have new ones. */
  close?(): Promise<void>
}
