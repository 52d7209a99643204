/** CounterFact and Known-1000 as they were published: all of them are read and put into tokens, and what is not is known. */
import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { rowsToRecords } from '../../src/datasets/parse.js'
import { prepareFacts } from '../../src/datasets/prepare.js'
import { readDataset } from '../../src/datasets/read.js'
import { readRecords } from '../../src/datasets/records.js'
import { countReasons } from '../../src/datasets/unusable.js'
import { Tokenizer } from '../../src/prompts/tokenizer.js'
import { readJson } from '../prompts/helpers.js'

const DATA = '../shared/data'
const COUNTERFACT = `${DATA}/counterfact.jsonl`
const KNOWN = `${DATA}/known_1000.json`
const GPT_NEOX = `${DATA}/gpt-neox-20b-tokenizer.json`
const missing = [COUNTERFACT, KNOWN, GPT_NEOX].filter((file) => !existsSync(file))
const skipped = missing.length > 0 ? ` (skipped: ${missing.join(', ')} not there)` : ''

describe.skipIf(missing.length > 0)(`with the GPT-NeoX tokenizer${skipped}`, () => {
  const tokenizer = missing.length > 0 ? undefined : Tokenizer.fromJson(readJson(GPT_NEOX), GPT_NEOX)
  const prepare = (facts: Parameters<typeof prepareFacts>[1], limits = {}) =>
    prepareFacts(tokenizer!, facts, limits)

  test('CounterFact: 21,919 prompts, none unusable, in seconds', { timeout: 120_000 }, async ({
    annotate,
  }) => {
    const begin = performance.now()
    const { facts, unusable } = await readDataset(COUNTERFACT)
    const read = performance.now()
    const prepared = prepare(facts)
    const done = performance.now()
    const seconds = (ms: number): string => (ms / 1000).toFixed(2)
    await annotate(
      `read in ${seconds(read - begin)} s, prepared in ${seconds(done - read)} s; unusable: ${unusable.length}, by the tokenizer ${prepared.unusable.length}`,
    )
    expect(facts).toHaveLength(21_919)
    expect(countReasons(unusable)).toEqual(new Map())
    expect(prepared.prompts).toHaveLength(21_919)
    // What a model of few positions could not take.
    const short = prepare(facts.slice(0, 1000), { maxTokens: 12 })
    const long = prepared.prompts.slice(0, 1000).filter(({ ids }) => ids.length > 12)
    expect(long.length).toBeGreaterThan(0)
    expect(short.unusable.map(({ id, reason }) => [id, reason])).toEqual(
      long.map(({ fact }) => [fact.id, 'prompt too long']),
    )
  })

  test('CounterFact: in all of its layouts the subject has the same tokens', {
    timeout: 120_000,
  }, async () => {
    const lines = readFileSync(COUNTERFACT, 'utf8').trimEnd().split('\n')
    const flat = lines.map((line) => JSON.parse(line) as Record<'prompt' | 'subject' | 'target_true', string>)
    const parts = flat.map(({ prompt, subject, target_true }) => {
      const at = prompt.indexOf(subject)
      return {
        prompt,
        subject,
        target_true,
        before: prompt.slice(0, at),
        after: prompt.slice(at + subject.length),
      }
    })
    const rome = parts.map(({ subject, target_true, before, after }, case_id) => ({
      case_id,
      requested_rewrite: { prompt: `${before}{}${after}`, subject, target_true: { str: target_true.trim() } },
    }))
    const tracing = parts.map(({ prompt, subject, target_true, before, after }) => ({
      ...{ prompt, target_true, relation: `${before}{}${after}`, relation_suffix: after },
      // As there: the space before a subject belongs to it.
      ...{ relation_prefix: before.trimEnd(), subject: before.slice(before.trimEnd().length) + subject },
    }))
    const tokens = [flat, rome, tracing].map((rows) => {
      const { facts, unusable } = readRecords(rowsToRecords(rows, 'x'), 'x')
      expect(unusable).toEqual([])
      return prepare(facts).prompts.map(({ fact, ids, subject, answer }) => [fact.id, ids, subject, answer])
    })
    expect(tokens[1]).toEqual(tokens[0]!.map(([, ...rest], i) => [String(i), ...rest]))
    expect(tokens[2]).toEqual(tokens[1])
  })

  test('Known-1000: 1,209 prompts, none unusable; its templates say what the search finds', async () => {
    const { facts, unusable } = await readDataset(KNOWN)
    expect(facts).toHaveLength(1209)
    expect(countReasons(unusable)).toEqual(new Map())
    const { prompts } = prepare(facts)
    expect(prompts).toHaveLength(1209)
    expect(facts.every(({ subjectStart }) => subjectStart !== undefined)).toBe(true)
    const searched = prepare(facts.map(({ subjectStart: _, ...fact }) => fact))
    expect(searched.prompts.map(({ subject }) => subject)).toEqual(prompts.map(({ subject }) => subject))
  })
})
