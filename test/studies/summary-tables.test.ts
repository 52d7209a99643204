import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Results } from '../../src/results/results.js'
import { meanInterval } from '../../src/results/statistics.js'
import { reportTables, strongestEffects, summarySentences } from '../../src/studies/summary-tables.js'
import { change, PROMPTS, storeSample } from './stored.js'

let dir: string
let results: Results
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'factflow-summary-'))
  await storeSample(join(dir, 'run'))
  results = await Results.open([join(dir, 'run')])
})
afterAll(async () => {
  results.close()
  await rm(dir, { recursive: true, force: true })
})

describe('the strongest effects', () => {
  it('are those of the default window, where the mean is lowest', async () => {
    const effects = await strongestEffects(results)
    const deep = effects.find(
      (e) => e.model === 'deep' && e.source === 'subject' && e.features === 'all' && e.set === 'correct',
    )!
    // Changes grow with the layer: the first window is the strongest.
    expect(deep).toMatchObject({ window: 9, firstLayer: 0, layers: 24, accuracy: 75 })
    const expected = meanInterval(PROMPTS.map((p) => change('deep', 'subject', 'all', 0, p)))
    expect(deep.change.mean).toBeCloseTo(expected.mean, 10)
    expect(deep.change.high).toBeCloseTo(expected.high, 10)
    expect(new Set(effects.filter((e) => e.model === 'flat').map((e) => e.window))).toEqual(new Set([2]))
  })

  it('are said in a sentence for each model, with the paired difference of the features', async () => {
    const [deep, flat, ...more] = await summarySentences(results, await strongestEffects(results))
    expect(more).toEqual([])
    // Of the two prompts that all models know: -40 and -39; 0.5 times 12.7 on either side.
    expect(deep).toMatch(
      /^deep \(2 prompts of all-correct\): cutting subject → last in layers 0-8 of 24 costs the answer most, -39\.5 ± 6\.4 %, before last → last \(-9\.5 %\)\./,
    )
    expect(deep).toContain('flow through its context-dependent features: ')
    expect(deep).toContain('is -20.0 ± 0.0 points (paired)')
    expect(flat).toMatch(/^flat \(2 prompts of all-correct\): cutting subject → last in layers 0-1 of 6/)
    expect(flat).not.toContain('features')
  })
})

describe('the tables of a report', () => {
  it('leave out what is empty', async () => {
    const tables = await reportTables(results, await strongestEffects(results))
    expect(tables.map(({ name }) => name)).toEqual(['models', 'prompt-sets', 'effects'])
    for (const { columns, rows } of tables) for (const row of rows) expect(row).toHaveLength(columns.length)
    expect(tables[1]!.rows).toEqual([
      ['all-correct', 'deep', 'd', '2'],
      ['all-correct', 'flat', 'd', '2'],
      ['correct', 'deep', 'd', '4'],
      ['correct', 'flat', 'd', '4'],
    ])
  })
})
