/** `pytorch_model.bin` in both serializations: the container, the pickle in it, and every tensor. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { openTorch } from '../../../src/checkpoints/torch.js'
import { MemorySource } from '../../checkpoints/bytes.js'
import { dict, pickle, tensor, torchLegacy, torchZip, zipOf } from '../../checkpoints/torch-helpers.js'
import type { Reader } from '../harness.js'
import { damagedBytes } from '../mutate.js'
import { readFile } from './safetensors.js'

const FIXTURES = join(import.meta.dirname, '..', '..', 'fixtures', 'torch')
const fixture = (name: string): Uint8Array => new Uint8Array(readFileSync(join(FIXTURES, name)))

const state = dict({ 'a.weight': tensor(), b: tensor({ offset: 2, size: [2], stride: [2] }) })
const shared = dict({ a: tensor({ size: [6], stride: [1] }), b: tensor({ size: [4, 3], stride: [0, 1] }) })

/** Small ones, so that an edit meets the pickle as often as the container; and what PyTorch itself wrote. */
const seeds = [
  ...[state, shared].flatMap((object) => [torchZip(object), torchLegacy(object)]),
  torchZip(state, undefined, [{ name: 'model/byteorder', bytes: pickle('little') }]),
  zipOf(
    [
      { name: 'm/data.pkl', bytes: state },
      { name: 'm/data/0', bytes: new Uint8Array(24) },
    ],
    { zip64: true },
  ),
  ...['views.bin', 'old-protocol4.bin', 'newer-dtypes.bin'].map(fixture),
  // These would run a command or Python code in Python itself.
  ...['evil-os.system.old.bin', 'evil-os.system.new.bin', 'evil-builtins.eval.new-protocol4.bin'].map(
    fixture,
  ),
]

/** Pickles of a damaged state dict, in containers that are whole. */
const inside = fc
  .tuple(damagedBytes([state, shared]), fc.boolean())
  .map(([object, zip]) => (zip ? torchZip(object) : torchLegacy(object)))

export const reader: Reader<Uint8Array> = {
  name: 'torch',
  inputs: fc.oneof(damagedBytes(seeds), inside),
  read: (bytes) => readFile(new MemorySource('pytorch_model.bin', bytes), openTorch),
}
