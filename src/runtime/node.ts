/** ONNX Runtime in Node, on the CPU. */
import os from 'node:os'
import process from 'node:process'
import * as ort from 'onnxruntime-node'
import { InputError } from '../errors.js'
import type { OnnxModel } from '../onnx/graph.js'
import type { Runtime, Session, Tensors } from './runtime.js'

export interface NodeRuntimeOptions {
  /** Threads of a matrix product; default: the processors available to this process. */
  readonly threads?: number
}

class NodeSession implements Session {
  constructor(
    private readonly session: ort.InferenceSession,
    private readonly name: string,
  ) {}

  async run(feeds: Tensors, fetches: readonly string[]): Promise<Tensors> {
    try {
      return await this.session.run(feeds, fetches)
    } catch (error) {
      const given = Object.entries(feeds).map(([name, tensor]) => `${name} ${tensor.type}[${tensor.dims}]`)
      throw new Error(`ONNX Runtime could not run ${this.name} with ${given.join(', ')}: ${message(error)}`, {
        cause: error,
      })
    }
  }

  release(): Promise<void> {
    return this.session.release()
  }
}

function message(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** The CPU runtime of Node. ONNX Runtime's telemetry is off unless ORT_DISABLE_TELEMETRY is set to 0. */
export function nodeRuntime(options: NodeRuntimeOptions = {}): Runtime {
  // From version 1.29 on ONNX Runtime reports its use to its maker unless told not to before its first session.
  process.env.ORT_DISABLE_TELEMETRY ??= '1'
  const threads = options.threads ?? os.availableParallelism()
  if (!Number.isInteger(threads) || threads < 1) {
    throw new InputError(
      `threads: must be a whole number above 0, got ${threads}; leave it out for all processors`,
    )
  }
  return {
    description: `ONNX Runtime ${ort.env.versions.node ?? ort.env.versions.common}, CPU, ${threads} thread${threads === 1 ? '' : 's'}`,
    freeMemory: () => process.availableMemory?.() ?? os.freemem(),
    async createSession(model: OnnxModel): Promise<Session> {
      try {
        const session = await ort.InferenceSession.create(model.bytes, {
          externalData: model.externalData,
          intraOpNumThreads: threads,
          interOpNumThreads: 1,
          // One session per layer means one thread pool per layer: idle pools must sleep, not spin, and a pooled
          // allocator of each would keep its own high-water mark.
          enableCpuMemArena: false,
          enableMemPattern: false,
          extra: { session: { intra_op: { allow_spinning: '1' }, force_spinning_stop: '1' } },
          logSeverityLevel: 4,
        })
        return new NodeSession(session, model.name)
      } catch (error) {
        throw new Error(`ONNX Runtime does not accept ${model.name}: ${message(error)}`, { cause: error })
      }
    },
  }
}
