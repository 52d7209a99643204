/** Files that PyTorch wrote: test/fixtures/torch/make_torch.py, and the oracles. */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { openFile } from '../../src/checkpoints/node-file.js'
import { openSafetensors } from '../../src/checkpoints/safetensors.js'
import type { TensorFile } from '../../src/checkpoints/tensor-file.js'
import { openTorch } from '../../src/checkpoints/torch.js'
import { inputError, MemorySource, safetensors } from './helpers.js'
import { dict, NotingSource, type RawView, tensor, torchLegacy, torchZip } from './torch-helpers.js'

const FIXTURES = 'test/fixtures/torch'

interface Expected {
  dtype: string
  shape: number[]
  /** Infinity is text, and what is no weight null. */
  values: (number | string)[] | null
}
const expected = JSON.parse(readFileSync(`${FIXTURES}/expected.json`, 'utf8')) as Record<
  'state' | 'newer',
  Record<string, Expected>
>

/** Names of PyTorch's dtypes in safetensors. */
const DTYPES: Record<string, string> = {
  'torch.float32': 'F32',
  'torch.float16': 'F16',
  'torch.bfloat16': 'BF16',
  'torch.float64': 'F64',
  'torch.int64': 'I64',
  'torch.int32': 'I32',
  'torch.uint8': 'U8',
  'torch.bool': 'BOOL',
  'torch.complex64': 'C64',
  'torch.float8_e4m3fn': 'F8_E4M3',
  'torch.uint16': 'U16',
}

async function opened(file: string): Promise<{ file: TensorFile; source: NotingSource }> {
  const source = new NotingSource(file, readFileSync(`${FIXTURES}/${file}`))
  return { file: await openTorch(source), source }
}

async function expectTensors(file: TensorFile, tensors: Record<string, Expected>): Promise<void> {
  expect(file.names()).toEqual(Object.keys(tensors))
  for (const [name, { dtype, shape, values }] of Object.entries(tensors)) {
    expect(file.has(name)).toBe(true)
    expect(file.info(name)).toEqual({ dtype: DTYPES[dtype], shape })
    if (values === null) {
      expect(await inputError(file.read(name))).toContain(`got "${DTYPES[dtype]}"`)
      continue
    }
    const numbers = values.map((value) => (value === 'inf' ? Infinity : Number(value)))
    expect([...(await file.read(name))]).toEqual(numbers)
    if (shape.length === 0) continue
    const row = shape.slice(1).reduce((a, b) => a * b, 1)
    for (let first = 0; first <= shape[0]; first++) {
      for (let count = 0; first + count <= shape[0]; count++) {
        const rows = await file.rows(name, first, count)
        expect([...rows]).toEqual(numbers.slice(first * row, (first + count) * row))
      }
    }
  }
}

describe('files of PyTorch 2', () => {
  test.each(['new.bin', 'old.bin', 'new-protocol4.bin', 'old-protocol4.bin'])('%s', async (name) => {
    const { file, source } = await opened(name)
    await expectTensors(file, expected.state)
    expect([file.name, file.bytes]).toEqual([name, source.size])
    await file.close()
    expect(source.closed).toBe(1)
  })

  test('dtypes that have no storage class', async () => {
    await expectTensors((await opened('newer-dtypes.bin')).file, expected.newer)
  })

  test('storages inside others, which old versions had', async () => {
    const { file } = await opened('views.bin')
    expect([...(await file.read('a'))]).toEqual([13, 14])
  })

  test('what is no weight is refused as in safetensors', async () => {
    const { file } = await opened('new.bin')
    const int64 = [{ name: 'i64', dtype: 'I64', shape: [1], bytes: new Uint8Array(8) }]
    const other = await openSafetensors(new MemorySource('new.bin', safetensors(int64)))
    expect(await inputError(file.read('i64'))).toBe(await inputError(other.read('i64')))
    expect(await inputError(file.rows('i64', 0, 1))).toBe(await inputError(other.read('i64')))
  })

  test('a tensor that is missing; rows outside', async () => {
    const { file } = await opened('new.bin')
    const message =
      'new.bin: must hold the tensor "x", got a file without it; check that it is the right model'
    expect(await inputError(file.read('x'))).toBe(message)
    expect(await inputError(() => file.info('x'))).toBe(message)
    expect(file.has('x')).toBe(false)
    for (const [first, count] of [
      [1, 2],
      [-1, 1],
      [0, -1],
      [0.5, 1],
    ]) {
      await expect(file.rows('f32', first, count)).rejects.toThrow(/^torch rows: "f32" has shape \[2,3\]/)
    }
    await expect(file.rows('scalar', 0, 0)).rejects.toThrow(/^torch rows: /)
  })
})

describe('the oracles in the layout of mamba_ssm', () => {
  test('mamba1-original equals mamba1-hf', async () => {
    const original = await openTorch(await openFile('test/fixtures/oracle/mamba1-original/pytorch_model.bin'))
    const hf = await openSafetensors(await openFile('test/fixtures/oracle/mamba1-hf/model.safetensors'))
    // The head is tied to the embeddings; only the original names it.
    const inOriginal = hf.names().map((name) => name.replace('backbone.embeddings.', 'backbone.embedding.'))
    expect(original.names().sort()).toEqual([...inOriginal, 'lm_head.weight'].sort())
    for (const [i, name] of hf.names().entries()) {
      expect(original.info(inOriginal[i])).toEqual(hf.info(name))
      expect(await original.read(inOriginal[i])).toEqual(await hf.read(name))
    }
    expect(await original.read('lm_head.weight')).toEqual(await hf.read('backbone.embeddings.weight'))
    await original.close()
    await hf.close()
  })

  // Python: torch.load(...)[name].float(), for sorted names.
  test('mamba2-original', async () => {
    const file = await openTorch(await openFile('test/fixtures/oracle/mamba2-original/pytorch_model.bin'))
    const hash = createHash('sha256')
    for (const name of file.names().sort()) hash.update(await file.read(name))
    expect(hash.digest('hex')).toBe('fd5ccbc178af330cb40b2bc70b30ed31a864257e74054cc87fdfa35eb9b4b185')
    await file.close()
  })
})

describe('reads no more than it needs', () => {
  const large = new Float32Array(1_000_000).map((_, i) => i)
  const view: RawView = { length: 1_000_000, size: [1000, 1000], stride: [1000, 1] }
  const object = dict({
    whole: tensor(view),
    turned: tensor({ ...view, stride: [1, 1000] }),
    some: tensor({ ...view, offset: 5000, size: [10, 1000] }),
  })
  const bytes = new Uint8Array(large.buffer)

  test.each([
    ['new', torchZip(object, { 0: bytes })],
    ['old', torchLegacy(object, { storages: [['0', 1_000_000, bytes]] })],
  ])('%s', async (_, content) => {
    const source = new NotingSource('m.bin', content)
    const file = await openTorch(source)
    const since = () => source.reads.splice(0).reduce((sum, [, length]) => sum + length, 0)
    expect(since()).toBeLessThan(140_000)
    expect([...(await file.rows('whole', 998, 2))]).toEqual([...large.slice(998_000)])
    expect(since()).toBeLessThanOrEqual(8000 + 30) // and a header
    expect([...(await file.read('some'))]).toEqual([...large.slice(5000, 15_000)])
    expect(since()).toBeLessThanOrEqual(40_000 + 30)
    const column = Array.from({ length: 1000 }, (_, i) => 1000 * i + 7)
    expect([...(await file.rows('turned', 7, 1))]).toEqual(column)
    expect(since()).toBeLessThanOrEqual(999_001 * 4 + 30)
  })

  test('old, with pickles longer than the first piece', async () => {
    const more = Object.fromEntries(Array.from({ length: 800 }, (_, i) => [`t${i}`, tensor()]))
    const object = dict({ ...more, last: tensor({ offset: 2, size: [2], stride: [1] }) })
    expect(object.length).toBeGreaterThan(2 * 65_536)
    const file = await openTorch(new MemorySource('m.bin', torchLegacy(object)))
    expect(file.names().length).toBe(801)
    expect([...(await file.read('last'))]).toEqual([2, 3])
  })
})
