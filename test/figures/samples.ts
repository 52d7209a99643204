import { readFileSync } from 'node:fs'
import { type CurveGrid, windowDepth } from '../../src/figures/curve-grid-data.js'
import type { CurvesFigure, HeatmapFigure } from '../../src/figures/data.js'
import type { DecayLayer } from '../../src/figures/decay.js'
import { type Look, SIZES, THEMES } from '../../src/figures/look.js'
import { thirds } from '../../src/models/features.js'
import { seededRandom } from '../../src/prompts/sample.js'
import { meanInterval } from '../../src/results/statistics.js'

interface Prompt {
  baseProb: number
  curves: Record<string, number[]>
}

/** The curves of a trained 24-layer Mamba-1 on 31 prompts: six knockouts, 16 windows of 9 layers. */
export function trainedCurves(): CurvesFigure {
  const file = new URL('../fixtures/trained/first/tiny-mamba1.json', import.meta.url)
  const prompts: Prompt[] = JSON.parse(readFileSync(file, 'utf8'))
  const change = (prompt: Prompt, label: string, first: number) =>
    (prompt.curves[label][first] / prompt.baseProb - 1) * 100
  return {
    title: 'Information flow to the last token',
    subtitle: '31 prompts; mean and 95 % confidence band',
    nLayers: 24,
    window: 9,
    yLabel: 'change of p(answer), %',
    curves: Object.entries(prompts[0].curves).map(([label, windows]) => ({
      label,
      points: windows.map((_, firstLayer) => {
        const { mean, low, high, n } = meanInterval(
          prompts.map((prompt) => change(prompt, label, firstLayer)),
        )
        return { firstLayer, mean, low, high, n }
      }),
    })),
  }
}

/** Tokens that break naive drawings: whitespace, wide, joined and right-to-left text, escape codes, markup. */
export const ODD_TOKENS = [
  ...[
    '\n',
    '\tThe',
    ' 東京',
    '塔',
    ' 😀',
    '👨‍👩‍👧',
    '\u001b[31mred',
    '',
    '\u200b',
    ' the',
    ' the',
    '\u202eabc',
    'đồng',
  ],
  ...[
    '<|endoftext|>',
    '&<"\'>',
    '\ufffd',
    '\ud800',
    '\uffff',
    '\r\n',
    '\u0301x',
    'שלום',
    `${' long'.repeat(20)}`,
  ],
]

/** A heatmap with one value for every token and window. */
export function heatmap(
  tokens: string[],
  nLayers: number,
  window: number,
  value: (token: number, window: number) => number,
): HeatmapFigure {
  const nWindows = nLayers - window + 1
  return {
    title: 'The Eiffel Tower is in the city of → Paris',
    subtitle: 'p = 0.81',
    tokens,
    subject: tokens.length > 2 ? [1, 2] : [],
    nLayers,
    window,
    values: tokens.map((_, t) => Array.from({ length: nWindows }, (_, w) => value(t, w))),
  }
}

/** Looks in which every kind of figure must read. */
export const LOOKS: Look[] = SIZES.flatMap((size) => THEMES.map((theme) => ({ size, theme })))

const named = (names: readonly string[]) => names.map((name) => ({ key: name, label: name }))

/** A grid of rows x columns x lines of falling curves over the windows of a model; `n` prompts in each cell. */
export function curveGrid(
  { rows, columns, lines }: { rows: string[]; columns: string[]; lines: string[] },
  { nLayers = 24, window = 9, n = () => 100 }: GridOptions = {},
): CurveGrid {
  const cells = rows.flatMap((_, row) =>
    columns.flatMap((_, column) =>
      lines.map((_, line) => ({
        ...{ row, column, line },
        points: Array.from({ length: nLayers - window + 1 }, (_, firstLayer) => {
          const mean = -(1 + row + column + line) * firstLayer
          const depth = windowDepth(firstLayer, window, nLayers)
          return {
            firstLayer,
            depth,
            window,
            mean,
            low: mean - 3,
            high: mean + 3,
            n: n({ row, column, line }),
          }
        }),
      })),
    ),
  )
  return {
    title: 'Information flow',
    subtitle: 'mean and 95 % t interval',
    rows: named(rows),
    columns: named(columns),
    lines: named(lines),
    cells,
    x: 'percent',
    yLabel: 'change of p(answer), %',
    reference: 0,
  }
}

interface GridOptions {
  nLayers?: number
  window?: number
  n?: (cell: Place) => number
}

interface Place {
  row: number
  column: number
  line: number
}

/** Layers of features whose norms spread ever wider. */
export function decayLayers(layers: number, features: number): DecayLayer[] {
  const random = seededRandom(7)
  return Array.from({ length: layers }, (_, layer) => {
    const norms = Array.from(
      { length: features },
      () => 4 + (layer + 1) * (random() + random() + random() - 1.5),
    )
    return { layer, norms, thirds: thirds(norms) }
  })
}
