import { mkdirSync, symlinkSync } from 'node:fs'
import { join, relative } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { findResults } from '../../src/authors/files.js'
import { InputError } from '../../src/errors.js'
import { EVALUATION, eachInFolder, HEATMAPS, infoFlowPath, MODEL, put } from './helpers.js'

const folder = eachInFolder()
const found = async (below = ''): Promise<string[]> => {
  const { files } = await findResults(join(folder.path, below))
  return files.map(({ path }) => relative(folder.path, path))
}

describe('findResults', () => {
  test('finds files at any depth: evaluations, knockouts, heatmaps, model after model', async () => {
    const other = infoFlowPath('first', 'last', 'ALL', 'v=1/arch=gpt2/size=124M/ds=counter_fact')
    for (const path of [HEATMAPS, infoFlowPath(), infoFlowPath('first'), other, EVALUATION]) {
      put(folder.path, path, '')
    }
    const mamba = [EVALUATION, infoFlowPath('first'), infoFlowPath(), HEATMAPS]
    expect(await found()).toEqual([other, ...mamba])
  })

  test.each([
    ['an experiment', 'heatmap', HEATMAPS],
    ['a model', `heatmap/${MODEL}`, HEATMAPS],
    ['a knockout', `info_flow/${MODEL}/ws=21/target=last/source=subject`, infoFlowPath()],
    ['the folder of a file', HEATMAPS.replace('/heatmaps.h5', ''), HEATMAPS],
  ])('takes %s and the evaluation beside it', async (_, below, path) => {
    for (const file of [HEATMAPS, infoFlowPath(), EVALUATION]) put(folder.path, file, '')
    expect(await found(below)).toEqual([EVALUATION, path])
  })

  test('does not need an evaluation', async () => {
    put(folder.path, HEATMAPS, '')
    expect(await found('heatmap')).toEqual([HEATMAPS])
  })

  test('passes by snapshots, links and other files', async () => {
    put(folder.path, infoFlowPath(), '')
    put(folder.path, infoFlowPath().replace('outputs/', 'outputs/.snapshot/daily/'), '')
    put(folder.path, infoFlowPath().replace('.json', '.stats.json'), '')
    put(folder.path, infoFlowPath().replace('outputs/info_flow', 'running_history/run'), '')
    mkdirSync(join(folder.path, 'slurm'))
    symlinkSync(join(folder.path, 'info_flow'), join(folder.path, 'slurm', 'job'))
    expect(await found()).toEqual([infoFlowPath()])
  })

  test('reads names of roles and categories', async () => {
    put(folder.path, infoFlowPath('relation_minus_last', 'subject', 'FAST_DECAY'), '')
    put(folder.path, infoFlowPath('context', 'all', 'SLOW_DECAY'), '')
    const { files } = await findResults(folder.path)
    expect(files).toMatchObject([
      { source: 'context', target: 'all', features: 'context-independent', window: 21 },
      { source: 'relation-minus-last', target: 'subject', features: 'context-dependent', version: '1' },
    ])
  })

  test.each([
    ['source', infoFlowPath('middle'), /source= must be one of first, last, .*, got "middle"/],
    [
      'category',
      infoFlowPath('first', 'last', 'NONE'),
      /feature_category= must be one of ALL, .*, got "NONE"/,
    ],
    ['window', HEATMAPS.replace('ws=21', 'ws=0'), /ws= must be a whole number from 1, got "0"/],
    ['nothing', HEATMAPS.replace('size=', ''), /got none of the form size=\.\.\./],
  ])('says which file has an unknown %s, and goes on', async (_, path, message) => {
    put(folder.path, path, '')
    put(folder.path, infoFlowPath(), '')
    const { files, failures } = await findResults(folder.path)
    expect(files.map(({ kind }) => kind)).toEqual(['info-flow'])
    expect(failures).toHaveLength(1)
    expect(failures[0]).toBeInstanceOf(InputError)
    expect(failures[0]!.message).toMatch(message)
    expect(failures[0]!.message).toContain(path)
  })

  test('refuses a folder without results, a file and nothing at all', async () => {
    put(folder.path, 'a/readme.md', '')
    const message = (path: string) =>
      findResults(path).then(
        () => 'found',
        (error: InputError) => error.message,
      )
    expect(await message(folder.path)).toMatch(/must hold results .*, got none; /)
    expect(await message(join(folder.path, 'a/readme.md'))).toMatch(/must be a folder, got a file; /)
    expect(await message(join(folder.path, 'b'))).toMatch(/must be a folder, got nothing there; /)
  })

  test('ids tell results apart, not places', async () => {
    const name = fc.constantFrom('1', '1.4B', '1-4B', '1_4B', 'ä')
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(name, name, name), { minLength: 2, maxLength: 4 }), async (all) => {
        const ids = await Promise.all(
          [...all, ...all].map(async ([v, size, ds], i) => {
            const root = `${i}-${Math.random()}`
            put(
              folder.path,
              `${root}/evaluate_model/v=${v}/arch=a/size=${size}/ds=${ds}/outputs/outputs.csv`,
              '',
            )
            const { files } = await findResults(join(folder.path, root))
            return files[0]!.id
          }),
        )
        for (const id of ids) expect(id).toMatch(/^[A-Za-z0-9-]+$/)
        const different = new Set(all.map((parts) => JSON.stringify(parts))).size
        expect(new Set(ids).size).toBe(different)
        expect(ids.slice(all.length)).toEqual(ids.slice(0, all.length))
      }),
      { numRuns: 20 },
    )
  })
})
