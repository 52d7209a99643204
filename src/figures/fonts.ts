/** DejaVu Sans, which every figure is drawn with: its files, and the parts of it that an SVG carries along. */
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import subsetFont from 'subset-font'
import type { Weight } from './metrics.js'

export const FAMILY = 'DejaVu Sans'

const WEIGHTS: readonly Weight[] = ['normal', 'bold']

/** Where the font of a weight lies. */
export function fontFile(weight: Weight): string {
  const folder = join(dirname(createRequire(import.meta.url).resolve('dejavu-fonts-ttf/package.json')), 'ttf')
  return join(folder, weight === 'bold' ? 'DejaVuSans-Bold.ttf' : 'DejaVuSans.ttf')
}

/**
 * An SVG with the glyphs of its texts inside, as WOFF2: a viewer shows it as it is meant to look, offline, whatever
 * fonts it has; text stays text. Characters beyond DejaVu Sans are left to the fonts of the viewer. About 90 bytes a
 * glyph, 9 kB for all of ASCII in one weight.
 */
export async function embedFonts(svg: string): Promise<string> {
  const texts = textsOf(svg)
  const faces = await Promise.all(
    WEIGHTS.filter((weight) => texts[weight] !== '').map(async (weight) => {
      const font = await subset(weight, [...new Set(texts[weight])].sort().join(''))
      const source = `url(data:font/woff2;base64,${font}) format("woff2")`
      return `@font-face{font-family:"${FAMILY}";font-weight:${weight};src:${source}}`
    }),
  )
  return faces.length === 0
    ? svg
    : svg.replace(/^<svg [^>]*>/, (start) => `${start}<style>${faces.join('')}</style>`)
}

/** What an SVG of Vega writes in each weight. */
export function textsOf(svg: string): Record<Weight, string> {
  const texts = { normal: '', bold: '' }
  for (const [, attributes, content] of svg.matchAll(/<text\b([^>]*)>(.*?)<\/text>/gs)) {
    texts[/font-weight="bold"/.test(attributes!) ? 'bold' : 'normal'] += plain(content!)
  }
  return texts
}

const ENTITIES: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"' }

/** The text of a text element: its lines are `tspan` elements. */
function plain(content: string): string {
  return content.replaceAll(/<[^>]*>/g, '').replaceAll(/&(\w+);/g, (whole, name) => ENTITIES[name] ?? whole)
}

/** Figures of a study share their letters: what was made once is kept. */
const made = new Map<string, Promise<string>>()

/** The glyphs of some characters, as WOFF2 in base64. */
function subset(weight: Weight, characters: string): Promise<string> {
  const key = `${weight} ${characters}`
  let font = made.get(key)
  if (!font) {
    font = makeSubset(weight, characters)
    made.set(key, font)
  }
  return font
}

async function makeSubset(weight: Weight, characters: string): Promise<string> {
  const whole = await readFile(fontFile(weight))
  const part = await subsetFont(whole, characters, { targetFormat: 'woff2', noHinting: true })
  return Buffer.from(part).toString('base64')
}
