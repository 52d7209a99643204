/** The raw interface, `factflow knockout`: lines of JSON to a model and back. */
import { join } from 'node:path'
import fc from 'fast-check'
import { answerLines } from '../../../src/cli/knockout.js'
import { loadModel } from '../../../src/load.js'
import type { Model } from '../../../src/model.js'
import { checkMessage, Fault, type Reader } from '../harness.js'
import { damagedJson } from '../mutate.js'

const MODEL = join(import.meta.dirname, '..', '..', 'fixtures', 'oracle', 'mamba1-hf')

const knockout = { layers: [0, 1], sources: [1], targets: [2], features: 'all' }
const line = damagedJson(
  [
    { id: 'a', tokens: [5, 9, 2], answer: 7, output: 'probs', knockouts: [knockout] },
    {
      id: 1,
      tokens: [1, 2, 3, 4, 5],
      answer: 3,
      knockouts: [knockout, { ...knockout, targets: [4], sources: [0, 1] }],
    },
    { tokens: [1], answer: 1 },
  ],
  [knockout, [0, 1, 2, 3, 4], 'context-dependent', 63, 64],
).map((text) => text.replaceAll('\n', ' '))

let model: Model | undefined
let number = 0

/** The model with no numbers computed: what is read and checked is the same. */
function withoutNumbers(whole: Model): Model {
  const prediction = { prob: 0.5, logProb: Math.log(0.5), rank: 1, top: 1 }
  const knockout: Model['knockout'] = async (prompts) =>
    prompts.map(({ knockouts }) => ({ base: prediction, knockouts: knockouts.map(() => prediction) }))
  return new Proxy(whole, {
    get(target, key) {
      if (key === 'knockout') return knockout
      const value: unknown = Reflect.get(target, key)
      return typeof value === 'function' ? (value as () => unknown).bind(target) : value
    },
  })
}

/** Lines go to the model together, as they do when they come from a file; one block in many is computed. */
export const reader: Reader<readonly string[]> = {
  name: 'raw',
  inputs: fc.array(line, { minLength: 16, maxLength: 16 }),
  count: (lines) => lines.length,
  ms: 10_000,
  async open() {
    model = await loadModel(MODEL, { threads: 1, memory: 2e9 })
  },
  async close() {
    await model?.close()
    model = undefined
  },
  async read(lines) {
    const written: string[] = []
    const asked = lines.filter((text) => text.trim() !== '')
    await answerLines(
      number++ % 50 === 0 ? model! : withoutNumbers(model!),
      (async function* () {
        yield [...lines]
      })(),
      (text) => written.push(text),
    )
    if (written.length !== asked.length) throw new Fault(`${written.length} answers to ${asked.length} lines`)
    for (const text of written) {
      if (/[\r\n]/.test(text)) throw new Fault('an answer of several lines')
      const answer = JSON.parse(text) as { error?: string }
      if (answer.error !== undefined) checkMessage(answer.error)
    }
  },
}
