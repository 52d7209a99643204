/** Calls over HTTP: streams, limits, errors. */
import { setTimeout as wait } from 'node:timers/promises'
import { beforeEach, describe, expect, it } from 'vitest'
import { InputError } from '../../src/errors.js'
import type { CallOptions } from '../../src/ui/protocol.js'
import { events, type Served, serve } from './helpers.js'

let answer: (name: string, input: unknown, options: CallOptions) => Promise<unknown> = async () => []
let server: Served
beforeEach(async () => {
  server ??= await serve((name, input, options) => answer(name, input, options))
  answer = async () => []
})

const CUT = { model: { name: 'm' }, prompt: 'a', knockouts: [] }
const models = (body: string | Uint8Array, name = 'models') =>
  server.ask(`/api/${name}`, { method: 'POST', body })

it('a call gets its checked input and gives its result', async () => {
  const got: unknown[] = []
  answer = async (name, input) => {
    got.push([name, input])
    return { x: [1, 'é'] }
  }
  expect(await server.call('cut', CUT)).toEqual([{ result: { x: [1, 'é'] } }])
  expect(got).toEqual([['cut', CUT]])
  const { headers } = await models('{}')
  expect(headers).toMatchObject({ 'content-type': 'application/x-ndjson', 'cache-control': 'no-store' })
})

it('progress comes at most ten times a second, the last of it too', async () => {
  answer = async (_name, _input, { onProgress }) => {
    for (let done = 1; done <= 50; done++) {
      onProgress!({ what: 'computing', done, total: 50, unit: 'rows' })
      await wait(10)
    }
    await wait(150)
    return 'end'
  }
  const begin = performance.now()
  const lines = await server.call('models', {})
  const seconds = (performance.now() - begin) / 1000
  const progress = lines.slice(0, -1).map((line) => ('progress' in line ? line.progress.done : -1))
  expect(lines.at(-1)).toEqual({ result: 'end' })
  expect(progress.length).toBeGreaterThan(3)
  expect(progress.length).toBeLessThanOrEqual(10 * seconds + 1)
  expect(progress[0]).toBe(1)
  expect(progress.at(-1)).toBe(50)
  expect(progress).toEqual([...progress].sort((a, b) => a - b))
})

describe('errors', () => {
  it('of the input are said in words', async () => {
    answer = async () => {
      throw new InputError('prompt: must not be empty, got ""; type one')
    }
    expect(await server.call('models', {})).toEqual([
      { error: 'prompt: must not be empty, got ""; type one', kind: 'input' },
    ])
    expect(server.faults).toEqual([])
  })

  it('of factflow do not end the server', async () => {
    const fault = new TypeError('x is not a function')
    answer = async () => {
      throw fault
    }
    expect(await server.call('models', {})).toEqual([
      { error: 'this is a fault of factflow, please report it: x is not a function', kind: 'fault' },
    ])
    expect(server.faults.splice(0)).toEqual([fault])
    answer = async () => 'still there'
    expect(await server.call('models', {})).toEqual([{ result: 'still there' }])
  })

  it.each([
    ['no JSON', 'models', '{', /^models: a question must be JSON in UTF-8, got "\{"; correct it$/],
    ['nothing', 'models', '', /^models: a question must be JSON in UTF-8, got ""; correct it$/],
    ['no UTF-8', 'models', new Uint8Array([0x22, 0xff, 0x22]), /must be JSON in UTF-8/],
    ['no object', 'models', '[]', /^models: a question: must be of type object, got \[\]; correct it$/],
    [
      'a stray field',
      'models',
      '{"a":1}',
      /^models: a question: must not have the field a, got \{"a":1\}; correct it$/,
    ],
    ['a missing field', 'cut', '{}', /^cut: model: must be given \(object\), got undefined; correct it$/],
    [
      'a wrong value',
      'cut',
      JSON.stringify({ ...CUT, knockouts: [{ layers: [-1], sources: [0], targets: [0], features: 'all' }] }),
      /^cut: knockouts\[0\]\.layers\[0\]: must be at least 0, got -1; correct it$/,
    ],
    [
      'a wrong word',
      'curves',
      '{"study":"s","known":"maybe"}',
      /^curves: known: must be one of any, known, unknown, got "maybe"; correct it$/,
    ],
    [
      'a long prompt',
      'cut',
      JSON.stringify({ ...CUT, prompt: 'a'.repeat(20_001) }),
      /^cut: prompt: must be at most 20000 characters long, got "a+…; correct it$/,
    ],
    ['__proto__', 'models', '{"__proto__":{"a":1}}', /must not have the field __proto__/],
  ])('of questions: %s', async (_, name, body, message) => {
    let called = false
    answer = async () => {
      called = true
    }
    const { status, body: text } = await models(body, name)
    const [event, ...rest] = events(text)
    expect({ status, rest, called }).toEqual({ status: 400, rest: [], called: false })
    expect(event).toEqual({ error: expect.stringMatching(message), kind: 'input' })
  })

  it.each(['', 'nothing', 'constructor', '__proto__', 'models/', 'models/../cut', '%6dodels'])(
    'of names: %s',
    async (name) => {
      const { status, body } = await models('{}', name)
      expect(status).toBe(404)
      expect(events(body)).toEqual([
        { error: expect.stringMatching(/^api: must be one of models, open, .*effects, got /), kind: 'input' },
      ])
    },
  )
})

describe('limits', () => {
  it('a question that is too large is refused, and the server goes on', async () => {
    for (const headers of [{}, { 'transfer-encoding': 'chunked' }]) {
      const body = JSON.stringify({ ...CUT, prompt: 'a'.repeat(1_000_000) })
      const large = await server.ask('/api/cut', { method: 'POST', body, headers })
      expect(large.status).toBe(413)
      expect(events(large.body)).toEqual([
        { error: 'cut: a question must have at most 1000000 bytes, got more; shorten it', kind: 'input' },
      ])
    }
    expect(await server.call('models', {})).toEqual([{ result: [] }])
  })

  it('of many calls at once the last ones are refused', async () => {
    let release = (): void => {}
    const all = new Promise<void>((resolve) => {
      release = resolve
    })
    let running = 0
    answer = async () => {
      running++
      await all
      return 'done'
    }
    const first = Array.from({ length: 16 }, () => server.call('models', {}))
    await expect.poll(() => running).toBe(16)
    const refused = await models('{}')
    expect(refused.status).toBe(429)
    expect(events(refused.body)).toEqual([
      {
        error: expect.stringMatching(/^models: at most 16 calls are answered at once, got 16/),
        kind: 'input',
      },
    ])
    release()
    for (const lines of await Promise.all(first)) expect(lines).toEqual([{ result: 'done' }])
    expect(await server.call('models', {})).toEqual([{ result: 'done' }])
  })
})

describe('stopping', () => {
  /** A call that goes on until it is told to stop. */
  const endless = (): { signals: AbortSignal[] } => {
    const signals: AbortSignal[] = []
    answer = (_name, _input, { signal }) => {
      signals.push(signal!)
      return new Promise((_, reject) => {
        signal!.addEventListener('abort', () => reject(signal!.reason as Error))
      })
    }
    return { signals }
  }

  it('who goes away stops the call', async () => {
    const { signals } = endless()
    const stop = new AbortController()
    const asked = server.call('models', {}, { signal: stop.signal })
    await expect.poll(() => signals.length).toBe(1)
    expect(signals[0]!.aborted).toBe(false)
    stop.abort()
    await expect(asked).rejects.toThrow()
    await expect.poll(() => signals[0]!.aborted).toBe(true)
    expect(server.faults).toEqual([])
  })

  it('a call that is done is not stopped afterwards', async () => {
    let signal: AbortSignal | undefined
    answer = async (_name, _input, options) => {
      signal = options.signal
      return 1
    }
    await server.call('models', {})
    await wait(20)
    expect(server.faults).toEqual([])
    expect(signal).toBeDefined()
  })

  it('closing the server stops all', async () => {
    const own = await serve((name, input, options) => answer(name, input, options))
    const { signals } = endless()
    const asked = own.call('models', {}).catch((error: Error) => error)
    await expect.poll(() => signals.length).toBe(1)
    await own.close()
    expect(signals[0]!.aborted).toBe(true)
    await asked
    await expect(own.ask('/')).rejects.toThrow(/ECONNREFUSED/)
    expect(own.faults).toEqual([])
  })
})
