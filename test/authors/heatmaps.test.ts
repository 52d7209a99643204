import { readFileSync, writeFileSync } from 'node:fs'
import { relative } from 'node:path'
import process from 'node:process'
import { describe, expect, test } from 'vitest'
import {
  allWindows,
  csv,
  EVALUATION,
  eachInFolder,
  HEATMAPS,
  infoFlow,
  infoFlowPath,
  line,
  put,
  putHeatmaps,
  readAll,
} from './helpers.js'

const folder = eachInFolder()

/** Rows are tokens, columns windows. */
const MATRIX = [
  [0.1, 0.2, 0.3, 0.4],
  [0.5, 0.6, 0.7, 0.8],
  [0.9, 1, 0, 0.25],
]

describe('heatmaps.h5', () => {
  test('is read value by value', async () => {
    put(folder.path, EVALUATION, csv([line(12, 0.5), line(3, 0.1)]))
    await putHeatmaps(folder.path, HEATMAPS, { 12: MATRIX, 3: MATRIX.slice(0, 1) })
    const { knockouts, batches, notes } = await readAll(folder.path)
    expect(notes).toEqual([])
    expect(batches.at(-1)!.layers).toBe(24)
    const of = knockouts.filter(({ prompt_id }) => prompt_id === '12')
    expect(of.map(({ position, first_layer, prob }) => [position, first_layer, prob])).toEqual(
      MATRIX.flatMap((row, position) => row.map((prob, layer) => [position, layer, prob])),
    )
    expect(of[5]).toEqual({
      model: 'mamba1-130M',
      dataset: 'counter_fact',
      prompt_id: '12',
      first_layer: 1,
      window: 21,
      source: 'token',
      position: 1,
      target: 'last',
      features: 'all',
      base_prob: 0.5,
      prob: 0.6,
      rank: null,
      top_token: null,
      hit: null,
      relative_change: expect.closeTo(20, 10),
    })
    expect(knockouts.filter(({ prompt_id }) => prompt_id === '3')).toHaveLength(4)
  })

  test('is compared with what follows from knockouts where there is no evaluation', async () => {
    put(folder.path, infoFlowPath(), infoFlow({ 12: allWindows(0.25, 0.5) }))
    await putHeatmaps(folder.path, HEATMAPS, { 12: MATRIX, 13: MATRIX })
    const { knockouts, notes } = await readAll(folder.path)
    expect(knockouts.filter(({ source }) => source === 'token').map((row) => row.base_prob)).toEqual(
      Array(12).fill(0.5),
    )
    expect(notes).toEqual([
      expect.stringMatching(/: 1 of 2 prompts left out \(13\): not evaluated; give .*outputs\.csv/),
    ])
  })

  test.each([Number.NaN, 2, -0.5])('leaves out a prompt with %d among its probabilities', async (wrong) => {
    put(folder.path, EVALUATION, csv([line(1, 0.5), line(2, 0.5)]))
    await putHeatmaps(folder.path, HEATMAPS, { 1: MATRIX, 2: [[0.1, wrong, 0.2, 0.3]] })
    const { knockouts, notes } = await readAll(folder.path)
    expect(new Set(knockouts.map(({ prompt_id }) => prompt_id))).toEqual(new Set(['1']))
    expect(notes).toEqual([
      expect.stringMatching(/: 1 of 2 prompts left out \(2\): some values are no probabilities/),
    ])
  })

  test('takes a path that is relative', async () => {
    put(folder.path, EVALUATION, csv([line(1, 0.5)]))
    await putHeatmaps(folder.path, HEATMAPS, { 1: MATRIX })
    expect((await readAll(relative(process.cwd(), folder.path))).knockouts).toHaveLength(12)
  })

  test('may hold nothing', async () => {
    await putHeatmaps(folder.path, HEATMAPS, {})
    const { batches, notes } = await readAll(folder.path)
    expect(batches).toEqual([])
    expect(notes).toEqual([expect.stringMatching(/heatmaps\.h5: has no result that can be used$/)])
  })

  test.each([
    [
      'cut',
      (bytes: Buffer) => bytes.subarray(0, bytes.length / 2),
      /must be an HDF5 file that is whole, got "truncated file/,
    ],
    [
      'something else',
      () => Buffer.from('CSV, really'),
      /must be an HDF5 file that is whole, got "file signature not found"/,
    ],
    ['empty', () => Buffer.alloc(0), /must be an HDF5 file that is whole/],
    ['a pointer', () => Buffer.from('version https://git-lfs.github.com/spec/v1\n'), /got a Git LFS pointer/],
  ] as [string, (bytes: Buffer) => Buffer, RegExp][])(
    'says of a file that is %s, and goes on',
    async (_, change, message) => {
      put(folder.path, EVALUATION, csv([line(1, 0.5)]))
      const file = await putHeatmaps(folder.path, HEATMAPS, { 1: MATRIX })
      const other = HEATMAPS.replace('ws=21', 'ws=22')
      await putHeatmaps(folder.path, other, { 1: MATRIX.map((row) => row.slice(0, 3)) })
      writeFileSync(file, change(readFileSync(file)))
      const { knockouts, failures } = await readAll(folder.path)
      expect(knockouts).toHaveLength(9)
      expect(failures).toEqual([expect.stringMatching(message)])
      expect(failures[0]).toContain(file)
    },
  )

  test.each([
    [
      'float32',
      { 1: MATRIX },
      '<f',
      /must hold a float64 \[tokens, windows\] for each prompt's number, got "1"/,
    ],
    ['named otherwise', { a: MATRIX }, '<d', /for each prompt's number, got "a"/],
    ['of two widths', { 1: MATRIX, 2: [[0.1]] }, '<d', /must have as many windows, got 4 and 1/],
  ] as const)('refuses data sets that are %s', async (_, prompts, dtype, message) => {
    await putHeatmaps(folder.path, HEATMAPS, prompts, dtype)
    expect((await readAll(folder.path)).failures).toEqual([expect.stringMatching(message)])
  })
})
