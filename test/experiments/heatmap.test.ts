import { afterAll, beforeAll, expect, it } from 'vitest'
import { heatmapFigure, heatmapQuestion, heatmaps } from '../../src/experiments/heatmap.js'
import { windowLayers } from '../../src/knockout/knockout.js'
import type { Model } from '../../src/model.js'
import type { FeatureCategory } from '../../src/models/architecture.js'
import type { PreparedPrompt } from '../../src/prompts/facts.js'
import type { Role } from '../../src/prompts/roles.js'
import { N_LAYERS, openTiny, prepareFacts, range, SPEC } from './helpers.js'

const WINDOW = 20
const STARTS = range(0, N_LAYERS - WINDOW + 1)

let model: Model
let prompts: PreparedPrompt[]
beforeAll(async () => {
  model = await openTiny()
  prompts = (await prepareFacts(model)).slice(0, 2)
})
afterAll(() => model.close())

it('is drawn as relative changes in percent, one row a token', async () => {
  const [, heatmap] = await heatmaps(model, prompts, { window: WINDOW })
  const figure = heatmapFigure(heatmap, 'Title', 'under it')
  expect(figure).toMatchObject({
    title: 'Title',
    subtitle: 'under it',
    subject: [2, 3, 4, 5],
    nLayers: N_LAYERS,
    window: WINDOW,
  })
  expect(figure.tokens.join('')).toBe('Geographers place Elkhorn Ridge in')
  expect(figure.values.map((row) => row.length)).toEqual(new Array(7).fill(STARTS.length))
  figure.values.forEach((row, token) => {
    row.forEach((value, start) => {
      const { prob } = heatmap.knocked[token][start]
      expect(value).toBeCloseTo((prob / heatmap.base.prob - 1) * 100, 8)
    })
  })
})

it.each<[string, { target?: Role; features?: FeatureCategory }, number[][]]>([
  ['the last token, all features', {}, [[8], [6]]],
  [
    'the subject, context-dependent features',
    { target: 'subject', features: 'context-dependent' },
    [range(0, 4), range(2, 6)],
  ],
])(
  'cuts every single token from %s in every window, as the model does directly',
  async (_name, options, targets) => {
    const found = await heatmaps(model, prompts, { window: WINDOW, ...options })
    const direct = await model.knockout(
      prompts.map(({ ids, answer }, p) => ({
        ids,
        answer,
        knockouts: ids.flatMap((_id, source) =>
          STARTS.map((first) => ({
            layers: windowLayers(first, WINDOW),
            sources: [source],
            targets: targets[p],
            features: options.features ?? 'all',
          })),
        ),
      })),
    )
    expect(found).toEqual(
      prompts.map((prompt, p) => ({
        prompt,
        nLayers: N_LAYERS,
        window: WINDOW,
        target: 'last',
        features: 'all',
        ...options,
        base: direct[p].base,
        knocked: prompt.ids.map((_id, token) =>
          direct[p].knockouts.slice(token * STARTS.length, (token + 1) * STARTS.length),
        ),
      })),
    )
    found.forEach(({ base, knocked }, p) => {
      const probs = knocked.flat().map(({ prob }) => prob)
      expect(new Set(probs).size).toBeGreaterThan(STARTS.length)
      // What comes after every target cannot be cut from it.
      const after = Math.max(...targets[p]) + 1
      for (const prediction of knocked.slice(after).flat()) expect(prediction).toEqual(base)
    })
  },
)

it('needs a window that fits, and a token of the target role', () => {
  expect(() => heatmapQuestion(SPEC, prompts, { window: 0 })).toThrow(
    '--window: a window must have from 1 to 24 layers (the model has 24), got 0; change it',
  )
  expect(() => heatmapQuestion(SPEC, prompts, { window: 9, target: 'context' })).toThrow(
    /^target: the role must have tokens in prompt ".*", got context without any; choose another role$/,
  )
})

it('of no prompts is none', async () => {
  expect(await heatmaps(model, [], { window: 9 })).toEqual([])
})
