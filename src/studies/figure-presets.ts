/** The paper's figures, as definitions that fit what a run holds. Numbers are those of arXiv 2505.24244. */
import type { FigurePreset } from './names.js'
import { type Figure, figureSchema } from './study.js'

/** What a preset must know of a run. */
export interface RunContents {
  /** Names of its prompt sets that have members. */
  readonly promptSets: readonly string[]
  /** Labels of its models that have curves by feature category. */
  readonly featured: readonly string[]
}

const SOURCES = { source: ['subject', 'relation', 'last', 'first'], target: ['last'], features: ['all'] }

/** The set that models are compared on: what all of them know, where there is such a set. */
function shared(sets: readonly string[]): { readonly promptSet?: string[] } {
  const set = sets.find((name) => name.startsWith('all-')) ?? sets[0]
  return set === undefined ? {} : { promptSet: [set] }
}

/** The definition of a preset. */
export function figurePreset(name: FigurePreset, { promptSets, featured }: RunContents): Figure {
  const common = { ...SOURCES, ...shared(promptSets) }
  return figureSchema.parse(definition(name, common, promptSets, featured))
}

function definition(
  name: FigurePreset,
  common: object,
  promptSets: readonly string[],
  featured: readonly string[],
): object {
  const window = ['default']
  switch (name) {
    case 'figure-1':
      return {
        ...{ kind: 'curves', name, lines: 'model', columns: 'source', where: { ...common, window } },
        title: 'Cutting the last token from others, by model',
      }
    case 'figures-3-5':
      return {
        ...{ kind: 'curves', name, each: 'family', lines: 'model', columns: 'source' },
        ...{ where: { ...common, window }, title: 'Cutting the last token from others, by model size' },
      }
    case 'figure-6':
      return {
        ...{ kind: 'curves', name, lines: 'features', columns: 'model' },
        where: {
          ...shared(promptSets),
          ...(featured.length > 0 && { model: featured }),
          ...{ source: ['subject'], target: ['last'], window },
          features: ['all', 'context-dependent', 'context-independent'],
        },
        title: 'Cutting the last token from the subject, by feature category',
      }
    case 'figures-8-10':
      return {
        ...{ kind: 'curves', name, each: 'model', lines: 'window', columns: 'source', where: common },
        title: 'Cutting the last token from others, by window size',
      }
    case 'figure-14':
      return {
        ...{ kind: 'curves', name, rows: 'prompt set', columns: 'model', lines: 'source' },
        ...{ where: { ...SOURCES, window, ...(promptSets.length > 0 && { promptSet: promptSets }) } },
        title: 'Cutting the last token from others, by choice of prompts',
      }
    case 'heatmaps-by-model':
      return {
        ...{ kind: 'heatmaps', name, columns: 'model', where: { window } },
        title: 'Cutting the last token from each token, by model',
      }
    case 'heatmaps-by-window':
      return {
        ...{ kind: 'heatmaps', name, columns: 'window', each: 'model' },
        title: 'Cutting the last token from each token, by window size',
      }
    case 'decay-histograms':
      return { kind: 'decay', name, plot: 'histograms', title: 'How slowly features forget' }
    case 'decay-boxes':
      return { kind: 'decay', name, plot: 'boxes', title: 'How slowly features forget, by layer' }
    default:
      return name satisfies never
  }
}
