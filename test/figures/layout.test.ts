import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fitLines, gridLayout, labelExpr, legendColumns } from '../../src/figures/layout.js'
import { MEASURES, SIZES } from '../../src/figures/look.js'
import { textWidth } from '../../src/figures/metrics.js'
import { LOOKS } from './samples.js'

describe('fitLines', () => {
  it('breaks at spaces and after hyphens', () => {
    const width = textWidth('relation-minus-', 10)
    expect(fitLines('relation-minus-last → last', width, 10)).toEqual(['relation-minus-', 'last → last'])
  })

  it('keeps a unit with what it is of', () => {
    expect(fitLines('change, %', textWidth('change,', 10) + 1, 10).join('')).not.toContain(' %')
    expect(fitLines('of p(answer), %', textWidth('p(answer), %', 10) + 1, 10)).toEqual([
      'of',
      'p(answer),\u00a0%',
    ])
  })

  it('cuts what needs more lines than there are', () => {
    const lines = fitLines('one two three four five six', textWidth('three', 10) + 1, 10, 'normal', 2)
    expect(lines).toHaveLength(2)
    expect(lines[1]).toMatch(/…$/)
  })

  it('fits, whatever the text', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme', maxLength: 60 }),
        fc.integer({ min: 30, max: 200 }),
        (text, width) => {
          for (const line of fitLines(text, width, 10)) expect(textWidth(line, 10)).toBeLessThanOrEqual(width)
        },
      ),
      { seed: 3 },
    )
  })
})

describe('gridLayout', () => {
  it.each(SIZES)('fits %s with as many columns as it has room for', (size) => {
    for (const columns of [1, 2, 3, 4]) {
      const { width, spacing } = gridLayout({ size, theme: 'light' }, 2, columns, 50, 0)
      expect(50 + columns * width + (columns - 1) * spacing.column).toBeLessThanOrEqual(MEASURES[size].width)
    }
  })

  it('leaves a page room for eight rows and six columns', () => {
    const { width, height, spacing } = gridLayout({ size: 'page', theme: 'light' }, 8, 6, 60, 10)
    expect(width).toBeGreaterThan(80)
    expect(height).toBeGreaterThanOrEqual(56)
    expect(8 * height + 7 * spacing.row).toBeLessThan(8.2 * 96)
    expect(spacing.row).toBeGreaterThan(10)
  })

  it('never makes plots too narrow to read', () => {
    expect(gridLayout({ size: 'column', theme: 'light' }, 1, 9, 50, 0).width).toBeGreaterThan(50)
  })
})

describe('legendColumns', () => {
  it('takes all that fit, and fewer of longer ones', () => {
    for (const look of LOOKS) {
      expect(legendColumns(['a', 'b', 'c'], 300, look)).toBe(3)
      expect(legendColumns(['a'.repeat(20), 'b'.repeat(20), 'c'], 300, look)).toBeLessThan(3)
      expect(legendColumns(['a'.repeat(200), 'b'], 300, look)).toBe(1)
    }
  })
})

describe('labelExpr', () => {
  it('looks labels up, whatever their characters', () => {
    const labels = new Map<string, string | string[]>([
      ['a"b', `it's "x"`],
      ['\\', ['one', 'two']],
    ])
    const look = new Function('datum', `return ${labelExpr(labels)}`)
    expect(look({ value: 'a"b' })).toBe(`it's "x"`)
    expect(look({ value: '\\' })).toEqual(['one', 'two'])
  })
})
