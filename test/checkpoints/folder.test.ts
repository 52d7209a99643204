/** Checkpoints in folders: the fixtures, and folders with something wrong. */
import { createHash } from 'node:crypto'
import { mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Checkpoint } from '../../src/checkpoints/checkpoint.js'
import { openFolder } from '../../src/checkpoints/folder.js'
import { openFile } from '../../src/checkpoints/node-file.js'
import { openSafetensors } from '../../src/checkpoints/safetensors.js'
import { folder, inputError, ramp, safetensors } from './helpers.js'

const ORACLE = 'test/fixtures/oracle/mamba1-hf'
/** The first embedded model, which is not trained anew. */
const TINY = 'test/fixtures/trained/first/tiny-mamba1'

/** SHA-256 of all tensors as little-endian float32, in the order of their sorted names. */
async function fingerprint(checkpoint: Checkpoint, names: readonly string[]): Promise<string> {
  const hash = createHash('sha256')
  for (const name of [...names].sort()) hash.update(await checkpoint.tensor(name, checkpoint.shape(name)))
  return hash.digest('hex')
}

async function namesIn(folder: string): Promise<string[]> {
  const file = await openSafetensors(await openFile(join(folder, 'model.safetensors')))
  const names = file.names()
  await file.close()
  return names
}

// Expected values: safetensors 0.8.0 and NumPy 2.4.6 (Python), load_file(...)[name].astype('<f4').
describe('checkpoints that Hugging Face libraries wrote', () => {
  test('float32', async () => {
    const checkpoint = await openFolder(ORACLE)
    const names = await namesIn(ORACLE)
    expect(names.length).toBe(52)
    expect(await fingerprint(checkpoint, names)).toBe(
      'c56dbf497bc5343eb6923a979b6d39ddd34646deab6aa0f9aa784c535ea9d8d3',
    )
    expect(checkpoint.bytes).toBe(181_752)
    expect([checkpoint.name, checkpoint.configFile]).toEqual([ORACLE, join(ORACLE, 'config.json')])
    expect(checkpoint.config).toMatchObject({ model_type: 'mamba', hidden_size: 32 })
    expect(await inputError(checkpoint.tokenizerJson())).toBe(
      `${join(ORACLE, 'tokenizer.json')}: the tokenizer must exist, got no such file; download it from the model's page`,
    )
    await checkpoint.close()
  })

  test('float16', async () => {
    const checkpoint = await openFolder(TINY, 'tiny-mamba1')
    const names = await namesIn(TINY)
    expect(names.length).toBe(242)
    expect(await fingerprint(checkpoint, names)).toBe(
      '6e6bcc787e2494e1e8042d8cf59533c0d19c94d074af235e8528e0064eac8f49',
    )
    expect([checkpoint.name, checkpoint.bytes]).toEqual(['tiny-mamba1', 6_670_928])
    const aLog = await checkpoint.tensor('backbone.layers.23.mixer.A_log', [256, 16])
    expect([...aLog.slice(0, 3), aLog.at(-1)]).toEqual([-0.11431884765625, 0.5771484375, 1.140625, 2.765625])
    const embeddings = await checkpoint.tensor('backbone.embeddings.weight', [4096, 128])
    const some = await checkpoint.rows('backbone.embeddings.weight', [4096, 128], 4000, 96)
    expect(some).toEqual(embeddings.slice(4000 * 128))
    expect(await checkpoint.tokenizerJson()).toMatchObject({ model: { type: 'BPE' } })
    await checkpoint.close()
  })
})

const INDEX = 'model.safetensors.index.json'
const TORCH_INDEX = 'pytorch_model.bin.index.json'
const weights = safetensors([ramp('a', [2, 3]), ramp('b', [4])])
const indexOf = (weightMap: unknown) => ({ metadata: { total_size: 1 }, weight_map: weightMap })

describe('tensors', () => {
  const open = () => openFolder(folder({ 'config.json': {}, 'model.safetensors': weights }))

  test('one that is missing', async () => {
    const checkpoint = await open()
    expect([checkpoint.has('a'), checkpoint.has('x')]).toEqual([true, false])
    const dir = checkpoint.name
    const message = `${dir}: the weights must hold the tensor "x", got none; check that ${checkpoint.configFile} belongs to them`
    expect(await inputError(checkpoint.tensor('x', [1]))).toBe(message)
    expect(await inputError(checkpoint.rows('x', [1], 0, 1))).toBe(message)
    expect(await inputError(() => checkpoint.shape('x'))).toBe(message)
    await checkpoint.close()
  })

  test.each([[[3, 2]], [[6]], [[2, 3, 1]], [[]]])('one of another shape than %j', async (shape) => {
    const checkpoint = await open()
    expect(checkpoint.shape('a')).toEqual([2, 3])
    const file = join(checkpoint.name, 'model.safetensors')
    const message = `${file}: tensor "a" must have shape [${shape}], got [2,3]; check that ${checkpoint.configFile} belongs to it`
    expect(await inputError(checkpoint.tensor('a', shape))).toBe(message)
    expect(await inputError(checkpoint.rows('a', shape, 0, 1))).toBe(message)
    await checkpoint.close()
  })
})

describe('shards', () => {
  const one = safetensors([ramp('a', [2]), ramp('both', [1])])
  const two = safetensors([ramp('b', [3], 2), ramp('both', [2], 5), ramp('unlisted', [1])])
  const files = {
    'config.json': {},
    'model-1-of-2.safetensors': one,
    'model-2-of-2.safetensors': two,
    [INDEX]: indexOf({
      a: 'model-1-of-2.safetensors',
      b: 'model-2-of-2.safetensors',
      both: 'model-2-of-2.safetensors',
    }),
  }

  test('each tensor comes from the shard that the index names, and the index says what there is', async () => {
    const checkpoint = await openFolder(folder(files))
    expect(await checkpoint.tensor('a', [2])).toEqual(Float32Array.of(0, 1))
    expect(await checkpoint.tensor('b', [3])).toEqual(Float32Array.of(0, 2, 4))
    expect(await checkpoint.tensor('both', [2])).toEqual(Float32Array.of(0, 5))
    expect(await checkpoint.rows('both', [2], 1, 1)).toEqual(Float32Array.of(5))
    expect(checkpoint.has('unlisted')).toBe(false)
    expect(checkpoint.bytes).toBe(one.length + two.length)
    await checkpoint.close()
  })

  test('model.safetensors goes first', async () => {
    const checkpoint = await openFolder(folder({ ...files, 'model.safetensors': weights }))
    expect([checkpoint.shape('a'), checkpoint.has('both')]).toEqual([[2, 3], false])
    await checkpoint.close()
  })

  test('one is missing', async () => {
    const { 'model-2-of-2.safetensors': _, ...rest } = files
    const dir = folder(rest)
    expect(await inputError(openFolder(dir))).toBe(
      `${join(dir, 'model-2-of-2.safetensors')}: the weight file must exist, as ${join(dir, INDEX)} names it, ` +
        'got no such file; download it',
    )
  })

  test('one lacks a tensor', async () => {
    const dir = folder({ ...files, 'model-2-of-2.safetensors': one })
    expect(await inputError(openFolder(dir))).toBe(
      `${join(dir, 'model-2-of-2.safetensors')}: must hold the tensor "b", as ${join(dir, INDEX)} says, ` +
        'got a file without it; download both again',
    )
  })

  test('one is cut short', async () => {
    const dir = folder({ ...files, 'model-2-of-2.safetensors': two.subarray(0, two.length - 1) })
    expect(await inputError(openFolder(dir))).toMatch(
      /model-2-of-2\.safetensors: tensor .* \(cut short\?\); download/,
    )
  })

  test.each([
    [[], 'weight_map must be an object, got undefined'],
    [{}, 'weight_map must be an object, got undefined'],
    [indexOf([]), 'weight_map must be an object, got []'],
    [indexOf({ a: 1 }), 'weight_map must give a .safetensors file of the same folder for "a", got 1'],
    [indexOf({ a: '../x.safetensors' }), 'for "a", got "../x.safetensors"'],
    [indexOf({ a: '/x.safetensors' }), 'for "a", got "/x.safetensors"'],
    [indexOf({ a: '..\\x.safetensors' }), 'for "a", got "..\\\\x.safetensors"'],
    [indexOf({ a: 'config.json' }), 'for "a", got "config.json"'],
    ['{"weight_map": ', 'must be JSON'],
  ])('the index is %j', async (index, expected) => {
    const dir = folder({ ...files, [INDEX]: index })
    const message = await inputError(openFolder(dir))
    expect(message.startsWith(`${join(dir, INDEX)}: `)).toBe(true)
    expect(message).toContain(expected)
  })
})

describe('what is missing', () => {
  test('the folder', async () => {
    const dir = join(folder({}), 'x')
    expect(await inputError(openFolder(dir))).toBe(
      `${dir}: the folder must exist, got no such folder; check the path`,
    )
  })

  test('the folder is a file, or cannot be looked at', async () => {
    const dir = folder({ file: 'x' })
    symlinkSync('circle', join(dir, 'circle'))
    expect(await inputError(openFolder(join(dir, 'file')))).toMatch(
      /file: must be a folder with config\.json and weights, got a file; check the path$/,
    )
    expect(await inputError(openFolder(join(dir, 'file', 'x')))).toMatch(/got ENOTDIR/)
    expect(await inputError(openFolder(join(dir, 'circle')))).toMatch(/got ELOOP/)
  })

  test('the config', async () => {
    const dir = folder({ 'model.safetensors': weights })
    expect(await inputError(openFolder(dir))).toBe(
      `${join(dir, 'config.json')}: the model's configuration must exist, got no such file; download it`,
    )
  })

  test('the weights', async () => {
    const dir = folder({ 'config.json': {}, 'tokenizer.json': {} })
    expect(await inputError(openFolder(dir))).toBe(
      `${dir}: weights must be model.safetensors or ${INDEX}, or pytorch_model.bin or ${TORCH_INDEX}, ` +
        'got none of them; download one, or check the folder',
    )
  })

  test('the weights: model.safetensors is a folder', async () => {
    const dir = folder({ 'config.json': {} })
    mkdirSync(join(dir, 'model.safetensors'))
    expect(await inputError(openFolder(dir))).toMatch(/model\.safetensors: must be a file, got a folder; /)
  })
})

describe('the config', () => {
  test('with infinities of either spelling', async () => {
    const config = '{"time_step_limit": [0.0, Infinity], "time_step_max": {"__float__": "Infinity"}}'
    const checkpoint = await openFolder(folder({ 'config.json': config, 'model.safetensors': weights }))
    expect(checkpoint.config).toEqual({ time_step_limit: [0, Infinity], time_step_max: Infinity })
    await checkpoint.close()
  })

  test.each([
    ['{\n  "hidden_size": 8\n  "x": 1}', / at line 3, column 3\); correct it or download it again$/],
    ['', /must be JSON \(/],
    ['[]', /must be a JSON object, got \[\]; correct it$/],
    ['null', /must be a JSON object, got null/],
    ['{"__float__": "NaN"}', /must be a JSON object/],
    [Uint8Array.of(0xff, 0xfe), /must be UTF-8 text/],
  ])('%j', async (config, expected) => {
    const dir = folder({ 'config.json': config, 'model.safetensors': weights })
    const message = await inputError(openFolder(dir))
    expect(message.startsWith(`${join(dir, 'config.json')}: `)).toBe(true)
    expect(message).toMatch(expected)
  })
})

describe('tokenizer.json', () => {
  test('is parsed as it is', async () => {
    const tokenizer = { model: { vocab: { Infinity: 0, é: 1 } }, tag: { __float__: 'NaN' } }
    const dir = folder({ 'config.json': {}, 'model.safetensors': weights, 'tokenizer.json': tokenizer })
    const checkpoint = await openFolder(dir)
    expect(await checkpoint.tokenizerJson()).toEqual(tokenizer)
    await checkpoint.close()
  })

  test.each([
    ['{"a"', /tokenizer\.json: must be JSON/],
    ['version https://git-lfs.github.com/spec/v1\n', /tokenizer\.json: .*Git LFS pointer/],
  ])('%j', async (content, expected) => {
    const dir = folder({ 'config.json': {}, 'model.safetensors': weights, 'tokenizer.json': content })
    const checkpoint = await openFolder(dir)
    expect(await inputError(checkpoint.tokenizerJson())).toMatch(expected)
    await checkpoint.close()
  })
})
