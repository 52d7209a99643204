/** `info_flow.json` of the authors' code, in Python's JSON. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { InfoFlowFile } from '../../../src/authors/files.js'
import { readInfoFlow } from '../../../src/authors/info-flow.js'
import { authorsModel } from '../../../src/authors/models.js'
import { pythonJson } from '../../../src/authors/python-json.js'
import { newFolder, type Reader } from '../harness.js'
import { asBytes, damagedJson } from '../mutate.js'

const value = { hit: true, diffs: -50, true_probs: 0.25 }
const windows = { 0: value, 1: { ...value, true_probs: 0.5, diffs: 0 }, 2: value, 3: value }
const seeds = [
  { metadata: { layers_amount: 4, banned_prompts: { 7: 'no tokens' } }, data: { 1: windows, 2: windows } },
  { metadata: { layers_amount: 4 }, data: { 1: { 0: value } } },
]

const folder = newFolder('authors-json')
const file = join(folder, 'info_flow.json')

export const reader: Reader<Uint8Array> = {
  name: 'authors-json',
  folder,
  inputs: asBytes(damagedJson(seeds, [windows, value])),
  open: async () => void mkdirSync(folder, { recursive: true }),
  close: async () => rmSync(folder, { recursive: true, force: true }),
  async read(bytes) {
    pythonJson(new TextDecoder().decode(bytes))
    writeFileSync(file, bytes)
    const place: InfoFlowFile = {
      ...{ path: file, model: authorsModel('mamba1', '130M'), dataset: 'd', version: '1', id: 'i' },
      ...{ kind: 'info-flow', window: 21, source: 'subject', target: 'last', features: 'all' },
    }
    const { prompts } = await readInfoFlow(place, new Map([['1', 0.5]]), () => {})
    for (const rows of prompts)
      for (const { prob } of rows) if (!(prob >= 0)) throw new Error('no probability')
  },
}
