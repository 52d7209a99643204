/** `factflow import`, as a user runs it. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import {
  allWindows,
  csv,
  EVALUATION,
  HEATMAPS,
  infoFlow,
  infoFlowPath,
  line,
  put,
  putHeatmaps,
} from '../authors/helpers.js'
import { factflow, refuse, succeed, temporaryFolder } from './command.js'

const folder = temporaryFolder()
const output = join(folder, 'output')

beforeAll(async () => {
  put(output, EVALUATION, csv([line(1, 0.5), line(2, 0.25)]))
  put(output, infoFlowPath(), infoFlow({ 1: allWindows(0.25, 0.5) }, { 9: 'substring not found' }))
  await putHeatmaps(output, HEATMAPS, { 1: [[0.1, 0.2, 0.3, 0.4]] })
})

describe('factflow import', () => {
  test('says what it found', async () => {
    const out = join(folder, 'text')
    const text = await succeed(['import', output, '-o', out])
    expect(text).toBe(`1 model of ${output}, code version 1, in ${out}

MODEL        ON THE HUB                  EXPERIMENT  FILES  PROMPTS  ROWS
mamba1-130M  state-spaces/mamba-130m-hf  evaluate        1        2     2
                                         info-flow       1        1     4
                                         heatmap         1        1     4

mamba1-130M: 1 prompt banned by the authors' code
`)
    expect(existsSync(join(out, 'run.json'))).toBe(true)
  })

  test('says it as JSON', async () => {
    const out = join(folder, 'json')
    expect(
      JSON.parse(await succeed(['import', output, '--out', out, '--code-version', '1', '--json'])),
    ).toEqual({
      folder: output,
      out,
      version: '1',
      models: [
        {
          model: 'mamba1-130M',
          id: 'state-spaces/mamba-130m-hf',
          layers: 24,
          results: {
            evaluation: { files: 1, prompts: 2, rows: 2 },
            'info-flow': { files: 1, prompts: 1, rows: 4 },
            heatmap: { files: 1, prompts: 1, rows: 4 },
          },
          banned: 1,
        },
      ],
      notes: [],
      failures: [],
    })
  })

  test('imports what it can, says what it cannot, and ends with 1', async () => {
    const damaged = join(folder, 'damaged')
    put(damaged, EVALUATION, csv([line(1, 0.5)]))
    put(damaged, infoFlowPath(), infoFlow({ 1: { 0: allWindows(0.25, 0.5)[0] } }))
    put(damaged, HEATMAPS, 'not HDF5')
    const { code, stdout, stderr } = await factflow(['import', damaged, '-o', join(folder, 'some')])
    expect(code).toBe(1)
    expect(stdout).toMatch(/evaluate +1 +1 +1\n +info-flow +1 +1 +1\n$/)
    expect(stderr.split('\n')).toEqual([
      expect.stringMatching(
        /^note: .*info_flow\.json: 1 of 1 prompts are unfinished \(fewer than 4 windows\)/,
      ),
      expect.stringMatching(
        /^error: .*heatmaps\.h5: must be an HDF5 file that is whole, got .*; copy it again/,
      ),
      '',
    ])
  })

  test('refuses folders without results and versions that are not there', async () => {
    const out = join(folder, 'none')
    expect(await refuse(['import', join(folder, 'json'), '-o', out])).toMatch(
      /must hold results of the authors' code/,
    )
    expect(await refuse(['import', output, '-o', out, '--code-version', '7'])).toMatch(
      /got 7; choose from 1$/,
    )
    expect(await refuse(['import'])).toMatch(/<folder>: must be given/)
    expect(existsSync(out)).toBe(false)
  })
})
