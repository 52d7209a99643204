import { describe, expect, it } from 'vitest'
import { COLORS, configOf, DEFAULT_LOOK, MEASURES, SIZES, shades, THEMES } from '../../src/figures/look.js'
import { CONFIG } from '../../src/figures/style.js'
import { contrast, leastDistance, lightness } from './colors.js'

/** Okabe and Ito's eight colours (2008): the standard that colour-blind-safe colours are held to. */
const OKABE_ITO = [
  ...['#0072B2', '#D55E00', '#009E73', '#CC79A7'],
  ...['#E69F00', '#56B4E9', '#000000', '#F0E442'],
]
/** WCAG 2: text, and graphics that must be told from the background. */
const TEXT_CONTRAST = 4.5
const GRAPHICS_CONTRAST = 3
/** Okabe and Ito's own orange and sky blue on white. */
const PALEST = 2.2
/** Of 7 pt at 96 pixels an inch. */
const SMALLEST_PRINT = (7 * 96) / 72

describe.each(THEMES)('the colours of %s', (theme) => {
  const { background, palette, sequential, diverging, ink, muted, rule } = COLORS[theme]

  it('are told apart by everyone as well as Okabe and Ito’s', () => {
    expect(palette).toHaveLength(8)
    expect(leastDistance(palette)).toBeGreaterThanOrEqual(leastDistance(OKABE_ITO))
  })

  it('stand out from the background', () => {
    for (const color of palette) expect(contrast(color, background), color).toBeGreaterThan(PALEST)
    for (const color of [ink, muted]) expect(contrast(color, background)).toBeGreaterThan(TEXT_CONTRAST)
    expect(contrast(rule, background)).toBeGreaterThan(2.5)
    // The first ones are those that most figures have.
    for (const color of palette.slice(0, 4)) {
      expect(contrast(color, background), color).toBeGreaterThan(GRAPHICS_CONTRAST)
    }
  })

  it('go steadily away from the background where lines are a scale', () => {
    const contrasts = shades(sequential, 7).map((color) => contrast(color, background))
    for (const [i, value] of contrasts.entries()) if (i > 0) expect(value).toBeGreaterThan(contrasts[i - 1])
    expect(contrasts[0]).toBeGreaterThan(1.8)
  })

  it('diverge from a middle near the background, evenly to both sides', () => {
    const away = diverging.map((color) => Math.abs(lightness(color) - lightness(diverging[5])))
    expect(contrast(diverging[5], background)).toBeLessThan(1.3)
    for (let i = 1; i <= 5; i++) {
      expect(away[5 - i]).toBeGreaterThan(away[6 - i])
      expect(away[5 + i]).toBeGreaterThan(away[4 + i])
      expect(Math.abs(away[5 - i] - away[5 + i])).toBeLessThan(0.1)
    }
  })
})

describe('the sizes', () => {
  it('print nothing smaller than 7 pt', () => {
    for (const size of ['column', 'page'] as const) {
      const { heading, subtitle, title, label, legend } = MEASURES[size]
      expect(Math.min(heading, subtitle, title, label, legend)).toBeGreaterThanOrEqual(SMALLEST_PRINT)
    }
  })

  it('are those of a paper’s column (3.33 in) and of both (7 in)', () => {
    expect(MEASURES.column.width / 96).toBeCloseTo(3.33, 2)
    expect(MEASURES.page.width / 96).toBe(7)
  })

  it('share their settings with the default look', () => {
    expect(CONFIG).toEqual(configOf(DEFAULT_LOOK))
    expect(SIZES.map((size) => configOf({ size, theme: 'light' }).background)).toEqual([
      'white',
      'white',
      'white',
    ])
  })
})

describe('shades', () => {
  it('has the ends, and what lies between', () => {
    expect(shades(['#000000', '#ffffff'], 3)).toEqual(['#000000', '#808080', '#ffffff'])
    expect(shades(['#000000', '#102030', '#ffffff'], 3)).toEqual(['#000000', '#102030', '#ffffff'])
    expect(shades(['#000000', '#ffffff'], 1)).toEqual(['#ffffff'])
    expect(shades(['#000000', '#ffffff'], 0)).toEqual([])
  })
})
