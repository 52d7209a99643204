import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { csv, EVALUATION, eachInFolder, type Line, line, put, readAll } from './helpers.js'

const folder = eachInFolder()

const read = (lines: readonly Line[], path = EVALUATION) => {
  put(folder.path, path, csv(lines))
  return readAll(folder.path)
}

describe('outputs.csv', () => {
  test('is read cell by cell', async () => {
    const { evaluations, notes, failures } = await read([line(7, 0.4303608238697052)])
    expect({ notes, failures }).toEqual({ notes: [], failures: [] })
    expect(evaluations).toEqual([
      {
        model: 'mamba1-130M',
        dataset: 'counter_fact',
        prompt_id: '7',
        prompt: 'Place 7 is in',
        subject: 'Place 7',
        answer: ' France',
        relation: 'P17',
        split: 'train1',
        tokens: [],
        subject_tokens: [],
        answer_tokens: [' France'],
        prob: 0.4303608238697052,
        rank: 1,
        hit: true,
        top: [
          { id: 6181, text: ' France', prob: 0.5 },
          { id: 253, text: ' the', prob: 0.25 },
        ],
        continuation: ' France, and',
      },
    ])
  })

  test('gives back every text', async () => {
    const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 })
    const nasty = fc.constantFrom('"', '""', ',', '\n', '\r\n', ' x ', "'", '{}', 'NaN', '\u2028', '💡"\n,')
    const cell = fc
      .array(fc.oneof(text, nasty), { minLength: 1, maxLength: 4 })
      .map((parts) => parts.join(''))
    const record = fc.record({
      prompt: cell,
      subject: cell,
      target_true: cell,
      model_generation: cell,
      token: cell,
    })
    await fc.assert(
      fc.asyncProperty(fc.array(record, { minLength: 1, maxLength: 5 }), async (records) => {
        const { evaluations, failures } = await read(
          records.map(({ token, ...texts }, i) =>
            line(i, 0.5, {
              ...texts,
              target_tokens: JSON.stringify([token]),
              model_top_outputs: JSON.stringify([[i, token, 0.5]]),
            }),
          ),
        )
        expect(failures).toEqual([])
        expect(evaluations).toEqual(
          records.map(({ prompt, subject, target_true, model_generation, token }) =>
            expect.objectContaining({
              prompt,
              subject,
              answer: target_true,
              continuation: model_generation,
              answer_tokens: [token],
              top: [{ id: expect.any(Number), text: token, prob: 0.5 }],
            }),
          ),
        )
      }),
      { numRuns: 40 },
    )
  })

  test('leaves empty what is not recorded', async () => {
    const { relation_id, split, model_generation, ...rest } = line(1, 0.1, { model_top_outputs: null })
    expect((await read([rest])).evaluations).toMatchObject([
      { relation: null, split: null, continuation: null, top: [] },
    ])
  })

  test("takes the answer's older name, line ends of Windows, and Python's NaN in lists", async () => {
    const { target_true, ...rest } = line(1, 0.1, { attribute: 'Rome', target_rank: 12 })
    const text = csv([{ ...rest, model_top_outputs: '[[5, "NaN", 0.5], [6, "b", NaN]]' }])
    put(folder.path, EVALUATION, text.replaceAll('\n', '\r\n'))
    const { evaluations } = await readAll(folder.path)
    const top = [{ id: 5, text: 'NaN', prob: 0.5 }]
    expect(evaluations).toMatchObject([{ answer: 'Rome', rank: 12, hit: false, top }])
  })

  test.each([
    ['no probability', { target_probs: null }],
    ['no number as probability', { target_probs: 'nan' }],
    ['a percentage', { target_probs: 12 }],
    ['no rank', { target_rank: 0 }],
    ['no prompt', { prompt: null }],
    ['no id', { original_idx: null }],
    ['no whole id', { original_idx: '1.5' }],
  ] as [string, Line][])('leaves out a prompt with %s, and says so', async (_, broken) => {
    const { evaluations, notes } = await read([line(1, 0.1), line(2, 0.2, broken)])
    expect(evaluations.map(({ prompt_id }) => prompt_id)).toEqual(['1'])
    expect(notes).toEqual([
      expect.stringMatching(/outputs\.csv: 1 of 2 records left out \(record 2\): without/),
    ])
  })

  test('takes the first of two lines of a prompt, and says so', async () => {
    const { evaluations, notes } = await read([line(1, 0.1), line(1, 0.2)])
    expect(evaluations.map(({ prob }) => prob)).toEqual([0.1])
    expect(notes).toEqual([
      expect.stringMatching(/1 of 2 records left out \(record 2\): of a prompt that is there/),
    ])
  })

  test.each([
    [
      'cut',
      (text: string) => text.slice(0, -30),
      /must be a CSV file that is whole, got "line 3: Value with unterminated quote found/,
    ],
    [
      'short of cells',
      (text: string) => `${text}1,2\n`,
      /must be a CSV file that is whole, got "line 4: Expected Number of Columns: 13 Found: 2"/,
    ],
    ['empty', () => '', /got none called original_idx, prompt, .*target_true/],
    ['another table', () => 'a,b\n1,2\n', /got none called original_idx, prompt, .*target_true/],
    ['without a rank', (text: string) => text.replace('target_rank', 'rank'), /got none called target_rank;/],
    ['not text', () => new Uint8Array([0, 255, 254, 10]), /got none called original_idx/],
    ['a pointer', () => 'version https://git-lfs.github.com/spec/v1\n', /got a Git LFS pointer/],
  ] as [string, (text: string) => string | Uint8Array, RegExp][])(
    'says of a file that is %s',
    async (_, change, message) => {
      const file = put(
        folder.path,
        EVALUATION,
        csv([line(1, 0.1), line(2, 0.2, { target_tokens: '["a,b"]' })]),
      )
      put(folder.path, EVALUATION, change(readFileSync(file, 'utf8')))
      const { evaluations, failures } = await readAll(folder.path)
      expect(evaluations).toEqual([])
      expect(failures).toEqual([expect.stringMatching(message)])
      expect(failures[0]).toContain(file)
    },
  )

  test('is the file that is named, not one whose name fits it as a pattern', async () => {
    const place = (dataset: string) => EVALUATION.replace('counter_fact', dataset)
    put(folder.path, place('a1b'), csv([line(1, 0.1)]))
    put(folder.path, place('a[1]*?'), csv([line(2, 0.2)]))
    const { evaluations } = await readAll(folder.path)
    expect(evaluations.map((row) => [row.dataset, row.prompt_id])).toEqual([
      ['a1b', '1'],
      ['a[1]*?', '2'],
    ])
  })
})
