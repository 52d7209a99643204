/** What a run folder says of itself: run.json, and a file for each model and data set. */
import fc from 'fast-check'
import { parseJson } from '../../../src/checkpoints/json.js'
import {
  inOrder,
  named,
  parseRunPart,
  runBase,
  runDataset,
  runModel,
} from '../../../src/results/run-schema.js'
import type { Reader } from '../harness.js'
import { damagedJson } from '../mutate.js'

export const RUN = {
  format: 'factflow-run/1',
  factflow: '1.0.0',
  created: '2026-01-01T00:00:00.000Z',
  updated: '2026-01-01T00:00:00.000Z',
  study: { name: 'a', title: 'A' },
}
export const MODEL = {
  name: 'm',
  value: {
    ...{
      source: 'x/m',
      modelType: 'mamba',
      family: 'Mamba-1',
      layers: 6,
      width: 8,
      parameters: 100,
      place: 0,
    },
    ...{ featureCategories: ['all'], origin: 'here' },
  },
}
export const DATASET = { name: 'd', value: { source: 'd.jsonl', facts: 4, unusable: 0 } }

const KINDS = { run: RUN, model: MODEL, dataset: DATASET } as const

export const reader: Reader<{ readonly kind: keyof typeof KINDS; readonly text: string }> = {
  name: 'run-json',
  inputs: fc.oneof(
    ...Object.keys(KINDS).map((kind, i) =>
      fc.record({
        kind: fc.constant(kind as keyof typeof KINDS),
        text: damagedJson(Object.values(KINDS), [], i),
      }),
    ),
  ),
  read({ kind, text }) {
    const json = parseJson(text, 'run.json')
    if (kind === 'run') parseRunPart(runBase, json, 'run.json')
    else if (kind === 'dataset') parseRunPart(named(runDataset), json, 'data-1.json')
    else {
      const model = parseRunPart(named(runModel), json, 'model-1.json')
      Object.fromEntries(inOrder([model, { ...model, name: 'b' }]).map(({ name, value }) => [name, value]))
    }
  },
}
