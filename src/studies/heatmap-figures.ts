/** Figures of heatmaps. */
import { InputError } from '../errors.js'
import { heatmapGridSpec } from '../figures/heatmap-grid.js'
import type { HeatmapGrid } from '../figures/heatmap-grid-data.js'
import type { Look, Size } from '../figures/look.js'
import type { Results } from '../results/results.js'
import { checkWhere, ordered } from './curve-query.js'
import { type DrawnFigure, fileNames, modelOrder } from './drawn.js'
import { storedHeatmaps } from './heatmap-query.js'
import { valueLabel } from './names.js'
import type { HeatmapsDefinition } from './study.js'

/** Figures of heatmaps: one, or one for each value of `each`. */
export async function heatmapFigures(
  definition: HeatmapsDefinition,
  results: Results,
  size: Size,
): Promise<DrawnFigure[]> {
  await checkWhere(results, definition.where, `figure ${definition.name}`)
  const all = await storedHeatmaps(results, definition)
  const { each, columns, unit } = definition
  const shownValue = (dimension: 'model' | 'window', map: (typeof all)[number]): string =>
    dimension === 'model' ? map.model : String(map.window)
  const groups =
    each === undefined
      ? ['']
      : ordered(
          each,
          all.map((map) => shownValue(each, map)),
          definition,
          modelOrder(results),
        )
  const free = (['model', 'window'] as const).find((one) => one !== each && one !== columns)
  const names = fileNames(definition.name, groups)
  return groups.map((group, i) => {
    const maps = each === undefined ? all : all.filter((map) => shownValue(each, map) === group)
    const keys = ordered(
      columns,
      maps.map((map) => shownValue(columns, map)),
      definition,
      modelOrder(results),
    )
    const prompts = [...new Set(maps.map(({ promptId }) => promptId))]
    const places = maps.map((map) => `${map.promptId} ${shownValue(columns, map)}`)
    if (free && new Set(places).size < places.length) {
      throw new InputError(
        `figure ${definition.name}: ${free} must be shown (columns, each) or have one value (where.${free}), got ${[...new Set(maps.map((map) => shownValue(free, map)))].join(', ')}; add it`,
      )
    }
    const suffix = each === undefined ? '' : `: ${valueLabel(each, group)}`
    const title = `${definition.title ?? definition.name}${suffix}`
    const windows = [...new Set(maps.map(({ window }) => window))]
    const subtitle = `${columns === 'window' ? '' : `windows of ${windows.join(', ')} layers; `}* marks the subject`
    const grid: HeatmapGrid = {
      title,
      subtitle,
      rows: prompts.map((id) => promptTitle(maps.find(({ promptId }) => promptId === id)!)),
      columns: keys.map((key) => valueLabel(columns, key)),
      cells: maps.map((map) => ({
        row: prompts.indexOf(map.promptId),
        column: keys.indexOf(shownValue(columns, map)),
        title: `p = ${map.baseProb.toPrecision(2)}`,
        tokens: map.tokens,
        subject: map.subject,
        nLayers: map.layers,
        window: map.window,
        values: map.values,
      })),
      unit,
    }
    return {
      name: names[i]!,
      title,
      size,
      spec: (look: Look) => heatmapGridSpec(grid, look),
      rows: maps.flatMap((map) =>
        map.values.flatMap((row, position) =>
          row.map((value, first_layer) => ({
            model: map.model,
            dataset: map.dataset,
            prompt_id: map.promptId,
            window: map.window,
            position,
            token: map.tokens[position]!,
            first_layer,
            [unit === 'relative' ? 'relative_change' : 'change']: value,
          })),
        ),
      ),
    }
  })
}

function promptTitle({
  prompt,
  answer,
  promptId,
}: {
  prompt: string
  answer: string
  promptId: string
}): string {
  return prompt === '' ? promptId : `${prompt} → ${answer.trim()}`
}
