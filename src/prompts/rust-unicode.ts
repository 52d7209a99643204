/**
 * Where the Rust library (tokenizers 0.23) knows another Unicode than JavaScript: it takes punctuation from a table of
 * Unicode 8 and normalises with one of Unicode 9. Code points in hexadecimal.
 */

/** Punctuation that it does not take for such. */
const NOT_PUNCTUATION = `
  61D 9FD A76 C77 C84 1B4E-1B4F 1B7D-1B7F 2E43-2E4F 2E52-2E5D 10D6E 10EAD 10ED0 10F55-10F59
  10F86-10F89 113D4-113D5 113D7-113D8 1144B-1144F 1145A-1145B 1145D 11660-1166C 116B9 1183B
  11944-11946 119E2 11A3F-11A46 11A9A-11A9C 11A9E-11AA2 11B00-11B09 11BE1 11C41-11C45 11C70-11C71
  11EF7-11EF8 11F43-11F4F 11FFF 12FF1-12FF2 16D6D-16D6F 16E97-16E9A 16FE2 1E5FF 1E95E-1E95F`

/** What it takes for punctuation and later versions do not. */
const FORMER_PUNCTUATION = '166D 111C9'

/** Combining marks, and letters that compose, that NFC leaves alone there. */
const NOT_NORMALIZED = `
  7FD 897-89F 8CA-8D3 9FE C3C D3B-D3C EBA 1715 1ABF-1ADD 1AE0-1AEB 1DF6-1DFA A82C 105C9 105D2 105DA
  105E4 10D24-10D27 10D69-10D6D 10EAB-10EAC 10EFA-10EFB 10EFD-10EFF 10F46-10F50 10F82-10F85 11070
  1133B 11382-11385 1138B 1138E 11390-11391 113C2 113C5 113C7-113C8 113CE-113D0 1145E 11839-1183A
  11935 11938 1193D-1193E 11943 119E0 11A34 11A47 11A99 11D42 11D44-11D45 11D97 11F41-11F42 1611E
  16121-16129 1612F 16D63 16D67-16D6A 16FF0-16FF1 1E08F 1E130-1E136 1E2AE 1E2EC-1E2EF 1E4EC-1E4EF
  1E5EE-1E5EF 1E6E3 1E6E6 1E6EE-1E6EF 1E6F5`

/** A punctuation character of the Rust library, for the Split pre-tokenizer (Oniguruma's syntax). */
export const PUNCTUATION = `(?:(?!${set(NOT_PUNCTUATION, '\\x')})[\\x21-\\x2F\\x3A-\\x40\\x5B-\\x60\\x7B-\\x7E\\p{P}]|${set(FORMER_PUNCTUATION, '\\x')})`

/** A character that the Rust library leaves alone when it normalises. */
export const INERT = new RegExp(set(NOT_NORMALIZED, '\\u'), 'u')

function set(ranges: string, prefix: string): string {
  return `[${ranges
    .trim()
    .replace(/[0-9A-F]+/g, (code) => `${prefix}{${code}}`)
    .replace(/\s+/g, '')}]`
}
