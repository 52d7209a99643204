/** Texts on their way to tokens, and the places that they come from. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { align, prepend, replaceUnit, slice, toNfc } from '../../src/prompts/alignment.js'
import { INERT } from '../../src/prompts/rust-unicode.js'

const aligned = (text: string, start: number[], end: number[]) => ({ text, start, end })

test('a text stands for itself, both halves of a pair for one character', () => {
  expect(align('a🎉', 3)).toEqual(aligned('a🎉', [3, 4, 4], [4, 6, 6]))
})

test('what is put in front stands for nothing, where the text starts', () => {
  expect(prepend(align('ab', 3), '▁')).toEqual(aligned('▁ab', [3, 3, 4], [3, 4, 5]))
  expect(prepend(align('', 3), '▁').text).toBe('')
})

test('replaced units and parts keep their places', () => {
  expect(slice(replaceUnit(align('a b c', 0), ' ', '▁'), 1, 4)).toEqual(aligned('▁b▁', [1, 2, 3], [2, 3, 4]))
})

describe('NFC', () => {
  const marks = fc.constantFrom('\u0301', '\u0323', '\u0334', '\u0345', '\u1161', '\u11ab')
  const letters = fc.constantFrom('e', 'q', ' ', '\u1112', '\uac00', '\u212b', '\u0958', '🎉')
  const text = fc.string({ unit: fc.oneof(marks, letters, fc.string({ unit: 'binary', maxLength: 1 })) })

  test('is JavaScript’s, but for what the Rust library does not know', () => {
    fc.assert(
      fc.property(text, (given) => {
        const result = toNfc(align(given, 0))
        if (!INERT.test(given)) expect(result.text).toBe(given.normalize('NFC'))
        expect(result.text.normalize('NFC')).toBe(given.normalize('NFC'))
        expect(result.start.length).toBe(result.text.length)
        // Each unit comes from the group that it was composed of: the same text, normalised alone.
        for (const [i, start] of result.start.entries()) {
          expect(given.slice(start, result.end[i]).normalize('NFC')).toContain(result.text[i])
        }
      }),
    )
  })

  test('leaves alone what was added to Unicode after the Rust library’s tables', () => {
    // U+1DF8 is a mark since Unicode 10, U+11935 and U+11930 compose since Unicode 13.
    for (const given of ['e\u1df8\u0334', '\u{11935}\u{11930}']) {
      expect(given.normalize('NFC')).not.toBe(given)
      expect(toNfc(align(given, 0)).text).toBe(given)
    }
  })
})
