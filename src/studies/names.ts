/** Words of study files, apart from their schema: a command line is checked and explained without it. */

import type { Role } from '../prompts/roles.js'

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

/** Sources in the order of the paper's figures. */
export const SOURCES: readonly Role[] = [
  'subject',
  'relation',
  'relation-minus-last',
  'last',
  'first',
  'context',
  'all',
]

/** What a figure calls a value of a dimension. */
export function valueLabel(dimension: Dimension, value: string): string {
  switch (dimension) {
    case 'window':
      return value === '1' ? '1 layer' : `${value} layers`
    case 'features':
      return value === 'all' ? 'all features' : value
    case 'target':
      return `→ ${value}`
    default:
      return value
  }
}

/** What must be true of the model's answer for a prompt to be in a set. */
export const KNOWN = ['any', 'correct', 'top-3', 'top-5', 'all-correct', 'all-top-3', 'all-top-5'] as const
export type Known = (typeof KNOWN)[number]

/** Whether a model knows a fact: without a knockout its first choice is right. */
export const KNOWLEDGE = ['known', 'unknown'] as const

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

/** What the page calls studies of dropped files that came without a folder, and of dropped traces. */
export const DROPPED_FILES = 'dropped files'
export const DROPPED_TRACES = 'traces'

/** Where `factflow study` puts runs. */
export const RUNS = 'runs'

/** Stages of a study that can be done alone. */
export const STAGES = ['evaluate', 'sweep', 'report'] as const
export type Stage = (typeof STAGES)[number]
