/** What the threads of thread-pool.ts and thread.ts say to each other. */
import { Tensor } from 'onnxruntime-common'
import type { OnnxModel } from '../onnx/graph.js'
import type { Tensors } from './runtime.js'

/** A tensor on its way. */
export interface SentTensor {
  readonly type: Tensor.Type
  readonly dims: readonly number[]
  readonly data: Tensor['data']
}
export type SentTensors = Readonly<Record<string, SentTensor>>

export type Request =
  | {
      readonly call: 'create'
      readonly session: number
      readonly model: Omit<OnnxModel, 'loan'>
      readonly threads: number
      /** Memory of the model's loan, handed over until it is given back. Of all else the thread has a copy. */
      readonly lent: ArrayBuffer | undefined
    }
  | {
      readonly call: 'run'
      readonly session: number
      readonly feeds: SentTensors
      readonly fetches: readonly string[]
    }
  | { readonly call: 'release'; readonly session: number }

/** The answer to the request of the same number. */
export interface Reply {
  readonly number: number
  readonly outputs?: SentTensors
  /** Memory that was lent and comes back. */
  readonly lent?: ArrayBuffer
  /** `input` is the message of an InputError, which loses its class on the way. */
  readonly failure?: { readonly error: unknown; readonly input?: string }
}

export function send(tensors: Tensors): SentTensors {
  return Object.fromEntries(
    Object.entries(tensors).map(([name, { type, dims, data }]) => [name, { type, dims, data }]),
  )
}

export function receive(tensors: SentTensors): Record<string, Tensor> {
  return Object.fromEntries(
    Object.entries(tensors).map(([name, { type, dims, data }]) => [
      name,
      new Tensor(type, data as Tensor.DataTypeMap[typeof type], dims),
    ]),
  )
}

/** The memory of tensors that are handed over, not copied; each is alone in its memory. */
export function buffersOf(tensors: readonly Pick<SentTensor, 'data'>[]): ArrayBuffer[] {
  return tensors.flatMap(({ data }) => (ArrayBuffer.isView(data) ? [data.buffer as ArrayBuffer] : []))
}
