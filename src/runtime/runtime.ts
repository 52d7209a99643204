/**
 * What factflow needs of an ONNX Runtime: sessions that run graphs, and a memory budget. Node's CPU provider is
 * implemented in node.ts; the browser and GPU providers implement the same interface.
 */
import type { Tensor } from 'onnxruntime-common'
import type { OnnxModel } from '../onnx/graph.js'

export type Tensors = Readonly<Record<string, Tensor>>

export interface Session {
  /** Run the graph and give back the outputs named in `fetches`. */
  run(feeds: Tensors, fetches: readonly string[]): Promise<Tensors>
  /** Free the session's memory. It cannot run again. */
  release(): Promise<void>
}

export interface Runtime {
  /** For people: `ONNX Runtime 1.30.0, CPU, 2 threads`. */
  readonly description: string
  /** Bytes that can be had now without swapping. */
  freeMemory(): number
  createSession(model: OnnxModel): Promise<Session>
}
