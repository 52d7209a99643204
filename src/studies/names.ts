/** Words of study files, apart from their schema: a command line is checked and explained without it. */

/** What curves and grids differ in. */
export const DIMENSIONS = [
  'run',
  'model',
  'family',
  'dataset',
  'prompt set',
  'window',
  'source',
  'target',
  'features',
] as const
export type Dimension = (typeof DIMENSIONS)[number]

/** What must be true of the model's answer for a prompt to be in a set. */
export const KNOWN = ['any', 'correct', 'top-3', 'top-5', 'all-correct', 'all-top-3', 'all-top-5'] as const
export type Known = (typeof KNOWN)[number]

/** Names of the figures that need no definition. */
export const FIGURE_PRESETS = [
  'figure-1',
  'figures-3-5',
  'figure-6',
  'figures-8-10',
  'figure-14',
  'heatmaps-by-model',
  'heatmaps-by-window',
  'decay-histograms',
  'decay-boxes',
] as const
export type FigurePreset = (typeof FIGURE_PRESETS)[number]

/** Studies that need no file. */
export const STUDY_PRESETS = ['demo', 'paper-small', 'paper'] as const
