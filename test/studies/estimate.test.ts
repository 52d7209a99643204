import { describe, expect, it } from 'vitest'
import { loadModel } from '../../src/load.js'
import { type Fact, preparePrompt } from '../../src/prompts/facts.js'
import { nodeRuntime } from '../../src/runtime/node.js'
import { estimateStudy } from '../../src/studies/estimate.js'
import { parseStudy } from '../../src/studies/study.js'
import { askedCurves, costOf } from '../../src/studies/work.js'

const facts: Fact[] = Array.from({ length: 30 }, (_, i) => ({
  id: String(i),
  prompt: `The capital of the country ${'very '.repeat(i % 3)}far away is`,
  subject: 'far away',
  answer: 'Paris',
}))

const study = parseStudy(
  {
    name: 's',
    models: ['tiny-gpt2', 'state-spaces/mamba-2.8b-hf'],
    data: 'atlas',
    promptSets: { all: { known: 'any' }, some: { known: 'any', sample: 12 } },
    evaluate: { continuation: 0 },
    infoFlow: [
      { promptSets: 'all', windows: [4], flows: ['subject', 'last'] },
      { promptSets: 'some', windows: [2] },
    ],
  },
  's',
)

describe('an estimate', () => {
  it('counts what a study computes', async () => {
    const [here] = await estimateStudy(
      study,
      study.models.slice(0, 1),
      new Map([['d', facts]]),
      nodeRuntime(),
    )
    const model = await loadModel('tiny-gpt2')
    const tokenizer = await model.tokenizer()
    const names = facts.map(({ id }) => id)
    const members = new Map([
      ['all', names],
      ['some', names.slice(0, 12)],
    ])
    const { asked } = askedCurves(study, 'tiny-gpt2', model.spec, members)
    const works = facts.map((fact) => ({
      dataset: 'd',
      prompt: preparePrompt(tokenizer, fact),
      curves: asked.get(fact.id)!,
    }))
    const cost = costOf(model.spec, works)
    await model.close()
    expect(here).toMatchObject({ model: 'tiny-gpt2', here: true, layers: 12, facts: 30, prompts: 30 })
    expect(here!.knockouts).toBe(cost.rows)
    // Prompts are a sample: their lengths are right on average alone.
    expect(here!.layerRows / (cost.layerRows + 12 * 30 * 9)).toBeGreaterThan(0.8)
    expect(here!.layerRows / (cost.layerRows + 12 * 30 * 9)).toBeLessThan(1.25)
    expect(here!.seconds).toBeGreaterThan(0)
  })

  it('knows the paper’s models without their files', async () => {
    const [away] = await estimateStudy(study, study.models.slice(1), new Map([['d', facts]]), nodeRuntime())
    expect(away).toMatchObject({ model: 'mamba-2.8b-hf', here: false, layers: 64 })
    // 30 prompts with 2 flows in 61 windows, 12 of them with 7 flows in 63.
    expect(away!.knockouts).toBe(30 * 2 * 61 + 12 * 7 * 63)
    expect(away!.weights).toBeGreaterThan(10e9)
  })

  it('says when a model is nowhere', async () => {
    const other = parseStudy({ name: 's', models: ['nobody/nothing'], data: 'atlas' }, 's')
    const estimate = estimateStudy(other, other.models, new Map([['d', facts]]), nodeRuntime())
    await expect(estimate).rejects.toThrow(/nobody\/nothing: to be estimated a model must be on this machine/)
  })
})
