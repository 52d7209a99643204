/** Checkpoints from files in memory: what is opened is closed, and nothing is read that is not needed. */
import { describe, expect, test } from 'vitest'
import { type CheckpointFiles, openCheckpoint } from '../../src/checkpoints/checkpoint.js'
import { inputError, MemorySource, ramp, safetensors } from './helpers.js'
import { dict, tensor, torchLegacy, torchZip } from './torch-helpers.js'

/** A repository in memory that remembers every source it opened. */
class MemoryFiles implements CheckpointFiles {
  readonly name = 'hub/model'
  readonly opened: MemorySource[] = []

  constructor(readonly contents: Readonly<Record<string, string | Uint8Array>>) {}

  path(file: string): string {
    return `${this.name}/${file}`
  }

  async open(file: string): Promise<MemorySource | undefined> {
    if (!Object.hasOwn(this.contents, file)) return undefined
    const content = this.contents[file]
    const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : content
    this.opened.push(new MemorySource(this.path(file), bytes))
    return this.opened.at(-1)
  }

  /** How many times each source was closed, in the order of opening. */
  closed(): [string, number][] {
    return this.opened.map(({ name, closed }) => [name.slice(this.name.length + 1), closed])
  }
}

const SHARDS = {
  'config.json': '{"model_type":"mamba"}',
  'model.safetensors.index.json':
    '{"weight_map":{"a":"1.safetensors","b":"2.safetensors","c":"3.safetensors"}}',
  '1.safetensors': safetensors([ramp('a', [2])]),
  '2.safetensors': safetensors([ramp('b', [2])]),
  '3.safetensors': safetensors([ramp('c', [2])]),
}

const TORCH_SHARDS = {
  'config.json': '{"model_type":"mamba"}',
  'pytorch_model.bin.index.json': '{"weight_map":{"a":"1.bin","b":"2.bin"}}',
  '1.bin': torchZip(dict({ a: tensor() })),
  '2.bin': torchLegacy(dict({ b: tensor() })),
}

describe('openCheckpoint', () => {
  test('a name, messages, tensors', async () => {
    const checkpoint = await openCheckpoint('my model', new MemoryFiles(SHARDS))
    expect(checkpoint.name).toBe('my model')
    expect(checkpoint.config).toEqual({ model_type: 'mamba' })
    expect(checkpoint.configFile).toBe('hub/model/config.json')
    expect(await checkpoint.tensor('c', [2])).toEqual(Float32Array.of(0, 1))
    expect(await inputError(checkpoint.tensor('d', [2]))).toMatch(
      /^hub\/model: the weights must hold the tensor "d"/,
    )
    await checkpoint.close()
  })

  test('closes text files when they are read, weights when it is closed', async () => {
    const files = new MemoryFiles({ ...SHARDS, 'tokenizer.json': '{}' })
    const checkpoint = await openCheckpoint('m', files)
    await checkpoint.tokenizerJson()
    const texts: [string, number][] = [
      ['config.json', 1],
      ['model.safetensors.index.json', 1],
    ]
    const shards = ['1.safetensors', '2.safetensors', '3.safetensors']
    const open = shards.map((file): [string, number] => [file, 0])
    expect(files.closed()).toEqual([...texts, ...open, ['tokenizer.json', 1]])
    await checkpoint.close()
    expect(files.closed().map(([, closed]) => closed)).toEqual([1, 1, 1, 1, 1, 1])
  })

  test('shards of PyTorch, each of its own serialization', async () => {
    const files = new MemoryFiles(TORCH_SHARDS)
    const checkpoint = await openCheckpoint('m', files)
    expect(await checkpoint.tensor('a', [2, 3])).toEqual(await checkpoint.tensor('b', [2, 3]))
    await checkpoint.close()
    expect(files.closed().map(([, closed]) => closed)).toEqual([1, 1, 1, 1])
  })

  test.each<[string, Record<string, string | Uint8Array>]>([
    ['no config', {}],
    ['a broken config', { 'config.json': '{' }],
    ['a config that is a list', { 'config.json': '[]' }],
    ['broken weights', { 'config.json': '{}', 'model.safetensors': 'x' }],
    [
      'weights cut short',
      { 'config.json': '{}', 'model.safetensors': SHARDS['1.safetensors'].subarray(0, -1) },
    ],
    ['a broken index', { ...SHARDS, 'model.safetensors.index.json': '{}' }],
    ['a broken shard', { ...SHARDS, '3.safetensors': 'x' }],
    ['a shard that lacks a tensor', { ...SHARDS, '3.safetensors': SHARDS['1.safetensors'] }],
    ['no shard', Object.fromEntries(Object.entries(SHARDS).filter(([file]) => file !== '3.safetensors'))],
    ['no weights', { 'config.json': '{}' }],
    ['broken PyTorch weights', { 'config.json': '{}', 'pytorch_model.bin': 'x' }],
    ['a broken PyTorch shard', { ...TORCH_SHARDS, '2.bin': TORCH_SHARDS['2.bin'].subarray(1) }],
    ['a PyTorch shard that lacks a tensor', { ...TORCH_SHARDS, '2.bin': TORCH_SHARDS['1.bin'] }],
  ])('closes everything once when it fails: %s', async (_, contents) => {
    const files = new MemoryFiles(contents)
    await inputError(openCheckpoint('m', files))
    expect(files.closed().filter(([, closed]) => closed !== 1)).toEqual([])
  })

  test('closes everything once when it fails at reading', async () => {
    const files = new MemoryFiles(SHARDS)
    const open = files.open.bind(files)
    files.open = async (file) => {
      const source = await open(file)
      if (source && file === '3.safetensors') source.read = () => Promise.reject(new Error('network'))
      return source
    }
    await expect(openCheckpoint('m', files)).rejects.toThrow('network')
    expect(files.closed().map(([, closed]) => closed)).toEqual([1, 1, 1, 1, 1])
  })

  test('a text file of an impossible size is not read', async () => {
    const files = new MemoryFiles({ 'config.json': '{}' })
    const open = files.open.bind(files)
    files.open = async (file) => {
      const source = await open(file)
      if (source) Object.defineProperty(source, 'size', { value: 2 ** 28 + 1 })
      return source
    }
    expect(await inputError(openCheckpoint('m', files))).toBe(
      'hub/model/config.json: must be JSON of at most 268435456 bytes, got 268435457; check that it is the right file',
    )
    expect(files.closed()).toEqual([['config.json', 1]])
  })
})
