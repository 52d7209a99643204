/** A study's figures: definitions and stored results in, specs and their data out. */
import type { Size } from '../figures/look.js'
import type { Results } from '../results/results.js'
import { curveFigures } from './curve-figures.js'
import { decayFigures } from './decay-figures.js'
import type { DrawnFigure } from './drawn.js'
import { figurePreset } from './figure-presets.js'
import { heatmapFigures } from './heatmap-figures.js'
import type { FigurePreset } from './names.js'
import type { Figure, Study } from './study.js'

/** A preset by its definition, others as they are. */
export async function resolved(figure: FigurePreset | Figure, results: Results): Promise<Figure> {
  if (typeof figure !== 'string') return figure
  const sets = await results.rows<{ prompt_set: string }>(
    'SELECT DISTINCT prompt_set FROM prompt_sets ORDER BY ALL',
  )
  const featured = await results.rows<{ model: string }>(
    "SELECT DISTINCT model FROM curves WHERE features <> 'all' ORDER BY ALL",
  )
  const names = results.runs.flatMap(({ file }) =>
    Object.keys((file.study as Study | undefined)?.promptSets ?? {}),
  )
  const there = sets.map(({ prompt_set: set }) => set)
  return figurePreset(figure, {
    promptSets: [...new Set([...names.filter((name) => there.includes(name)), ...there])],
    featured: featured.map(({ model }) => model),
  })
}

/**
 * The figures of a definition: one, or one for each value of `each`.
 * @throws InputError when the results hold nothing of it
 */
export async function drawFigures(definition: Figure, results: Results, size: Size): Promise<DrawnFigure[]> {
  const own = definition.size ?? size
  switch (definition.kind) {
    case 'curves':
      return curveFigures(definition, results, own)
    case 'heatmaps':
      return heatmapFigures(definition, results, own)
    case 'decay':
      return decayFigures(definition, results, own)
    default:
      return definition satisfies never
  }
}
