import { describe, expect, it } from 'vitest'
import { curveGridSpec } from '../../src/figures/curve-grid.js'
import { curvesSpec } from '../../src/figures/curves.js'
import { heatmapSpec } from '../../src/figures/heatmap.js'
import { COLORS, MEASURES } from '../../src/figures/look.js'
import { toPng, toSvg } from '../../src/figures/render.js'
import { frame } from './drawn.js'
import { decodePng, differing, inkBox } from './png.js'
import { curveGrid, heatmap, LOOKS, ODD_TOKENS, trainedCurves } from './samples.js'

const withoutTexts = (svg: string) => svg.replaceAll(/<text [^>]*>[^<]*<\/text>/g, '')

const heat = heatmapSpec(heatmap(['The', ' Eiffel', ' Tower', ' is', ' in'], 24, 9, (t, w) => -t * w))

describe('toPng', () => {
  it.each([1, 2, 2.5])('has the size of the SVG, times %d', async (scale) => {
    const svg = await toSvg(heat)
    const [width, height] = frame(svg)
    const image = decodePng(toPng(svg, { scale }))
    expect(Math.abs(image.width - scale * width)).toBeLessThan(1)
    expect(Math.abs(image.height - scale * height)).toBeLessThan(1)
  })

  it('really draws the text', async () => {
    const svg = await toSvg(heat)
    const [, , left, top] = frame(svg)
    const withText = decodePng(toPng(svg, { scale: 1 }))
    const without = decodePng(toPng(withoutTexts(svg), { scale: 1 }))
    // Each text of the SVG changes pixels around its own anchor.
    const [, frameX, frameY] = /translate\(([\d.]+),([\d.]+)\)/.exec(svg)!.map(Number)
    const rows = [...svg.matchAll(/text-anchor="end" transform="translate\(-6,([\d.]+)\)"[^>]*>([^<]*)</g)]
    expect(rows.map(([, , label]) => label)).toEqual(['The', '␣Eiffel*', '␣Tower*', '␣is', '␣in'])
    for (const [, baseline] of rows) {
      const y = Math.round(frameY + Number(baseline) - top)
      const x = Math.round(frameX - left)
      expect(differing(withText, without, [x - 30, x - 5], [y - 10, y + 2])).toBeGreaterThan(30)
    }
    expect(differing(withText, without, [0, withText.width], [0, Math.round(frameY - top)])).toBeGreaterThan(
      500,
    )
  })

  it('draws bold text bold', async () => {
    const text = (weight: string) =>
      '<svg xmlns="http://www.w3.org/2000/svg" width="200" height="40"><text x="10" y="30" font-size="20" ' +
      `font-family="DejaVu Sans, Verdana, sans-serif" font-weight="${weight}">Eiffel Tower</text></svg>`
    const [bold, normal] = ['bold', 'normal'].map((weight) =>
      inkBox(decodePng(toPng(text(weight), { scale: 1 }))),
    )
    expect(bold.x[1]).toBeGreaterThan(normal.x[1] + 5)
  })

  it('draws odd tokens', async () => {
    const svg = await toSvg(heatmapSpec(heatmap(ODD_TOKENS, 24, 9, (t, w) => t - w)))
    expect(decodePng(toPng(svg, { scale: 1 })).height).toBeGreaterThan(ODD_TOKENS.length * 20)
  })
})

describe.each(LOOKS)('the picture in a look: $size, $theme', (look) => {
  it.each([
    ['curves', curvesSpec(trainedCurves(), look)],
    [
      'heatmap',
      heatmapSpec(
        heatmap(['The', ' Eiffel', ' Tower'], 24, 9, (t, w) => -t * w),
        look,
      ),
    ],
    ['grid', curveGridSpec(curveGrid({ rows: ['a', 'b'], columns: ['c', 'd'], lines: ['e'] }), look)],
  ])('of the %s is cut to what is drawn, on its background, with an even margin', async (_, spec) => {
    const svg = await toSvg(spec)
    const { background } = COLORS[look.theme]
    const [width, height, left, top] = frame(svg)
    expect(svg).toContain(
      `<rect x="${left}" y="${top}" width="${width}" height="${height}" fill="${background}"/>`,
    )
    const image = decodePng(toPng(svg, { scale: 1 }))
    const ground = background === 'white' ? [255, 255, 255, 255] : [...rgb(background), 255]
    expect([...image.pixels.subarray(0, 4)]).toEqual(ground)
    expect([...image.pixels.subarray(-4)]).toEqual(ground)
    const { x, y } = inkBox(image)
    const { margin } = MEASURES[look.size]
    for (const free of [x[0], y[0], image.width - x[1], image.height - y[1]]) {
      expect(free).toBeGreaterThanOrEqual(margin - 2)
      expect(free).toBeLessThanOrEqual(margin + 3)
    }
  })

  it('has no edge of another colour at any scale', async () => {
    const svg = await toSvg(
      heatmapSpec(
        heatmap(['The', ' Eiffel'], 24, 9, (t, w) => -t * w),
        look,
      ),
    )
    const { width, height, pixels } = decodePng(toPng(svg, { scale: 1.37 }))
    const pixel = (x: number, y: number) => [...pixels.subarray(4 * (y * width + x), 4 * (y * width + x) + 4)]
    expect(pixel(width - 1, height - 1)).toEqual(pixel(0, 0))
    expect(pixel(width - 1, 0)).toEqual(pixel(0, 0))
  })
})

const rgb = (color: string) => [1, 3, 5].map((at) => Number.parseInt(color.slice(at, at + 2), 16))
