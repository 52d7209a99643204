import { describe, expect, it } from 'vitest'
import { InputError } from '../../src/errors.js'
import { type HeatmapGrid, heatmapGridSpec } from '../../src/figures/heatmap-grid.js'
import { MEASURES } from '../../src/figures/look.js'
import { toSvg } from '../../src/figures/render.js'
import { cells, count, examine, frame, luminance, texts, typeSizes } from './drawn.js'
import { heatmap, LOOKS, ODD_TOKENS } from './samples.js'

const TOKENS = ['The', ' Eiffel', ' Tower', ' is', ' located', ' in']

/** Cells of one prompt in a grid; each model has its own number of layers. */
function grid(rows: string[], columns: string[], value = (t: number, w: number) => -t * w): HeatmapGrid {
  return {
    title: 'Each token cut from the last',
    subtitle: '* marks the subject',
    rows,
    columns,
    unit: 'relative',
    cells: rows.flatMap((_, row) =>
      columns.map((_, column) => ({
        row,
        column,
        ...heatmap(TOKENS.slice(0, 6 - row), 12 + 4 * column, 5, value),
        title: 'p = 0.93, rank 1',
      })),
    ),
  }
}

const PROMPT = 'The Eiffel Tower is located in the city of → Paris'
const some = grid([PROMPT, 'The Louvre is in → Paris'], ['tiny-mamba1', 'tiny-mamba2', 'tiny-gpt2'])
const missing = { ...some, cells: some.cells.filter(({ row, column }) => row !== 0 || column !== 1) }
const one = grid([''], [''])
/** Characters beyond the font are not as wide as is guessed. */
const odd: HeatmapGrid = {
  ...one,
  cells: [{ row: 0, column: 0, ...heatmap(ODD_TOKENS, 6, 2, (t, w) => t - w) }],
}

/** Where the plots begin, from left to right and top to bottom. */
function plots(svg: string): { x: number; y: number }[] {
  return [
    ...svg.matchAll(
      /<g class="mark-group role-scope concat_\d+_concat_\d+_group"[^>]*><g transform="translate\(([\d.]+),([\d.]+)\)"/g,
    ),
  ].map(([, x, y]) => ({ x: Number(x), y: Number(y) }))
}

describe('heatmapGridSpec', () => {
  describe.each(LOOKS)('$size, $theme', (look) => {
    it.each([
      ['a grid', some],
      ['one heatmap', one],
      ['missing heatmaps', missing],
      ['odd tokens', odd],
    ])('draws %s without warnings, no text over another, in its width', async (_, figure) => {
      const spec = heatmapGridSpec(figure, look)
      const { svg, warnings, overlaps } = await examine(spec)
      expect([warnings, overlaps]).toEqual([[], []])
      if (figure !== odd) expect(frame(svg)[0]).toBeLessThanOrEqual(MEASURES[look.size].width)
      if (look.size !== 'screen') expect(Math.min(...typeSizes(svg))).toBeGreaterThanOrEqual((7 * 96) / 72)
    })
  })

  it('says each label, the scale and the depth axis once, the base probability of each', async () => {
    const said = texts(await toSvg(heatmapGridSpec(some)))
    const once = [some.title, ...some.rows, 'first layer of the window (w = 5)', 'change of p(answer), %']
    for (const label of once)
      expect(
        said.filter((text) => text === label),
        label,
      ).toHaveLength(1)
    for (const label of some.columns) {
      expect(
        said.filter((text) => text.startsWith(label)),
        label,
      ).toHaveLength(1)
    }
    expect(said.join('\n').match(/p = 0.93, rank 1/g)).toHaveLength(6)
    expect(said.filter((text) => text === '␣Eiffel*')).toHaveLength(6)
  })

  it('keeps rows and columns in line, whatever is missing', async () => {
    const whole = plots(await toSvg(heatmapGridSpec(some)))
    expect(whole).toHaveLength(6)
    const [top, bottom] = [whole.slice(0, 3), whole.slice(3)]
    expect(bottom.map(({ x }) => x)).toEqual(top.map(({ x }) => x))
    for (const row of [top, bottom]) expect(new Set(row.map(({ y }) => y)).size).toBe(1)
    const svg = await toSvg(heatmapGridSpec(missing))
    expect(plots(svg)).toEqual(whole)
    expect(texts(svg).filter((text) => text === 'no data')).toHaveLength(1)
  })

  it('has one scale of colours for all, which ends at the largest change of all', async () => {
    const base = grid([''], ['a', 'b'])
    const [a, b] = base.cells
    const flat = (value: number) => heatmap(TOKENS, 12, 5, () => value).values
    const figure = {
      ...base,
      cells: [
        { ...a, values: flat(-8) },
        { ...b, ...heatmap(TOKENS, 12, 5, () => -55) },
      ],
    }
    const svg = await toSvg(heatmapGridSpec(figure))
    expect(texts(svg)).toEqual(expect.arrayContaining(['−60', '+60']))
    expect(count(svg, /class="mark-rect role-legend-gradient|role-legend-band/g)).toBeLessThanOrEqual(1)
    const marks = [...svg.matchAll(/<g class="mark-rect role-mark[^>]*>(.*?)<\/g>/g)].map(
      ([, group]) => group,
    )
    expect(marks).toHaveLength(2)
    const [weak, strong] = marks.map((group) => {
      const [, rgb] = /fill="rgb\(([^)]*)\)"/.exec(group)!
      return luminance(rgb.split(',').map(Number))
    })
    expect(weak).toBeGreaterThan(strong + 100)
  })

  it('shows differences of probabilities on their own scale', async () => {
    const figure = { ...grid([''], [''], (t, w) => -(t * w) / 70), unit: 'absolute' as const }
    const said = texts(await toSvg(heatmapGridSpec(figure)))
    expect(said).toEqual(expect.arrayContaining(['change of p(answer)', '−0.5', '+0.5']))
  })

  it('is dark where nothing changes on a dark ground', async () => {
    const figure = grid([''], [''], (t, w) => (t === 0 ? 0 : -t * w))
    const svg = await toSvg(heatmapGridSpec(figure, { size: 'screen', theme: 'dark' }))
    const drawn = cells(svg).map(({ rgb }) => luminance(rgb))
    expect(drawn[0]).toBeLessThan(50)
    expect(Math.max(...drawn)).toBeGreaterThan(150)
  })

  const [first] = one.cells
  it.each<[string, HeatmapGrid]>([
    ['no row', { ...one, rows: [] }],
    ['no cell', { ...one, cells: [] }],
    ['a cell outside', { ...one, cells: [{ ...first, row: 1 }] }],
    ['a cell twice', { ...one, cells: [first, first] }],
    ['an unknown unit', { ...one, unit: 'odds' as 'relative' }],
    [
      'a value that is no number',
      { ...one, cells: [{ ...first, values: first.values.map((row) => row.map(() => Number.NaN)) }] },
    ],
    ['tokens without values', { ...one, cells: [{ ...first, tokens: [...first.tokens, 'more'] }] }],
  ])('throws on %s', (_, figure) => {
    expect(() => heatmapGridSpec(figure)).toThrow(InputError)
  })

  it('says in which heatmap something is wrong', () => {
    const figure = {
      ...some,
      cells: some.cells.map((cell, i) => (i === 4 ? { ...cell, subject: [9] } : cell)),
    }
    expect(() => heatmapGridSpec(figure)).toThrow(
      'figure.cells[4].subject: must hold positions within 0..4, got 9',
    )
  })
})
