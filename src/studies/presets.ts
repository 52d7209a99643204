/** Studies that need no file. */
import { InputError, show } from '../errors.js'
import { FIGURE_PRESETS, STUDY_PRESETS } from './names.js'
import { parseStudy, type Study } from './study.js'

const FOUR_SOURCES = ['subject', 'relation', 'last', 'first']

/** Experiments of the paper on the prompts that models know: windows of 9 layers on all, other widths on the shared. */
const PAPER_EXPERIMENTS = {
  promptSets: {
    correct: { known: 'correct' },
    'all-correct': { known: 'all-correct' },
  },
  infoFlow: [
    { promptSets: ['correct', 'all-correct'], windows: ['default'] },
    { promptSets: ['all-correct'], windows: [1, 3, 5, 9, 12, 15], flows: FOUR_SOURCES },
  ],
  heatmaps: { promptSet: 'all-correct', count: 4, windows: [1, 5, 'default', 15] },
  figures: FIGURE_PRESETS,
}

const PRESETS: Readonly<Record<(typeof STUDY_PRESETS)[number], unknown>> = {
  demo: {
    name: 'demo',
    title: 'Where facts flow in the embedded models',
    description:
      'Every experiment and every figure of the paper, on three small models and a sample of the atlas.',
    models: [
      { model: 'tiny-mamba1', family: 'embedded' },
      { model: 'tiny-mamba2', family: 'embedded' },
      { model: 'tiny-gpt2', family: 'embedded' },
    ],
    data: { source: 'atlas', sample: 240 },
    promptSets: {
      correct: { known: 'correct' },
      'all-correct': { known: 'all-correct', sample: 80 },
    },
    infoFlow: [
      { promptSets: ['correct'], windows: ['default'] },
      { promptSets: ['all-correct'], windows: [1, 3, 5, 9, 12], flows: FOUR_SOURCES },
    ],
    heatmaps: { promptSet: 'all-correct', count: 4, windows: [1, 5, 'default'] },
    figures: FIGURE_PRESETS,
  },
  'paper-small': {
    name: 'paper-small',
    title: 'Mamba Knockout on the smallest models of each family',
    description:
      'The experiments of Endy et al. (ACL 2025) on CounterFact with the models that a laptop runs: Mamba-1 and Mamba-2 of 130M and GPT-2 of 355M parameters.',
    models: ['state-spaces/mamba-130m-hf', 'state-spaces/mamba2-130m', 'openai-community/gpt2-medium'],
    data: 'counterfact',
    ...PAPER_EXPERIMENTS,
    promptSets: {
      correct: { known: 'correct', sample: 1000 },
      'all-correct': { known: 'all-correct', sample: 400 },
    },
  },
  paper: {
    name: 'paper',
    title: 'Mamba Knockout for Unraveling Factual Information Flow',
    description: 'The experiments and figures of Endy et al. (ACL 2025), whole, on CounterFact.',
    models: [
      'state-spaces/mamba-130m-hf',
      'state-spaces/mamba-1.4b-hf',
      'state-spaces/mamba-2.8b-hf',
      'state-spaces/mamba2-130m',
      'state-spaces/mamba2-1.3b',
      'state-spaces/mamba2-2.7b',
      'openai-community/gpt2-medium',
      'openai-community/gpt2-large',
      'openai-community/gpt2-xl',
      'tiiuae/falcon-mamba-7b',
    ],
    data: 'counterfact',
    ...PAPER_EXPERIMENTS,
  },
}

/** A preset by its name, as the JSON of a study file; undefined when there is none. */
export function studyPreset(name: string): unknown {
  return Object.hasOwn(PRESETS, name) ? PRESETS[name as keyof typeof PRESETS] : undefined
}

/** @throws InputError when there is no such preset */
export function presetStudy(name: string): Study {
  const preset = studyPreset(name)
  if (preset !== undefined) return parseStudy(preset, name)
  throw new InputError(
    `study: must be a file or one of ${STUDY_PRESETS.join(', ')}, got ${show(name)}; check the path or name`,
  )
}
