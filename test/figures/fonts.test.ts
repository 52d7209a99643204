import { readFileSync } from 'node:fs'
import subsetFont from 'subset-font'
import { describe, expect, it } from 'vitest'
import { curvesSpec } from '../../src/figures/curves.js'
import { embedFonts, fontFile, textsOf } from '../../src/figures/fonts.js'
import { heatmapSpec } from '../../src/figures/heatmap.js'
import { toPng, toSvg } from '../../src/figures/render.js'
import { decodePng, differing } from './png.js'
import { heatmap, trainedCurves } from './samples.js'
import { type Font, readFont } from './ttf.js'

const svg = (texts: string) =>
  `<svg xmlns="http://www.w3.org/2000/svg" width="200" height="40" viewBox="0 0 200 40">${texts}</svg>`

/** The fonts inside an SVG, by weight. */
async function fontsIn(drawn: string): Promise<Map<string, Font>> {
  const faces = drawn.matchAll(
    /@font-face\{font-family:"DejaVu Sans";font-weight:(\w+);src:url\(data:font\/woff2;base64,([^)]*)\) format\("woff2"\)\}/g,
  )
  const fonts = new Map<string, Font>()
  for (const [, weight, data] of faces) {
    const file = Buffer.from(data, 'base64')
    expect(file.subarray(0, 4).toString('latin1')).toBe('wOF2')
    // Back to TrueType, all of it: ASCII is more than it has.
    const all = String.fromCodePoint(...Array.from({ length: 0x3000 }, (_, i) => i + 32))
    fonts.set(weight, readFont(await subsetFont(file, all, { targetFormat: 'truetype' })))
  }
  return fonts
}

describe('embedFonts', () => {
  it.each([
    ['curves', curvesSpec(trainedCurves())],
    ['heatmap', heatmapSpec(heatmap(['The', ' Tōkyō', ' 塔', '&<>"'], 6, 2, (t, w) => t - w))],
  ])(
    'puts the glyphs of all texts of the %s inside, as they are in DejaVu Sans, and no others',
    async (_, spec) => {
      const drawn = await toSvg(spec)
      const fonts = await fontsIn(drawn)
      const texts = textsOf(drawn)
      expect([...fonts.keys()]).toEqual(['normal', 'bold'])
      for (const weight of ['normal', 'bold'] as const) {
        const [own, whole] = [fonts.get(weight)!, readFont(readFileSync(fontFile(weight)))]
        for (const character of new Set(texts[weight])) {
          expect(own.advance(character), character).toBe(whole.advance(character))
        }
        const missing = ['Q', 'j', 'Ж'].filter((character) => !texts[weight].includes(character))
        expect(missing.length).toBeGreaterThan(0)
        for (const character of missing) expect(own.advance(character)).toBeUndefined()
      }
    },
  )

  it('embeds the weights that are used, and nothing where there is no text', async () => {
    const bold = await embedFonts(svg('<text font-weight="bold">Eiffel</text>'))
    expect([...(await fontsIn(bold)).keys()]).toEqual(['bold'])
    expect(await embedFonts(svg('<rect width="3" height="3"/>'))).toBe(svg('<rect width="3" height="3"/>'))
  })

  it('is small: a figure with all of ASCII grows by less than 20 kB', async () => {
    const ascii = String.fromCharCode(...Array.from({ length: 95 }, (_, i) => i + 32))
    const escaped = ascii.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
    const plain = svg(`<text>${escaped}</text><text font-weight="bold">${escaped}</text>`)
    const drawn = await embedFonts(plain)
    expect(drawn.length - plain.length).toBeGreaterThan(4000)
    expect(drawn.length - plain.length).toBeLessThan(20_000)
  })

  it('changes nothing of the picture', async () => {
    const text = svg('<text x="10" y="30" font-size="20" font-family="DejaVu Sans">Eiffel</text>')
    const [with_, without] = [await embedFonts(text), text].map((drawn) =>
      decodePng(toPng(drawn, { scale: 1 })),
    )
    expect(differing(with_, without, [0, 200], [0, 40])).toBe(0)
  })
})

describe('textsOf', () => {
  it('reads lines and entities, by weight', () => {
    const drawn = svg(
      '<text font-size="9px"><tspan>one</tspan><tspan dy="2">&lt;two&gt;</tspan></text><text font-weight="bold">&amp;</text>',
    )
    expect(textsOf(drawn)).toEqual({ normal: 'one<two>', bold: '&' })
  })
})
