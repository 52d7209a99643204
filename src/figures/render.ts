import { Resvg, type ResvgRenderOptions } from '@resvg/resvg-js'
import { parse, View } from 'vega'
import { compile } from 'vega-lite'
import { type Box, cropped } from './crop.js'
import { embedFonts, FAMILY, fontFile } from './fonts.js'
import { measureText } from './measure.js'
import type { VegaLiteSpec } from './style.js'

/**
 * Draw a figure as a stand-alone SVG document, without a DOM. The glyphs of its texts are inside (DejaVu Sans, see
 * {@link embedFonts}), so it looks the same in every browser and program that reads web fonts, as an `<img>` too.
 *
 * The picture is cut to what is drawn, with an even margin (the padding that the spec asks for).
 */
export async function toSvg(spec: VegaLiteSpec): Promise<string> {
  measureText()
  const view = new View(parse(compile(spec).spec), { renderer: 'none' })
  try {
    return await embedFonts(cropped(await view.toSVG(), spec, boxOf))
  } finally {
    view.finalize()
  }
}

/**
 * Draw an SVG, as {@link toSvg} makes it, as a PNG, on the SVG's own background (white, where it brings none).
 *
 * Text is drawn in the DejaVu Sans that ships with factflow, so the picture is the same on every machine. Only text in
 * scripts that this font lacks (Chinese, Japanese, Korean, Indic...) is drawn in the machine's own fonts; without
 * such a font it shows as empty boxes.
 *
 * @param scale pixels of the PNG per pixel of the SVG, of which 96 are an inch: 3.125 makes 300 a printed inch
 */
export function toPng(svg: string, { scale = 2 }: { scale?: number } = {}): Uint8Array {
  const options = { ...fontOptions(svg), background: 'white', fitTo: { mode: 'zoom', value: scale } } as const
  return new Resvg(svg, options).render().asPng()
}

function boxOf(svg: string): Box | undefined {
  return new Resvg(svg, fontOptions(svg)).getBBox()
}

/** The scripts of DejaVu Sans 2.37, and what scripts share. */
const COVERED = [
  ...[
    'Latin',
    'Greek',
    'Cyrillic',
    'Armenian',
    'Hebrew',
    'Arabic',
    'Georgian',
    'Lao',
    'Nko',
    'Tifinagh',
    'Ogham',
  ],
  ...['Canadian_Aboriginal', 'Braille', 'Common', 'Inherited'],
]
const UNCOVERED = new RegExp(
  `[^${COVERED.map((script) => `\\p{Script=${script}}`).join('')}]|\\p{Emoji_Presentation}`,
  'u',
)

function fontOptions(svg: string): Pick<ResvgRenderOptions, 'font'> {
  return {
    font: {
      loadSystemFonts: UNCOVERED.test(svg),
      fontFiles: [fontFile('normal'), fontFile('bold')],
      defaultFontFamily: FAMILY,
      sansSerifFamily: FAMILY,
    },
  }
}
