/** Folders whose weights are files of PyTorch. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openFolder } from '../../src/checkpoints/folder.js'
import { folder, inputError, ramp, safetensors } from './helpers.js'
import { dict, tensor, torchLegacy, torchZip } from './torch-helpers.js'

const INDEX = 'model.safetensors.index.json'
const TORCH_INDEX = 'pytorch_model.bin.index.json'
const weights = safetensors([ramp('a', [2, 3]), ramp('b', [4])])
const indexOf = (weightMap: unknown) => ({ metadata: { total_size: 1 }, weight_map: weightMap })

const SHARDED = 'test/fixtures/torch/sharded'

test('one file', async () => {
  const dir = folder({ 'config.json': {}, 'pytorch_model.bin': torchZip(dict({ a: tensor() })) })
  const checkpoint = await openFolder(dir)
  expect(checkpoint.names()).toEqual(['a'])
  expect(await checkpoint.tensor('a', [2, 3])).toEqual(Float32Array.of(0, 1, 2, 3, 4, 5))
  expect(await checkpoint.rows('a', [2, 3], 1, 1)).toEqual(Float32Array.of(3, 4, 5))
  expect(await inputError(checkpoint.tensor('a', [3, 2]))).toMatch(
    /tensor "a" must have shape \[3,2\], got \[2,3\]/,
  )
  await checkpoint.close()
})

test('shards, as huggingface_hub wrote them', async () => {
  const expected = JSON.parse(readFileSync('test/fixtures/torch/expected.json', 'utf8')) as {
    sharded: Record<string, { shape: number[]; values: number[] }>
  }
  const checkpoint = await openFolder(SHARDED)
  expect(checkpoint.names()).toEqual(Object.keys(expected.sharded))
  for (const [name, { shape, values }] of Object.entries(expected.sharded)) {
    expect([...(await checkpoint.tensor(name, shape))]).toEqual(values)
  }
  await checkpoint.close()
})

test('safetensors of either kind go first, and one file before shards', async () => {
  const index = indexOf({ c: 'c.bin' })
  const all = {
    'model.safetensors': weights,
    'c.safetensors': safetensors([ramp('c', [1])]),
    [INDEX]: indexOf({ c: 'c.safetensors' }),
    'pytorch_model.bin': torchZip(dict({ d: tensor() })),
    'c.bin': torchLegacy(dict({ c: tensor(), unlisted: tensor() })),
    [TORCH_INDEX]: index,
  }
  const names = async (without: readonly string[]) => {
    const files = Object.entries(all).filter(([file]) => !without.includes(file))
    const checkpoint = await openFolder(folder({ 'config.json': {}, ...Object.fromEntries(files) }))
    await checkpoint.close()
    return [checkpoint.names(), checkpoint.bytes]
  }
  expect(await names([])).toEqual([['a', 'b'], all['model.safetensors'].length])
  expect(await names(['model.safetensors'])).toEqual([['c'], all['c.safetensors'].length])
  const noSafetensors = ['model.safetensors', INDEX]
  expect(await names(noSafetensors)).toEqual([['d'], all['pytorch_model.bin'].length])
  expect(await names([...noSafetensors, 'pytorch_model.bin'])).toEqual([['c'], all['c.bin'].length])
})

test.each(['../x.bin', '/x.bin', '..\\x.bin', 'config.json', 'x.safetensors'])(
  'the index names %j',
  async (file) => {
    const dir = folder({ 'config.json': {}, [TORCH_INDEX]: indexOf({ a: file }) })
    expect(await inputError(openFolder(dir))).toBe(
      `${join(dir, TORCH_INDEX)}: weight_map must give a .bin file of the same folder for "a", ` +
        `got ${JSON.stringify(file)}; download it again`,
    )
  },
)

test('a shard that is missing, or lacks a tensor', async () => {
  const files = { 'config.json': {}, [TORCH_INDEX]: indexOf({ b: '1.bin' }) }
  const dir = folder(files)
  expect(await inputError(openFolder(dir))).toBe(
    `${join(dir, '1.bin')}: the weight file must exist, as ${join(dir, TORCH_INDEX)} names it, ` +
      'got no such file; download it',
  )
  const other = folder({ ...files, '1.bin': torchZip(dict({ a: tensor() })) })
  expect(await inputError(openFolder(other))).toBe(
    `${join(other, '1.bin')}: must hold the tensor "b", as ${join(other, TORCH_INDEX)} says, ` +
      'got a file without it; download both again',
  )
})

test('a Git LFS pointer, and a file that runs code', async () => {
  const pointer = 'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n'
  const cloned = folder({ 'config.json': {}, 'pytorch_model.bin': pointer })
  expect(await inputError(openFolder(cloned))).toMatch(
    /pytorch_model\.bin: .*got a Git LFS pointer; run "git lfs pull"/,
  )
  const evil = readFileSync('test/fixtures/torch/evil-os.system.new.bin')
  const dir = folder({ 'config.json': {}, 'pytorch_model.bin': evil })
  expect(await inputError(openFolder(dir))).toMatch(/pytorch_model\.bin: .*got the global posix\.system/)
})
