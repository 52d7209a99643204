import { stripVTControlCharacters } from 'node:util'
import stringWidth from 'string-width'
import { describe, expect, it } from 'vitest'
import { InputError } from '../../src/errors.js'
import type { CurvesFigure } from '../../src/figures/data.js'
import { type Colors, drawCurves, drawHeatmap } from '../../src/figures/terminal.js'
import { heatmap, ODD_TOKENS, trainedCurves } from './samples.js'

const ESCAPE = '\u001b'
const COLORS: Colors[] = [0, 16, 256, 16777216]
const WIDTHS = [40, 41, 57, 80, 100, 200]

const lines = (drawn: string) => stripVTControlCharacters(drawn).split('\n')
const widest = (drawn: string) => Math.max(...lines(drawn).map((line) => stringWidth(line)))

const hostile = {
  title: `${'A title that is much longer than the terminal '.repeat(4)}\u001b[31m`,
  subtitle: `${'x'.repeat(150)} 東京`,
}
const oddHeatmap = { ...heatmap(ODD_TOKENS, 64, 9, (t, w) => 3 * t - w), ...hostile }
const oddCurves: CurvesFigure = {
  ...trainedCurves(),
  ...hostile,
  yLabel: 'a long title of an axis '.repeat(10),
  curves: trainedCurves().curves.map((curve, c) => ({
    ...curve,
    label: `${curve.label} ${'長い'.repeat(9 * c)}`,
  })),
}

/** The part of a row right of the axis. */
const plotOf = (line: string) => line.slice(line.search(/[│┤]/) + 1)

/** The plot rows of a figure. */
const plotRows = (drawn: string) =>
  lines(drawn)
    .filter((line) => /[│┤]/.test(line))
    .map(plotOf)

/** The background colours of a line's cells as [red, green, blue], one for each column. */
function backgrounds(line: string): number[][] {
  return [...line.matchAll(new RegExp(`${ESCAPE}\\[48;([\\d;]+)m( +)`, 'g'))].flatMap(([, code, cells]) => {
    const [kind, ...rest] = code.split(';').map(Number)
    return Array.from(cells, () => (kind === 2 ? rest : xterm(rest[0])))
  })
}

/** xterm's colours 16 to 255: a 6 x 6 x 6 cube, then 24 greys. */
function xterm(code: number): number[] {
  if (code >= 232) return [0, 0, 0].map(() => 8 + 10 * (code - 232))
  const level = (digit: number) => (digit === 0 ? 0 : 55 + 40 * digit)
  return [Math.floor((code - 16) / 36), Math.floor((code - 16) / 6) % 6, (code - 16) % 6].map(level)
}

const luminance = ([red, green, blue]: number[]) => 0.2126 * red + 0.7152 * green + 0.0722 * blue

describe.each(COLORS)('with %d colours', (colors) => {
  it.each(WIDTHS)('no line is wider than %d columns', (width) => {
    for (const drawn of [
      drawCurves(trainedCurves(), { width, colors }),
      drawCurves(oddCurves, { width, colors, height: 5 }),
      drawHeatmap(
        heatmap(['The', ' E'], 3, 3, () => -1),
        { width, colors },
      ),
      drawHeatmap(oddHeatmap, { width, colors }),
    ]) {
      expect(widest(drawn)).toBeLessThanOrEqual(width)
    }
  })

  it('sends only colours, and those only when asked', () => {
    for (const drawn of [
      drawCurves(oddCurves, { width: 80, colors }),
      drawHeatmap(oddHeatmap, { width: 80, colors }),
    ]) {
      const text = drawn.replaceAll(new RegExp(`${ESCAPE}\\[[\\d;]+m|\n`, 'g'), '')
      expect(text).not.toMatch(/\p{Cc}/u)
      expect(drawn.includes(ESCAPE)).toBe(colors > 0)
      const kinds = new Set([...drawn.matchAll(/[34]8;([25]);/g)].map(([, kind]) => kind))
      expect([...kinds]).toEqual(colors === 256 ? ['5'] : colors > 256 ? ['2'] : [])
    }
  })
})

describe('both', () => {
  it.each([39, 0, 80.5, Number.NaN])('throw on a width of %d', (width) => {
    expect(() => drawCurves(trainedCurves(), { width, colors: 0 })).toThrow(InputError)
    expect(() => drawHeatmap(oddHeatmap, { width, colors: 0 })).toThrow(InputError)
  })
})

describe('drawCurves', () => {
  const straight = (label: string, from: number, to: number) => ({
    label,
    points: Array.from({ length: 11 }, (_, firstLayer) => {
      const mean = from + ((to - from) * firstLayer) / 10
      return { firstLayer, mean, low: mean - 2, high: mean + 2, n: 31 }
    }),
  })
  const figure = (...curves: CurvesFigure['curves']): CurvesFigure => ({
    ...{ title: 'T', nLayers: 12, window: 2, yLabel: 'change, %' },
    curves,
  })

  it('letters every curve, on the line and in the legend', () => {
    const trained = trainedCurves()
    const drawn = drawCurves(trained, { width: 100, colors: 0 })
    const plot = plotRows(drawn).join('\n')
    const legend = lines(drawn).filter((line) => /^⠒.⠒/.test(line))
    expect(legend).toHaveLength(trained.curves.length)
    for (const [c, { label, points }] of trained.curves.entries()) {
      const letter = 'abcdef'[c]
      expect(plot).toContain(letter)
      const most = points.reduce((a, b) => (Math.abs(b.mean) > Math.abs(a.mean) ? b : a))
      const half = (most.high - most.low) / 2
      const numbers = [
        most.mean.toFixed(1),
        '±',
        half.toFixed(1),
        'from layer',
        most.firstLayer,
        'n = 31',
      ].join(' ')
      expect(legend[c].replaceAll(/ +/g, ' ')).toBe(`⠒${letter}⠒ ${label} ${numbers}`)
    }
  })

  it('puts values on the rows that the axis names', () => {
    const drawn = drawCurves(figure(straight('zero', 0, 0), straight('low', -40, -40)), {
      width: 60,
      colors: 0,
    })
    const rowOf = (mark: RegExp) =>
      lines(drawn).filter((line) => /[│┤]/.test(line) && mark.test(plotOf(line)))
    expect(rowOf(/a/)).toHaveLength(1)
    expect(rowOf(/a/)[0]).toMatch(/^ *0 ┤/)
    expect(rowOf(/b/)).toHaveLength(1)
    expect(rowOf(/b/)[0]).toMatch(/^-40 ┤/)
  })

  it('draws a falling line that touches every column and never rises', () => {
    const rows = plotRows(drawCurves(figure(straight('fall', 0, -80)), { width: 60, colors: 0, height: 20 }))
    const columns = Math.max(...rows.map((row) => row.length))
    const height = Array.from({ length: columns }, (_, c) => rows.findIndex((row) => /[⠁-⣿a]/.test(row[c])))
    expect(rows).toHaveLength(20)
    expect(height.every((row) => row >= 0)).toBe(true)
    for (let c = 1; c < columns; c++) expect(height[c]).toBeGreaterThanOrEqual(height[c - 1])
    expect([height[0], height[columns - 1]]).toEqual([0, 19])
  })

  it('shows bands with colours only, and scales to what it shows', () => {
    const wide = {
      label: 'wide',
      points: [0, 10].map((firstLayer) => ({ firstLayer, mean: -4, low: -90, high: 0, n: 3 })),
    }
    const dots = (colors: Colors) =>
      plotRows(drawCurves(figure(wide), { width: 60, colors }))
        .join('')
        .match(/[⠁-⣿]/g)!
    expect(dots(16).length).toBeGreaterThan(5 * dots(0).length)
    const numbers = (colors: Colors) => lines(drawCurves(figure(wide), { width: 60, colors })).join('\n')
    expect(numbers(0)).not.toContain('-80 ┤')
    expect(numbers(16)).toContain('-80 ┤')
  })

  it('draws all zeros, one window and one point', () => {
    expect(drawCurves(figure(straight('zero', 0, 0)), { width: 40, colors: 0 })).toContain('⠒a⠒ zero')
    const points = [{ firstLayer: 0, mean: -3, low: -4, high: -2, n: 1 }]
    const single = { ...figure({ label: 'x', points }), nLayers: 2 }
    expect(plotRows(drawCurves(single, { width: 40, colors: 0 })).join('')).toContain('a')
  })

  it('names the layers below the axis', () => {
    const drawn = lines(drawCurves(figure(straight('a', 0, -5)), { width: 60, colors: 0 }))
    const axis = drawn.findIndex((line) => line.includes('└'))
    const labels = [...drawn[axis + 1].matchAll(/\d+/g)].map(([label]) => Number(label))
    expect(labels).toEqual([0, 2, 4, 6, 8, 10])
    expect(drawn[axis].match(/┬/g)).toHaveLength(labels.length)
    expect(drawn[axis + 2].trim()).toBe('first layer of the window (w = 2)')
  })
})

describe('drawHeatmap', () => {
  const ramp = Array.from({ length: 21 }, (_, i) => 4 * i - 40)
  const rampFigure = heatmap(['a'], 21, 1, (_, w) => ramp[w])

  it.each([256, 16777216] as const)(
    'maps changes to even steps of red and blue with %d colours',
    (colors) => {
      const drawn = drawHeatmap(rampFigure, { width: 40, colors }).split('\n')
      const row = backgrounds(drawn.find((line) => stripVTControlCharacters(line).startsWith('a'))!)
      expect(row).toHaveLength(ramp.length)
      const light = row.map(luminance)
      for (let i = 1; i <= 10; i++) expect(light[i]).toBeGreaterThanOrEqual(light[i - 1])
      for (let i = 11; i <= 20; i++) expect(light[i]).toBeLessThanOrEqual(light[i - 1])
      for (const [red, , blue] of row.slice(0, 10)) expect(red).toBeGreaterThan(blue)
      for (const [red, , blue] of row.slice(11)) expect(blue).toBeGreaterThan(red)
      expect(new Set(light).size).toBeGreaterThanOrEqual(colors === 256 ? 15 : 21)
    },
  )

  it.each([0, 16] as const)('maps changes to characters with %d colours, gains to digits', (colors) => {
    const row = plotRows(drawHeatmap(rampFigure, { width: 40, colors }))[0]
    expect(row).toBe('@%#*++=-:. 1234556789')
  })

  it('keeps tokens in order, equal ones apart, the subject marked', () => {
    const figure = heatmap([' a', ' a', ' b', ' a'], 10, 3, (t, w) => (t === 3 && w === 5 ? -50 : 0))
    const drawn = lines(drawHeatmap(figure, { width: 60, colors: 0 })).filter((line) => line.includes('│'))
    expect(drawn.map((line) => line.split('│')[0].trim())).toEqual(['␣a', '␣a*', '␣b*', '␣a'])
    const cells = drawn.map((line) => plotOf(line))
    expect(cells.map((row) => row.trim())).toEqual(['', '', '', '@@@@'])
    expect(cells[3].indexOf('@')).toBe(4 * 5)
  })

  it('lines the cells up behind labels of any script', () => {
    const drawn = lines(drawHeatmap(oddHeatmap, { width: 100, colors: 0 })).filter((line) =>
      line.includes('│'),
    )
    expect(drawn).toHaveLength(ODD_TOKENS.length)
    expect(new Set(drawn.map((line) => stringWidth(line.split('│')[0]))).size).toBe(1)
  })

  it('averages neighbours where windows outnumber columns, and says so', () => {
    const figure = heatmap(['a'], 90, 1, (_, w) => (w % 3 === 0 ? -90 : 0))
    const narrow = drawHeatmap(figure, { width: 40, colors: 16777216 })
    expect(lines(narrow).join(' ')).toContain('each column is the mean of 3 neighbouring windows')
    const row = narrow.split('\n').find((line) => stripVTControlCharacters(line).startsWith('a'))!
    // The mean, -30, on a scale that ends at 100: halfway between the third and the fourth stop, #f4a582 and #fddbc7.
    expect(backgrounds(row)).toEqual(Array.from({ length: 30 }, () => [249, 192, 165]))
    expect(drawHeatmap(figure, { width: 100, colors: 0 })).not.toContain('neighbouring')
  })

  it('shortens labels before it merges windows', () => {
    const figure = heatmap([' internationalization', 'b'], 56, 1, () => -1)
    const drawn = drawHeatmap(figure, { width: 70, colors: 0 })
    expect(drawn).not.toContain('neighbouring')
    expect(drawn).toContain('␣internatio… │')
  })
})
