import { describe, expect, it } from 'vitest'
import { curvesSpec } from '../../src/figures/curves.js'
import { heatmapSpec } from '../../src/figures/heatmap.js'
import { toPng, toSvg } from '../../src/figures/render.js'
import { decodePng, differing, inkBox } from './png.js'
import { heatmap, ODD_TOKENS, trainedCurves } from './samples.js'

const size = (svg: string) =>
  /^<svg [^>]*width="(\d+)" height="(\d+)" viewBox="(-?\d+) (-?\d+) \1 \2"/.exec(svg)!

const withoutTexts = (svg: string) => svg.replaceAll(/<text [^>]*>[^<]*<\/text>/g, '')

const heat = heatmapSpec(heatmap(['The', ' Eiffel', ' Tower', ' is', ' in'], 24, 9, (t, w) => -t * w))

describe('toPng', () => {
  it.each([1, 2, 2.5])('has the size of the SVG, times %d', async (scale) => {
    const svg = await toSvg(heat)
    const [, width, height] = size(svg).map(Number)
    const image = decodePng(toPng(svg, { scale }))
    expect(Math.abs(image.width - scale * width)).toBeLessThan(1)
    expect(Math.abs(image.height - scale * height)).toBeLessThan(1)
  })

  it('really draws the text', async () => {
    const svg = await toSvg(heat)
    const [, , , left, top] = size(svg).map(Number)
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

describe('toSvg', () => {
  it.each([
    ['curves', curvesSpec(trainedCurves())],
    ['heatmap', heat],
  ])('cuts the %s to what is drawn, on white, with an even margin', async (_, spec) => {
    const svg = await toSvg(spec)
    const image = decodePng(toPng(svg, { scale: 1 }))
    const { x, y } = inkBox(image)
    for (const margin of [x[0], y[0], image.width - x[1], image.height - y[1]]) {
      expect(margin).toBeGreaterThanOrEqual(8)
      expect(margin).toBeLessThanOrEqual(13)
    }
    const [, width, height, left, top] = size(svg)
    expect(svg).toContain(`<rect x="${left}" y="${top}" width="${width}" height="${height}" fill="white"/>`)
  })
})
