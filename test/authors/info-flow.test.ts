import { readFileSync, writeFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  allWindows,
  csv,
  EVALUATION,
  eachInFolder,
  infoFlow,
  infoFlowPath,
  line,
  put,
  readAll,
  refused,
  value,
} from './helpers.js'

const folder = eachInFolder()

/** base = prob / (1 + change / 100): each step rounds by 1.1e-16; a change of -90 % loses a digit. */
const DERIVED = 1e-14

describe('info_flow.json', () => {
  test('is read value by value, against the evaluation', async () => {
    put(folder.path, EVALUATION, csv([line(7, 0.25), line(8, 0.5)]))
    put(
      folder.path,
      infoFlowPath('relation_minus_last'),
      infoFlow({ 8: { 0: value(0.75, 0.5), 3: value(0.1, 0.5) } }),
    )
    const { knockouts, batches } = await readAll(folder.path)
    const row = {
      model: 'mamba1-130M',
      dataset: 'counter_fact',
      prompt_id: '8',
      window: 21,
      source: 'relation-minus-last',
      position: null,
      target: 'last',
      features: 'all',
      base_prob: 0.5,
      rank: null,
      top_token: null,
    }
    expect(knockouts).toEqual([
      { ...row, first_layer: 0, prob: 0.75, hit: true, relative_change: 50 },
      { ...row, first_layer: 3, prob: 0.1, hit: false, relative_change: -80 },
    ])
    expect(batches.at(-1)!.layers).toBe(24)
  })

  test('keeps their relative changes and probabilities to the last digit', async () => {
    const prob = fc.double({ min: 1e-8, max: 1, noNaN: true }).map(Math.fround)
    const windows = fc.array(prob, { minLength: 4, maxLength: 4 })
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(prob, windows), { minLength: 1, maxLength: 6 }), async (prompts) => {
        const data = Object.fromEntries(
          prompts.map(([base, probs], id) => [
            id,
            Object.fromEntries(probs.map((one, window) => [window, value(one, base)])),
          ]),
        )
        put(folder.path, EVALUATION, csv(prompts.map(([base], id) => line(id, base))))
        put(folder.path, infoFlowPath(), infoFlow(data))
        const { knockouts, notes } = await readAll(folder.path)
        expect(notes).toEqual([])
        expect(
          knockouts.map((row) => [
            row.prompt_id,
            row.first_layer,
            row.base_prob,
            row.prob,
            row.relative_change,
          ]),
        ).toEqual(
          prompts.flatMap(([base, probs], id) =>
            probs.map((one, window) => [String(id), window, base, one, data[id]![window]!.diffs]),
          ),
        )
      }),
      { numRuns: 30 },
    )
  })

  test('says what the probability was where there is no evaluation', async () => {
    const prob = fc.double({ min: 1e-6, max: 1, noNaN: true }).map(Math.fround)
    await fc.assert(
      fc.asyncProperty(prob, fc.double({ min: 0.1, max: 1, noNaN: true }), async (base, share) => {
        const windows = { 0: value(0, base), 1: value(Math.fround(base * share), base), 2: value(1e-9, base) }
        put(folder.path, infoFlowPath(), infoFlow({ 3: windows }))
        const { knockouts } = await readAll(folder.path)
        expect(knockouts).toHaveLength(3)
        for (const row of knockouts) expect(Math.abs(row.base_prob / base - 1)).toBeLessThan(DERIVED)
      }),
      { numRuns: 50 },
    )
  })

  test('leaves out a prompt of which nothing tells the probability', async () => {
    put(folder.path, infoFlowPath(), infoFlow({ 3: allWindows(0, 0.5), 4: allWindows(0.25, 0.5) }))
    const { knockouts, notes } = await readAll(folder.path)
    expect(new Set(knockouts.map(({ prompt_id }) => prompt_id))).toEqual(new Set(['4']))
    expect(notes).toEqual([
      expect.stringMatching(/: 1 of 2 prompts left out \(prompt 3\): no evaluation, .*outputs\.csv/),
    ])
    put(folder.path, EVALUATION, csv([line(3, 0.5)]))
    expect((await readAll(folder.path)).knockouts).toHaveLength(8)
  })

  test('uses their probability where the evaluation has another, and says so', async () => {
    put(folder.path, EVALUATION, csv([line(3, 0.4), line(4, 0.5)]))
    put(folder.path, infoFlowPath(), infoFlow({ 3: allWindows(0.25, 0.5), 4: allWindows(0.25, 0.5) }))
    const { knockouts, notes } = await readAll(folder.path)
    expect(new Set(knockouts.map((row) => row.base_prob))).toEqual(new Set([0.5]))
    expect(notes).toEqual([
      expect.stringMatching(/: 1 of 2 prompts were measured against other .* prompt 3 first;/),
    ])
  })

  test('takes changes computed in float32', async () => {
    const [prob, base] = [Math.fround(0.1), Math.fround(0.3)]
    const diffs = Math.fround(Math.fround(Math.fround(prob - base) / base) * 100)
    put(folder.path, EVALUATION, csv([line(3, base)]))
    put(folder.path, infoFlowPath(), infoFlow({ 3: { 0: { hit: true, diffs, true_probs: prob } } }))
    const { knockouts } = await readAll(folder.path)
    expect(knockouts).toMatchObject([{ base_prob: base, relative_change: diffs }])
  })

  test('tells banned prompts, once for a model, and takes none of their values', async () => {
    const banned = { 13190: 'substring not found' }
    for (const source of ['first', 'subject']) {
      put(
        folder.path,
        infoFlowPath(source),
        infoFlow({ 1: allWindows(0.1, 0.5), 13190: allWindows(0.1, 0.5) }, banned),
      )
    }
    const { knockouts, unusable, notes } = await readAll(folder.path)
    expect(knockouts.map(({ prompt_id }) => prompt_id)).toEqual(Array(8).fill('1'))
    expect(unusable).toEqual([
      {
        model: 'mamba1-130M',
        dataset: 'counter_fact',
        prompt_id: '13190',
        place: expect.stringContaining(infoFlowPath('first')),
        reason: 'banned by the authors',
        detail: 'substring not found',
      },
    ])
    expect(notes).toEqual([])
  })

  test('takes what there is of an unfinished prompt, and says so', async () => {
    put(folder.path, infoFlowPath(), infoFlow({ 1: { 2: value(0.1, 0.5) }, 2: {}, 3: allWindows(0.1, 0.5) }))
    const { knockouts, notes } = await readAll(folder.path)
    expect(knockouts.map((row) => [row.prompt_id, row.first_layer])).toEqual([
      ['1', 2],
      ...[0, 1, 2, 3].map((window) => ['3', window]),
    ])
    expect(notes).toEqual([
      expect.stringMatching(/: 2 of 3 prompts are unfinished \(fewer than 4 windows\), prompt 1 first/),
    ])
  })

  test.each([
    ['null, as orjson writes NaN', 'null'],
    ['NaN', 'NaN'],
    ['an infinity', '-Infinity'],
    ['a text', '"0.5"'],
  ])('leaves out values that are %s, and says so', async (_, word) => {
    const windows = { 0: value(0.1, 0.5), 1: { ...value(0.2, 0.5), true_probs: 'HERE' }, 2: value(0.3, 0.5) }
    const file = put(folder.path, infoFlowPath(), infoFlow({ 5: windows }, { 6: 'a "NaN" or -Infinity' }))
    writeFileSync(file, readFileSync(file, 'utf8').replace('"HERE"', word))
    const { knockouts, unusable, notes } = await readAll(folder.path)
    expect(knockouts.map((row) => [row.first_layer, row.prob])).toEqual([
      [0, 0.1],
      [2, 0.3],
    ])
    expect(unusable[0]!.detail).toBe('a "NaN" or -Infinity')
    expect(notes[0]).toMatch(/: 1 of 3 values left out \(prompt 5, window 1\): not numbers/)
  })

  test('leaves out windows that the model does not have', async () => {
    put(
      folder.path,
      infoFlowPath(),
      infoFlow({ 5: { ...allWindows(0.1, 0.5), 4: value(0.1, 0.5), x: value(0.1, 0.5) } }),
    )
    const { knockouts, notes } = await readAll(folder.path)
    expect(knockouts).toHaveLength(4)
    expect(notes).toEqual([
      expect.stringMatching(/2 of 6 values left out \(prompt 5, window 4, prompt 5, window x\)/),
    ])
  })

  test('invents no hit', async () => {
    const { hit, ...rest } = value(0.4, 0.5)
    put(folder.path, infoFlowPath(), infoFlow({ 5: { 0: rest } }))
    expect((await readAll(folder.path)).knockouts).toMatchObject([{ hit: null }])
  })

  test('says when the number of windows is not that of the model', async () => {
    put(folder.path, infoFlowPath(), { metadata: { layers_amount: 5, banned_prompts: {} }, data: {} })
    const { batches, notes } = await readAll(folder.path)
    expect(batches).toEqual([])
    expect(notes).toEqual([
      expect.stringMatching(/: its windows are of a model of 25 layers, where mamba1-130M has 24; check/),
      expect.stringMatching(/: has no result that can be used$/),
    ])
  })

  test.each([
    [
      'cut',
      (text: string) => text.slice(0, text.length / 2),
      /must be a JSON object that is whole, got something else;/,
    ],
    ['a list', () => '[]', /must be a JSON object that is whole, got \[\];/],
    ['another object', () => '{"a": 1}', /must have metadata\.layers_amount/],
    [
      'without windows',
      (text: string) => text.replace('4', '0'),
      /must have metadata\.layers_amount, .*, got 0 and/,
    ],
    ['not text', () => new Uint8Array([0x80, 0xff]), /must be UTF-8/],
    ['a pointer', () => 'version https://git-lfs.github.com/spec/v1\n', /got a Git LFS pointer/],
  ] as [string, (text: string) => string | Uint8Array, RegExp][])(
    'says of a file that is %s, and goes on',
    async (_, change, message) => {
      const file = put(folder.path, infoFlowPath('first'), infoFlow({ 1: allWindows(0.1, 0.5) }))
      put(folder.path, infoFlowPath('subject'), infoFlow({ 1: allWindows(0.2, 0.5) }))
      put(folder.path, infoFlowPath('first'), change(readFileSync(file, 'utf8')))
      const { knockouts, failures } = await readAll(folder.path)
      expect(knockouts.map(({ source, prob }) => [source, prob])).toEqual(Array(4).fill(['subject', 0.2]))
      expect(failures).toEqual([expect.stringMatching(message)])
      expect(failures[0]).toContain(file)
      expect(await refused(folder.path, { onFailure: undefined })).toBe(failures[0])
    },
  )
})
