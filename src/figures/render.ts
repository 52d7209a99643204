import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { Resvg, type ResvgRenderOptions } from '@resvg/resvg-js'
import { parse, View } from 'vega'
import { compile } from 'vega-lite'
import type { VegaLiteSpec } from './style.js'

const MARGIN = 10

/**
 * Draw a figure as a stand-alone SVG document, without a DOM.
 *
 * Without a canvas Vega only estimates how wide text is; so the picture is cut to what DejaVu Sans, the first font it
 * names, really covers, with an even margin.
 */
export async function toSvg(spec: VegaLiteSpec): Promise<string> {
  const view = new View(parse(compile(spec).spec), { renderer: 'none' })
  try {
    return cropped(await view.toSVG())
  } finally {
    view.finalize()
  }
}

/**
 * Draw an SVG, as {@link toSvg} makes it, as a PNG on white.
 *
 * Text is drawn in the DejaVu Sans that ships with factflow, so the picture is the same on every machine. Only text in
 * scripts that this font lacks (Chinese, Japanese, Korean, Indic...) is drawn in the machine's own fonts; without
 * such a font it shows as empty boxes.
 *
 * @param scale pixels of the PNG per pixel of the SVG
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
  const folder = join(dirname(createRequire(import.meta.url).resolve('dejavu-fonts-ttf/package.json')), 'ttf')
  const family = 'DejaVu Sans'
  return {
    font: {
      loadSystemFonts: UNCOVERED.test(svg),
      fontFiles: ['DejaVuSans.ttf', 'DejaVuSans-Bold.ttf'].map((file) => join(folder, file)),
      defaultFontFamily: family,
      sansSerifFamily: family,
    },
  }
}

function cropped(svg: string): string {
  const sized = / width="[^"]*" height="[^"]*" viewBox="[^"]*"/
  const background = /<rect width="[^"]*" height="[^"]*" fill="white"\/>/
  // What Vega draws without fill or stroke spans its own estimates: not part of the picture.
  const visible = svg.replace(background, '').replaceAll(/<path class="background"[^>]*\/>/g, '')
  const box = new Resvg(visible, fontOptions(svg)).getBBox()
  if (box === undefined) return svg
  const [x, y] = [box.x - MARGIN, box.y - MARGIN].map(Math.floor)
  const [width, height] = [box.x + box.width + MARGIN - x, box.y + box.height + MARGIN - y].map(Math.ceil)
  return svg
    .replace(sized, ` width="${width}" height="${height}" viewBox="${x} ${y} ${width} ${height}"`)
    .replace(background, `<rect x="${x}" y="${y}" width="${width}" height="${height}" fill="white"/>`)
}
