import { join } from 'node:path'
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
  refused,
} from './helpers.js'

const folder = eachInFolder()

describe('readAuthors', () => {
  test('gives evaluations before knockouts, under ids that do not depend on the place', async () => {
    const fill = async (root: string) => {
      put(root, EVALUATION, csv([line(1, 0.5)]))
      put(root, infoFlowPath(), infoFlow({ 1: allWindows(0.1, 0.5) }, { 2: 'no subject' }))
      await putHeatmaps(root, HEATMAPS, { 1: [[0.1, 0.2, 0.3, 0.4]] })
    }
    await fill(join(folder.path, 'a'))
    await fill(join(folder.path, 'b', 'output'))
    const [a, b] = await Promise.all([readAll(join(folder.path, 'a')), readAll(join(folder.path, 'b'))])
    expect(a.batches.map(({ table, rows }) => [table, rows.length])).toEqual([
      ['evaluations', 1],
      ['knockouts', 4],
      ['unusable', 1],
      ['knockouts', 4],
    ])
    expect(new Set(a.batches.map(({ table, id }) => `${table} ${id}`)).size).toBe(4)
    expect(b.batches.map(({ id }) => id)).toEqual(a.batches.map(({ id }) => id))
    expect(b.knockouts).toEqual(a.knockouts)
  })

  test('keeps models and data sets apart', async () => {
    const other = 'v=1/arch=gpt2/size=124M/ds=counter_fact'
    put(folder.path, `evaluate_model/${other}/outputs/outputs.csv`, csv([line(1, 0.25)]))
    put(folder.path, infoFlowPath(), infoFlow({ 1: allWindows(0, 0.5) }))
    const { knockouts, evaluations, notes } = await readAll(folder.path)
    expect(evaluations.map(({ model }) => model)).toEqual(['gpt2-124M'])
    expect(knockouts).toEqual([])
    expect(notes[0]).toMatch(/no evaluation/)
  })

  test('asks which of several versions it shall read', async () => {
    for (const version of ['v=1', 'v=2']) {
      put(folder.path, infoFlowPath().replace('v=1', version), infoFlow({ 1: allWindows(0.1, 0.5) }))
    }
    expect(await refused(folder.path)).toMatch(/must be of one code version, got 1, 2; name one/)
    expect(await refused(folder.path, { version: '3' })).toMatch(
      /must be one that is there, got 3; choose from 1, 2/,
    )
    const { knockouts, batches } = await readAll(folder.path, { version: '2' })
    expect(knockouts).toHaveLength(4)
    expect(batches[0]!.file.version).toBe('2')
  })

  test('takes each result once', async () => {
    for (const root of ['a', 'b'])
      put(join(folder.path, root), infoFlowPath(), infoFlow({ 1: allWindows(0.1, 0.5) }))
    const { knockouts, failures } = await readAll(folder.path)
    expect(knockouts).toHaveLength(4)
    expect(failures).toEqual([
      expect.stringMatching(/b\/info_flow.*: must be there once, got the same as .*a\/info_flow/),
    ])
  })

  test('takes the copy that is whole', async () => {
    put(join(folder.path, 'a'), infoFlowPath(), '{')
    put(join(folder.path, 'b'), infoFlowPath(), infoFlow({ 1: allWindows(0.1, 0.5) }))
    const { knockouts, failures } = await readAll(folder.path)
    expect(knockouts).toHaveLength(4)
    expect(failures).toEqual([expect.stringMatching(/a\/info_flow.*must be a JSON object/)])
  })

  test('gives many rows in batches that end with a prompt', async () => {
    // 300 tokens in 4 windows of 90 prompts: 108,000 rows, more than fit in one batch.
    const matrix = Array.from({ length: 300 }, () => [0.1, 0.2, 0.3, 0.4])
    const prompts = Array.from({ length: 90 }, (_, id) => id)
    put(folder.path, EVALUATION, csv(prompts.map((id) => line(id, 0.5))))
    await putHeatmaps(folder.path, HEATMAPS, Object.fromEntries(prompts.map((id) => [id, matrix])))
    const { batches } = await readAll(folder.path)
    const knockouts = batches.filter((batch) => batch.table === 'knockouts')
    expect(knockouts.map(({ rows }) => rows.length)).toEqual([100_800, 7_200])
    expect(new Set(knockouts.map(({ id }) => id)).size).toBe(2)
    const [first, second] = knockouts.map(({ rows }) => new Set(rows.map(({ prompt_id }) => prompt_id)))
    expect([...first!].filter((id) => second!.has(id))).toEqual([])
    expect(first!.size + second!.size).toBe(90)
  })
})
