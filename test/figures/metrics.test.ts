import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { textWidth, type Weight } from '../../src/figures/metrics.js'
import { readFont } from './ttf.js'

const ttf = join(dirname(createRequire(import.meta.url).resolve('dejavu-fonts-ttf/package.json')), 'ttf')
const FILES: Record<Weight, string> = { normal: 'DejaVuSans.ttf', bold: 'DejaVuSans-Bold.ttf' }

/** The tables hold thousandths of an em. */
const ROUNDING = 0.0005001

const ASCII = Array.from({ length: 95 }, (_, i) => String.fromCharCode(32 + i))
const OURS = [...'←→−–—≥≤±×·…’‘“”␣⏎⇥∅°µ']

describe.each(['normal', 'bold'] as const)('textWidth, %s', (weight) => {
  const font = readFont(readFileSync(join(ttf, FILES[weight])))

  it('is the advance width of the font, for ASCII and the signs that factflow writes', () => {
    for (const character of [...ASCII, ...OURS]) {
      const error = Math.abs(textWidth(character, 1, weight) - font.advance(character)!)
      expect(error, character).toBeLessThan(ROUNDING)
    }
  })

  it.each(['Été à Zürich, señor', 'Париж находится', 'Αθήνα και', 'Łódź, Đồng'])(
    'is near it elsewhere: %s',
    (text) => {
      const exact = [...text].reduce((sum, character) => sum + font.advance(character)!, 0)
      expect(Math.abs(textWidth(text, 1, weight) / exact - 1)).toBeLessThan(0.12)
    },
  )
})

describe('textWidth', () => {
  it('grows with the size, and takes wide characters as square, marks as nothing', () => {
    expect(textWidth('Eiffel', 22)).toBeCloseTo(2 * textWidth('Eiffel', 11), 10)
    expect(textWidth('東京', 10)).toBe(20)
    expect(textWidth('e\u0301', 10)).toBe(textWidth('e', 10))
    expect(textWidth('', 10)).toBe(0)
  })
})
