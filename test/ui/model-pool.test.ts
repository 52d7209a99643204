import { describe, expect, it } from 'vitest'
import type { Model } from '../../src/model.js'
import { ModelPool, type ModelSource, type SourceOptions } from '../../src/ui/model-pool.js'

/** A source whose models are loaded when the test says so. */
class Source implements ModelSource {
  readonly loads: {
    name: string
    options: SourceOptions
    done: () => Model
    fail: (error: Error) => void
  }[] = []
  readonly closed: string[] = []
  /** What closing a model waits for. */
  closing: Promise<void> = Promise.resolve()

  async list() {
    return []
  }

  load({ name, revision = '' }: { name: string; revision?: string }, options: SourceOptions): Promise<Model> {
    return new Promise((resolve, reject) => {
      const close = async (): Promise<void> => {
        await this.closing
        this.closed.push(name)
      }
      const done = (): Model => {
        const model = { name: `${name}${revision}`, close } as Model
        resolve(model)
        return model
      }
      this.loads.push({ name, options, done, fail: reject })
    })
  }
}

const nameOf = async ({ model }: { model: Model }): Promise<string> => model.name
const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5))

/** Open models one after the other. */
async function openAll(pool: ModelPool, source: Source, ...names: string[]): Promise<void> {
  for (const name of names) {
    const used = pool.use({ name }, {}, nameOf)
    const load = source.loads.at(-1)
    if (load?.name === name) load.done()
    await used
  }
}

describe('sharing', () => {
  it('who asks for the same model waits for one loading, and each hears how far it is', async () => {
    const source = new Source()
    const pool = new ModelPool(source)
    const heard: [string, number][] = []
    const ask = (who: string) =>
      pool.use({ name: 'a' }, { onProgress: ({ done }) => heard.push([who, done]) }, nameOf)
    const first = ask('first')
    const second = ask('second')
    source.loads[0]!.options.onProgress!({ what: 'loading', done: 1, total: 2, unit: 'bytes' })
    source.loads[0]!.done()
    expect(await Promise.all([first, second])).toEqual(['a', 'a'])
    expect(await ask('third')).toBe('a')
    expect(source.loads).toHaveLength(1)
    expect(heard).toEqual([
      ['first', 1],
      ['second', 1],
    ])
  })

  it('revisions are models of their own', async () => {
    const source = new Source()
    const pool = new ModelPool(source)
    const main = pool.use({ name: 'a' }, {}, nameOf)
    const other = pool.use({ name: 'a', revision: '@x' }, {}, nameOf)
    for (const { done } of source.loads) done()
    expect(await Promise.all([main, other])).toEqual(['a', 'a@x'])
  })

  it('how long opening took is said to all', async () => {
    const source = new Source()
    const pool = new ModelPool(source)
    const took = async (): Promise<number> => pool.use({ name: 'a' }, {}, async (open) => open.took)
    const first = took()
    await new Promise((resolve) => setTimeout(resolve, 30))
    source.loads[0]!.done()
    expect(await first).toBeGreaterThan(25)
    expect(await took()).toBe(await first)
  })

  it('what fails is an error for all who wait, and the next who asks tries again', async () => {
    const source = new Source()
    const pool = new ModelPool(source)
    const asked = [pool.use({ name: 'a' }, {}, nameOf), pool.use({ name: 'a' }, {}, nameOf)]
    source.loads[0]!.fail(new Error('no room'))
    for (const one of asked) await expect(one).rejects.toThrow('no room')
    const again = pool.use({ name: 'a' }, {}, nameOf)
    source.loads[1]!.done()
    expect(await again).toBe('a')
  })

  it('work that fails leaves the model open', async () => {
    const source = new Source()
    const pool = new ModelPool(source)
    const failing = pool.use({ name: 'a' }, {}, async () => {
      throw new Error('wrong window')
    })
    source.loads[0]!.done()
    await expect(failing).rejects.toThrow('wrong window')
    expect(await pool.use({ name: 'a' }, {}, nameOf)).toBe('a')
    expect(source.loads).toHaveLength(1)
  })
})

describe('cancelling', () => {
  it('one of two who wait goes away: the loading goes on', async () => {
    const source = new Source()
    const pool = new ModelPool(source)
    const stop = new AbortController()
    const first = pool.use({ name: 'a' }, { signal: stop.signal }, nameOf)
    const second = pool.use({ name: 'a' }, {}, nameOf)
    stop.abort(new Error('enough'))
    await expect(first).rejects.toThrow('enough')
    expect(source.loads[0]!.options.signal!.aborted).toBe(false)
    source.loads[0]!.done()
    expect(await second).toBe('a')
  })

  it('when all have gone the loading is stopped, and a model that comes all the same is closed', async () => {
    const source = new Source()
    const pool = new ModelPool(source)
    const stop = new AbortController()
    const asked = [1, 2].map(() => pool.use({ name: 'a' }, { signal: stop.signal }, nameOf))
    stop.abort(new Error('enough'))
    for (const one of asked) await expect(one).rejects.toThrow('enough')
    expect(source.loads[0]!.options.signal!.aborted).toBe(true)
    // Who asks now has it loaded anew.
    const again = pool.use({ name: 'a' }, {}, nameOf)
    source.loads[0]!.done()
    await settle()
    expect(source.closed).toEqual(['a'])
    source.loads[1]!.done()
    expect(await again).toBe('a')
    expect(source.closed).toEqual(['a'])
  })

  it('who has gone before has nothing loaded', async () => {
    const source = new Source()
    const pool = new ModelPool(source)
    const signal = AbortSignal.abort(new Error('enough'))
    await expect(pool.use({ name: 'a' }, { signal }, nameOf)).rejects.toThrow('enough')
    expect(source.loads).toEqual([])
  })
})

describe('eviction', () => {
  it('what was used least lately is closed', async () => {
    const source = new Source()
    const pool = new ModelPool(source, 2)
    await openAll(pool, source, 'a', 'b')
    await pool.use({ name: 'a' }, {}, nameOf)
    await openAll(pool, source, 'c')
    expect(source.closed).toEqual(['b'])
    await pool.use({ name: 'a' }, {}, nameOf)
    expect(source.loads).toHaveLength(3)
  })

  it('not what is in use, until it is not', async () => {
    const source = new Source()
    const pool = new ModelPool(source, 1)
    let release = (): void => {}
    const busy = pool.use({ name: 'a' }, {}, () => new Promise<void>((resolve) => (release = resolve)))
    source.loads[0]!.done()
    await settle()
    await openAll(pool, source, 'b', 'c')
    expect(source.closed).toEqual(['b'])
    release()
    await busy
    await openAll(pool, source, 'd')
    expect(source.closed).toEqual(['b', 'a', 'c'])
  })

  it('not what is asked for while another is being closed', async () => {
    const source = new Source()
    const pool = new ModelPool(source, 4)
    await openAll(pool, source, 'a', 'b', 'c')
    let closed = (): void => {}
    source.closing = new Promise((resolve) => (closed = resolve))
    // Two are to be closed one after the other; the second is asked for meanwhile.
    const { closeIdle } = source.loads[0]!.options
    const closing = closeIdle().then(closeIdle)
    await settle()
    let done = (): void => {}
    const busy = pool.use({ name: 'b' }, {}, () => new Promise<void>((resolve) => (done = resolve)))
    closed()
    expect(await closing).toBe(true)
    expect(source.closed).toEqual(['a', 'c'])
    expect(await closeIdle()).toBe(false)
    done()
    await busy
    expect(await closeIdle()).toBe(true)
    expect(source.closed).toEqual(['a', 'c', 'b'])
  })
})

it('closing closes all, what is being loaded too', async () => {
  const source = new Source()
  const pool = new ModelPool(source)
  await openAll(pool, source, 'a')
  const loading = pool.use({ name: 'b' }, {}, nameOf).catch((error: Error) => error)
  const closed = pool.close()
  await settle()
  expect(source.loads[1]!.options.signal!.aborted).toBe(true)
  source.loads[1]!.fail(new Error('stopped'))
  await closed
  expect(await loading).toEqual(new Error('stopped'))
  expect(source.closed).toEqual(['a'])
})
