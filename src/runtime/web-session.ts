/** Sessions of onnxruntime-web on the thread that calls them. */
import type { InferenceSession } from 'onnxruntime-common'
import type { OnnxModel } from '../onnx/graph.js'
import { Supply } from '../parallel.js'
import { createOrtSession, type Ort, webgpuOptions } from './ort-session.js'
import type { Session, Tensors } from './runtime.js'
import { SharedGraphs } from './shared-graphs.js'

/** Who has it may call ONNX Runtime, which on the web refuses two calls at once, or mixes their files up. */
const turn = new Supply(1)

class TurnSession implements Session {
  constructor(private readonly session: Session) {}

  run(feeds: Tensors, fetches: readonly string[]): Promise<Tensors> {
    return turn.use(1, () => this.session.run(feeds, fetches))
  }

  release(): Promise<void> {
    return turn.use(1, () => this.session.release())
  }
}

async function create(
  ort: Ort,
  model: OnnxModel,
  options: InferenceSession.SessionOptions,
): Promise<Session> {
  return new TurnSession(await turn.use(1, () => createOrtSession(ort, model, options)))
}

/** Sessions on WebAssembly; graphs of the same bytes whose weights are inputs share one. */
export class WasmSessions {
  readonly #shared: SharedGraphs

  constructor(private readonly ort: Ort) {
    this.#shared = new SharedGraphs((model) =>
      this.#create({ ...model, name: `${model.name} or one like it` }),
    )
  }

  async createSession(model: OnnxModel): Promise<Session> {
    if (model.weights) return this.#shared.session(model)
    try {
      return await this.#create(model)
    } finally {
      model.loan?.giveBack(model.loan.memory)
    }
  }

  #create(model: OnnxModel): Promise<Session> {
    // As in Node, what one session keeps for itself the others lack.
    const memory = { enableCpuMemArena: false, enableMemPattern: false }
    return create(this.ort, model, { executionProviders: ['wasm'], ...memory })
  }
}

export async function createWebGpuSession(ort: Ort, model: OnnxModel): Promise<Session> {
  try {
    return await create(ort, model, webgpuOptions(model))
  } finally {
    model.loan?.giveBack(model.loan.memory)
  }
}
