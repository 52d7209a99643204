/** `model.safetensors`: the header and every tensor. */

import fc from 'fast-check'
import { openSafetensors } from '../../../src/checkpoints/safetensors.js'
import type { TensorFile } from '../../../src/checkpoints/tensor-file.js'
import { f32, fileBytes, MemorySource, ramp, safetensors, u16 } from '../../checkpoints/bytes.js'
import type { Reader } from '../harness.js'
import { damagedBytes, damagedJson } from '../mutate.js'

/** Read all that a file says it holds, as a model does; the first error ends it. */
export async function readAll(file: TensorFile): Promise<void> {
  for (const name of file.names()) {
    const { shape } = file.info(name)
    const values = await file.read(name)
    const count = shape.reduce((a, b) => a * b, 1)
    if (values.length !== count) throw new Error(`${name}: ${values.length} values, not ${count}`)
    if (shape.length > 0 && shape[0]! > 0) await file.rows(name, shape[0]! - 1, 1)
  }
}

/** Open, read, close; the source must be closed whatever happens. */
export async function readFile(
  source: MemorySource,
  open: (source: MemorySource) => Promise<TensorFile>,
): Promise<void> {
  try {
    const file = await open(source)
    try {
      await readAll(file)
    } finally {
      await file.close()
    }
  } catch (error) {
    if (source.closed === 0) throw new Error('the source stays open', { cause: error })
    throw error
  }
}

const seeds = [
  safetensors([
    ramp('a.weight', [2, 3]),
    u16('b', 'BF16', [4], [1, 2, 3, 4]),
    u16('c', 'F16', [2, 1], [5, 6]),
  ]),
  safetensors([f32('scalar', [], [1]), f32('none', [0, 4], [])], 3),
  safetensors([{ name: 'i', dtype: 'I64', shape: [1], bytes: new Uint8Array(8) }, ramp('x', [1])]),
  safetensors([{ name: 'h', dtype: 'F4', shape: [2, 2], bytes: new Uint8Array(2) }]),
  fileBytes('{}'),
]

/** Headers whose values are damaged, before 24 bytes. */
const headers = damagedJson([
  {
    __metadata__: { format: 'pt' },
    a: { dtype: 'F32', shape: [2, 2], data_offsets: [0, 16] },
    b: { dtype: 'BF16', shape: [4], data_offsets: [16, 24] },
  },
  { a: { dtype: 'F16', shape: [3, 4], data_offsets: [0, 24] } },
  { a: { dtype: 'U8', shape: [24], data_offsets: [0, 24] } },
]).map((header) => fileBytes(header, new Uint8Array(24)))

export const reader: Reader<Uint8Array> = {
  name: 'safetensors',
  inputs: fc.oneof(damagedBytes(seeds), headers),
  read: (bytes) => readFile(new MemorySource('model.safetensors', bytes), openSafetensors),
}
