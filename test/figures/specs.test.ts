import { describe, expect, it } from 'vitest'
import { InputError } from '../../src/errors.js'
import { curvesSpec } from '../../src/figures/curves.js'
import type { CurvesFigure, HeatmapFigure } from '../../src/figures/data.js'
import { heatmapSpec } from '../../src/figures/heatmap.js'
import { COLORS, MEASURES } from '../../src/figures/look.js'
import { toSvg } from '../../src/figures/render.js'
import { colorLimit, DIVERGING } from '../../src/figures/style.js'
import { cells, count, examine, frame, luminance, texts, typeSizes, warnings } from './drawn.js'
import { heatmap, LOOKS, ODD_TOKENS, trainedCurves } from './samples.js'

const flat = (tokens: string[]) => heatmap(tokens, 24, 9, (t, w) => -t - w)

describe.each(LOOKS)('in a look: $size, $theme', (look) => {
  it.each([
    ['curves', curvesSpec(trainedCurves(), look)],
    ['a heatmap', heatmapSpec(flat(['The', ' Eiffel', ' Tower', ' is', ' in']), look)],
    [
      'a heatmap of a deep model',
      heatmapSpec(
        heatmap(['The', ' Eiffel'], 64, 9, (t, w) => t * w),
        look,
      ),
    ],
  ])('draws %s without warnings, no text over another, in its width', async (_, spec) => {
    const { svg, warnings, overlaps } = await examine(spec)
    expect([warnings, overlaps]).toEqual([[], []])
    expect(frame(svg)[0]).toBeLessThanOrEqual(MEASURES[look.size].width)
    if (look.size !== 'screen') expect(Math.min(...typeSizes(svg))).toBeGreaterThanOrEqual((7 * 96) / 72)
    expect(svg).toContain(`fill="${COLORS[look.theme].background}"`)
  })
})

describe('the default look', () => {
  it('is light, for a screen', () => {
    const figure = flat(['a', 'b'])
    expect(heatmapSpec(figure)).toEqual(heatmapSpec(figure, { size: 'screen', theme: 'light' }))
    const curves = trainedCurves()
    expect(curvesSpec(curves)).toEqual(curvesSpec(curves, { size: 'screen', theme: 'light' }))
  })
})

describe('curvesSpec', () => {
  it('compiles and draws without warnings', async () => {
    expect(await warnings(curvesSpec(trainedCurves()))).toEqual([])
  })

  it('draws a line, a band and markers for each curve, one legend entry, and the texts', async () => {
    const figure = trainedCurves()
    const svg = await toSvg(curvesSpec(figure))
    const labels = figure.curves.map((curve) => curve.label)
    expect(count(svg, /class="mark-line role-mark/g)).toBe(labels.length)
    expect(count(svg, /class="mark-area role-mark/g)).toBe(labels.length)
    expect(count(svg, /class="mark-symbol role-legend-symbol/g)).toBe(labels.length)
    const markers = /<g class="mark-symbol role-mark[^>]*>(.*?)<\/g>/.exec(svg)![1]
    expect(count(markers, /<path /g)).toBe(labels.length * 16)
    expect(texts(svg)).toEqual(
      expect.arrayContaining([
        ...[figure.title, figure.subtitle, figure.yLabel, ...labels],
        'first layer of the window (w = 9)',
      ]),
    )
  })

  it('puts points where their values are', async () => {
    const points = [0, 5, 10].map((firstLayer, i) => ({
      firstLayer,
      mean: -10 * i,
      low: -10 * i,
      high: 0,
      n: 3,
    }))
    const curves = [{ label: 'a', points }]
    const svg = await toSvg(curvesSpec({ ...trainedCurves(), nLayers: 18, window: 8, curves }))
    const path = /<g class="mark-line role-mark[^>]*><path d="M([^"]*)"/.exec(svg)![1]
    const [a, b, c] = path.split('L').map((pair) => pair.split(',').map(Number))
    // Equal steps of layer and of value: on one straight line, middle in the middle, falling.
    expect(b[0]).toBeCloseTo((a[0] + c[0]) / 2, 6)
    expect(b[1]).toBeCloseTo((a[1] + c[1]) / 2, 6)
    expect(c[0]).toBeGreaterThan(a[0] + 400)
    expect(c[1]).toBeGreaterThan(a[1] + 200)
  })

  it('tells apart more curves than there are colours', async () => {
    const { points } = trainedCurves().curves[0]
    const curves = Array.from({ length: 12 }, (_, c) => ({ label: `curve ${c}`, points }))
    const svg = await toSvg(curvesSpec({ ...trainedCurves(), curves }))
    const looks = [
      ...svg.matchAll(/mark-symbol role-legend-symbol[^>]*><path [^>]* d="([^"]*)" fill="([^"]*)"/g),
    ]
    expect(new Set(looks.map(([, shape, fill]) => `${shape} ${fill}`)).size).toBe(12)
  })

  it('draws a model with a single window', async () => {
    const points = [{ firstLayer: 0, mean: -3, low: -4, high: -2, n: 5 }]
    const figure = { ...trainedCurves(), nLayers: 4, window: 4, curves: [{ label: 'a', points }] }
    expect(await warnings(curvesSpec(figure))).toEqual([])
  })

  const good = trainedCurves()
  const [first] = good.curves
  const withPoint = (change: object): CurvesFigure => ({
    ...good,
    curves: [{ label: 'a', points: [{ ...first.points[0], ...change }] }],
  })
  it.each<[string, CurvesFigure]>([
    ['no curve', { ...good, curves: [] }],
    ['equal labels', { ...good, curves: [first, first] }],
    ['no point', { ...good, curves: [{ label: 'a', points: [] }] }],
    ['a window past the last layer', withPoint({ firstLayer: 16 })],
    ['a fractional layer', withPoint({ firstLayer: 0.5 })],
    ['a NaN', withPoint({ low: Number.NaN })],
    ['a window larger than the model', { ...good, window: 25 }],
    ['no layers', { ...good, nLayers: 0 }],
  ])('throws on %s', (_, figure) => {
    expect(() => curvesSpec(figure)).toThrow(InputError)
  })
})

describe('heatmapSpec', () => {
  it('compiles and draws without warnings, whatever the tokens', async () => {
    expect(await warnings(heatmapSpec(flat(ODD_TOKENS)))).toEqual([])
  })

  it('draws one cell for each token and window, and the texts', async () => {
    const svg = await toSvg(heatmapSpec(flat(['The', ' Eiffel', ' Tower', ' is', ' is'])))
    expect(cells(svg)).toHaveLength(5 * 16)
    const shown = texts(svg)
    for (const label of ['The', '␣Eiffel*', '␣Tower*', '* subject', 'change of p(answer), %', 'p = 0.81']) {
      expect(shown.filter((text) => text === label)).toHaveLength(1)
    }
    expect(shown.filter((text) => text === '␣is')).toHaveLength(2)
  })

  it('keeps the order of tokens, equal ones apart, and of windows', async () => {
    const figure = heatmap([' a', ' a', ' b', ' a'], 10, 3, (t, w) => (t === 3 && w === 5 ? -50 : 0))
    const drawn = cells(await toSvg(heatmapSpec(figure)))
    const hit = drawn.filter(({ rgb }) => luminance(rgb) < 100)
    expect(hit).toHaveLength(1)
    const rank = (values: number[], value: number) =>
      [...new Set(values)].sort((a, b) => a - b).indexOf(value)
    expect(
      rank(
        drawn.map(({ y }) => y),
        hit[0].y,
      ),
    ).toBe(3)
    expect(
      rank(
        drawn.map(({ x }) => x),
        hit[0].x,
      ),
    ).toBe(5)
  })

  it('maps losses to ever darker reds and gains to ever darker blues', async () => {
    const changes = Array.from({ length: 41 }, (_, i) => 4 * i - 80)
    const drawn = cells(await toSvg(heatmapSpec(heatmap(['a'], 41, 1, (_, w) => changes[w]))))
    const row = drawn.sort((a, b) => a.x - b.x).map(({ rgb }) => rgb)
    const light = row.map(luminance)
    for (let i = 1; i <= 20; i++) expect(light[i]).toBeGreaterThan(light[i - 1])
    for (let i = 21; i <= 40; i++) expect(light[i]).toBeLessThan(light[i - 1])
    for (const [red, , blue] of row.slice(0, 20)) expect(red).toBeGreaterThan(blue)
    for (const [red, , blue] of row.slice(21)) expect(blue).toBeGreaterThan(red)
    expect(row[20]).toEqual([247, 247, 247])
  })

  it('says so where a gain is beyond the scale', async () => {
    const shown = texts(await toSvg(heatmapSpec(heatmap(['a', 'b'], 4, 1, (t) => (t === 0 ? -60 : 900)))))
    expect(shown).toEqual(expect.arrayContaining(['−100', '≥ +100']))
  })

  it('draws control characters harmlessly and escapes markup', async () => {
    const svg = await toSvg(heatmapSpec({ ...flat(ODD_TOKENS), title: 'a\u001b\n<b>', subtitle: '\u0000&' }))
    expect(svg).not.toMatch(/\p{Cc}|\p{Cs}|\ufffe|\uffff/u)
    const shown = texts(svg)
    const expected = [
      '⏎',
      '⇥The*',
      '[1B][31mred',
      '∅',
      '[200B]',
      '[202E]abc',
      '<|endoftext|>',
      '&<"\'>',
      '[0D]⏎',
    ]
    expect(shown).toEqual(expect.arrayContaining([...expected, 'a[1B]⏎<b>', '[00]&']))
  })

  const good = flat(['a', 'b', 'c'])
  it.each<[string, HeatmapFigure]>([
    ['no token', { ...good, tokens: [], values: [] }],
    ['a row too few', { ...good, values: good.values.slice(1) }],
    ['a column too many', { ...good, values: good.values.map((row) => [...row, 0]) }],
    ['an infinite value', heatmap(['a'], 4, 1, () => Number.POSITIVE_INFINITY)],
    ['a subject beyond the tokens', { ...good, subject: [3] }],
    ['a negative window', { ...good, window: -1 }],
  ])('throws on %s', (_, figure) => {
    expect(() => heatmapSpec(figure)).toThrow(InputError)
  })
})

describe('colorLimit', () => {
  it.each([
    ['rounds up', [-36, 12], 40],
    ['keeps a round number', [-60], 60],
    ['never zooms into noise', [1e-5], 1],
    ['never lets a gain wash out the losses', [-20, 700], 100],
    ['takes no value', [], 1],
  ])('%s', (_, row, limit) => {
    expect(colorLimit([row])).toBe(limit)
  })

  it('has a scale with no change in its middle', () => {
    expect(DIVERGING).toHaveLength(11)
    expect(DIVERGING[5]).toBe('#f7f7f7')
  })
})
