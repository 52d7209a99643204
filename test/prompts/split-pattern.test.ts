import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { InputError } from '../../src/errors.js'
import { patternProblem } from '../../src/prompts/split-pattern.js'
import { Tokenizer } from '../../src/prompts/tokenizer.js'

/** As published with the models, and two of families that factflow does not have. */
const PUBLISHED = {
  'GPT-2': "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
  'Llama 3':
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
  Falcon: '[0-9][0-9][0-9]',
  'GPT-4o':
    "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
  'DeepSeek V3':
    '[!"#$%&\'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+',
}

describe('patterns of tokenizers', () => {
  it.each(Object.entries(PUBLISHED))('%s is run', (_, pattern) => {
    expect(patternProblem(pattern)).toBeUndefined()
  })

  it.each([
    ['(a+)+$', 'a group that is repeated'],
    ['(?:a|a)*$', 'a group that is repeated'],
    ['(?:\\s*){2,}x', 'a group that is repeated'],
    ['a*a*a*b', '3 repetitions in a row'],
    ['a+(?:a*|b)a{2,}c', '3 repetitions in a row'],
    ['(a|a)(a|a)(a|a)(a|a)(a|a)(a|a)(a|a)(a|a)(a|a)(a|a)x', '1024 alternatives in a row'],
    ['a?a?a?a?a?a?a?a?a?a?b', '1024 alternatives in a row'],
    ['a{1,20}a{1,20}a{1,20}b', '8000 alternatives in a row'],
    ['a{1000}', 'more than 64 repetitions'],
    ['(a)\\1', 'refers back'],
    ['(a', 'no end'],
    ['[a', 'no end'],
    ['a)', 'no beginning'],
    ['a\\', 'ends in a backslash'],
    ['('.repeat(1000), 'groups in groups'],
  ])('%s is not: %s', (pattern, problem) => {
    expect(patternProblem(pattern)).toContain(problem)
  })

  it('the hardest that is run takes no time', () => {
    const pattern = 'a*a+(?:b|c)?x'
    expect(patternProblem(pattern)).toBeUndefined()
    const begin = performance.now()
    expect('a'.repeat(500).match(new RegExp(pattern, 'gu'))).toBeNull()
    expect(performance.now() - begin).toBeLessThan(5000)
  })

  it('is an error of the tokenizer that has it', () => {
    const file = join(import.meta.dirname, '..', 'fixtures', 'tokenizer', 'families', 'llama3.json')
    const { tokenizer } = JSON.parse(readFileSync(file, 'utf8'))
    tokenizer.pre_tokenizer.pretokenizers[0].pattern.Regex = '(a+)+$'
    const read = () => Tokenizer.fromJson(tokenizer, 'tokenizer.json')
    expect(read).toThrow(InputError)
    expect(read).toThrow(
      /^tokenizer.json: pre_tokenizer.pattern must .*, got one with a group that is repeated: /,
    )
  })
})
