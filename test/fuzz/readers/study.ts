/** Study files: models, data, experiments, figures. */
import fc from 'fast-check'
import { parseJson } from '../../../src/checkpoints/json.js'
import { STUDY_PRESETS } from '../../../src/studies/names.js'
import { studyPreset } from '../../../src/studies/presets.js'
import { modelLabel, parseStudy } from '../../../src/studies/study.js'
import type { Reader } from '../harness.js'
import { damagedJson } from '../mutate.js'

const OWN = {
  name: 'capitals',
  models: ['tiny-mamba1', { model: 'tiny-gpt2', label: 'GPT-2', family: 'transformer', revision: 'main' }],
  data: { source: 'atlas', relation: ['country_capital'], sample: 10, columns: { prompt: 'p' } },
  promptSets: {
    correct: { known: 'correct' },
    all: { known: 'all-correct', sample: 100, models: ['GPT-2'] },
  },
  evaluate: { top: 5, continuation: 0 },
  infoFlow: [{ promptSets: 'correct', windows: ['default', 3], flows: ['subject', 'last>last:all'] }],
  heatmaps: { promptSet: 'all', count: 2, windows: [1], target: 'last' },
  figures: [
    'figure-1',
    {
      kind: 'curves',
      name: 'features',
      lines: 'features',
      where: { source: ['subject'], window: ['default'] },
    },
    { kind: 'heatmaps', name: 'h', columns: 'window', prompts: ['a'], unit: 'absolute' },
    { kind: 'decay', name: 'd', plot: 'boxes', layers: [0, 1] },
  ],
  size: 'column',
}

const seeds = [OWN, ...STUDY_PRESETS.map((name) => studyPreset(name)!)]

export const reader: Reader<string> = {
  name: 'study',
  inputs: fc.oneof({ weight: 7, arbitrary: damagedJson([OWN]) }, damagedJson(seeds)),
  read(text) {
    const study = parseStudy(parseJson(text, 'study.json'), 'study.json')
    study.models.map(modelLabel)
    // What was read once is read again as it is.
    parseStudy(JSON.parse(JSON.stringify(study)), 'study.json')
  },
}
