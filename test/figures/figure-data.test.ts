import { describe, expect, it } from 'vitest'
import { curveGridSpec } from '../../src/figures/curve-grid.js'
import { curvesSpec } from '../../src/figures/curves.js'
import { decayBoxesSpec, decayHistogramsSpec } from '../../src/figures/decay.js'
import { figureData } from '../../src/figures/figure-data.js'
import { heatmapSpec } from '../../src/figures/heatmap.js'
import { stack } from '../../src/figures/stack.js'
import { curveGrid, decayLayers, heatmap, trainedCurves } from './samples.js'

const map = heatmap([' a', '\n'], 4, 2, (t, w) => -t - w / 3)

describe('figureData', () => {
  it('has a row for each token and window of a heatmap', () => {
    const [rows, ...more] = figureData(heatmapSpec(map))
    expect(more).toEqual([])
    expect(rows).toHaveLength(6)
    expect(rows[0]).toEqual({ position: 0, token: '␣a', first_layer: 0, last_layer: 1, change: 0 })
    expect(rows[5]).toEqual({ position: 1, token: '⏎', first_layer: 2, last_layer: 3, change: -1.66667 })
  })

  it('has a row for each window of each curve', () => {
    const figure = trainedCurves()
    const [rows, ...more] = figureData(curvesSpec(figure))
    expect(more).toEqual([])
    expect(rows).toHaveLength(figure.curves.length * 16)
    const { label, points } = figure.curves[1]
    const row = rows.find(({ curve, first_layer }) => curve === label && first_layer === 13)!
    expect(row.mean).toBeCloseTo(points[13].mean, 4)
    expect(row).toMatchObject({ last_layer: 21, n: 31 })
  })

  it('has rows by key in a grid', () => {
    const grid = curveGrid({ rows: ['r'], columns: ['c', 'd'], lines: ['l'] }, { nLayers: 4, window: 3 })
    const [rows] = figureData(curveGridSpec(grid))
    expect(rows).toHaveLength(4)
    expect(rows[3]).toEqual({
      ...{ row: 'r', column: 'd', line: 'l', first_layer: 1, depth: 100, window: 3 },
      ...{ mean: -2, low: -5, high: 1, n: 100 },
    })
  })

  it('has the tables of figures that have several', () => {
    expect(
      figureData(stack(heatmapSpec(map), curvesSpec(trainedCurves()))).map((rows) => rows.length),
    ).toEqual([6, 6 * 16])
    const layers = [{ layer: 0, norms: [1, 2, 3, 4, 90], thirds: [1, 4] as const }]
    expect(figureData(decayBoxesSpec('Decay', layers)).map((rows) => rows.length)).toEqual([1, 1])
  })

  it('counts every feature of a histogram once', () => {
    const [rows] = figureData(decayHistogramsSpec('Decay', decayLayers(3, 100)))
    for (const layer of [0, 1, 2]) {
      const counts = rows.filter((row) => row.layer === layer).map(({ count }) => Number(count))
      expect(counts.reduce((sum, count) => sum + count, 0)).toBe(100)
    }
  })
})
