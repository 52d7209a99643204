/** Sessions of ONNX Runtime's CPU provider on the thread that calls them. */
import * as ort from 'onnxruntime-node'
import type { OnnxModel } from '../onnx/graph.js'
import { createOrtSession } from './ort-session.js'
import type { Session } from './runtime.js'
import { SharedGraphs } from './shared-graphs.js'

function createCpuSession(model: OnnxModel, threads: number): Promise<Session> {
  return createOrtSession(ort, model, {
    intraOpNumThreads: threads,
    // One session per layer means one thread pool per layer: idle pools must sleep, not spin, and a pooled
    // allocator of each would keep its own high-water mark.
    enableCpuMemArena: false,
    enableMemPattern: false,
    extra: { session: { intra_op: { allow_spinning: '1' }, force_spinning_stop: '1' } },
  })
}

export class CpuSessions {
  /** Graphs whose weights are inputs, by the threads that they have. */
  readonly #shared = new Map<number, SharedGraphs>()

  /** @param threads of a matrix product, the calling one included */
  async createSession(model: OnnxModel, threads: number): Promise<Session> {
    if (model.weights) return this.#sharing(threads).session(model)
    try {
      return await createCpuSession(model, threads)
    } finally {
      model.loan?.giveBack(model.loan.memory)
    }
  }

  #sharing(threads: number): SharedGraphs {
    let shared = this.#shared.get(threads)
    if (!shared) {
      const create = (model: OnnxModel): Promise<Session> =>
        createCpuSession({ ...model, name: `${model.name} or one like it` }, threads)
      shared = new SharedGraphs(create)
      this.#shared.set(threads, shared)
    }
    return shared
  }
}
