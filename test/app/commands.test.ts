import { execFileSync } from 'node:child_process'
import process from 'node:process'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { traceCommand } from '../../app/export/commands.js'
import { type Question, requestOf } from '../../app/state/question.js'
import { loadModel } from '../../src/load.js'
import type { Model } from '../../src/model.js'
import { ModelPool } from '../../src/ui/model-pool.js'
import type { Exploration } from '../../src/ui/protocol.js'
import { Workbench } from '../../src/ui/workbench.js'

/** Absolute: the page computes all in one sweep, the command on more threads. */
const TOLERANCE = 5e-6

const GPT2: Question = {
  model: 'tiny-gpt2',
  prompt: 'Paris is the capital of',
  target: 'last',
  features: 'all',
}

const pool = new ModelPool({
  list: async () => [],
  load: ({ name }): Promise<Model> => loadModel(name, { threads: 1 }),
})
const workbench = new Workbench(pool)
afterAll(() => pool.close())

async function explored(question: Question): Promise<Exploration> {
  const info = await workbench.open({ model: { name: question.model } }, {})
  return workbench.explore(requestOf(question, info), {})
}

/** What the command prints, with --json instead of a file. */
function run(command: string): {
  heatmap: { prob: number[][] }
  curves: { label: string; prob: number[] }[]
} {
  const line = command.replace('--svg trace.svg', '--json').replace(/^factflow/, '')
  const cli = `"${process.execPath}" --import tsx src/cli/main.ts`
  return JSON.parse(execFileSync('sh', ['-c', `${cli} ${line}`], { encoding: 'utf8', maxBuffer: 2 ** 26 }))
}

describe('the command of Explore gives the numbers that the page shows', () => {
  const cases: Record<string, Question> = {
    'a marked subject': { ...GPT2, subject: { start: 0, end: 5 }, answer: 'France', window: 3 },
    'no subject, and a target that needs one': { ...GPT2, target: 'subject' },
    'features that the model has not': {
      ...GPT2,
      subject: { start: 0, end: 5 },
      features: 'context-dependent',
    },
    'no curves': { ...GPT2, subject: { start: 0, end: 5 }, flows: [] },
    'a subject that stands there twice': {
      ...GPT2,
      prompt: 'Paris and Paris is the capital of',
      subject: { start: 10, end: 15 },
      target: 'subject',
    },
    'quotes, and a first character of options': {
      ...GPT2,
      prompt: "-- Parliament's seat is",
      answer: "the 'Hague'",
    },
  }
  const results = new Map<string, Exploration>()
  beforeAll(async () => {
    for (const [name, question] of Object.entries(cases)) results.set(name, await explored(question))
  }, 60_000)

  it.each(Object.keys(cases))('%s', (name) => {
    const result = results.get(name)!
    const printed = run(traceCommand(cases[name]!, result))
    const near = (got: readonly number[], wanted: readonly number[]): void => {
      expect(got).toHaveLength(wanted.length)
      got.forEach((prob, i) => {
        expect(Math.abs(prob - wanted[i]!)).toBeLessThan(TOLERANCE)
      })
    }
    near(
      printed.heatmap.prob.flat(),
      result.heatmap.flat().map(({ prob }) => prob),
    )
    expect(printed.curves.map(({ label }) => label)).toEqual(result.curves.map(({ label }) => label))
    near(
      printed.curves.flatMap(({ prob }) => prob),
      result.curves.flatMap(({ points }) => points.map(({ prob }) => prob)),
    )
  })
})
