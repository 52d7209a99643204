/**
 * The font of figures for the page: what `virtual:figure-fonts` exports, DejaVu Sans in two weights as WOFF2 in base64,
 * with the letters of European languages and the signs of figures.
 */
import { readFile } from 'node:fs/promises'
import subsetFont from 'subset-font'
import type { Plugin } from 'vite'
import { fontFile } from '../../src/figures/fonts.js'

const ID = 'virtual:figure-fonts'
/** Rollup's mark of modules that are no files. */
const RESOLVED = `\0${ID}`

/** Latin, Greek, Cyrillic; dashes, quotes and spaces; the signs that figures write and show for white space. */
const RANGES = [
  [0x20, 0x7e],
  [0xa0, 0x17f],
  [0x370, 0x3ff],
  [0x400, 0x45f],
  [0x2000, 0x2030],
] as const
const SIGNS = '←→−≥≤±×⏎⇥␣∅€�'

async function subset(weight: 'normal' | 'bold'): Promise<string> {
  const letters = RANGES.flatMap(([from, to]) =>
    Array.from({ length: to - from + 1 }, (_, i) => String.fromCodePoint(from + i)),
  )
  const font = await subsetFont(await readFile(fontFile(weight)), letters.join('') + SIGNS, {
    targetFormat: 'woff2',
    noHinting: true,
  })
  return Buffer.from(font).toString('base64')
}

export function figureFonts(): Plugin {
  return {
    name: 'factflow-figure-fonts',
    resolveId: (id) => (id === ID ? RESOLVED : undefined),
    async load(id) {
      if (id !== RESOLVED) return undefined
      const [normal, bold] = [await subset('normal'), await subset('bold')]
      return `export const normal = ${JSON.stringify(normal)}\nexport const bold = ${JSON.stringify(bold)}\n`
    },
  }
}
