/** Figures of how slowly features forget. */
import { InputError, show } from '../errors.js'
import { type DecayLayer, decayBoxesSpec, decayHistogramsSpec } from '../figures/decay.js'
import type { Look, Size } from '../figures/look.js'
import { thirds } from '../models/features.js'
import type { Results } from '../results/results.js'
import { type DrawnFigure, fileNames, modelOrder, NothingStored } from './drawn.js'
import type { DecayDefinition } from './study.js'

/** Layers of a histogram figure. */
const MOST_HISTOGRAMS = 8

/** Figures of feature norms, one for each model. */
export async function decayFigures(
  definition: DecayDefinition,
  results: Results,
  size: Size,
): Promise<DrawnFigure[]> {
  const { name, models: wanted } = definition
  const rows = await results.rows<{ run: string; model: string; layer: number; norms: number[] }>(
    'SELECT run, model, layer, list(norm ORDER BY feature) AS norms FROM features GROUP BY ALL ORDER BY ALL',
  )
  const stored = modelOrder(results).filter((label) => rows.some(({ model }) => model === label))
  const stray = wanted?.find((label) => !stored.includes(label))
  if (stray !== undefined) {
    throw new InputError(
      `figure ${name}: models must be ones with stored feature norms (${stored.join(', ') || 'there is none'}), got ${show(stray)}; correct it`,
    )
  }
  const twice = stored.find(
    (label) => new Set(rows.filter(({ model }) => model === label).map(({ run }) => run)).size > 1,
  )
  if (twice !== undefined) {
    throw new InputError(`figure ${name}: must be of one run, got ${twice} in several; name one run`)
  }
  const models = stored.filter((label) => wanted?.includes(label) ?? true)
  if (models.length === 0) {
    throw new NothingStored(
      `figure ${name}: needs models with feature categories (Mamba), got none with stored norms; leave it out, or compute the study again`,
    )
  }
  const names = fileNames(definition.name, models)
  return models.map((model, i) => {
    const own = rows.filter((row) => row.model === model)
    const layers = definition.layers ?? ticksOf(own.length)
    const beyond = layers.find((layer) => layer >= own.length)
    if (beyond !== undefined) {
      throw new InputError(
        `figure ${definition.name}: layers must be from 0 to ${own.length - 1} in ${model}, got ${show(beyond)}; change it`,
      )
    }
    const data = own.map(({ layer, norms }): DecayLayer => ({ layer, norms, thirds: thirds(norms) }))
    const title = `${definition.title ?? definition.name}: ${model}`
    const histograms = definition.plot === 'histograms'
    return {
      name: names[i]!,
      title,
      size,
      spec: (look: Look) =>
        histograms
          ? decayHistogramsSpec(
              title,
              data.filter(({ layer }) => layers.includes(layer)),
              look,
            )
          : decayBoxesSpec(title, data, look),
      rows: own.flatMap(({ layer, norms }) =>
        norms.map((norm, feature) => ({ model, layer, feature, norm })),
      ),
    }
  })
}

/** At most eight layers, evenly spaced, the first and the last among them. */
function ticksOf(layers: number): number[] {
  if (layers <= MOST_HISTOGRAMS) return Array.from({ length: layers }, (_, layer) => layer)
  return Array.from({ length: MOST_HISTOGRAMS }, (_, i) =>
    Math.round((i * (layers - 1)) / (MOST_HISTOGRAMS - 1)),
  )
}
