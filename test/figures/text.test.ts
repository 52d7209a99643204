import fc from 'fast-check'
import stringWidth from 'string-width'
import { describe, expect, it } from 'vitest'
import { ticks } from '../../src/figures/style.js'
import { rowLabel, truncate, visibleText, visibleToken, wrap } from '../../src/figures/text.js'

const anyText = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({ unit: 'grapheme' }),
  fc.string({
    unit: fc.constantFrom('\u001b', '\ud800', '\u200d', '\n', ' ', '東', '👩', '\u0301', 'a', '\ufeff'),
  }),
)

describe('visibleText', () => {
  it('leaves nothing that controls, hides or is ill-formed', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const shown = visibleText(text)
        expect(shown).not.toMatch(/\p{Cc}|\p{Cs}|\p{Zl}|\p{Zp}|\ufffe|\uffff|(?![\u200c\u200d])\p{Cf}/u)
        expect(shown).not.toMatch(/^\p{M}/u)
      }),
    )
  })

  it.each([
    ['a b', 'a b'],
    ['a\nb\tc', 'a⏎b⇥c'],
    ['\u001b[31m', '[1B][31m'],
    ['\u202eabc', '[202E]abc'],
    ['👨‍👩‍👧', '👨‍👩‍👧'],
    ['a\ud800', 'a�'],
    ['\u0301x', '◌\u0301x'],
  ])('%j is shown as %j', (text, shown) => {
    expect(visibleText(text)).toBe(shown)
  })
})

describe('visibleToken', () => {
  it.each([
    [' the', '␣the'],
    ['the', 'the'],
    ['', '∅'],
    ['\u00a0\u3000', '␣␣'],
  ])('%j is shown as %j', (token, shown) => {
    expect(visibleToken(token)).toBe(shown)
  })

  it('never ends in a blank, so labels keep their width', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        expect(visibleToken(text)).toBe(visibleToken(text).trim())
      }),
    )
  })
})

describe('truncate, rowLabel and wrap', () => {
  it('keep to their width', () => {
    fc.assert(
      fc.property(anyText, fc.boolean(), fc.integer({ min: 8, max: 60 }), (text, inSubject, max) => {
        expect(stringWidth(truncate(visibleText(text), max))).toBeLessThanOrEqual(max)
        expect(stringWidth(rowLabel(text, inSubject, max))).toBeLessThanOrEqual(max)
        for (const line of wrap(text, max)) expect(stringWidth(line)).toBeLessThanOrEqual(max)
      }),
    )
  })

  it('wrap loses nothing but spaces', () => {
    fc.assert(
      fc.property(anyText, fc.integer({ min: 8, max: 60 }), (text, max) => {
        // Lines do not end in white space of any kind.
        expect(wrap(text, max).join('').replaceAll(/\s/gu, '')).toBe(visibleText(text).replaceAll(/\s/gu, ''))
      }),
    )
  })

  it('cut between graphemes and mark the cut', () => {
    expect(truncate('Eiffel', 6)).toBe('Eiffel')
    expect(truncate('Eiffel', 5)).toBe('Eiff…')
    expect(truncate('東京塔', 4)).toBe('東…')
    expect(rowLabel(' Eiffel', true, 6)).toBe('␣Eif…*')
  })
})

describe('ticks', () => {
  it('are few, round, evenly spaced and inside', () => {
    const value = fc.double({ min: -1e4, max: 1e4, noNaN: true })
    fc.assert(
      fc.property(value, value, fc.integer({ min: 1, max: 20 }), (a, b, max) => {
        const [low, high] = [Math.min(a, b), Math.max(a, b)]
        fc.pre(high - low > 1e-6)
        const found = ticks(low, high, max)
        expect(found.length).toBeLessThanOrEqual(max)
        const slack = 1e-8 * (high - low) + 1e-9 * Math.max(Math.abs(low), Math.abs(high))
        for (const tick of found) {
          expect(tick).toBeGreaterThanOrEqual(low - slack)
          expect(tick).toBeLessThanOrEqual(high + slack)
        }
        if (found.length < 2) return
        const step = found[1] - found[0]
        const lead = step / 10 ** Math.floor(Math.log10(step) + 1e-6)
        expect([1, 2, 5].some((round) => Math.abs(lead - round) < 1e-4)).toBe(true)
      }),
    )
  })

  it('keep a least step, and 0 is never -0', () => {
    expect(ticks(0, 3, 12, 1)).toEqual([0, 1, 2, 3])
    expect(ticks(-0.3, 0.1, 5)).toEqual([-0.3, -0.2, -0.1, 0, 0.1])
    expect(ticks(4, 4, 3)).toEqual([4])
  })
})
