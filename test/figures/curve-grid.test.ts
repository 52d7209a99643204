import { describe, expect, it } from 'vitest'
import { InputError } from '../../src/errors.js'
import { curveGridSpec } from '../../src/figures/curve-grid.js'
import { type CurveGrid, type GridPoint, windowDepth } from '../../src/figures/curve-grid-data.js'
import { COLORS, DEFAULT_LOOK, MEASURES, shades } from '../../src/figures/look.js'
import { toSvg } from '../../src/figures/render.js'
import { count, examine, frame, texts, typeSizes, warnings } from './drawn.js'
import { curveGrid, LOOKS } from './samples.js'

const names = (what: string, count: number) => Array.from({ length: count }, (_, i) => `${what} ${i + 1}`)
const one = curveGrid({ rows: [''], columns: [''], lines: names('line', 5) })
const some = curveGrid(
  { rows: names('relation-minus-last → row', 3), columns: names('model', 3), lines: names('line', 3) },
  { n: ({ row, column, line }) => 100 + 10 * row + column - line },
)
/** As large as a page must hold. */
const large = curveGrid(
  { rows: names('source', 8), columns: names('falcon-mamba', 6), lines: names('knockout', 8) },
  { nLayers: 64, n: ({ row }) => 100 + row },
)
const missing: CurveGrid = {
  ...some,
  cells: some.cells.filter(({ row, column }) => column !== 2 || row === 1),
  remarks: [{ row: 0, column: 2, text: 'no feature categories' }],
}

/** The lines of each plot as Vega drew them, from left to right: [x, y] of each window. */
function lines(svg: string): number[][][] {
  return [...svg.matchAll(/<g class="mark-line role-mark[^>]*><path d="M([^"]*)"/g)].map(([, path]) =>
    path.split('L').map((pair) => pair.split(',').map(Number)),
  )
}

/** Decimals of a pixel to which places hold: a figure's data have six digits. */
const DIGITS = 2

const lineColors = (svg: string) =>
  [...svg.matchAll(/<g class="mark-line role-mark[^>]*><path d="[^"]*" stroke="([^"]*)"/g)].map(
    ([, color]) => color,
  )

describe('curveGridSpec', () => {
  describe.each(LOOKS)('$size, $theme', (look) => {
    it.each([
      ['one plot', one],
      ['a grid', some],
      ['missing plots', missing],
      ['rows with their own y axis', { ...some, sharedY: 'row' as const, ordered: true }],
      ['first layers', { ...missing, x: 'layers' as const }],
    ])('draws %s without warnings, no text over another', async (_, grid) => {
      const spec = curveGridSpec(grid, look)
      const { svg, warnings, overlaps } = await examine(spec)
      expect([warnings, overlaps]).toEqual([[], []])
      const [width] = frame(svg)
      expect(width).toBeLessThanOrEqual(MEASURES[look.size].width)
    })
  })

  it.each(['column', 'page'] as const)('is as wide as it may be, its type 7 pt or more: %s', async (size) => {
    const svg = await toSvg(curveGridSpec(some, { size, theme: 'light' }))
    expect(frame(svg)[0]).toBeGreaterThan(MEASURES[size].width * 0.95)
    expect(Math.min(...typeSizes(svg))).toBeGreaterThanOrEqual((7 * 96) / 72)
  })

  it('keeps eight rows, six columns and eight lines on a page', async () => {
    const spec = curveGridSpec(large, { size: 'page', theme: 'light' })
    const { svg, overlaps } = await examine(spec)
    expect(overlaps).toEqual([])
    const [width, height] = frame(svg)
    expect(width).toBeLessThanOrEqual(7 * 96)
    expect(height).toBeLessThanOrEqual(9 * 96)
    expect(lines(svg)).toHaveLength(8 * 6 * 8)
  })

  it('draws each line and band, and says each label once', async () => {
    const svg = await toSvg(curveGridSpec(some))
    expect(lines(svg)).toHaveLength(27)
    expect(count(svg, /class="mark-area role-mark/g)).toBe(27)
    const said = texts(svg)
    const labels = [some.title, some.subtitle, some.yLabel, 'depth of the window’s first layer, % (w = 9)']
    for (const axis of [some.columns, some.lines]) labels.push(...axis.map(({ label }) => label))
    for (const label of labels) {
      expect(
        said.filter((text) => text.replaceAll('\u00a0', ' ') === label),
        label,
      ).toHaveLength(1)
    }
    const rows = said
      .filter((text) => text.startsWith('relation-minus-last'))
      .map((text) => text.replace('\n', ' '))
    expect(rows).toEqual(some.rows.map(({ label }) => label))
  })

  it.each(['grid', 'row'] as const)(
    'labels the depth axis below the last row only, y axes by %s',
    async (sharedY) => {
      const said = texts(await toSvg(curveGridSpec({ ...some, sharedY })))
      expect(said.filter((text) => text === '100')).toHaveLength(3)
      expect(said.filter((text) => text.startsWith('depth of'))).toHaveLength(1)
    },
  )

  it('has no header where there is one row or column without a label', async () => {
    const said = texts(await toSvg(curveGridSpec(one)))
    const ticks = said.filter((text) => /^[−\d]+$/.test(text))
    expect(said).toHaveLength(ticks.length + 5 + 4)
  })

  it('puts windows where their depth is: those of shallow and deep models from end to end', async () => {
    const deep = curveGrid({ rows: [''], columns: ['a'], lines: ['deep'] }, { nLayers: 48, window: 9 })
    const shallow = curveGrid({ rows: [''], columns: ['a'], lines: ['deep'] }, { nLayers: 12, window: 9 })
    const grid = {
      ...deep,
      lines: [...deep.lines, { key: 'shallow', label: 'shallow' }],
      cells: [...deep.cells, { ...shallow.cells[0], line: 1 }],
    }
    const [a, b] = lines(await toSvg(curveGridSpec(grid)))
    expect([a.length, b.length]).toEqual([40, 4])
    expect(a[0][0]).toBeCloseTo(b[0][0], DIGITS)
    expect(a[39][0]).toBeCloseTo(b[3][0], DIGITS)
    expect(b[1][0]).toBeCloseTo(b[0][0] + (b[3][0] - b[0][0]) / 3, DIGITS)
    const [c, d] = lines(await toSvg(curveGridSpec({ ...grid, x: 'layers' })))
    expect(d[3][0]).toBeCloseTo(c[3][0], DIGITS)
  })

  it('leaves out bands that are not there', async () => {
    const points = one.cells[0].points.map(({ low: _low, high: _high, ...point }) => point)
    const grid = { ...one, cells: [{ ...one.cells[0], points }] }
    const svg = await toSvg(curveGridSpec(grid))
    expect(await warnings(curveGridSpec(grid))).toEqual([])
    expect(count(svg, /class="mark-area role-mark/g)).toBe(0)
    expect(lines(svg)).toHaveLength(1)
  })

  it('draws a model with a single window as a marker', async () => {
    const svg = await toSvg(
      curveGridSpec(curveGrid({ rows: [''], columns: [''], lines: ['l'] }, { nLayers: 9 })),
    )
    const markers = /<g class="mark-symbol role-mark[^>]*>(.*?)<\/g>/.exec(svg)![1]
    expect(count(markers, /<path /g)).toBe(1)
  })

  it('says why a plot is empty', async () => {
    const said = texts(await toSvg(curveGridSpec(missing)))
    expect(said.filter((text) => text === 'no feature categories')).toHaveLength(1)
    expect(said.filter((text) => text === 'no data')).toHaveLength(1)
  })

  it('goes from light to dark where lines are a scale, by colour where they are not', async () => {
    const grid = curveGrid({ rows: [''], columns: [''], lines: names('size', 4) })
    const { palette, sequential } = COLORS.light
    expect(lineColors(await toSvg(curveGridSpec(grid)))).toEqual(palette.slice(0, 4))
    expect(lineColors(await toSvg(curveGridSpec({ ...grid, ordered: true })))).toEqual(shades(sequential, 4))
  })

  describe('says the number of prompts', () => {
    const grid = (n: (cell: { row: number; column: number; line: number }) => number) =>
      curveGrid({ rows: names('row', 2), columns: names('column', 2), lines: names('line', 2) }, { n })
    const counts = async (figure: CurveGrid) =>
      texts(await toSvg(curveGridSpec(figure)))
        .map((text) => text.replaceAll('\u00a0', ' '))
        .filter((text) => text.includes('n ='))

    it('once where it is the same everywhere', async () => {
      expect(await counts(grid(() => 57))).toEqual(['mean and 95 % t interval; n = 57'])
    })

    it('in the legend where each line has its own', async () => {
      expect(await counts(grid(({ line }) => 57 + line))).toEqual(['line 1 (n = 57)', 'line 2 (n = 58)'])
    })

    it('with each plot where plots have their own', async () => {
      const said = await counts(grid(({ row, column }) => 57 + 10 * row + column))
      expect(said).toEqual(['n = 57', 'n = 58', 'n = 67', 'n = 68'])
    })

    it('as a range where the lines of a plot differ too', async () => {
      const said = await counts(grid(({ row, line }) => 57 + 10 * row + line))
      expect(said).toEqual(['n = 57–58', 'n = 57–58', 'n = 67–68', 'n = 67–68'])
    })
  })

  describe('the y axis', () => {
    const grid = curveGrid({ rows: ['a', 'b'], columns: [''], lines: ['l'] })
    const steep = {
      ...grid,
      cells: grid.cells.map((cell) => ({
        ...cell,
        points: cell.points.map((point) => {
          const scale = cell.row === 0 ? 1 : 10
          const [mean, low, high] = [point.mean, point.low!, point.high!].map((value) => value * scale)
          return { ...point, mean, low, high }
        }),
      })),
    }
    const drop = (line: number[][]) => line.at(-1)![1] - line[0][1]

    it('is the same in all plots, or in those of a row', async () => {
      const [a, b] = lines(await toSvg(curveGridSpec(steep))).map(drop)
      expect(b / a).toBeCloseTo(20, DIGITS)
      const [c, d] = lines(await toSvg(curveGridSpec({ ...steep, sharedY: 'row' }))).map(drop)
      expect(c).toBeGreaterThan(3 * a)
      expect(d / c).toBeLessThan(1.5)
    })

    it('ends where it is told to', async () => {
      const free = await toSvg(curveGridSpec(grid))
      const bound = await toSvg(curveGridSpec({ ...grid, yLimits: [-200, 20] }))
      expect(texts(bound)).toContain('−200')
      expect(texts(free)).not.toContain('−200')
      const [a] = lines(free).map(drop)
      const [b] = lines(bound).map(drop)
      expect(b).toBeLessThan(a / 2)
    })

    it('has a line of no change, unless that lies beyond', async () => {
      const rules = async (figure: CurveGrid) =>
        count(await toSvg(curveGridSpec(figure)), /class="mark-rule role-mark/g)
      expect(await rules(grid)).toBe(2)
      expect(await rules({ ...grid, yLimits: [-200, -10] })).toBe(0)
    })
  })

  it('is light and for a screen unless told otherwise', () => {
    expect(curveGridSpec(one)).toEqual(curveGridSpec(one, DEFAULT_LOOK))
  })

  const withPoint = (change: Partial<GridPoint>): CurveGrid => ({
    ...one,
    cells: [{ ...one.cells[0], points: [{ ...one.cells[0].points[0], ...change }] }],
  })
  it.each<[string, CurveGrid]>([
    ['no row', { ...one, rows: [] }],
    ['no line', { ...one, lines: [] }],
    ['no cell', { ...one, cells: [] }],
    ['a key twice', { ...one, lines: [...one.lines, one.lines[0]] }],
    ['a cell outside', { ...one, cells: [{ ...one.cells[0], column: 1 }] }],
    ['a cell twice', { ...one, cells: [one.cells[0], one.cells[0]] }],
    ['no point', { ...one, cells: [{ ...one.cells[0], points: [] }] }],
    ['a mean that is no number', withPoint({ mean: Number.NaN })],
    ['half a band', withPoint({ high: undefined })],
    ['a band upside down', withPoint({ low: 3, high: -3 })],
    ['a band without end', withPoint({ low: Number.NEGATIVE_INFINITY })],
    ['a depth beyond the model', withPoint({ depth: 101 })],
    ['a fractional layer', withPoint({ firstLayer: 0.5 })],
    ['no prompt', withPoint({ n: 0 })],
    ['limits upside down', { ...one, yLimits: [10, -10] }],
    ['no reference', { ...one, reference: Number.NaN }],
  ])('throws on %s', (_, grid) => {
    expect(() => curveGridSpec(grid)).toThrow(InputError)
  })
})

describe('windowDepth', () => {
  it('is 0 at the first window, 100 at the last, 0 where there is one', () => {
    expect([0, 5, 15].map((first) => windowDepth(first, 9, 24))).toEqual([0, 100 / 3, 100])
    expect(windowDepth(0, 12, 12)).toBe(0)
  })
})
