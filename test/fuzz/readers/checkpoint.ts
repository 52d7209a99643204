/**
 * A model's folder: config.json, an index with its shards, tokenizer.json. The names of shards come from the index, and
 * must be those of files of the folder.
 */
import fc from 'fast-check'
import { openCheckpoint } from '../../../src/checkpoints/checkpoint.js'
import { weightFiles } from '../../../src/checkpoints/hub-files.js'
import { MemorySource, ramp, safetensors } from '../../checkpoints/bytes.js'
import { dict, tensor, torchZip } from '../../checkpoints/torch-helpers.js'
import type { Reader } from '../harness.js'
import { asBytes, damagedJson, utf8 } from '../mutate.js'

const SHARDS: Readonly<Record<string, Uint8Array>> = {
  'a.safetensors': safetensors([ramp('x', [2]), ramp('y', [2, 2])]),
  'b.safetensors': safetensors([ramp('z', [1])]),
  'a.bin': torchZip(dict({ x: tensor(), y: tensor() })),
}

const NAMES = [
  ...['a.safetensors', 'b.safetensors', 'a.bin', 'c.safetensors', '../a.safetensors', '..\\a.safetensors'],
  ...['/etc/x.safetensors', 'C:\\x.safetensors', './a.safetensors', 'sub/a.safetensors', '..safetensors'],
  ...['.safetensors', 'a.safetensors\0', '\0.safetensors', 'a\nb.safetensors', '\u202e.bin', '..', '.'],
  ...[`${'n'.repeat(5000)}.safetensors`, 'file:///a.safetensors', '%2e%2e%2fa.safetensors', '__proto__.bin'],
]

const index = damagedJson(
  [
    {
      metadata: { total_size: 28 },
      weight_map: { x: 'a.safetensors', y: 'a.safetensors', z: 'b.safetensors' },
    },
    { weight_map: { x: 'a.bin', y: 'a.bin' } },
    { weight_map: { __proto__: 'a.bin', constructor: 'a.safetensors' } },
  ],
  NAMES,
)

const config = damagedJson([
  { model_type: 'mamba', hidden_size: 4, nested: { a: [1, { __float__: 'Infinity' }] } },
])
const texts = fc.record({
  index: asBytes(index),
  config: fc.oneof({ weight: 4, arbitrary: fc.constant(utf8('{}')) }, asBytes(config)),
  torch: fc.boolean(),
})

export const reader: Reader<{
  readonly index: Uint8Array
  readonly config: Uint8Array
  readonly torch: boolean
}> = {
  name: 'checkpoint',
  inputs: texts,
  async read({ index, config, torch }) {
    const files: Readonly<Record<string, Uint8Array>> = {
      ...SHARDS,
      'config.json': config,
      'tokenizer.json': config,
      [torch ? 'pytorch_model.bin.index.json' : 'model.safetensors.index.json']: index,
    }
    const plain = (file: string): string => {
      if (file === '..' || file === '.' || /[/\\]/.test(file)) throw new Error(`left its folder by ${file}`)
      return file
    }
    const has = (file: string): boolean => Object.hasOwn(files, plain(file))
    const text = (file: string): string => new TextDecoder().decode(files[plain(file)])
    // What is downloaded of it.
    await weightFiles(
      has,
      async (file) => text(file),
      (file) => file,
    )
    const checkpoint = await openCheckpoint('model', {
      name: 'model',
      path: (file) => `model/${file}`,
      open: async (file) => (has(file) ? new MemorySource(`model/${file}`, files[file]!) : undefined),
    })
    try {
      for (const name of checkpoint.names()) await checkpoint.tensor(name, checkpoint.shape(name))
      await checkpoint.tokenizerJson()
    } finally {
      await checkpoint.close()
    }
  },
}
