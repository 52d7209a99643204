/** A session of ONNX Runtime, in Node or a browser, on the thread that calls it. */
import type { InferenceSession, InferenceSessionFactory } from 'onnxruntime-common'
import { outOfMemory } from '../errors.js'
import type { OnnxModel } from '../onnx/graph.js'
import type { Session, Tensors } from './runtime.js'

/** onnxruntime-node or onnxruntime-web. */
export interface Ort {
  readonly InferenceSession: InferenceSessionFactory
}

class OrtSession implements Session {
  constructor(
    private readonly session: InferenceSession,
    private readonly name: string,
  ) {}

  async run(feeds: Tensors, fetches: readonly string[]): Promise<Tensors> {
    try {
      return await this.session.run(feeds, fetches)
    } catch (error) {
      const memory = outOfMemory(error, this.name)
      if (memory) throw memory
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

export async function createOrtSession(
  { InferenceSession }: Ort,
  model: OnnxModel,
  options: InferenceSession.SessionOptions,
): Promise<Session> {
  try {
    const session = await InferenceSession.create(model.bytes, {
      externalData: model.externalData,
      interOpNumThreads: 1,
      logSeverityLevel: 4,
      ...options,
    })
    return new OrtSession(session, model.name)
  } catch (error) {
    const memory = outOfMemory(error, model.name)
    if (memory) throw memory
    throw new Error(`ONNX Runtime does not accept ${model.name}: ${message(error)}`, { cause: error })
  }
}

/** Options for WebGPU. What the provider lacks is computed on the CPU. */
export function webgpuOptions({ staying = [] }: OnnxModel): InferenceSession.SessionOptions {
  return {
    executionProviders: ['webgpu'],
    preferredOutputLocation: Object.fromEntries(staying.map((name) => [name, 'gpu-buffer'] as const)),
  }
}
