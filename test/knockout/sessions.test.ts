/** Which sessions are alive, on a runtime that only counts. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ModelSessions } from '../../src/knockout/sessions.js'
import type { LayerKind, ModelSpec } from '../../src/models/architecture.js'
import type { OnnxModel } from '../../src/onnx/graph.js'
import type { Runtime, Session } from '../../src/runtime/runtime.js'

const LAYER_BYTES = 10
const HEAD_BYTES = 4
const N_LAYERS = 5
/** All layers of one kind and the head. */
const WHOLE = N_LAYERS * LAYER_BYTES + HEAD_BYTES

function model(name: string): OnnxModel {
  return { name, bytes: new Uint8Array(), externalData: [] }
}

const SPEC: ModelSpec = {
  name: 'm',
  modelType: 'fake',
  nLayers: N_LAYERS,
  dModel: 1,
  vocabSize: 1,
  parameters: 1,
  featureCategories: [],
  costs: {
    layerBytes: LAYER_BYTES,
    headBytes: HEAD_BYTES,
    headPartBytes: HEAD_BYTES,
    rowBytes: 0,
    promptBytes: 0,
    setBytes: 0,
    contextTokenBytes: 0,
    pairBytes: 0,
    crossBytes: 0,
    fixedBytes: 0,
    layerFlops: 0,
    headFlops: 0,
  },
  layer: async (layer, kind) => model(`${kind} ${layer}`),
  embed: async () => new Float32Array(),
  finalNorm: async () => model('norm'),
  headParts: [{ first: 0, count: 1 }],
  unembedding: async () => model('head'),
  featureNorms: async () => [],
  unembed: async () => new Float32Array(),
}

/** The head is one part; a value takes four bytes. */
const PART = { first: 0, count: HEAD_BYTES / 4 }

/** Remembers what was created and what is alive; a session that is released twice is an error. */
class CountingRuntime implements Runtime {
  readonly description = 'counting'
  readonly created: string[] = []
  readonly alive: string[] = []
  /** The next session of this name fails to load. */
  broken: string | undefined

  freeMemory(): number {
    return 0
  }

  async createSession({ name }: OnnxModel): Promise<Session> {
    if (name === this.broken) throw new Error(`${name} does not load`)
    this.created.push(name)
    this.alive.push(name)
    return {
      run: async () => {
        if (!this.alive.includes(name)) throw new Error(`${name} ran after its release`)
        return {}
      },
      release: async () => {
        const at = this.alive.indexOf(name)
        if (at < 0) throw new Error(`${name} was released twice`)
        this.alive.splice(at, 1)
      },
    }
  }

  get bytes(): number {
    return this.alive.reduce((sum, name) => sum + (name === 'head' ? HEAD_BYTES : LAYER_BYTES), 0)
  }
}

function setUp(budget: number): { runtime: CountingRuntime; sessions: ModelSessions } {
  const runtime = new CountingRuntime()
  return { runtime, sessions: new ModelSessions(SPEC, runtime, budget) }
}

/** One sweep: every layer in turn, then the head. */
async function sweep(sessions: ModelSessions, kind: LayerKind): Promise<void> {
  for (let layer = 0; layer < N_LAYERS; layer++) {
    await sessions.withLayer(layer, kind, (session) => session.run({}, []))
  }
  await sessions.withHeadPart(PART, (session) => session.run({}, []))
}

const layers = (kind: LayerKind, count: number): string[] =>
  Array.from({ length: count }, (_, layer) => `${kind} ${layer}`)

describe('a budget for the whole model', () => {
  test('everything is loaded once and stays', async () => {
    const { runtime, sessions } = setUp(WHOLE)
    expect(sessions.resident).toBe(true)
    await sweep(sessions, 'last')
    await sweep(sessions, 'last')
    expect(runtime.created).toEqual([...layers('last', N_LAYERS), 'head'])
    expect(runtime.alive).toEqual(runtime.created)
  })

  test('the other kind frees the first, and then stays', async () => {
    const { runtime, sessions } = setUp(WHOLE)
    await sweep(sessions, 'last')
    await sweep(sessions, 'suffix')
    expect(runtime.alive.sort()).toEqual(['head', ...layers('suffix', N_LAYERS)])
    const before = runtime.created.length
    await sweep(sessions, 'suffix')
    expect(runtime.created.length).toBe(before)
  })

  test('both kinds stay where there is room for both', async () => {
    const { runtime, sessions } = setUp(WHOLE + N_LAYERS * LAYER_BYTES)
    for (const kind of ['last', 'suffix', 'last', 'suffix'] as const) await sweep(sessions, kind)
    expect(runtime.created.length).toBe(2 * N_LAYERS + 1)
  })
})

describe('a budget for two layers and the head', () => {
  const BUDGET = 2 * LAYER_BYTES + HEAD_BYTES

  test('two layers and the head stay, the others are loaded anew for every sweep', async () => {
    const { runtime, sessions } = setUp(BUDGET)
    expect(sessions.resident).toBe(false)
    await sweep(sessions, 'last')
    expect(runtime.alive).toEqual(['last 0', 'last 1', 'head'])
    await sweep(sessions, 'last')
    expect(runtime.created).toEqual([
      ...layers('last', N_LAYERS),
      'head',
      ...layers('last', N_LAYERS).slice(2),
    ])
  })

  test('a layer that does not stay is there while it is used', async () => {
    const { runtime, sessions } = setUp(BUDGET)
    await sweep(sessions, 'last')
    const used = await sessions.withLayer(3, 'last', async (session) => {
      await session.run({}, [])
      return runtime.alive.slice()
    })
    expect(used).toEqual(['last 0', 'last 1', 'head', 'last 3'])
    expect(runtime.alive).toEqual(['last 0', 'last 1', 'head'])
  })

  test('the kind that is used takes the room of the other', async () => {
    const { runtime, sessions } = setUp(BUDGET)
    await sweep(sessions, 'last')
    await sweep(sessions, 'suffix')
    expect(runtime.alive.sort()).toEqual(['head', 'suffix 0', 'suffix 1'])
  })

  test('when use throws, a layer that does not stay is freed and one that stays still runs', async () => {
    const { runtime, sessions } = setUp(BUDGET)
    await sweep(sessions, 'last')
    for (const layer of [4, 0]) {
      const failing = sessions.withLayer(layer, 'last', () => Promise.reject(new Error('aborted')))
      await expect(failing).rejects.toThrow('aborted')
      expect(runtime.alive).toEqual(['last 0', 'last 1', 'head'])
    }
    await sweep(sessions, 'last')
  })

  test('a layer that does not load is tried again', async () => {
    const { runtime, sessions } = setUp(BUDGET)
    runtime.broken = 'last 0'
    await expect(sweep(sessions, 'last')).rejects.toThrow('last 0 does not load')
    expect(runtime.alive).toEqual([])
    runtime.broken = undefined
    await sweep(sessions, 'last')
    expect(runtime.alive).toEqual(['last 0', 'last 1', 'head'])
  })
})

describe('a budget for nothing', () => {
  test('layers and head come and go', async () => {
    const { runtime, sessions } = setUp(HEAD_BYTES - 1)
    await sweep(sessions, 'last')
    expect(runtime.created).toEqual([...layers('last', N_LAYERS), 'head'])
    expect(runtime.alive).toEqual([])
  })

  test('also when their use throws', async () => {
    const { runtime, sessions } = setUp(0)
    const fail = () => Promise.reject(new Error('aborted'))
    await expect(sessions.withLayer(0, 'suffix', fail)).rejects.toThrow('aborted')
    await expect(sessions.withHeadPart(PART, fail)).rejects.toThrow('aborted')
    expect(runtime.created).toEqual(['suffix 0', 'head'])
    expect(runtime.alive).toEqual([])
  })
})

describe('release', () => {
  test.each([0, 2 * LAYER_BYTES + HEAD_BYTES, WHOLE])(
    'with a budget of %i frees everything',
    async (budget) => {
      const { runtime, sessions } = setUp(budget)
      await sessions.release() // nothing is there yet
      await sweep(sessions, 'last')
      await sweep(sessions, 'suffix')
      await sessions.release()
      expect(runtime.alive).toEqual([])
      await sessions.release()
      // What is used after it is loaded again, with the whole budget.
      await sweep(sessions, 'last')
      const again = setUp(budget)
      await sweep(again.sessions, 'last')
      expect(runtime.alive).toEqual(again.runtime.alive)
    },
  )
})

test('what is kept is never more than the budget, plus what is being used', async () => {
  const use = fc.record({
    part: fc.oneof(fc.nat(N_LAYERS - 1), fc.constant('head' as const)),
    kind: fc.constantFrom<LayerKind>('last', 'suffix'),
    fails: fc.boolean(),
  })
  await fc.assert(
    fc.asyncProperty(fc.nat(2 * WHOLE), fc.array(use, { maxLength: 30 }), async (budget, uses) => {
      const { runtime, sessions } = setUp(budget)
      for (const { part, kind, fails } of uses) {
        const name = part === 'head' ? 'head' : `${kind} ${part}`
        const own = part === 'head' ? HEAD_BYTES : LAYER_BYTES
        const during = async (session: Session): Promise<void> => {
          await session.run({}, [])
          expect(runtime.alive).toContain(name)
          expect(runtime.bytes).toBeLessThanOrEqual(budget + own)
          if (fails) throw new Error('use failed')
        }
        const done =
          part === 'head' ? sessions.withHeadPart(PART, during) : sessions.withLayer(part, kind, during)
        if (fails) await expect(done).rejects.toThrow('use failed')
        else await done
        expect(runtime.bytes).toBeLessThanOrEqual(budget)
        expect(new Set(runtime.alive).size).toBe(runtime.alive.length)
      }
      await sessions.release()
      expect(runtime.alive).toEqual([])
    }),
  )
})
