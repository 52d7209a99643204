/** `outputs.csv` (pandas) and `heatmaps.h5` (HDF5) of the authors' code, and the names of their folders. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import fc from 'fast-check'
import { File, ready } from 'h5wasm/node'
import { readEvaluation } from '../../../src/authors/evaluation.js'
import { readHeatmaps } from '../../../src/authors/heatmaps.js'
import { authorsModel } from '../../../src/authors/models.js'
import { readAuthors } from '../../../src/authors/read.js'
import { newFolder, type Reader } from '../harness.js'
import { asBytes, damagedBytes, damagedText } from '../mutate.js'

const CSV = [
  `relation,prompt,relation_id,target_true,subject,original_idx,split,target_rank,model_top_outputs,target_probs,target_tokens
{} is in,Place 1 is in,P17, France,Place 1,1,train1,1,"[[6181, "" France"", 0.5], [253, "" the"", NaN]]",0.5,"["" France""]"
{} is in,Place 2 is in,P17, France,Place 2,2,train1,3,"[]",0.25,
`,
  'prompt,attribute,subject,original_idx,target_rank,target_probs\nPlace 1 is in, France,Place 1,1,1,0.5\n',
]

const folder = newFolder('authors')
const place = { model: authorsModel('mamba1', '130M'), dataset: 'd', version: '1', id: 'i' }
const open = async (): Promise<void> => void mkdirSync(folder, { recursive: true })
const close = async (): Promise<void> => rmSync(folder, { recursive: true, force: true })

export const csv: Reader<Uint8Array> = {
  name: 'authors-csv',
  folder,
  inputs: asBytes(
    damagedText(CSV, ['"', '""', ',', '\n', 'NaN', '[[', 'original_idx', 'target_probs', '1e5']),
  ),
  open,
  close,
  async read(bytes) {
    const path = join(folder, 'outputs.csv')
    writeFileSync(path, bytes)
    await readEvaluation({ ...place, path, kind: 'evaluation' }, () => {})
  },
}

/** HDF5 files of the authors' form, and one of another. */
async function hdf5Seeds(): Promise<Uint8Array[]> {
  await ready
  mkdirSync(folder, { recursive: true })
  const path = join(folder, 'seed.h5')
  return [2, 1].map((prompts) => {
    const file = new File(path, 'w')
    for (let id = 1; id <= prompts; id++) {
      file.create_dataset({
        name: String(id),
        data: [0.1, 0.2, 0.3, 0.4, 0.5, 0.6],
        shape: [3, 2],
        dtype: '<d',
      })
    }
    if (prompts === 1) {
      file.create_group('g').create_attribute('a', 'text')
      file.create_dataset({
        name: 'c',
        data: [1, 2, 3, 4],
        shape: [4],
        dtype: '<i',
        chunks: [2],
        compression: 4,
      })
    }
    file.close()
    return new Uint8Array(readFileSync(path))
  })
}

export const hdf5: Reader<Uint8Array> = {
  name: 'authors-hdf5',
  folder,
  // For the text of an error.
  temporary: /^\/tmp\/tmpfile_\w+$/,
  mb: 256,
  inputs: damagedBytes(await hdf5Seeds()),
  open,
  close,
  async read(bytes) {
    const path = join(folder, 'heatmaps.h5')
    writeFileSync(path, bytes)
    const heatmaps = await readHeatmaps(
      { ...place, path, kind: 'heatmap', window: 21 },
      new Map([['1', 0.5]]),
      () => {},
    )
    for (const rows of heatmaps.prompts)
      for (const { prob } of rows) if (!(prob >= 0)) throw new Error('no probability')
  },
}

const PARTS = [
  'v=1',
  'arch=mamba1',
  'size=130M',
  'ds=counter_fact',
  'ws=21',
  'target=last',
  'source=subject',
  'feature_category=ALL',
]
const names = fc.oneof(
  { weight: 20, arbitrary: fc.nat(PARTS.length - 1).map((i) => PARTS[i]!) },
  damagedText([
    ...PARTS,
    'feature_category=constructor',
    'arch=__proto__',
    'size=toString',
    'source=length',
    'ws=1e9',
    '.snapshot',
  ]),
)

/** Folders whose names are damaged, with a file in them that is whole. */
export const folders: Reader<readonly string[]> = {
  name: 'authors-folders',
  folder,
  inputs: fc
    .tuple(fc.constant(PARTS), fc.array(fc.tuple(fc.nat(PARTS.length - 1), names), { maxLength: 3 }))
    .map(([parts, changes]) => {
      const all = [...parts]
      for (const [i, name] of changes) all[i] = name
      // What no disk can hold is no input.
      return all.map((name) =>
        Buffer.from(name.replace(/[/\0]/g, '_'))
          .subarray(0, 200)
          .toString()
          .replace(/^\.{0,2}$/, '_'),
      )
    }),
  open,
  close,
  async read(parts) {
    const root = join(folder, 'output')
    rmSync(root, { recursive: true, force: true })
    const file = join(root, 'info_flow', ...parts, 'info_flow.json')
    mkdirSync(dirname(file), { recursive: true })
    const value = { hit: true, diffs: -50, true_probs: 0.25 }
    writeFileSync(file, JSON.stringify({ metadata: { layers_amount: 1 }, data: { 1: { 0: value } } }))
    for await (const batch of readAuthors(root)) {
      if (!/^[\w-]+$/.test(batch.id)) throw new Error('an id that is no name of a file')
      for (const row of batch.rows)
        if ('features' in row && typeof row.features !== 'string') throw new Error('features are no text')
    }
  },
}
