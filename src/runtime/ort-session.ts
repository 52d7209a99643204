/** A session of onnxruntime-node on the thread that calls it. */
import * as ort from 'onnxruntime-node'
import type { OnnxModel } from '../onnx/graph.js'
import type { Session, Tensors } from './runtime.js'

class OrtSession implements Session {
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

export async function createOrtSession(
  model: OnnxModel,
  options: ort.InferenceSession.SessionOptions,
): Promise<Session> {
  try {
    const session = await ort.InferenceSession.create(model.bytes, {
      externalData: model.externalData,
      interOpNumThreads: 1,
      logSeverityLevel: 4,
      ...options,
    })
    return new OrtSession(session, model.name)
  } catch (error) {
    throw new Error(`ONNX Runtime does not accept ${model.name}: ${message(error)}`, { cause: error })
  }
}
