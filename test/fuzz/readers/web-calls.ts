/** Calls of the web app to the local server: who may ask, and the bodies of questions. */

import type { IncomingMessage, ServerResponse } from 'node:http'
import { PassThrough } from 'node:stream'
import fc from 'fast-check'
import { Answers } from '../../../src/server/answer.js'
import { Gate } from '../../../src/server/gate.js'
import { SCHEMAS } from '../../../src/ui/protocol.js'
import { STUDY_SCHEMAS } from '../../../src/ui/study-protocol.js'
import { checkMessage, Fault, type Reader } from '../harness.js'
import { asBytes, damagedJson, damagedText } from '../mutate.js'

const model = { name: 'tiny-mamba1', revision: 'main' }
const prompt = { prompt: 'Paris is in', subject: { start: 0, end: 5 }, answer: ' France' }
const flow = { source: 'subject', target: 'last', features: 'all' }
const knockout = { layers: [0], sources: [0], targets: [1], features: 'all' }
const QUESTIONS: Readonly<Record<string, unknown>> = {
  models: {},
  open: { model },
  encode: { model, prompt: 'Paris', subject: { start: 0, end: 5 } },
  explore: { model, ...prompt, window: 3, target: 'last', features: 'all', flows: [flow] },
  flows: { model, prompts: [prompt], window: 3, flows: [flow] },
  cut: { model, ...prompt, knockouts: [knockout] },
  studies: {},
  study: { study: 'a' },
  curves: { study: 'a', known: 'any', window: ['default', 3], source: ['subject'], relation: ['r'] },
  effects: {
    study: 'a',
    known: 'known',
    model: 'm',
    dataset: 'd',
    window: 3,
    ...flow,
    firstLayer: 0,
    outliers: 5,
  },
}
const SEEDS = Object.values(QUESTIONS)

const PORT = 7411
const gate = new Gate(PORT)
const OTHER = 'x'.repeat(gate.token.length)
const header = (seeds: readonly string[]) =>
  fc.oneof(
    fc.constant(undefined),
    fc.constantFrom(...seeds),
    damagedText(seeds, ['127.0.0.1', ':7411', ',', OTHER]),
  )

/** Headers without the token: whatever they are, they must not open the gate. */
const strangers = fc
  .record({
    host: header(['127.0.0.1:7411', 'localhost:7411', 'evil.example', '127.0.0.1:7411.evil.example']),
    origin: header(['http://127.0.0.1:7411', 'https://evil.example', 'null']),
    site: header(['same-origin', 'cross-site', 'none']),
    authorization: header([`Bearer ${OTHER}`, 'Bearer ', 'Basic a']),
    cookie: header([`factflow-${PORT}=${OTHER}`, `factflow-${PORT}=`, 'a=b; c']),
  })
  .map((all) =>
    Object.fromEntries(
      Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== undefined),
    ),
  )

const NAMES = Object.keys(QUESTIONS)
const OTHERS = fc.constantFrom('__proto__', 'constructor', '', 'toString', '../open', 'open%00')
type Input = {
  readonly name: string
  readonly body: Uint8Array
  readonly type: string
  readonly headers: Readonly<Record<string, string>>
}

export const reader: Reader<Input> = {
  name: 'web-calls',
  inputs: fc.oneof(
    ...NAMES.map((name, i) =>
      fc.record({
        name: fc.oneof({ weight: 30, arbitrary: fc.constant(name) }, OTHERS),
        type: fc.oneof(
          { weight: 30, arbitrary: fc.constant('application/json') },
          damagedText(['application/json; charset=utf-8']),
        ),
        headers: strangers,
        body: asBytes(damagedJson(SEEDS, [], i)),
      }),
    ),
  ),
  async read({ name, body, type, headers }) {
    if (gate.hasToken(headers)) throw new Fault('headers without the token passed')
    gate.isOwn({ ...headers, 'sec-fetch-site': headers.site })
    if (gate.hasHost(headers) && !/^(127\.0\.0\.1|localhost):7411$/.test(headers.host!)) {
      throw new Fault(`the host ${headers.host} passed`)
    }
    const faults: unknown[] = []
    const answers = new Answers(
      {
        call: (async (asked: string, input: unknown) => {
          // What comes through is of its schema, and of it alone.
          const schemas = { ...SCHEMAS, ...STUDY_SCHEMAS } as Record<
            string,
            { parse(value: unknown): unknown }
          >
          schemas[asked]!.parse(input)
          return {}
        }) as never,
      },
      (error) => faults.push(error),
    )
    const request = Object.assign(new PassThrough(), { headers: { 'content-type': type }, method: 'POST' })
    let status = 0
    let text = ''
    const response = {
      on: () => response,
      writeHead: (code: number) => {
        status = code
        return response
      },
      write: (chunk: string) => {
        text += chunk
        return true
      },
      end: (chunk = '') => {
        text += chunk
      },
      headersSent: false,
      destroyed: false,
    }
    request.end(body)
    await answers.answer(
      name,
      request as unknown as IncomingMessage,
      response as unknown as ServerResponse,
      {},
    )
    if (faults.length > 0) throw faults[0]
    const lines = text.split('\n').filter((line) => line !== '')
    const last = JSON.parse(lines.at(-1)!) as { error?: string; kind?: string }
    if (last.kind === 'fault') throw new Fault(`a fault: ${last.error}`)
    if (last.error === undefined) return
    checkMessage(last.error)
    if (status === 0) throw new Fault('no status')
  },
}
