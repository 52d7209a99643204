/** Which sessions are made, shared and freed, on a runtime that only counts. */
import { describe, expect, test } from 'vitest'
import type { OnnxModel } from '../../src/onnx/graph.js'
import type { Session } from '../../src/runtime/runtime.js'
import { SharedGraphs } from '../../src/runtime/shared-graphs.js'

function setUp() {
  const alive: string[] = []
  const freed: string[] = []
  const runs: Record<string, number[]>[] = []
  let broken = false
  const shared = new SharedGraphs(async ({ name }): Promise<Session> => {
    await Promise.resolve()
    if (broken) throw new Error(`${name} is not a graph`)
    alive.push(name)
    return {
      run: async (feeds) => {
        expect(alive).toContain(name)
        runs.push(
          Object.fromEntries(
            Object.entries(feeds).map(([input, { data }]) => [input, Array.from(data as Float32Array)]),
          ),
        )
        return {}
      },
      release: async () => {
        alive.splice(alive.indexOf(name), 1)
      },
    }
  })
  const model = (name: string, graph: number, weight: number): OnnxModel => ({
    name,
    bytes: Uint8Array.of(1, 2, graph),
    externalData: [],
    weights: [{ name: 'w', data: Float32Array.of(weight), shape: [1] }],
    loan: { memory: new ArrayBuffer(0), giveBack: () => freed.push(name) },
  })
  return {
    alive,
    freed,
    runs,
    model,
    shared,
    breaks: (yes: boolean) => {
      broken = yes
    },
  }
}

describe('sessions of graphs whose weights are inputs', () => {
  test('one for all of the same bytes, each with its own weights', async () => {
    const { alive, runs, model, shared } = setUp()
    const [a, b] = await Promise.all([shared.session(model('a', 7, 1)), shared.session(model('b', 7, 2))])
    await shared.session(model('c', 8, 3))
    expect(alive).toEqual(['a', 'c'])
    await b!.run({}, [])
    await a!.run({}, [])
    expect(runs).toEqual([{ w: [2] }, { w: [1] }])
  })

  test('release frees the weights; the session stays for others, but not many that nobody uses', async () => {
    const { alive, freed, model, shared } = setUp()
    const first = await shared.session(model('first', 0, 0))
    await first.release()
    expect(freed).toEqual(['first'])
    const again = await shared.session(model('again', 0, 0))
    expect(alive).toEqual(['first'])
    for (let graph = 1; graph < 10; graph++) {
      const session = await shared.session(model(`graph ${graph}`, graph, 0))
      await session.release()
    }
    expect(alive).toEqual(['first', 'graph 6', 'graph 7', 'graph 8', 'graph 9'])
    await again.run({}, [])
  })

  test('one that cannot be made frees the weights and is tried again', async () => {
    const { alive, freed, model, shared, breaks } = setUp()
    breaks(true)
    const both = [shared.session(model('a', 7, 1)), shared.session(model('b', 7, 1))]
    for (const failed of both) await expect(failed).rejects.toThrow('a is not a graph')
    expect(freed).toEqual(['a', 'b'])
    breaks(false)
    await shared.session(model('c', 7, 1))
    expect(alive).toEqual(['c'])
  })
})
