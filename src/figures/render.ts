import { Resvg, type ResvgRenderOptions } from '@resvg/resvg-js'
import { parse, textMetrics, View } from 'vega'
import { compile } from 'vega-lite'
import { embedFonts, FAMILY, fontFile } from './fonts.js'
import { MEASURES } from './look.js'
import { textWidth } from './metrics.js'
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
    const padding = spec.config?.padding
    const margin = typeof padding === 'number' ? padding : MEASURES.screen.margin
    return await embedFonts(cropped(await view.toSVG(), margin))
  } finally {
    view.finalize()
  }
}

/** Without a canvas Vega takes every character to be 0.8 em wide, unless it is told how wide text is. */
function measureText(): void {
  textMetrics.width = ({ fontSize = 11, fontWeight, limit }, text) => {
    const width = textWidth(String(text ?? '').trim(), fontSize, fontWeight === 'bold' ? 'bold' : 'normal')
    return limit && limit > 0 ? Math.min(limit, width) : width
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

/** What Vega paints first: the whole figure in the colour of the background. */
const BACKGROUND = /<rect (?:x="[^"]*" y="[^"]*" )?width="[^"]*" height="[^"]*" fill="([^"]*)"\/>/

function cropped(svg: string, margin: number): string {
  const sized = / width="[^"]*" height="[^"]*" viewBox="[^"]*"/
  // What Vega draws without fill or stroke spans more than is to be seen: not part of the picture.
  const visible = svg.replace(BACKGROUND, '').replaceAll(/<path class="background"[^>]*\/>/g, '')
  const box = new Resvg(visible, fontOptions(svg)).getBBox()
  if (box === undefined) return svg
  const [x, y] = [box.x - margin, box.y - margin].map(Math.floor)
  const [width, height] = [box.x + box.width + margin - x!, box.y + box.height + margin - y!].map(Math.ceil)
  return svg
    .replace(sized, ` width="${width}" height="${height}" viewBox="${x} ${y} ${width} ${height}"`)
    .replace(
      BACKGROUND,
      (_, fill) => `<rect x="${x}" y="${y}" width="${width}" height="${height}" fill="${fill}"/>`,
    )
}
