/** Which sessions are alive, on a runtime that only counts. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ModelSessions, type Pass } from '../../src/knockout/sessions.js'
import type { LayerKind, ModelSpec } from '../../src/models/architecture.js'
import type { OnnxModel } from '../../src/onnx/graph.js'
import { inParallel } from '../../src/parallel.js'
import type { Runtime, Session, Tensors } from '../../src/runtime/runtime.js'

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
    pairTokens: 1,
    partBytes: 0,
    crossBytes: 0,
    fixedBytes: 0,
    layerFlops: 0,
    headFlops: 0,
  },
  layer: async (layer, kind) => model(`${kind} ${layer}`),
  embed: async () => new Float32Array(),
  finalNorm: async () => model('norm'),
  headParts: [{ first: 0, count: HEAD_BYTES / 4 }],
  unembedding: async (_, { topK }) => model(topK ? 'head of top' : 'head'),
  featureNorms: async () => [],
  unembed: async () => new Float32Array(),
}

/** Remembers what was created and what is alive; a session that is released twice is an error. */
class CountingRuntime implements Runtime {
  readonly description = 'counting'
  readonly created: string[] = []
  readonly alive: string[] = []
  readonly lanesOf = new Map<string, number | undefined>()
  /** Parts that run, now. */
  readonly running = new Set<string>()
  /** The last call of each lane: one runs at a time. */
  readonly #lanes = new Map<number | undefined, Promise<Tensors>>()
  /** The next session of this name fails to load. */
  broken: string | undefined

  constructor(readonly lanes: number) {}

  freeMemory(): number {
    return 0
  }

  async createSession({ name }: OnnxModel, lane?: number): Promise<Session> {
    if (name === this.broken) throw new Error(`${name} does not load`)
    this.created.push(name)
    this.alive.push(name)
    this.lanesOf.set(name, lane)
    const run = async (): Promise<Tensors> => {
      this.running.add(name)
      await new Promise((resolve) => setImmediate(resolve))
      this.running.delete(name)
      if (!this.alive.includes(name)) throw new Error(`${name} ran after its release`)
      return {}
    }
    return {
      run: () => {
        const done = this.#lanes.get(lane)?.then(run) ?? run()
        this.#lanes.set(lane, done)
        return done
      },
      release: async () => {
        const at = this.alive.indexOf(name)
        if (at < 0) throw new Error(`${name} was released twice`)
        this.alive.splice(at, 1)
      },
    }
  }

  /** Alive, but not the norm, which always stays and counts as nothing. */
  get parts(): string[] {
    return this.alive.filter((name) => name !== 'norm')
  }

  get bytes(): number {
    return this.parts.reduce((sum, name) => sum + (name.startsWith('head') ? HEAD_BYTES : LAYER_BYTES), 0)
  }
}

interface SetUp {
  readonly runtime: CountingRuntime
  readonly sessions: ModelSessions
}

function setUp(budget: number, { passing = 1, lanes = 1 } = {}): SetUp {
  const runtime = new CountingRuntime(lanes)
  return { runtime, sessions: new ModelSessions(SPEC, runtime, budget, passing) }
}

type Use = (session: Session, place: string) => Promise<unknown>
const run: Use = (session) => session.run({}, [])

/** One batch: every layer in turn, the norm, the head. */
async function through(pass: Pass, use: Use): Promise<void> {
  for (let layer = 0; layer < N_LAYERS; layer++) {
    await pass.withLayers(layer, (session) => use(session, `layer ${layer}`))
  }
  await pass.withFinalNorm((session) => use(session, 'norm'))
  await pass.withHeadPart(0, (session) => use(session, 'head'))
}

/** `users` batches, one behind the other. */
async function sweep(
  sessions: ModelSessions,
  kind: LayerKind,
  { users = 1, use = run, topK = false }: { users?: number; use?: Use; topK?: boolean } = {},
): Promise<void> {
  const pass = sessions.pass(kind, { topK, logits: false }, users)
  const fail = (error: unknown): void => pass.fail(error)
  try {
    await inParallel(
      Array.from({ length: users }, (_, i) => i),
      users,
      () => through(pass, use),
      fail,
    )
  } finally {
    await pass.end()
  }
}

const layers = (kind: LayerKind, count: number): string[] =>
  Array.from({ length: count }, (_, layer) => `${kind} ${layer}`)

describe('a budget for the whole model', () => {
  test('everything is loaded once and stays', async () => {
    const { runtime, sessions } = setUp(WHOLE)
    expect(sessions.resident).toBe(true)
    await sweep(sessions, 'last', { users: 3 })
    await sweep(sessions, 'last')
    expect(runtime.created).toEqual([...layers('last', N_LAYERS), 'norm', 'head'])
    expect(runtime.alive).toEqual(runtime.created)
  })

  test('the other kind frees the first, and then stays', async () => {
    const { runtime, sessions } = setUp(WHOLE)
    await sweep(sessions, 'last')
    await sweep(sessions, 'suffix')
    expect(runtime.parts.sort()).toEqual(['head', ...layers('suffix', N_LAYERS)])
    const before = runtime.created.length
    await sweep(sessions, 'suffix')
    expect(runtime.created.length).toBe(before)
  })

  test('a head with other outputs frees the first, and then stays', async () => {
    const { runtime, sessions } = setUp(WHOLE)
    await sweep(sessions, 'last')
    await sweep(sessions, 'last', { topK: true })
    expect(runtime.parts.sort()).toEqual(['head of top', ...layers('last', N_LAYERS)])
  })

  test('both kinds stay where there is room for both', async () => {
    const { runtime, sessions } = setUp(WHOLE + N_LAYERS * LAYER_BYTES)
    for (const kind of ['last', 'suffix', 'last', 'suffix'] as const) await sweep(sessions, kind)
    expect(runtime.created.length).toBe(2 * N_LAYERS + 2)
  })
})

describe('lanes', () => {
  test('parts are in turn in different lanes, and several run at the same time', async () => {
    const { runtime, sessions } = setUp(WHOLE, { lanes: 2 })
    expect(sessions.atOnce).toBe(4)
    let most = 0
    await sweep(sessions, 'last', {
      users: 3,
      use: async (session) => {
        const done = session.run({}, [])
        most = Math.max(most, runtime.running.size)
        await done
      },
    })
    expect(most).toBeGreaterThan(1)
    const lanes = layers('last', N_LAYERS).map((name) => runtime.lanesOf.get(name))
    expect(lanes).toEqual([0, 1, 0, 1, 0])
  })

  test('where one part fits at a time it has all threads', async () => {
    const { runtime, sessions } = setUp(0, { lanes: 2 })
    expect(sessions.atOnce).toBe(1)
    await sweep(sessions, 'last')
    expect(new Set(runtime.lanesOf.values())).toEqual(new Set([undefined]))
  })
})

describe('a budget for two layers and the head', () => {
  const BUDGET = 2 * LAYER_BYTES + HEAD_BYTES

  test('two layers and the head stay, the others are loaded once for every pass', async () => {
    const { runtime, sessions } = setUp(BUDGET)
    expect(sessions.resident).toBe(false)
    await sweep(sessions, 'last', { users: 4 })
    expect(runtime.parts).toEqual(['last 0', 'last 1', 'head'])
    await sweep(sessions, 'last')
    expect(runtime.created).toEqual([
      ...layers('last', N_LAYERS),
      'norm',
      'head',
      ...layers('last', N_LAYERS).slice(2),
    ])
  })

  test('while a layer is used the next one is loaded, and never more than may pass are there', async () => {
    for (const passing of [1, 2, 3]) {
      const { runtime, sessions } = setUp(BUDGET, { passing, lanes: 2 })
      let most = 0
      const seen: string[][] = []
      await sweep(sessions, 'last', {
        users: 3,
        use: async (session, place) => {
          await session.run({}, [])
          await new Promise((resolve) => setImmediate(resolve))
          most = Math.max(most, runtime.bytes)
          if (place === 'layer 2') seen.push(runtime.parts.slice())
        },
      })
      expect(most).toBeLessThanOrEqual(BUDGET + passing * LAYER_BYTES)
      expect(seen[0].includes('last 3')).toBe(passing > 1)
      expect(runtime.parts).toEqual(['last 0', 'last 1', 'head'])
    }
  })

  test('the kind that is used takes the room of the other', async () => {
    const { runtime, sessions } = setUp(BUDGET)
    await sweep(sessions, 'last')
    await sweep(sessions, 'suffix')
    expect(runtime.parts.sort()).toEqual(['head', 'suffix 0', 'suffix 1'])
  })

  test('when a batch fails the others end with its error, and what does not stay is freed', async () => {
    const { runtime, sessions } = setUp(BUDGET, { passing: 2 })
    for (const where of ['layer 4', 'layer 0', 'head']) {
      let uses = 0
      const failing = sweep(sessions, 'last', {
        users: 3,
        use: async (session, place) => {
          await session.run({}, [])
          if (place === where && uses++ === 1) throw new Error('aborted')
        },
      })
      await expect(failing).rejects.toThrow('aborted')
      expect(runtime.parts.every((name) => ['last 0', 'last 1', 'head'].includes(name))).toBe(true)
    }
    await sweep(sessions, 'last', { users: 2 })
  })

  test.each(['last 0', 'last 3', 'norm', 'head'])('%s does not load: it is tried again', async (broken) => {
    const { runtime, sessions } = setUp(BUDGET, { passing: 2 })
    runtime.broken = broken
    await expect(sweep(sessions, 'last', { users: 2 })).rejects.toThrow(`${broken} does not load`)
    expect(runtime.bytes).toBeLessThanOrEqual(BUDGET)
    runtime.broken = undefined
    await sweep(sessions, 'last')
    expect(runtime.parts).toEqual(['last 0', 'last 1', 'head'])
  })
})

describe('a budget for nothing', () => {
  test('layers and head come and go', async () => {
    const { runtime, sessions } = setUp(-1)
    await sweep(sessions, 'last')
    expect(runtime.created).toEqual([...layers('last', N_LAYERS), 'norm', 'head'])
    expect(runtime.parts).toEqual([])
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

test('what is kept is never more than the budget, plus what passes; whatever fails', async () => {
  const anyPass = fc.record({
    kind: fc.constantFrom<LayerKind>('last', 'suffix'),
    topK: fc.boolean(),
    users: fc.integer({ min: 1, max: 4 }),
    failsAt: fc.option(fc.nat(4 * (N_LAYERS + 2)), { nil: -1 }),
  })
  const anySetUp = fc.record({
    budget: fc.nat(2 * WHOLE),
    passing: fc.integer({ min: 1, max: 3 }),
    lanes: fc.integer({ min: 1, max: 3 }),
  })
  await fc.assert(
    fc.asyncProperty(anySetUp, fc.array(anyPass, { maxLength: 5 }), async (how, passes) => {
      const { runtime, sessions } = setUp(how.budget, how)
      for (const { kind, topK, users, failsAt } of passes) {
        let uses = 0
        const done = sweep(sessions, kind, {
          users,
          topK,
          use: async (session) => {
            await session.run({}, [])
            expect(runtime.bytes).toBeLessThanOrEqual(how.budget + how.passing * LAYER_BYTES)
            if (uses++ === failsAt) throw new Error('use failed')
          },
        })
        if (failsAt >= 0 && failsAt < users * (N_LAYERS + 2)) await expect(done).rejects.toThrow('use failed')
        else await done
        expect(runtime.bytes).toBeLessThanOrEqual(how.budget)
        expect(new Set(runtime.alive).size).toBe(runtime.alive.length)
      }
      await sessions.release()
      expect(runtime.alive).toEqual([])
    }),
    { numRuns: 60 },
  )
})

test.each(['constants', 'inputs'] as const)('all weights are %s where that is asked for', async (form) => {
  const asked = new Set<string | undefined>()
  const spec: ModelSpec = {
    ...SPEC,
    layer: async (layer, kind, weights) => {
      asked.add(weights)
      return model(`${kind} ${layer}`)
    },
    unembedding: async (_part, _outputs, weights) => {
      asked.add(weights)
      return model('head')
    },
  }
  const sessions = new ModelSessions(spec, new CountingRuntime(1), 0, 1, form)
  await sweep(sessions, 'last')
  expect(asked).toEqual(new Set([form]))
})
