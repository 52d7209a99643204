import { describe, expect, it } from 'vitest'
import { InputError } from '../../src/errors.js'
import { type DecayLayer, decayBoxesSpec, decayHistogramsSpec } from '../../src/figures/decay.js'
import { figureData } from '../../src/figures/figure-data.js'
import { COLORS, MEASURES } from '../../src/figures/look.js'
import { toSvg } from '../../src/figures/render.js'
import { examine, frame, texts, typeSizes } from './drawn.js'
import { decayLayers, LOOKS } from './samples.js'

const SPECS = { histograms: decayHistogramsSpec, boxes: decayBoxesSpec }
const equal: DecayLayer[] = [{ layer: 3, norms: [2, 2, 2, 2], thirds: [2, 2] }]

describe.each(Object.entries(SPECS))('%s', (_, spec) => {
  describe.each(LOOKS)('$size, $theme', (look) => {
    it.each([
      ['one layer', decayLayers(1, 50)],
      ['eight layers', decayLayers(8, 300)],
      ['64 layers', decayLayers(64, 500)],
      ['equal norms', equal],
    ])('draws %s without warnings, no text over another, in its width', async (_, layers) => {
      const figure = spec('Decay of a model', layers, look)
      const { svg, warnings, overlaps } = await examine(figure)
      expect([warnings, overlaps]).toEqual([[], []])
      expect(frame(svg)[0]).toBeLessThanOrEqual(MEASURES[look.size].width)
      if (look.size !== 'screen') expect(Math.min(...typeSizes(svg))).toBeGreaterThanOrEqual((7 * 96) / 72)
    })
  })

  it('stays small however many features there are', () => {
    const size = (features: number) => JSON.stringify(spec('Decay', decayLayers(64, features))).length
    expect(size(5000)).toBeLessThan(400_000)
  })

  it.each<[string, DecayLayer[]]>([
    ['no layer', []],
    ['a layer twice', [...equal, ...equal]],
    ['no norm', [{ ...equal[0], norms: [] }]],
    ['a norm that is no number', [{ ...equal[0], norms: [1, Number.NaN] }]],
    ['thirds upside down', [{ ...equal[0], thirds: [3, 1] }]],
    ['a negative layer', [{ ...equal[0], layer: -1 }]],
  ])('throws on %s', (_, layers) => {
    expect(() => spec('Decay', layers)).toThrow(InputError)
  })
})

describe('decayHistogramsSpec', () => {
  const norms = [0, 1, 2, 3, 4, 5, 6, 7, 8]
  const layer: DecayLayer = { layer: 5, norms, thirds: [2, 6] }

  it('counts features by bar and third', () => {
    const [rows] = figureData(decayHistogramsSpec('Decay', [layer]))
    expect(rows.map(({ third, count }) => [third, count])).toEqual([
      ...Array.from({ length: 3 }, () => ['fastest third', 1]),
      ...Array.from({ length: 3 }, () => ['middle third', 1]),
      ...Array.from({ length: 3 }, () => ['slowest third', 1]),
    ])
    for (const [i, { from, to }] of rows.entries()) {
      expect(Number(from)).toBeLessThanOrEqual(norms[i])
      expect(Number(to)).toBeGreaterThanOrEqual(norms[i])
    }
  })

  it('names the layers, bounds the thirds and colours them', async () => {
    const svg = await toSvg(decayHistogramsSpec('Decay', [layer, { ...layer, layer: 9 }]))
    const said = texts(svg)
    for (const text of ['layer 5', 'layer 9', 'fastest third', 'middle third', 'slowest third', 'features']) {
      expect(
        said.filter((drawn) => drawn === text),
        text,
      ).toHaveLength(1)
    }
    const { palette, rule } = COLORS.light
    const bars = [...svg.matchAll(/<g class="mark-rect role-mark[^>]*>(.*?)<\/g>/g)].map(([, group]) => group)
    expect(bars).toHaveLength(2)
    for (const group of bars) {
      const fills = [...group.matchAll(/ d="M([\d.]+),[^"]*" fill="([^"]*)"/g)]
        .sort((a, b) => Number(a[1]) - Number(b[1]))
        .map(([, , fill]) => fill)
      expect(fills).toEqual([palette[1], rule, palette[0]].flatMap((color) => [color, color, color]))
    }
    // Two bounds a plot, a third of the way in and a third from the end.
    const rules = [
      ...svg.matchAll(/<g class="mark-rule role-mark[^>]*><line transform="translate\(([\d.]+),/g),
    ]
    expect(rules).toHaveLength(4)
    const [fast, slow] = rules.slice(0, 2).map(([, x]) => Number(x))
    expect(slow / fast).toBeCloseTo(6 / 2, 6)
  })

  it('has the same axes in all plots', async () => {
    const far = { layer: 6, norms: norms.map((norm) => norm + 100), thirds: [102, 106] as const }
    const [rows] = figureData(decayHistogramsSpec('Decay', [layer, far]))
    const edges = new Set(
      rows.map(({ from, to }) => Number(to) - Number(from)).map((width) => width.toFixed(3)),
    )
    expect(edges.size).toBe(1)
    expect(
      texts(await toSvg(decayHistogramsSpec('Decay', [layer, far]))).filter((text) => text === '100'),
    ).toHaveLength(2)
  })
})

describe('decayBoxesSpec', () => {
  const box = (norms: number[]) => figureData(decayBoxesSpec('Decay', [{ layer: 0, norms, thirds: [0, 1] }]))

  // NumPy: percentile([...], [25, 50, 75]); whiskers and fliers as matplotlib.cbook.boxplot_stats has them.
  it('has the quartiles and whiskers that everyone has', () => {
    expect(box([7, 1, 2, 3, 4, 5, 6, 20])[0]).toEqual([
      { layer: 0, n: 8, low: 1, q1: 2.75, median: 4.5, q3: 6.25, high: 7 },
    ])
  })

  it('has what lies beyond as points, those that touch as one', () => {
    const [, outliers] = box([7, 1, 2, 3, 4, 5, 6, 20, 20.001, -30])
    expect(outliers).toEqual([
      { layer: 0, norm: -30, count: 1 },
      { layer: 0, norm: 20, count: 2 },
    ])
    expect(box([1, 2, 3, 4])).toHaveLength(1)
  })

  it('draws a box for each layer, in order, as high as its quartiles are apart', async () => {
    const spec = decayBoxesSpec('Decay', decayLayers(12, 200))
    const [table] = figureData(spec)
    const group = /<g class="mark-rect role-mark layer_1_marks[^>]*>(.*?)<\/g>/.exec(await toSvg(spec))![1]
    const drawn = [...group.matchAll(/ d="M([\d.]+),[\d.]+h[\d.-]+v([\d.-]+)/g)].map(([, x, height]) => ({
      x: Number(x),
      height: Math.abs(Number(height)),
    }))
    expect(drawn).toHaveLength(12)
    const scale = (i: number) => drawn[i].height / (Number(table[i].q3) - Number(table[i].q1))
    for (let i = 1; i < 12; i++) {
      expect(drawn[i].x).toBeGreaterThan(drawn[i - 1].x)
      expect(scale(i)).toBeCloseTo(scale(0), 2)
    }
  })
})
