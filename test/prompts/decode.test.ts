/** Ids that no text encodes to, as models write them, to text: as the Rust library decodes them. */
import { describe, expect, test } from 'vitest'
import { Tokenizer } from '../../src/prompts/tokenizer.js'
import { readJson } from './helpers.js'

const FOLDER = 'test/fixtures/tokenizer'
const decoded = readJson(`${FOLDER}/decoded.json`) as Record<string, [ids: number[], text: string][]>

describe.each(Object.entries(decoded))('%s', (name, cases) => {
  const file = `${FOLDER}/families/${name}.json`
  const tokenizer = Tokenizer.fromJson(readJson(file).tokenizer, file)

  test('each as the Rust library has it', () => {
    for (const [ids, text] of cases) expect(tokenizer.decode(ids), `${ids}`).toBe(text)
  })

  test('characters that are not whole, words that are not, and special tokens are among them', () => {
    expect(cases.length).toBe(80)
    const texts = cases.map(([, text]) => text)
    expect(texts.filter((text) => text.endsWith('\uFFFD')).length).toBeGreaterThan(5)
    expect(texts.filter((text) => text.includes('\uFFFD')).length).toBeGreaterThan(20)
    expect(texts.filter((text) => /^\w/.test(text)).length).toBeGreaterThan(5)
  })
})
